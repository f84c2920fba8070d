// Confinement: what a process that will read hostile bytes gives up first. Taken between fork and exec (base/child.h),
// and, for what only our own code can know, by the process itself (restrict_syscalls).
//
// Always: no new privileges, no core file, no supplementary groups but those named, and no system calls that reach
// other processes, the network, mounts, keys or seldom used parts of the kernel (EPERM; for QEMU and mksquashfs, which
// are not ours, that is the whole filter). As root besides: a uid and gid that no other process has, no network and no
// System V IPC. Landlock where the kernel has it (since 5.13).
#pragma once

#include <linux/filter.h>
#include <sys/types.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"

namespace hpcc {

// The uid of a confined process started by root is this plus its pid: nobody else's, for as long as it lives. The range
// is below that of containers' and above that of users' accounts.
inline constexpr uid_t kOwnUidBase = 0x5e000000;

struct Confinement {
  uint64_t memory_bytes = 0;  // address space; 0: not limited, as are the next
  uint64_t file_bytes = 0;    // of each file it writes
  uint64_t cpu_s = 0;
  uint32_t descriptors = 64;
  uint32_t threads = 0;  // all of its uid; without an own uid not limited
  std::vector<gid_t> groups;
  std::vector<std::string> readable, writable;  // files and trees; nothing else can be opened. Absent ones are left out
};

// What programs that are not linked statically read to start: added to `readable` of those that may be such.
std::vector<std::string> program_libraries();

// A confinement made ready by the parent, so that a child of fork() needs system calls only.
class PreparedConfinement {
 public:
  // `program`: the file that will be executed, readable besides.
  static Result<PreparedConfinement> prepare(const Confinement& what, const std::string& program);
  // In the child. Async-signal-safe. 0, or errno of what was refused.
  int apply() const;

 private:
  PreparedConfinement() = default;
  Confinement what_;
  Fd ruleset_;  // Landlock's; none where the kernel has none
};

// From now on only these system calls and those any process needs (memory, clocks, exit, read, write, close, poll); any
// other ends the process. SYS_clone allows threads only. Ours have no way back: threads started later inherit it.
// `refused` fail with EACCES instead: what a library tries and can do without.
Status restrict_syscalls(std::span<const int> allowed, std::span<const int> refused = {});

}  // namespace hpcc
