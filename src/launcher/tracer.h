// The tracer: sees every path a compiler's process tree opens, stats, probes, executes or changes, by a seccomp
// user-notification listener, or by ptrace where another listener is in the way. It looks at each path itself just
// before the system call goes on and hands on what it saw as events of launcher/frame.h. x86_64 and aarch64. Used by
// the launcher and by the guest's agent.
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "launcher/frame.h"
#include "launcher/sys.h"

namespace hpcc::launcher {

// In the child, before exec: installs the filter and returns the listener (a descriptor), or -1 (errno set).
int install_listener();
// In the child, after PTRACE_TRACEME: the same filter, stopping at the tracer instead. 0 or -1.
int install_trace_filter();
// Sends bytes and up to frame::kLentDescriptors descriptors in one message; false when not all of it went.
bool send_descriptors(int socket, const void* bytes, size_t size, const int* fds, size_t count);
// In the parent: the child's listener, or -1 and in `byte` what the child sent instead.
int receive_descriptor(int socket, char* byte);

// Where chunks of events go. False turns recording off; the compile goes on.
struct EventSink {
  bool (*deliver)(void* context, const char* events, size_t size) = nullptr;  // nullptr: nothing is recorded
  void* context = nullptr;
};

class Tracer {
 public:
  // `proc` is a directory descriptor of a /proc that shows the traced processes, for where this process's own view has
  // none; -1: "/proc". Paths are looked at in this process's view of the files, which must be the traced ones'.
  explicit Tracer(EventSink sink, int proc = -1);

  // Handles one notification that poll() announced. False when the listener is of no more use.
  bool handle(int listener);
  // One system call that `pid` is about to do, however it was caught.
  void system_call(pid_t pid, uint32_t arch, long number, const uint64_t* args);
  // Records a path as `op` would see it; `pid` for relative paths once some process changed its directory.
  void record(frame::Op op, pid_t pid, int dirfd, const char* path);
  void flush();

  uint32_t finish_flags() const {
    return saw_exec_ ? flags_ : flags_ | frame::kUntraced;
  }  // frame::kForeign, kNetwork, kUntraced
  // A call was caught that cannot be looked at: nothing may be stored.
  void lost_sight() { flags_ |= frame::kForeign; }
  bool recording() const { return sink_.deliver != nullptr; }

 private:
  struct Call;
  void observe(const Call& call);
  void observe_open(const Call& call, uint64_t path, int dirfd, uint64_t open_flags);
  void observe_path(frame::Op op, const Call& call, int dirfd, uint64_t path);
  bool read_path(pid_t pid, uint64_t address, Path* out);
  bool seen(uint64_t hash);

  EventSink sink_;
  int proc_;
  uint32_t flags_ = 0;
  bool saw_exec_ = false;  // the compiler's own execve: without it nothing was traced at all
  bool directory_changed_ = false;
  size_t seen_count_ = 0;
  uint64_t exec_count_ = 0;
  size_t used_ = 0;
  static constexpr size_t kSeenSlots = 16384;
  static constexpr size_t kBufferBytes = 64 * 1024;
  uint64_t* seen_;  // open addressing; when three quarters are used, later repeats are sent again
  char* buffer_;
};

}  // namespace hpcc::launcher
