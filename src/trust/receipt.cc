#include "trust/receipt.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/fs.h"

namespace hpcc {

namespace {

Error refuse(const std::string& what) { return Error{Code::kPermission, "receipt: " + what}; }

Status check_columns(const AuditRow& row, const ExpectedReceipt& expected) {
  if (row.worker != expected.worker) return refuse("of worker " + row.worker + ", asked " + expected.worker);
  if (row.tenant != expected.tenant) return refuse("for tenant " + row.tenant + ", not " + expected.tenant);
  if (row.image_digest != expected.image) return refuse("image " + row.image_digest + ", asked " + expected.image);
  if (row.source_digest != expected.source_digest) return refuse("for another input tree");
  if (row.action_digest != expected.action_digest) return refuse("for another action");
  if (row.output_digest != expected.output_digest) return refuse("the outputs are not those it names");
  if (row.stdio_digest != expected.stdio_digest) return refuse("the output text is not that it names");
  if (row.exit != expected.exit) return refuse("for another exit code");
  if (row.disposition != Disposition::kCompiled && row.disposition != Disposition::kHit) {
    return refuse("of kind " + std::string(disposition_name(row.disposition)));
  }
  return {};
}

}  // namespace

Result<CheckedReceipt> check_receipt(const Receipt& receipt, const ExpectedReceipt& expected) {
  TRY_ASSIGN(SignedRow row, decode_row(receipt.row));
  if (!row_signature_ok(row, expected.worker_key)) {
    return refuse("not signed by worker " + expected.worker + "'s key " + expected.worker_key.hex().substr(0, 16));
  }
  TRY(check_columns(row.row, expected));
  const std::string probes = receipt.probes.empty() ? "" : BlobDigest::of(receipt.probes).hex();
  if (probes != row.row.probes_digest) return refuse("the probes are not those it names");
  CheckedReceipt out;
  TRY_ASSIGN(out.checkpoint, check_in_log(receipt, expected.worker, expected.worker_key));
  out.row = std::move(row.row);
  return out;
}

Result<Checkpoint> check_in_log(const Receipt& receipt, const std::string& worker, const PublicKey& key) {
  TRY_ASSIGN(Checkpoint checkpoint, decode_checkpoint(receipt.checkpoint, key));
  if (checkpoint.origin != checkpoint_origin(worker)) return refuse("a checkpoint of another log");
  std::vector<TreeHash> proof;
  for (const std::string& step : receipt.inclusion) {
    TreeHash hash;
    if (step.size() != 32 || proof.size() >= 64) return refuse("malformed proof of inclusion");
    memcpy(hash.bytes.data(), step.data(), 32);
    proof.push_back(hash);
  }
  if (!verify_inclusion(leaf_hash(receipt.row), receipt.leaf_index, checkpoint.size, proof, checkpoint.root)) {
    return refuse("its row is not in the log");
  }
  return checkpoint;
}

std::string SeenCheckpoints::path_of(std::string_view origin) const {
  return directory_ + "/" + BlobDigest::of(origin).hex().substr(0, 32) + ".checkpoint";
}

Result<std::string> SeenCheckpoints::last(std::string_view worker) const {
  return read_file(path_of(checkpoint_origin(worker)), kCheckpointBytes);
}

Status SeenCheckpoints::see(const std::string& note, const PublicKey& key) const {
  TRY_ASSIGN(Checkpoint fresh, decode_checkpoint(note, key));
  const std::string path = path_of(fresh.origin);
  Result<std::string> kept = read_file(path, kCheckpointBytes);
  if (kept.ok()) {
    Result<Checkpoint> old = decode_checkpoint(*kept, key);
    // A note of an earlier key (the worker was set up anew) proves nothing about this one, and is replaced.
    if (old.ok() && old->size == fresh.size && old->root != fresh.root) {
      return Error{Code::kPermission, fresh.origin + " signed two different trees of " + std::to_string(fresh.size) +
                                          " rows: its history was rewritten (" + path + " holds the earlier)"};
    }
    if (old.ok() && old->size >= fresh.size) return {};
  }
  TRY(make_directories(directory_, 0700));
  std::string temporary = path + ".XXXXXX";
  Fd fd(mkostemp(temporary.data(), O_CLOEXEC));
  if (!fd) return errno_error("create " + temporary);
  Status written = write_fd(fd.get(), note, temporary);
  if (written.ok() && rename(temporary.c_str(), path.c_str()) != 0) written = errno_error("rename to " + path);
  if (!written.ok()) unlink(temporary.c_str());
  return written;
}

}  // namespace hpcc
