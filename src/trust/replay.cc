#include "trust/replay.h"

namespace hpcc {
namespace {

Error refuse(const std::string& what) { return Error{Code::kPermission, "replay: " + what}; }

}  // namespace

Status check_replayable(const SignedRow& row) {
  if (row.signature.empty()) {
    return Error{Code::kUnsupported, "the row is a client's own record: no worker has its inputs or vouches for it"};
  }
  if (row.row.replayable != Replayable::kYes) {
    return Error{Code::kUnsupported, "a flag of this row was redacted as a secret: it cannot be replayed"};
  }
  switch (row.row.disposition) {
    case Disposition::kCompiled:
    case Disposition::kHit:
    case Disposition::kReplay:
      return {};
    case Disposition::kLost:
      return Error{Code::kUnsupported, "the row's compile was lost before it ended: there is nothing to compare with"};
    case Disposition::kFallback:
    case Disposition::kBypass:
      return Error{Code::kUnsupported, "no worker ran the row's command"};
  }
  return Error{Code::kUnsupported, "a row of an unknown kind"};
}

const std::string& replayed_row_id(const AuditRow& row) {
  return row.disposition == Disposition::kHit ? row.compiled_row_id : row.row_id;
}

std::vector<std::string> replay_differences(const AuditRow& was, const AuditRow& is) {
  std::vector<std::string> out;
  const auto compare = [&](const char* what, const std::string& before, const std::string& now) {
    const auto text = [](const std::string& value) { return value.empty() ? std::string("none") : value; };
    if (before != now) out.push_back(std::string(what) + " was " + text(before) + ", is " + text(now));
  };
  compare("image", was.image_digest, is.image_digest);
  compare("inputs", was.source_digest, is.source_digest);
  compare("action", was.action_digest, is.action_digest);
  compare("flags", was.flags, is.flags);
  compare("exit code", std::to_string(was.exit), std::to_string(is.exit));
  compare("outputs", was.output_digest, is.output_digest);
  compare("object", was.object_digest, is.object_digest);
  compare("messages", was.stdio_digest, is.stdio_digest);
  compare("probes", was.probes_digest, is.probes_digest);
  return out;
}

Result<CheckedReplay> check_replay(const Receipt& receipt, const SignedRow& old, const PublicKey& worker_key) {
  TRY_ASSIGN(SignedRow row, decode_row(receipt.row));
  const std::string& worker = old.row.worker;
  if (!row_signature_ok(row, worker_key)) return refuse("the answer is not signed by worker " + worker);
  if (row.row.worker != worker || row.row.tenant != old.row.tenant) return refuse("the answer is of another worker");
  if (row.row.disposition != Disposition::kReplay || row.row.compiled_row_id != replayed_row_id(old.row)) {
    return refuse("the answer is not about a replay of this row");
  }
  if (row.row.vm.empty() || row.row.vm == old.row.vm) return refuse("it did not run in a sandbox of its own");
  CheckedReplay out;
  TRY_ASSIGN(out.checkpoint, check_in_log(receipt, worker, worker_key));
  out.differences = replay_differences(old.row, row.row);
  out.row = std::move(row.row);
  return out;
}

}  // namespace hpcc
