#include "agent/usage.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <set>
#include <string>

#include "base/fd.h"
#include "base/fs.h"

namespace hpcc {
namespace {

constexpr size_t kStatBytes = 4096;

std::string read_at(int proc, const std::string& name) {
  Fd fd(openat(proc, name.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return "";
  Result<std::string> text = read_fd(fd.get(), kStatBytes, name);
  return text.ok() ? *text : "";
}

// 0 when it has ended. In /proc/<pid>/stat the name in brackets may hold anything, brackets too.
pid_t parent_of(int proc, const std::string& pid) {
  const std::string stat = read_at(proc, pid + "/stat");
  const size_t name_end = stat.rfind(')');
  char state = 0;
  int parent = 0;
  if (name_end == std::string::npos || sscanf(stat.c_str() + name_end + 1, " %c %d", &state, &parent) != 2) return 0;
  return parent;
}

uint64_t own_memory(int proc, pid_t pid) {
  uint64_t size = 0, resident = 0, shared = 0;
  const std::string text = read_at(proc, std::to_string(pid) + "/statm");
  if (sscanf(text.c_str(), "%" SCNu64 " %" SCNu64 " %" SCNu64, &size, &resident, &shared) != 3) return 0;
  return resident > shared ? (resident - shared) * static_cast<uint64_t>(sysconf(_SC_PAGESIZE)) : 0;
}

}  // namespace

uint64_t memory_below(int proc, pid_t first) {
  DIR* directory = fdopendir(openat(proc, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (directory == nullptr) return 0;
  std::multimap<pid_t, pid_t> children;
  while (const struct dirent* entry = readdir(directory)) {
    const std::string name = entry->d_name;
    if (name[0] < '1' || name[0] > '9') continue;
    if (const pid_t parent = parent_of(proc, name)) children.emplace(parent, atoi(name.c_str()));
  }
  closedir(directory);
  uint64_t total_bytes = 0;
  std::set<pid_t> counted, waiting = {first};
  while (!waiting.empty()) {
    const pid_t pid = *waiting.begin();
    waiting.erase(waiting.begin());
    if (!counted.insert(pid).second) continue;  // numbers may be used again while this looks
    total_bytes += own_memory(proc, pid);
    const auto [begin, end] = children.equal_range(pid);
    for (auto child = begin; child != end; ++child) waiting.insert(child->second);
  }
  return total_bytes;
}

uint64_t disk_used(int fd) {
  struct statvfs info;
  return fstatvfs(fd, &info) == 0 ? uint64_t{info.f_blocks - info.f_bfree} * info.f_frsize : 0;
}

}  // namespace hpcc
