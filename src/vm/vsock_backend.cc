#include "vm/vsock_backend.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string>

#include "base/confine.h"
#include "base/limits.h"
#include "vm/guest_memory.h"
#include "vm/vhost_user.h"
#include "vm/virtqueue.h"
#include "vm/vsock_device.h"

namespace hpcc {
namespace {

constexpr int kVmm = 3, kListener = 4;
constexpr size_t kToGuest = 0, kFromGuest = 1;  // queue numbers
constexpr uint64_t kFeatures = (uint64_t{1} << 32) /* VERSION_1 */ | (uint64_t{1} << 30) /* PROTOCOL_FEATURES */;
constexpr uint64_t kProtocolFeatures = (1u << 3) /* REPLY_ACK */ | (1u << 9) /* CONFIG */;
constexpr time_t kVmmReadS = 5;  // for the rest of a message that has begun
constexpr int kVsockCalls[] = {SYS_recvmsg, SYS_recvfrom, SYS_sendto, SYS_sendmsg, SYS_accept4, SYS_shutdown};

class Backend {
 public:
  Backend() : device_(Fd(kListener), kGuestCid) {}

  // Serves until the VMM goes; its going is no error.
  Status run() {
    for (;;) {
      TRY(from_guest());
      TRY(to_guest());
      TRY_ASSIGN(const bool going, wait());
      if (!going) return {};
    }
  }

 private:
  Result<bool> wait() {
    std::vector<struct pollfd> polls = {{kVmm, POLLIN, 0}};
    for (const Virtqueue& queue : queues_) polls.push_back({queue.kick_fd(), POLLIN, 0});
    const size_t own = polls.size();
    device_.add_polls(polls);
    if (poll(polls.data(), polls.size(), device_.timeout_ms()) < 0 && errno != EINTR) return errno_error("poll");
    for (size_t i = 0; i < queues_.size(); ++i) {
      if (polls[1 + i].revents & POLLIN) queues_[i].take_kick();
    }
    device_.on_polls(std::span(polls).subspan(own));
    if (polls[0].revents == 0) return true;
    Result<VhostReceived> received = receive_vhost(kVmm);
    if (!received.ok() && received.error().code == Code::kNotFound) return false;
    if (!received.ok()) return std::move(received).error();
    TRY(handle(*received));
    return true;
  }

  Status handle(VhostReceived& received) {
    const VhostMessage& message = received.message;
    std::string reply;
    TRY(apply(message, received.files, reply));
    if (reply.empty() && message.needs_reply) reply = number(0);
    return reply.empty() ? Status() : reply_vhost(kVmm, message.request, reply);
  }

  static std::string number(uint64_t value) { return {reinterpret_cast<const char*>(&value), sizeof value}; }
  static Fd first(std::vector<Fd>& files) { return files.empty() ? Fd() : std::move(files.front()); }

  Status apply(const VhostMessage& message, std::vector<Fd>& files, std::string& reply) {
    Virtqueue& queue = queues_[message.queue];
    switch (message.request) {
      case VhostRequest::kGetFeatures:
        reply = number(kFeatures);
        return {};
      case VhostRequest::kGetProtocolFeatures:
        reply = number(kProtocolFeatures);
        return {};
      case VhostRequest::kSetFeatures:
      case VhostRequest::kSetProtocolFeatures:
      case VhostRequest::kSetOwner:
      case VhostRequest::kSetVringErr:
        return {};
      case VhostRequest::kSetMemTable:
        return memory_.map(message.regions, std::move(files));
      case VhostRequest::kSetVringNum:
        return queue.set_size(message.value);
      case VhostRequest::kSetVringBase:
        queue.set_next(message.value);
        return {};
      case VhostRequest::kSetVringAddr:
        queue.set_addresses(message.descriptors, message.used, message.available);
        return {};
      case VhostRequest::kGetVringBase: {
        queue.disable();
        const uint32_t state[2] = {message.queue, queue.next()};
        reply.assign(reinterpret_cast<const char*>(state), sizeof state);
        return {};
      }
      case VhostRequest::kSetVringKick:
        queue.set_kick(first(files));
        return {};
      case VhostRequest::kSetVringCall:
        queue.set_call(first(files));
        return {};
      case VhostRequest::kSetVringEnable:
        message.value ? queue.enable() : queue.disable();
        return {};
      case VhostRequest::kGetConfig:
        reply = config(message);
        return {};
    }
    return {};
  }

  // The device's configuration is the guest's CID, nothing else.
  static std::string config(const VhostMessage& message) {
    const uint32_t head[3] = {message.offset, message.size_bytes, message.flags};
    std::string out(reinterpret_cast<const char*>(head), sizeof head);
    return out + number(kGuestCid).substr(message.offset, message.size_bytes);
  }

  Status from_guest() {
    Virtqueue& queue = queues_[kFromGuest];
    for (uint32_t count = 0; count < limits::kVirtqueueSize; ++count) {
      TRY_ASSIGN(const std::optional<Virtqueue::Chain> chain, queue.peek(memory_));
      if (!chain) break;
      TRY(take_packet(*chain));
      TRY(queue.finish(memory_, *chain, 0));
    }
    return queue.notify(memory_);
  }

  // Copied before it is looked at: the guest could change it in between.
  Status take_packet(const Virtqueue::Chain& chain) {
    packet_.clear();
    for (const std::span<char>& part : chain.readable) {
      const size_t room = sizeof(VsockHeader) + limits::kVsockPacketBytes - packet_.size();
      packet_.append(part.data(), std::min(part.size(), room));
    }
    if (packet_.size() < sizeof(VsockHeader)) return Error{Code::kInvalid, "vsock: short packet", 0};
    const std::string_view bytes = packet_, payload = bytes.substr(sizeof(VsockHeader));
    TRY_ASSIGN(const VsockHeader header,
               decode_vsock_header(bytes.substr(0, sizeof(VsockHeader)), payload.size(), kGuestCid));
    device_.receive(header, payload.substr(0, header.size_bytes));
    return {};
  }

  Status to_guest() {
    Virtqueue& queue = queues_[kToGuest];
    for (uint32_t count = 0; count < limits::kVirtqueueSize; ++count) {
      TRY_ASSIGN(const std::optional<Virtqueue::Chain> chain, queue.peek(memory_));
      if (!chain) break;
      VsockHeader header;
      TRY_ASSIGN(const std::optional<size_t> size, fill(*chain, header));
      if (!size) break;
      TRY(queue.finish(memory_, *chain, static_cast<uint32_t>(sizeof header + *size)));
    }
    return queue.notify(memory_);
  }

  // Linux offers one buffer for header and payload, or one for each.
  Result<std::optional<size_t>> fill(const Virtqueue::Chain& chain, VsockHeader& header) {
    if (chain.writable.empty() || chain.writable[0].size() < sizeof header) {
      return Error{Code::kInvalid, "vsock: a receive buffer without room for a header", 0};
    }
    const std::span<char> front = chain.writable[0];
    std::span<char> space = front.subspan(sizeof header);
    if (space.empty() && chain.writable.size() > 1) space = chain.writable[1];
    const std::optional<size_t> size = device_.next(header, space);
    if (size) memcpy(front.data(), &header, sizeof header);
    return size;
  }

  GuestMemory memory_;
  std::array<Virtqueue, kVsockQueues> queues_;
  VsockDevice device_;
  std::string packet_;
};

}  // namespace

int run_vsock_backend() {
  const struct timeval limit = {kVmmReadS, 0};
  setsockopt(kVmm, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  setsockopt(kVmm, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  if (!restrict_syscalls(kVsockCalls).ok()) return 1;
  Backend backend;
  const Status done = backend.run();
  if (!done.ok()) static_cast<void>(write_fd(STDERR_FILENO, done.error().to_string() + "\n", "stderr"));
  return done.ok() ? 0 : 1;
}

}  // namespace hpcc
