#include "wire/volatile.h"

namespace hpcc {

Volatile volatile_kind(std::string_view path, frame::Op op) {
  static constexpr std::string_view kRead[] = {
      "/dev/null",         "/dev/tty",          "/dev/urandom",        "/dev/random",
      "/proc/self/maps",   "/proc/meminfo",     "/proc/stat",          "/proc/sys/vm/overcommit_memory",
      "/proc/filesystems", "/proc/self/cgroup", "/proc/self/mountinfo"};
  static constexpr std::string_view kTrees[] = {"/sys/devices/system/cpu", "/sys/fs/cgroup",
                                                "/sys/kernel/mm/transparent_hugepage"};
  const bool kernel = path.starts_with("/proc/") || path.starts_with("/sys/") || path.starts_with("/dev/");
  if (path == "/proc" || path == "/sys" || path == "/dev") return Volatile::kIgnore;
  if (!kernel || path == "/dev/shm" || path.starts_with("/dev/shm/")) return Volatile::kNo;
  for (std::string_view ignored : kRead) {
    if (path == ignored) return Volatile::kIgnore;
  }
  for (std::string_view tree : kTrees) {
    if (path.starts_with(tree)) return Volatile::kIgnore;
  }
  // Names of the process's own descriptors and program may be looked at, but what is behind them may not be read.
  const bool reads = op == frame::Op::kRead || op == frame::Op::kExec || op == frame::Op::kList;
  return path.starts_with("/proc/self/") && !reads ? Volatile::kIgnore : Volatile::kRefuse;
}

}  // namespace hpcc
