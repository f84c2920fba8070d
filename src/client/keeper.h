// Keeper: serves the compiler of a launcher that was killed. The launcher lends the engine its listener and its ends of
// the compiler's pipes (frame::Type::kLend); when the launcher's connection ends before the compile did, every system
// call that waits is let go on and every message is thrown away, until the compiler and its children have ended.
#pragma once

#include <vector>

#include "base/fd.h"

namespace hpcc {

// Whether fd is what a launcher may lend: a seccomp listener or a pipe.
bool may_keep(int fd);

// Serves fd once if something waits there; never blocks. False at its end.
bool tend(int fd);

// Tends all of them until their ends, or until nothing has happened for `quiet_ms`.
void tend_all(std::vector<Fd> kept, int quiet_ms);

}  // namespace hpcc
