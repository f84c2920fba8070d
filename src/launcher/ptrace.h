// The tracer's second way, for where a seccomp listener is refused (another one is in force): the same filter stops
// each watched system call at a ptrace event.
#pragma once

#include <sys/types.h>

#include "launcher/outputs.h"
#include "launcher/tracer.h"

namespace hpcc::launcher {

// Waits for the child's first stop and sets the options. False when the child cannot be traced after all; it goes on.
bool adopt_tracee(pid_t child);
// Serves the whole process tree until `child` has ended; returns its wait status.
int watch_ptrace(pid_t child, Tracer& tracer, Outputs& outputs);

}  // namespace hpcc::launcher
