#include "base/message.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>

namespace hpcc {
namespace {

Status wait_for(int fd, short events, Deadline deadline) {
  for (;;) {
    struct pollfd wait = {fd, events, 0};
    int ready = poll(&wait, 1, deadline.remaining_ms());
    if (ready > 0) return {};
    if (ready < 0 && errno != EINTR) return errno_error("poll");
    if (deadline.passed()) return Error{Code::kTimeout, "no answer in time", 0};
  }
}

}  // namespace

Result<Pipe> make_pipe() {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return errno_error("pipe");
  return Pipe{Fd(ends[0]), Fd(ends[1])};
}

Result<SocketPair> message_pair() {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) return errno_error("socketpair");
  return SocketPair{Fd(ends[0]), Fd(ends[1])};
}

Status wait_readable(int fd, Deadline deadline) { return wait_for(fd, POLLIN, deadline); }

Status send_message(int socket, std::string_view bytes, const std::vector<int>& fds, Deadline deadline) {
  CHECK(!bytes.empty() && bytes.size() <= kMessageBytes && fds.size() <= kMessageFds);
  struct iovec part = {const_cast<char*>(bytes.data()), bytes.size()};
  alignas(struct cmsghdr) char control[CMSG_SPACE(kMessageFds * sizeof(int))] = {};
  struct msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (!fds.empty()) {
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(fds.size() * sizeof(int));
    struct cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(fds.size() * sizeof(int));
    memcpy(CMSG_DATA(header), fds.data(), fds.size() * sizeof(int));
  }
  for (;;) {
    ssize_t sent = sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent >= 0) return {};
    if (errno == EAGAIN) {
      TRY(wait_for(socket, POLLOUT, deadline));
    } else if (errno != EINTR) {
      return errno_error("send message");
    }
  }
}

Result<Message> receive_message(int socket, Deadline deadline) {
  TRY(wait_readable(socket, deadline));
  Message out;
  out.bytes.resize(kMessageBytes);
  struct iovec part = {out.bytes.data(), out.bytes.size()};
  alignas(struct cmsghdr) char control[CMSG_SPACE(kMessageFds * sizeof(int))] = {};
  struct msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  ssize_t got;
  do {
    got = recvmsg(socket, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
  } while (got < 0 && errno == EINTR);
  if (got < 0) return errno_error("receive message");
  for (struct cmsghdr* header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    const size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; ++i) {
      int fd;
      memcpy(&fd, CMSG_DATA(header) + i * sizeof fd, sizeof fd);
      out.fds.emplace_back(fd);
    }
  }
  if (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) return Error{Code::kLimit, "message too large", 0};
  if (got == 0) return Error{Code::kNotFound, "the peer has closed", 0};
  out.bytes.resize(static_cast<size_t>(got));
  return out;
}

Result<MemoryFile> MemoryFile::create() {
  Fd fd(memfd_create("hpcc", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd) return errno_error("memfd");
  return MemoryFile(std::move(fd));
}

Status MemoryFile::append(std::string_view bytes) {
  TRY(write_fd(fd_.get(), bytes, "memory file"));
  size_bytes_ += bytes.size();
  return {};
}

Result<Fd> MemoryFile::seal() && {
  if (lseek(fd_.get(), 0, SEEK_SET) != 0) return errno_error("lseek");
  if (fcntl(fd_.get(), F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) != 0) {
    return errno_error("seal");
  }
  return std::move(fd_);
}

Result<Fd> seal_bytes(std::string_view bytes) {
  TRY_ASSIGN(MemoryFile file, MemoryFile::create());
  TRY(file.append(bytes));
  return std::move(file).seal();
}

Result<SealedBytes> SealedBytes::map(int fd, uint64_t limit_bytes) {
  constexpr int kNeeded = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
  const int seals = fcntl(fd, F_GET_SEALS);
  struct stat info;
  if (seals < 0 || (seals & kNeeded) != kNeeded || fstat(fd, &info) != 0) {
    return Error{Code::kCorrupt, "not a sealed file", 0};
  }
  const uint64_t size_bytes = static_cast<uint64_t>(info.st_size);
  if (size_bytes > limit_bytes) return Error{Code::kLimit, "sealed file too large", 0};
  if (size_bytes == 0) return SealedBytes("", 0);
  // Private: before Linux 6.7 a shared mapping of a write-sealed file is refused.
  void* data = mmap(nullptr, size_bytes, PROT_READ, MAP_PRIVATE, fd, 0);
  if (data == MAP_FAILED) return errno_error("map sealed file");
  return SealedBytes(static_cast<const char*>(data), size_bytes);
}

SealedBytes::SealedBytes(SealedBytes&& other) noexcept
    : data_(other.data_), size_bytes_(std::exchange(other.size_bytes_, 0)) {}

SealedBytes::~SealedBytes() {
  if (size_bytes_ != 0) munmap(const_cast<char*>(data_), size_bytes_);
}

}  // namespace hpcc
