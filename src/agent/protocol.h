// What the agent accepts from the host: every frame is checked here before anything is done with it.
#pragma once

#include <hpcc/v1/agent.pb.h>

#include "base/result.h"

namespace hpcc {

// Ids' order and the cache's bound are the session's to check; this is everything a frame alone can tell.
Status check_host_frame(const v1::HostFrame& frame);
Status check_compile(const v1::Compile& compile);

}  // namespace hpcc
