// What the scheduler says of its workers and their sessions, for `hpcc status` and `hpcc up`.
#pragma once

#include <hpcc/v1/scheduler.pb.h>

#include <string>

#include "base/deadline.h"
#include "base/result.h"

namespace hpcc {

Result<v1::StatusResponse> ask_status(const std::string& client_dir, Deadline deadline);
// Until the worker at that address is registered.
Status wait_for_worker(const std::string& client_dir, const std::string& address, Deadline deadline);

std::string status_text(const v1::StatusResponse& status);
// The members, without the braces: `hpcc status --json` puts its own before them.
std::string status_json(const v1::StatusResponse& status);

}  // namespace hpcc
