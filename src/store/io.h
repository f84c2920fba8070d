// Small wrappers over the system calls the store makes: whole reads and writes, file identity, the writers' lock.
// Thread rule: free functions from any thread; a FileLock belongs to one thread at a time.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "base/fd.h"
#include "base/result.h"
#include "base/sha256.h"

namespace hpcc::store {

// The first 8 bytes of SHA-256: what every record carries to show that it is whole.
uint64_t check64(std::string_view bytes);

// Bytes read before the end of the file, or -1.
ssize_t pread_some(int fd, void* out, size_t size, uint64_t offset);
Status pwrite_all(int fd, std::string_view bytes, uint64_t offset);
Status write_all(int fd, std::string_view bytes);
// A small whole file, at most `limit_bytes`.
Result<std::string> read_small_file(int dir_fd, const char* name, size_t limit_bytes);

Result<Fd> open_at(int dir_fd, const char* name, int flags, mode_t mode = 0600);
// Makes the directory and its missing parents, mode 0700 (existing ones are left as they are).
Status make_directories(const std::string& path);

struct FileIdentity {
  uint64_t dev = 0, ino = 0;
  bool operator==(const FileIdentity&) const = default;
};
FileIdentity identity_of(const struct stat& st);

// An advisory lock on a whole file, held by the open file description: it excludes other threads' and other processes'
// locks and goes with the process, however it dies. Waits at most `timeout_ms`: kTimeout.
class FileLock {
 public:
  static Result<FileLock> acquire(int fd, int64_t timeout_ms);
  FileLock(FileLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  FileLock& operator=(FileLock&&) = delete;
  ~FileLock();

 private:
  explicit FileLock(int fd) : fd_(fd) {}
  int fd_;
};

uint64_t realtime_ns();

}  // namespace hpcc::store
