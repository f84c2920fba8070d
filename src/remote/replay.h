// `hpcc replay`: has the worker of a row run its action again, and judges the answer by the two signed rows.
#pragma once

#include <string>

#include "base/deadline.h"
#include "base/result.h"
#include "trust/replay.h"

namespace hpcc {

struct Replayed {
  CheckedReplay replay;
  uint64_t row_number = 0;  // of the replay's own row in the worker's log, from 1
};

// `line` is a row of this client's tenant. An Error when it could not be replayed, or the answer does not hold.
Result<Replayed> replay_row(const std::string& client_dir, const std::string& line, Deadline deadline);

}  // namespace hpcc
