#include "vm/vsock_device.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/limits.h"
#include "vm/connect_line.h"

namespace hpcc {
namespace {

constexpr uint64_t kHostCid = 2;
constexpr uint16_t kStream = 1;
constexpr uint32_t kNoReceive = 1, kNoSend = 2;  // flags of kShutdown
constexpr uint32_t kBufferBytes = limits::kVsockBufferBytes;
constexpr int64_t kStepMs = 2000;  // each of: the host's line, the guest's answer, the guest's goodbye
constexpr uint32_t kFirstPort = 1u << 30, kLastPort = (1u << 31) - 1;

}  // namespace

Result<VsockHeader> decode_vsock_header(std::string_view bytes, uint64_t available, uint64_t guest_cid) {
  const Error bad = {Code::kInvalid, "vsock: bad packet", 0};
  VsockHeader header;
  if (bytes.size() != sizeof header) return bad;
  memcpy(&header, bytes.data(), sizeof header);
  if (header.size_bytes > available || header.size_bytes > limits::kVsockPacketBytes) return bad;
  if (header.source_cid != guest_cid || header.target_cid != kHostCid || header.type != kStream) return bad;
  const auto first = static_cast<uint16_t>(VsockOp::kRequest), last = static_cast<uint16_t>(VsockOp::kCreditRequest);
  if (header.op < first || header.op > last) return bad;
  return header;
}

// Credit, computed modulo 2^32 as the guest does; a guest that says nonsense gets no data.
bool VsockDevice::Connection::wants_data() const {
  const uint32_t in_flight = sent - peer_forwarded;
  return state == State::kOpen && !guest_takes_no_more && in_flight < peer_buffer;
}

void VsockDevice::receive(const VsockHeader& header, std::string_view payload) {
  const auto found = connections_.find(header.target_port);
  const auto op = static_cast<VsockOp>(header.op);
  if (found == connections_.end() || found->second.guest_port != header.source_port ||
      found->second.state == State::kHandshake) {
    // Beyond the bound they go unanswered; the guest's own time limit ends them.
    if (op != VsockOp::kReset && refused_.size() < limits::kVsockConnections) {
      refused_.emplace_back(header.target_port, header.source_port);
    }
    return;
  }
  Connection& connection = found->second;
  connection.peer_buffer = header.buffer_bytes;
  connection.peer_forwarded = header.forwarded_bytes;
  switch (op) {
    case VsockOp::kRequest:
      connection.send_reset = true;
      return;
    case VsockOp::kResponse:
      if (connection.state != State::kRequested) {
        connection.send_reset = true;
        return;
      }
      connection.state = State::kOpen;
      say_connected(connection, header.target_port);
      return;
    case VsockOp::kReset:
      flush(connection);
      connections_.erase(found);
      return;
    case VsockOp::kShutdown:
      take_shutdown(connection, header.flags);
      return;
    case VsockOp::kData:
      take_data(connection, payload);
      return;
    case VsockOp::kCreditRequest:
      connection.send_credit = true;
      return;
    case VsockOp::kCreditUpdate:
      return;
  }
}

// The first bytes on a socket with an empty buffer: they fit, or its other end is gone.
void VsockDevice::say_connected(Connection& connection, uint32_t host_port) {
  const std::string line = encode_connected(host_port);
  const ssize_t done = send(connection.fd.get(), line.data(), line.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  if (done != static_cast<ssize_t>(line.size())) begin_end(connection);
}

void VsockDevice::take_data(Connection& connection, std::string_view payload) {
  if (connection.state == State::kEnding) return;
  if (connection.state != State::kOpen || connection.guest_sends_no_more ||
      connection.to_host.size() + payload.size() > kBufferBytes) {
    connection.send_reset = true;
    return;
  }
  connection.to_host += payload;
  flush(connection);
}

void VsockDevice::take_shutdown(Connection& connection, uint32_t flags) {
  if (flags & kNoReceive) connection.guest_takes_no_more = true;
  if (flags & kNoSend) connection.guest_sends_no_more = true;
  flush(connection);
}

void VsockDevice::begin_end(Connection& connection) {
  if (connection.state == State::kEnding) return;
  if (connection.state == State::kOpen) connection.send_shutdown = true;
  if (connection.state != State::kOpen) connection.send_reset = true;
  connection.state = State::kEnding;
  connection.deadline = Deadline::after_ms(kStepMs);
}

// To the host as much as it takes; then what follows from having nothing left.
void VsockDevice::flush(Connection& connection) {
  while (!connection.to_host.empty()) {
    const std::string& bytes = connection.to_host;
    const ssize_t done = send(connection.fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (done < 0 && errno == EINTR) continue;
    if (done < 0 && errno == EAGAIN) return;
    if (done < 0) {
      connection.to_host.clear();
      return begin_end(connection);
    }
    connection.to_host.erase(0, static_cast<size_t>(done));
    connection.forwarded += static_cast<uint32_t>(done);
    if (connection.forwarded - connection.announced > kBufferBytes / 4) connection.send_credit = true;
  }
  if (!connection.guest_sends_no_more) return;
  if (connection.guest_takes_no_more) {
    connection.send_reset = true;  // both ways closed: the guest waits for this
  } else {
    shutdown(connection.fd.get(), SHUT_WR);
  }
}

VsockHeader VsockDevice::header_for(uint32_t host_port, Connection& connection, VsockOp op) const {
  VsockHeader header;
  header.source_cid = kHostCid;
  header.target_cid = guest_cid_;
  header.source_port = host_port;
  header.target_port = connection.guest_port;
  header.op = static_cast<uint16_t>(op);
  header.buffer_bytes = kBufferBytes;
  header.forwarded_bytes = connection.forwarded;
  if (op == VsockOp::kShutdown) header.flags = kNoReceive | kNoSend;
  connection.announced = connection.forwarded;
  return header;
}

std::optional<size_t> VsockDevice::next(VsockHeader& header, std::span<char> space) {
  if (!refused_.empty()) {
    Connection nobody;
    nobody.guest_port = refused_.back().second;
    header = header_for(refused_.back().first, nobody, VsockOp::kReset);
    header.buffer_bytes = 0;
    refused_.pop_back();
    return 0;
  }
  // Round robin: one busy connection must not starve the others.
  auto at = connections_.upper_bound(last_served_);
  for (size_t i = connections_.size(); i > 0; --i) {
    if (at == connections_.end()) at = connections_.begin();
    const auto current = at++;
    const uint32_t port = current->first;
    const std::optional<size_t> made = next_of(port, current->second, header, space);
    if (!made) continue;
    last_served_ = port;
    if (static_cast<VsockOp>(header.op) == VsockOp::kReset) connections_.erase(current);
    return made;
  }
  return std::nullopt;
}

std::optional<size_t> VsockDevice::next_of(uint32_t host_port, Connection& connection, VsockHeader& header,
                                           std::span<char> space) {
  const auto control = [&](VsockOp op) {
    header = header_for(host_port, connection, op);
    return size_t{0};
  };
  if (connection.send_reset) return control(VsockOp::kReset);
  if (std::exchange(connection.send_request, false)) return control(VsockOp::kRequest);
  if (std::exchange(connection.send_shutdown, false)) return control(VsockOp::kShutdown);
  if (std::exchange(connection.send_credit, false)) return control(VsockOp::kCreditUpdate);
  if (!connection.host_readable || !connection.wants_data() || space.empty()) return std::nullopt;
  return next_data(host_port, connection, header, space);
}

std::optional<size_t> VsockDevice::next_data(uint32_t host_port, Connection& connection, VsockHeader& header,
                                             std::span<char> space) {
  const uint32_t credit = connection.peer_buffer - (connection.sent - connection.peer_forwarded);
  const size_t room = std::min<size_t>({space.size(), credit, limits::kVsockPacketBytes});
  ssize_t got;
  do got = recv(connection.fd.get(), space.data(), room, MSG_DONTWAIT);
  while (got < 0 && errno == EINTR);
  connection.host_readable = false;  // the next poll says whether there is more
  if (got < 0 && errno == EAGAIN) return std::nullopt;
  if (got <= 0) {
    begin_end(connection);
    connection.send_shutdown = false;
    header = header_for(host_port, connection, VsockOp::kShutdown);
    return 0;
  }
  if (static_cast<size_t>(got) == room) connection.host_readable = true;
  connection.sent += static_cast<uint32_t>(got);
  header = header_for(host_port, connection, VsockOp::kData);
  header.size_bytes = static_cast<uint32_t>(got);
  return static_cast<size_t>(got);
}

void VsockDevice::add_polls(std::vector<struct pollfd>& polls) const {
  if (connections_.size() < limits::kVsockConnections) polls.push_back({listener_.get(), POLLIN, 0});
  for (const auto& [port, connection] : connections_) {
    short events = 0;
    if (connection.state == State::kHandshake) events |= POLLIN;
    if (connection.wants_data() && !connection.host_readable) events |= POLLIN;
    if (!connection.to_host.empty()) events |= POLLOUT;
    if (events) polls.push_back({connection.fd.get(), events, 0});
  }
}

void VsockDevice::on_polls(std::span<const struct pollfd> polls) {
  for (const struct pollfd& poll : polls) {
    if (poll.revents == 0) continue;
    if (poll.fd == listener_.get()) {
      accept_host();
      continue;
    }
    const auto found = std::find_if(connections_.begin(), connections_.end(),
                                    [&](const auto& entry) { return entry.second.fd.get() == poll.fd; });
    if (found == connections_.end()) continue;
    Connection& connection = found->second;
    if (poll.revents & POLLOUT) flush(connection);
    if (connection.state == State::kHandshake) {
      read_line(connection);
    } else if (poll.revents & (POLLIN | POLLHUP | POLLERR)) {
      connection.host_readable = true;
    }
  }
  drop_expired();
  std::erase_if(connections_, [](const auto& entry) {
    return entry.second.state == State::kEnding && entry.second.guest_port == 0;  // never reached the guest
  });
}

void VsockDevice::accept_host() {
  Fd fd(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!fd || connections_.size() >= limits::kVsockConnections) return;
  while (connections_.contains(next_port_)) next_port_ = next_port_ == kLastPort ? kFirstPort : next_port_ + 1;
  Connection& connection = connections_[next_port_];
  next_port_ = next_port_ == kLastPort ? kFirstPort : next_port_ + 1;
  connection.fd = std::move(fd);
  connection.deadline = Deadline::after_ms(kStepMs);
}

// Byte by byte: what follows the line is for the guest.
void VsockDevice::read_line(Connection& connection) {
  for (;;) {
    char byte;
    const ssize_t got = recv(connection.fd.get(), &byte, 1, MSG_DONTWAIT);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0 || connection.line.size() == kConnectLineBytes) return begin_end(connection);
    connection.line += byte;
    if (byte == '\n') break;
  }
  const Result<uint32_t> port = decode_connect(connection.line);
  if (!port.ok() || *port == 0) return begin_end(connection);
  connection.guest_port = *port;
  connection.state = State::kRequested;
  connection.send_request = true;
  connection.deadline = Deadline::after_ms(kStepMs);
}

int VsockDevice::timeout_ms() const {
  int shortest = -1;
  for (const auto& [port, connection] : connections_) {
    if (connection.state == State::kOpen || connection.send_reset) continue;
    const int left = connection.deadline.remaining_ms();
    if (shortest < 0 || left < shortest) shortest = left;
  }
  return shortest;
}

void VsockDevice::drop_expired() {
  for (auto at = connections_.begin(); at != connections_.end();) {
    Connection& connection = at->second;
    const bool expired = connection.state != State::kOpen && connection.deadline.passed();
    if (expired && connection.guest_port == 0) {
      at = connections_.erase(at);
      continue;
    }
    if (expired) connection.send_reset = true;
    ++at;
  }
}

}  // namespace hpcc
