#include "trust/receipt.h"

#include <charconv>

#include "base/fs.h"

namespace hpcc {

namespace {

constexpr size_t kProofSteps = 65;

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

Result<std::vector<TreeHash>> decode_proof(const std::vector<std::string>& steps) {
  std::vector<TreeHash> proof;
  for (const std::string& step : steps) {
    TreeHash hash;
    if (step.size() != hash.bytes.size() || proof.size() >= kProofSteps) return refuse("malformed proof");
    memcpy(hash.bytes.data(), step.data(), step.size());
    proof.push_back(hash);
  }
  return proof;
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
  TRY_ASSIGN(const std::vector<TreeHash> proof, decode_proof(receipt.inclusion));
  if (!verify_inclusion(leaf_hash(receipt.row), receipt.leaf_index, checkpoint.size, proof, checkpoint.root)) {
    return refuse("its row is not in the log");
  }
  return checkpoint;
}

std::string SeenCheckpoints::path_of(std::string_view origin) const {
  return directory_ + "/" + BlobDigest::of(origin).hex().substr(0, 32) + ".checkpoint";
}

namespace {

constexpr const char* kUnproved = ".unproved";

}  // namespace

std::vector<std::string> SeenCheckpoints::kept(std::string_view worker) const {
  std::vector<std::string> out;
  const std::string path = path_of(checkpoint_origin(worker));
  for (const std::string& one : {path, path + kUnproved}) {
    Result<std::string> note = read_file(one, kCheckpointBytes);
    if (note.ok()) out.push_back(std::move(*note));
  }
  return out;
}

uint64_t SeenCheckpoints::rows(std::string_view worker) const {
  Result<std::string> note = read_file(path_of(checkpoint_origin(worker)), kCheckpointBytes);
  const size_t line = note.ok() ? note->find('\n') : std::string::npos;
  if (line == std::string::npos) return 0;
  uint64_t rows = 0;
  (void)std::from_chars(note->data() + line + 1, note->data() + note->size(), rows);
  return rows;
}

Status SeenCheckpoints::see(const Receipt& receipt, const PublicKey& key) const {
  TRY_ASSIGN(Checkpoint fresh, decode_checkpoint(receipt.checkpoint, key));
  const std::string path = path_of(fresh.origin);
  const auto read = [&](const std::string& file) -> Result<Checkpoint> {
    TRY_ASSIGN(std::string note, read_file(file, kCheckpointBytes));
    return decode_checkpoint(note, key);
  };
  Result<Checkpoint> old = read(path);
  // A note of an earlier key (the worker was set up anew) proves nothing about this one, and is replaced.
  if (!old.ok()) return keep(path, receipt.checkpoint);
  if (old->size > fresh.size) return {};
  const auto rewritten = [&]() {
    return Error{Code::kPermission, fresh.origin + " signed a tree of " + std::to_string(fresh.size) +
                                        " rows that does not extend the one of " + std::to_string(old->size) +
                                        ": its history was rewritten (" + path + " holds the earlier)"};
  };
  if (old->size == fresh.size) return old->root == fresh.root ? Status() : rewritten();
  if (receipt.consistent_from != old->size) {
    Result<Checkpoint> unproved = read(path + kUnproved);
    return unproved.ok() && unproved->size >= fresh.size ? Status() : keep(path + kUnproved, receipt.checkpoint);
  }
  TRY_ASSIGN(const std::vector<TreeHash> proof, decode_proof(receipt.consistency));
  if (!verify_consistency(old->size, fresh.size, old->root, fresh.root, proof)) return rewritten();
  return keep(path, receipt.checkpoint);
}

Status SeenCheckpoints::keep(const std::string& path, const std::string& note) const {
  TRY(make_directories(directory_, 0700));
  return replace_file(path, note, 0600, Sync::kNo);
}

}  // namespace hpcc
