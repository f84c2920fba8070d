#include "trust/receipt.h"

#include <cstring>

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

}  // namespace

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

}  // namespace hpcc
