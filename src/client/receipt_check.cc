#include "client/receipt_check.h"

#include "base/fs.h"
#include "trust/grant.h"

namespace hpcc {
namespace {

Error refuse(const std::string& what) { return Error{Code::kPermission, what, 0}; }

}  // namespace

Result<ClientConfig> ReceiptCheck::config() {
  std::lock_guard lock(mutex_);
  if (!config_) {
    TRY_ASSIGN(ClientConfig loaded, load_client_config(client_dir_ + "/client.toml"));
    config_ = std::move(loaded);
  }
  return *config_;
}

Result<AuditRow> ReceiptCheck::check(const remote::RemoteResult& result, const AskedFor& asked) {
  TRY_ASSIGN(ClientConfig client, config());
  std::optional<PublicKey> scheduler = PublicKey::from_hex(client.scheduler_key);
  if (!scheduler) return refuse("client.toml: scheduler_key is no key");
  Result<Grant> grant = decode_grant(result.grant, *scheduler);
  if (!grant.ok()) {
    // The scheduler may have been set up anew since: look at the file once more next time.
    std::lock_guard lock(mutex_);
    config_.reset();
    return grant.error();
  }
  const uint64_t now_s = static_cast<uint64_t>(realtime_ns() / 1000000000);
  if (grant->tenant != client.tenant) return refuse("grant: for tenant " + grant->tenant);
  if (grant->image != asked.image) return refuse("grant: for image " + grant->image);
  if (grant->worker != result.worker) return refuse("grant: for worker " + grant->worker);
  if (now_s + kGrantClockSlack_s < grant->not_before_s || asked.asked_s > grant->expires_s + kGrantClockSlack_s) {
    return refuse("grant: not valid when the worker was asked");
  }
  ExpectedReceipt expected;
  expected.worker_key = grant->worker_key;
  expected.worker = grant->worker;
  expected.tenant = client.tenant;
  expected.image = asked.image;
  expected.source_digest = asked.input_root.digest.hex();
  expected.action_digest = asked.action.hex();
  std::vector<OutputName> outputs;
  for (const remote::RemoteOutput& output : result.outputs) {
    const std::string path = lexically_normal(join_path("/" + asked.working_directory, output.path)).substr(1);
    outputs.push_back({path, output.content.digest.hex(), output.executable});
  }
  expected.output_digest = outputs_digest(std::move(outputs));
  expected.stdio_digest = stdio_digest_of(BlobDigest::of(result.stdout_text), BlobDigest::of(result.stderr_text));
  expected.exit = result.exit_code;
  const Receipt receipt{result.row,       result.leaf_index, result.checkpoint,
                        result.inclusion, result.probes,     result.consistency};
  TRY_ASSIGN(CheckedReceipt checked, check_receipt(receipt, expected));
  TRY(seen_.see(receipt, grant->worker_key, asked.seen));
  return std::move(checked.row);
}

}  // namespace hpcc
