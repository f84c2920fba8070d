#include "agent/cgroup.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/fs.h"

namespace hpcc {

Result<CompileCgroup> CompileCgroup::create(int parent, unsigned slot, const v1::Limits& limits) {
  CompileCgroup group;
  if (parent < 0) return group;
  group.parent_ = parent;
  group.name_ = "compile" + std::to_string(slot);
  unlinkat(parent, group.name_.c_str(), AT_REMOVEDIR);
  if (mkdirat(parent, group.name_.c_str(), 0755) != 0) return errno_error("mkdir cgroup " + group.name_);
  group.self_ = Fd(openat(parent, group.name_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!group.self_) return errno_error("open cgroup " + group.name_);
  TRY(group.set("pids.max", std::to_string(limits.processes())));
  // What the compile writes to its tmpfs is charged to it as well. Never all that the guest has: what ends for want of
  // memory is then the compile, by its own limit.
  struct sysinfo guest;
  if (sysinfo(&guest) != 0) return errno_error("sysinfo");
  const uint64_t guest_bytes = uint64_t{guest.totalram} * guest.mem_unit;
  const uint64_t bytes = std::min(limits.memory_bytes() + limits.disk_bytes(), guest_bytes - guest_bytes / 8);
  TRY(group.set("memory.max", std::to_string(bytes)));
  // A compile that lost one process to the limit can still end with code 0: end all of it.
  TRY(group.set("memory.oom.group", "1"));
  return group;
}

Status CompileCgroup::set(const char* file, const std::string& value) {
  Fd fd(openat(self_.get(), file, O_WRONLY | O_CLOEXEC));
  if (!fd) return errno_error(std::string("open cgroup ") + file);
  return write_fd(fd.get(), value, std::string("cgroup ") + file);
}

Status CompileCgroup::add(pid_t pid) { return active() ? set("cgroup.procs", std::to_string(pid)) : Status(); }

bool CompileCgroup::hit_memory_limit() const {
  if (!active()) return false;
  Fd fd(openat(self_.get(), "memory.events", O_RDONLY | O_CLOEXEC));
  if (!fd) return false;
  Result<std::string> events = read_fd(fd.get(), 4096, "memory.events");
  const size_t at = events.ok() ? events->find("oom_kill ") : std::string::npos;
  return at != std::string::npos && (*events)[at + 9] != '0';
}

Status CompileCgroup::remove() {
  if (!active()) return {};
  self_.reset();
  if (unlinkat(parent_, name_.c_str(), AT_REMOVEDIR) != 0) return errno_error("remove cgroup " + name_);
  return {};
}

}  // namespace hpcc
