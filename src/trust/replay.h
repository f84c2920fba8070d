// Replay: a row's action run again in a sandbox booted for it. What can be replayed, what must come out the same, and
// how whoever asked checks the answer by itself: from two rows that the worker signed, not from its word.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "trust/receipt.h"
#include "trust/row.h"

namespace hpcc {

// Why a row cannot be replayed, if so: lost, redacted, or a client's own record.
Status check_replayable(const SignedRow& row);

// The row_id that a replay names as its compiled_row_id: of a hit that of the compile it served.
const std::string& replayed_row_id(const AuditRow& row);

// What differs between a row and its replay, a sentence each, for people. Empty: equal.
std::vector<std::string> replay_differences(const AuditRow& was, const AuditRow& is);

struct CheckedReplay {
  AuditRow row;
  Checkpoint checkpoint;
  std::vector<std::string> differences;
};
// kPermission unless the receipt holds a row of this worker, in its log, about a replay of `old` in another sandbox.
Result<CheckedReplay> check_replay(const Receipt& receipt, const SignedRow& old, const PublicKey& worker_key);

}  // namespace hpcc
