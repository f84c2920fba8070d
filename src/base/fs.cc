#include "base/fs.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdio>

#include "base/limits.h"

namespace hpcc {
namespace {

int64_t clock_ns(clockid_t clock) {
  struct timespec now;
  clock_gettime(clock, &now);
  return int64_t{now.tv_sec} * 1000000000 + now.tv_nsec;
}

}  // namespace

Result<std::string> read_fd(int fd, size_t limit_bytes, const std::string& name) {
  std::string data;
  struct stat info;
  if (fstat(fd, &info) == 0 && S_ISREG(info.st_mode)) {
    if (static_cast<uint64_t>(info.st_size) > limit_bytes) return Error{Code::kLimit, name + ": too large", 0};
    data.reserve(static_cast<size_t>(info.st_size) + 1);
  }
  size_t have = 0;
  for (;;) {
    if (data.size() < have + 65536) data.resize(std::max(have + 65536, data.capacity()));
    ssize_t got = read(fd, data.data() + have, data.size() - have);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return errno_error("read " + name);
    if (got == 0) break;
    have += static_cast<size_t>(got);
    if (have > limit_bytes) return Error{Code::kLimit, name + ": too large", 0};
  }
  data.resize(have);
  return data;
}

Result<std::string> read_file(const std::string& path, size_t limit_bytes) {
  Fd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
  if (!fd) return errno_error("open " + path);
  struct stat info;
  if (fstat(fd.get(), &info) != 0) return errno_error("stat " + path);
  if (!S_ISREG(info.st_mode)) return Error{Code::kInvalid, path + ": not a regular file", 0};
  return read_fd(fd.get(), limit_bytes, path);
}

Status write_fd(int fd, std::string_view data, const std::string& name) {
  while (!data.empty()) {
    ssize_t done = write(fd, data.data(), data.size());
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) return errno_error("write " + name);
    data.remove_prefix(static_cast<size_t>(done));
  }
  return {};
}

namespace {

Status write_whole(int fd, std::string_view text, Sync sync, const std::string& name) {
  TRY(write_fd(fd, text, name));
  return sync == Sync::kNo || fsync(fd) == 0 ? Status() : errno_error("sync " + name);
}

std::string name_beside(const std::string& path) {
  uint64_t random = 0;
  CHECK(getrandom(&random, sizeof random, 0) == sizeof random);
  char suffix[32];
  snprintf(suffix, sizeof suffix, ".%016llx.tmp", static_cast<unsigned long long>(random));
  return path + suffix;
}

}  // namespace

Status create_file(const std::string& path, std::string_view text, unsigned mode) {
  const std::string temporary = name_beside(path);
  Fd fd(open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode));
  if (!fd) return errno_error("create " + temporary);
  Status made = write_whole(fd.get(), text, Sync::kNo, temporary);
  if (made.ok() && link(temporary.c_str(), path.c_str()) != 0 && errno != EEXIST) {
    const bool has_links = errno != EPERM && errno != EOPNOTSUPP;
    if (has_links || rename(temporary.c_str(), path.c_str()) != 0) made = errno_error("create " + path);
  }
  unlink(temporary.c_str());
  return made;
}

Status replace_file(const std::string& path, std::string_view text, unsigned mode, Sync sync) {
  const std::string temporary = name_beside(path), directory(directory_of(path));
  Fd fd(open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode));
  if (!fd) return errno_error("create " + temporary);
  Status written = write_whole(fd.get(), text, sync, temporary);
  if (written.ok() && rename(temporary.c_str(), path.c_str()) != 0) written = errno_error("rename to " + path);
  if (!written.ok()) unlink(temporary.c_str());
  if (!written.ok() || sync == Sync::kNo) return written;
  const Fd parent(open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  return parent && fsync(parent.get()) == 0 ? Status() : errno_error("sync directory " + directory);
}

Status make_directories(const std::string& path, unsigned mode) {
  if (mkdir(path.c_str(), mode) == 0 || errno == EEXIST) return {};
  if (errno != ENOENT) return errno_error("mkdir " + path);
  std::string parent(directory_of(path));
  if (parent == path || parent == ".") return errno_error("mkdir " + path);
  TRY(make_directories(parent, mode));
  if (mkdir(path.c_str(), mode) == 0 || errno == EEXIST) return {};
  return errno_error("mkdir " + path);
}

Result<std::vector<std::string>> list_directory(const std::string& path) {
  DIR* dir = opendir(path.c_str());
  if (!dir) return errno_error("open directory " + path);
  std::vector<std::string> names;
  errno = 0;
  while (struct dirent* entry = readdir(dir)) {
    std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
  }
  int failed = errno;
  closedir(dir);
  if (failed != 0) return errno_error("read directory " + path, failed);
  std::sort(names.begin(), names.end());
  return names;
}

std::string program_directory() {
  char path[PATH_MAX];
  const ssize_t size = readlink("/proc/self/exe", path, sizeof path);
  return size <= 0 ? std::string() : std::string(directory_of({path, static_cast<size_t>(size)}));
}

bool has_trusted_stamps(int fd) {
  struct statfs info;
  if (fstatfs(fd, &info) != 0) return false;
  switch (static_cast<uint32_t>(info.f_type)) {
    case 0xef53:      // ext2, ext3, ext4
    case 0x58465342:  // xfs
    case 0x9123683e:  // btrfs
    case 0x01021994:  // tmpfs
      return true;
  }
  return false;
}

bool is_local_filesystem(const std::string& path) {
  struct statfs info;
  if (statfs(path.c_str(), &info) != 0) return false;
  switch (static_cast<uint32_t>(info.f_type)) {
    case 0xef53:
    case 0x58465342:
    case 0x9123683e:
    case 0x01021994:
    case 0x794c7630:  // overlayfs
    case 0x2fc12fc1:  // zfs
    case 0xf2f52010:  // f2fs
    case 0xca451a4e:  // bcachefs
    case 0x858458f6:  // ramfs
      return true;
  }
  return false;
}

namespace {

// Below `parent`. A tree deeper than the limit was not made by hpcc; what is left of it is named by the error.
Status remove_entry(int parent, const char* name, int depth, const std::string& path) {
  constexpr int kDepth = 400;  // one descriptor each
  if (unlinkat(parent, name, 0) == 0 || errno == ENOENT) return {};
  if (errno != EISDIR && errno != EPERM && errno != EACCES) return errno_error("remove " + path);
  if (depth > kDepth) return Error{Code::kLimit, path + ": directories too deep", 0};
  Fd directory(openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!directory) return errno_error("remove " + path);
  fchmod(directory.get(), 0700);
  const int listed = fcntl(directory.get(), F_DUPFD_CLOEXEC, 0);
  DIR* dir = listed < 0 ? nullptr : fdopendir(listed);
  if (!dir) return errno_error("remove " + path);
  Status done;
  while (const struct dirent* entry = readdir(dir)) {
    const std::string_view child = entry->d_name;
    if (child == "." || child == "..") continue;
    done = remove_entry(directory.get(), entry->d_name, depth + 1, path);
    if (!done.ok()) break;
  }
  closedir(dir);
  if (done.ok() && unlinkat(parent, name, AT_REMOVEDIR) != 0 && errno != ENOENT) return errno_error("remove " + path);
  return done;
}

}  // namespace

Status remove_tree(const std::string& path) { return remove_entry(AT_FDCWD, path.c_str(), 0, path); }

std::string join_path(std::string_view base, std::string_view path) {
  if (!path.empty() && path[0] == '/') return std::string(path);
  std::string joined(base);
  if (joined.empty() || joined.back() != '/') joined += '/';
  joined += path;
  return joined;
}

std::string_view directory_of(std::string_view path) {
  size_t slash = path.rfind('/');
  if (slash == std::string_view::npos) return ".";
  return slash == 0 ? path.substr(0, 1) : path.substr(0, slash);
}

std::string_view basename_of(std::string_view path) {
  size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

std::string lexically_normal(std::string_view path) {
  const bool absolute = !path.empty() && path[0] == '/';
  std::vector<std::string_view> parts;
  while (!path.empty()) {
    size_t slash = path.find('/');
    std::string_view part = path.substr(0, slash);
    path = slash == std::string_view::npos ? std::string_view() : path.substr(slash + 1);
    if (part.empty() || part == ".") continue;
    if (part == ".." && !parts.empty() && parts.back() != "..") {
      parts.pop_back();
    } else if (part != ".." || !absolute) {
      parts.push_back(part);
    }
  }
  std::string out = absolute ? "/" : "";
  for (std::string_view part : parts) {
    if (!out.empty() && out.back() != '/') out += '/';
    out += part;
  }
  return out.empty() ? "." : out;
}

bool is_plain_relative(std::string_view path) {
  if (path.empty() || path.size() >= limits::kPathBytes || path.find('\0') != std::string_view::npos) return false;
  if (path[0] == '/' || path == "." || path == ".." || path.starts_with("../")) return false;
  return lexically_normal(path) == path;
}

bool is_under(std::string_view path, std::string_view directory) {
  if (directory == "/") return true;
  return path.starts_with(directory) && (path.size() == directory.size() || path[directory.size()] == '/');
}

int64_t realtime_ns() { return clock_ns(CLOCK_REALTIME); }
int64_t monotonic_ns() { return clock_ns(CLOCK_MONOTONIC); }
int64_t monotonic_ms() { return monotonic_ns() / 1'000'000; }

}  // namespace hpcc
