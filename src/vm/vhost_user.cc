#include "vm/vhost_user.h"

#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace hpcc {
namespace {

constexpr uint32_t kVersion = 1, kVersionMask = 3, kReply = 4, kNeedReply = 8;
constexpr size_t kMaxRegions = 8, kMaxPayload = 512;
constexpr uint64_t kNoFile = 0x100;

Error bad(const char* what) { return {Code::kInvalid, std::string("vhost-user: ") + what, 0}; }

template <typename T>
T at(std::string_view payload, size_t offset) {
  T value;
  memcpy(&value, payload.data() + offset, sizeof value);
  return value;
}

Status decode_memory(std::string_view payload, size_t files, VhostMessage& out) {
  constexpr size_t kHead = 8, kRegion = 32;
  if (payload.size() < kHead) return bad("short memory table");
  const uint32_t count = at<uint32_t>(payload, 0);
  if (count == 0 || count > kMaxRegions || payload.size() != kHead + count * kRegion || files != count) {
    return bad("bad memory table");
  }
  for (uint32_t i = 0; i < count; ++i) {
    const size_t start = kHead + i * kRegion;
    out.regions.push_back({at<uint64_t>(payload, start), at<uint64_t>(payload, start + 8),
                           at<uint64_t>(payload, start + 16), at<uint64_t>(payload, start + 24)});
  }
  return {};
}

Status decode_queue_number(std::string_view payload, VhostMessage& out) {
  if (payload.size() != 8) return bad("bad queue state");
  out.queue = at<uint32_t>(payload, 0);
  out.value = at<uint32_t>(payload, 4);
  return out.queue < kVsockQueues ? Status() : bad("no such queue");
}

Status decode_queue_file(std::string_view payload, size_t files, VhostMessage& out) {
  if (payload.size() != 8) return bad("bad queue file");
  const uint64_t word = at<uint64_t>(payload, 0);
  out.queue = static_cast<uint32_t>(word & 0xff);
  out.value = word & kNoFile ? 1 : 0;
  if (out.queue >= kVsockQueues || files != (out.value ? 0u : 1u)) return bad("bad queue file");
  return {};
}

Status decode_queue_addresses(std::string_view payload, VhostMessage& out) {
  if (payload.size() != 40) return bad("bad queue addresses");
  out.queue = at<uint32_t>(payload, 0);
  out.descriptors = at<uint64_t>(payload, 8);
  out.used = at<uint64_t>(payload, 16);
  out.available = at<uint64_t>(payload, 24);
  return out.queue < kVsockQueues ? Status() : bad("no such queue");
}

Status decode_config(std::string_view payload, VhostMessage& out) {
  if (payload.size() < 12) return bad("bad config request");
  out.offset = at<uint32_t>(payload, 0);
  out.size_bytes = at<uint32_t>(payload, 4);
  out.flags = at<uint32_t>(payload, 8);
  return out.offset <= 8 && out.size_bytes <= 8 - out.offset ? Status() : bad("config outside the device's");
}

Status decode_payload(std::string_view payload, size_t files, VhostMessage& out) {
  const bool takes_files =
      out.request == VhostRequest::kSetMemTable || out.request == VhostRequest::kSetVringKick ||
      out.request == VhostRequest::kSetVringCall || out.request == VhostRequest::kSetVringErr;
  if (files != 0 && !takes_files) return bad("files that were not asked for");
  switch (out.request) {
    case VhostRequest::kGetFeatures:
    case VhostRequest::kGetProtocolFeatures:
    case VhostRequest::kSetOwner:
      return payload.empty() ? Status() : bad("unexpected payload");
    case VhostRequest::kSetFeatures:
    case VhostRequest::kSetProtocolFeatures:
      if (payload.size() != 8) return bad("bad features");
      out.number = at<uint64_t>(payload, 0);
      return {};
    case VhostRequest::kSetMemTable:
      return decode_memory(payload, files, out);
    case VhostRequest::kSetVringNum:
    case VhostRequest::kSetVringBase:
    case VhostRequest::kGetVringBase:
    case VhostRequest::kSetVringEnable:
      return decode_queue_number(payload, out);
    case VhostRequest::kSetVringAddr:
      return decode_queue_addresses(payload, out);
    case VhostRequest::kSetVringKick:
    case VhostRequest::kSetVringCall:
    case VhostRequest::kSetVringErr:
      return decode_queue_file(payload, files, out);
    case VhostRequest::kGetConfig:
      return decode_config(payload, out);
  }
  return bad("unknown request");
}

Result<ssize_t> read_with_files(int socket, VhostHeader& header, std::vector<Fd>& files) {
  alignas(struct cmsghdr) std::array<char, CMSG_SPACE(kMaxRegions * sizeof(int))> control;
  struct iovec part = {&header, sizeof header};
  struct msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  ssize_t got;
  do got = recvmsg(socket, &message, MSG_WAITALL | MSG_CMSG_CLOEXEC);
  while (got < 0 && errno == EINTR);
  if (got < 0) return errno_error("vhost-user socket");
  for (struct cmsghdr* c = CMSG_FIRSTHDR(&message); c; c = CMSG_NXTHDR(&message, c)) {
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
    for (size_t at = 0; at + sizeof(int) <= c->cmsg_len - CMSG_LEN(0); at += sizeof(int)) {
      int fd;
      memcpy(&fd, CMSG_DATA(c) + at, sizeof fd);
      files.emplace_back(fd);
    }
  }
  if (message.msg_flags & MSG_CTRUNC) return bad("too many files");
  return got;
}

}  // namespace

Result<VhostMessage> decode_vhost_message(const VhostHeader& header, std::string_view payload, size_t files) {
  if ((header.flags & kVersionMask) != kVersion || (header.flags & kReply)) return bad("bad header");
  if (payload.size() != header.size_bytes || payload.size() > kMaxPayload) return bad("bad size");
  VhostMessage out;
  out.request = static_cast<VhostRequest>(header.request);
  out.needs_reply = header.flags & kNeedReply;
  TRY(decode_payload(payload, files, out));
  return out;
}

Result<VhostReceived> receive_vhost(int socket) {
  VhostHeader header;
  VhostReceived out;
  TRY_ASSIGN(const ssize_t got, read_with_files(socket, header, out.files));
  if (got == 0) return Error{Code::kNotFound, "vhost-user: closed", 0};
  if (static_cast<size_t>(got) != sizeof header || header.size_bytes > kMaxPayload) return bad("bad header");
  std::array<char, kMaxPayload> payload;
  ssize_t rest = 0;
  if (header.size_bytes > 0) {
    do rest = recv(socket, payload.data(), header.size_bytes, MSG_WAITALL);
    while (rest < 0 && errno == EINTR);
  }
  if (rest != static_cast<ssize_t>(header.size_bytes)) return bad("short message");
  TRY_ASSIGN(out.message, decode_vhost_message(header, {payload.data(), header.size_bytes}, out.files.size()));
  return out;
}

Status reply_vhost(int socket, VhostRequest request, std::string_view payload) {
  VhostHeader header = {static_cast<uint32_t>(request), kVersion | kReply, static_cast<uint32_t>(payload.size())};
  std::string bytes(reinterpret_cast<const char*>(&header), sizeof header);
  bytes += payload;
  if (send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size())) return {};
  return errno_error("vhost-user reply");
}

}  // namespace hpcc
