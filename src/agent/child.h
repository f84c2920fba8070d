// The compile itself: from a forked process to the compiler, confined on the way. Everything here runs between fork and
// exec in a process of its own.
#pragma once

#include <hpcc/v1/agent.pb.h>

namespace hpcc {

struct ChildSetup {
  const v1::Compile* compile = nullptr;
  unsigned uid = 0;
  bool own_uid = false;     // `uid` is this compile's alone; else a user namespace keeps it apart
  uint64_t file_bytes = 0;  // the largest file that it may write
  int null = -1, out = -1, err = -1;
  int listener_socket = -1;  // the observer's end of it receives the seccomp listener
};

// Exits with kChildFailed after writing the reason to `err`, when the compiler cannot be started; before it has sent
// its listener, unless there is no such program.
inline constexpr int kChildFailed = 127;
[[noreturn]] void become_compile(const ChildSetup& setup);

}  // namespace hpcc
