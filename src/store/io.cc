#include "store/io.h"

#include <fcntl.h>
#include <time.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "base/fs.h"

namespace hpcc::store {

uint64_t check64(std::string_view bytes) {
  Sha256 hash;
  hash.update(bytes);
  uint8_t digest[Sha256::kBytes];
  hash.finish(digest);
  uint64_t check;
  memcpy(&check, digest, sizeof check);
  return check;
}

ssize_t pread_some(int fd, void* out, size_t size, uint64_t offset) {
  size_t done = 0;
  while (done < size) {
    ssize_t n = ::pread(fd, static_cast<char*>(out) + done, size - done, static_cast<off_t>(offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return -1;
    if (n == 0) break;
    done += static_cast<size_t>(n);
  }
  return static_cast<ssize_t>(done);
}

Status pwrite_all(int fd, std::string_view bytes, uint64_t offset) {
  while (!bytes.empty()) {
    ssize_t n = ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno_error("cannot write the store");
    bytes.remove_prefix(static_cast<size_t>(n));
    offset += static_cast<uint64_t>(n);
  }
  return {};
}

Status write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno_error("cannot write");
    bytes.remove_prefix(static_cast<size_t>(n));
  }
  return {};
}

Result<Fd> open_at(int dir_fd, const char* name, int flags, mode_t mode) {
  int fd;
  do {
    fd = ::openat(dir_fd, name, flags | O_CLOEXEC, mode);
  } while (fd < 0 && errno == EINTR);
  if (fd < 0) return errno_error(std::string("cannot open ") + name);
  return Fd(fd);
}

Result<std::string> read_small_file(int dir_fd, const char* name, size_t limit_bytes) {
  TRY_ASSIGN(Fd fd, open_at(dir_fd, name, O_RDONLY | O_NONBLOCK));
  struct stat st;
  if (::fstat(fd.get(), &st) != 0) return errno_error(std::string("cannot stat ") + name);
  if (!S_ISREG(st.st_mode)) return Error{Code::kInvalid, std::string(name) + " is not a file"};
  if (static_cast<uint64_t>(st.st_size) > limit_bytes) return Error{Code::kLimit, std::string(name) + " is too large"};
  std::string text(static_cast<size_t>(st.st_size), '\0');
  const ssize_t n = pread_some(fd.get(), text.data(), text.size(), 0);
  if (n < 0) return errno_error(std::string("cannot read ") + name);
  text.resize(static_cast<size_t>(n));
  return text;
}

Status make_directories(const std::string& path) {
  for (size_t end = path.find('/', 1);; end = path.find('/', end + 1)) {
    const std::string part = path.substr(0, end);
    if (::mkdir(part.c_str(), 0700) != 0 && errno != EEXIST) {
      // A parent that cannot be made may still be there (read-only file system, no search permission on its parent).
      const int why = errno;
      struct stat st;
      if (::stat(part.c_str(), &st) != 0 || !S_ISDIR(st.st_mode)) return errno_error("cannot make " + part, why);
    }
    if (end == path.npos) return {};
  }
}

FileIdentity identity_of(const struct stat& st) {
  return {static_cast<uint64_t>(st.st_dev), static_cast<uint64_t>(st.st_ino)};
}

uint64_t realtime_ns() {
  struct timespec now;
  ::clock_gettime(CLOCK_REALTIME, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1000000000u + static_cast<uint64_t>(now.tv_nsec);
}

Result<FileLock> FileLock::acquire(int fd, int64_t timeout_ms) {
  struct timespec pause = {0, 20000};
  const int64_t end_ns = monotonic_ns() + timeout_ms * 1000000;
  while (true) {
    struct flock lock = {};
    lock.l_type = F_WRLCK;
    lock.l_whence = SEEK_SET;
    if (::fcntl(fd, F_OFD_SETLK, &lock) == 0) return FileLock(fd);
    if (errno != EAGAIN && errno != EACCES && errno != EINTR) return errno_error("cannot lock the store");
    if (monotonic_ns() > end_ns) return Error{Code::kTimeout, "the store stays locked by another process"};
    ::nanosleep(&pause, nullptr);
    if (pause.tv_nsec < 1000000) pause.tv_nsec *= 2;
  }
}

FileLock::~FileLock() {
  if (fd_ < 0) return;
  struct flock lock = {};
  lock.l_type = F_UNLCK;
  lock.l_whence = SEEK_SET;
  ::fcntl(fd_, F_OFD_SETLK, &lock);
}

}  // namespace hpcc::store
