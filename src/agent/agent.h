// hpcc-agent: first process of a guest. Two parts: this one, small and single-threaded, prepares the place, starts a
// supervisor for each compile and reaps; the other, its first child, speaks gRPC to the host (agent/server.h).
#pragma once

#include "agent/site.h"

namespace hpcc {

// The agent's whole life. Returns the exit code in a namespace sandbox; resets the machine in a microVM.
int run_agent(GuestKind kind);

}  // namespace hpcc
