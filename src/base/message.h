// Messages with descriptors over a SOCK_SEQPACKET socket, and sealed memory to put in them: how a process hands bulk to
// another that must not trust it. A sealed file cannot change or shrink any more, so its reader may map it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/deadline.h"
#include "base/fd.h"
#include "base/result.h"

namespace hpcc {

inline constexpr size_t kMessageBytes = 64 * 1024;  // one message, without what its descriptors hold
inline constexpr size_t kMessageFds = 250;          // the kernel's limit is 253

struct Message {
  std::string bytes;
  std::vector<Fd> fds;  // close-on-exec
};

struct Pipe {
  Fd read_end, write_end;
};
Result<Pipe> make_pipe();  // close-on-exec

struct SocketPair {
  Fd a, b;
};
Result<SocketPair> message_pair();

Status send_message(int socket, std::string_view bytes, const std::vector<int>& fds, Deadline deadline);
// kNotFound when the peer has closed, kLimit when the message is larger than any may be.
Result<Message> receive_message(int socket, Deadline deadline);
// Waits until fd is readable or closed by its peer; kTimeout.
Status wait_readable(int fd, Deadline deadline);

// Anonymous memory as a file, written by append() and then sealed.
class MemoryFile {
 public:
  static Result<MemoryFile> create();
  Status append(std::string_view bytes);
  uint64_t size_bytes() const { return size_bytes_; }
  Result<Fd> seal() &&;  // at offset 0

 private:
  explicit MemoryFile(Fd fd) : fd_(std::move(fd)) {}
  Fd fd_;
  uint64_t size_bytes_ = 0;
};

Result<Fd> seal_bytes(std::string_view bytes);

// A peer's sealed file, mapped for reading. An Error when it is not sealed or larger than the limit.
class SealedBytes {
 public:
  static Result<SealedBytes> map(int fd, uint64_t limit_bytes);
  SealedBytes(SealedBytes&& other) noexcept;
  SealedBytes& operator=(SealedBytes&&) = delete;
  ~SealedBytes();
  std::string_view view() const { return {data_, size_bytes_}; }

 private:
  SealedBytes(const char* data, size_t size_bytes) : data_(data), size_bytes_(size_bytes) {}
  const char* data_;
  size_t size_bytes_;
};

}  // namespace hpcc
