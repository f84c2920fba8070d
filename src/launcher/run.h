// RUN: the launcher forks the compiler, traces and captures it as the engine asked, and reports back.
#pragma once

#include "launcher/engine_link.h"

namespace hpcc::launcher {

// `reply` is the payload of a kRun frame. Returns the exit code for this process; dies of the compiler's signal if the
// compiler did. Closes `engine`. `daemon`: where the daemon is that answered, or nullptr.
int run_compiler(const char* driver, char** argv, int engine, Buffer& reply, const Places* daemon);

}  // namespace hpcc::launcher
