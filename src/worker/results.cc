#include "worker/results.h"

#include <unistd.h>

#include "base/fs.h"
#include "base/limits.h"
#include "worker/action.h"

namespace hpcc {
namespace {

constexpr size_t kResultBytes = 32u << 20;

// The digest of one of a result's messages; none set stands for empty.
BlobDigest message_digest(bool is_set, const reapi::Digest& digest) {
  if (!is_set) return BlobDigest::of("");
  return BlobDigest::from_hex(digest.hash()).value_or(BlobDigest{});
}

}  // namespace

std::string output_digest_of(const reapi::ActionResult& result, const std::string& working_directory) {
  std::vector<OutputName> outputs;
  for (const auto& file : result.output_files()) {
    outputs.push_back({from_root(working_directory, file.path()), file.digest().hash(), file.is_executable()});
  }
  return outputs_digest(std::move(outputs));
}

std::string stdio_digest_of(const reapi::ActionResult& result) {
  return stdio_digest_of(message_digest(result.has_stdout_digest(), result.stdout_digest()),
                         message_digest(result.has_stderr_digest(), result.stderr_digest()));
}

std::string Results::path(const std::string& tenant, const BlobDigest& action) const {
  const std::string hex = action.hex();
  return cas_.dir() + "/" + tenant + "/results/" + hex.substr(0, 2) + "/" + hex;
}

Result<Results::Found> Results::find(const std::string& tenant, const BlobDigest& action) {
  const std::string file = path(tenant, action);
  auto bytes = read_file(file, kResultBytes);
  if (!bytes.ok()) {
    if (bytes.error().code == Code::kNotFound) return Error{Code::kNotFound, "no result for this action"};
    return std::move(bytes).error();
  }
  auto found = check(tenant, action, *bytes);
  if (found.ok()) return found;
  if (found.error().code != Code::kNotFound) {
    fprintf(stderr, "hpcc-worker: removed %s: %s\n", file.c_str(), found.error().to_string().c_str());
  }
  ::unlink(file.c_str());
  return Error{Code::kNotFound, "no result for this action"};
}

Result<Results::Found> Results::check(const std::string& tenant, const BlobDigest& action, std::string_view bytes) {
  Found found;
  if (!found.stored.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return Error{Code::kCorrupt, "a stored result is malformed"};
  }
  TRY_ASSIGN(const SignedRow row, decode_row(found.stored.row()));
  const reapi::ActionResult& result = found.stored.result();
  if (!row_signature_ok(row, key_)) return Error{Code::kCorrupt, "a stored result's row is not signed by this worker"};
  if (row.row.tenant != tenant || row.row.action_digest != action.hex() || row.row.exit != 0 ||
      result.exit_code() != 0 || row.row.disposition != Disposition::kCompiled ||
      row.row.output_digest != output_digest_of(result, found.stored.working_directory()) ||
      row.row.stdio_digest != stdio_digest_of(result) ||
      row.row.probes_digest != BlobDigest::of(found.stored.probes()).hex()) {
    return Error{Code::kCorrupt, "a stored result is not what its row says"};
  }
  const auto is_there = [&](const reapi::Digest& digest) {
    const auto blob = decode_digest(digest);
    return blob.ok() && cas_.has(tenant, *blob);
  };
  bool complete = (!result.has_stdout_digest() || is_there(result.stdout_digest())) &&
                  (!result.has_stderr_digest() || is_there(result.stderr_digest()));
  for (const auto& file : result.output_files()) complete = complete && is_there(file.digest());
  if (!complete) return Error{Code::kNotFound, "a stored result's blobs are gone"};
  found.row = row.row;
  return found;
}

Status Results::put(const std::string& tenant, const BlobDigest& action, const hpcc::v1::StoredResult& stored) {
  const std::string file = path(tenant, action);
  TRY(make_directories(std::string(directory_of(file)), 0700));
  return replace_file(file, stored.SerializeAsString(), 0600, Sync::kNo);
}

}  // namespace hpcc
