// VsockDevice: the host's end of a guest's AF_VSOCK (virtio 1.1 §5.10, streams only). Connections are made by the host
// alone: who connects to the listening Unix socket says "CONNECT <port>\n" and gets "OK …\n" once the guest accepted.
// What a guest asks to connect to is refused; there is nothing on the host it can reach.
//
// Pure of rings: packets in (receive), packets out (next). One thread. Every buffer is bounded by the credit given to
// the guest; a guest that sends beyond it loses the connection.
#pragma once

#include <poll.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/deadline.h"
#include "base/fd.h"
#include "base/result.h"

namespace hpcc {

enum class VsockOp : uint16_t {
  kRequest = 1,
  kResponse = 2,
  kReset = 3,
  kShutdown = 4,
  kData = 5,
  kCreditUpdate = 6,
  kCreditRequest = 7,
};

struct VsockHeader {  // little endian, as on the ring
  uint64_t source_cid = 0, target_cid = 0;
  uint32_t source_port = 0, target_port = 0, size_bytes = 0;
  uint16_t type = 1, op = 0;
  uint32_t flags = 0, buffer_bytes = 0, forwarded_bytes = 0;
} __attribute__((packed));
static_assert(sizeof(VsockHeader) == 44);

// Checks what can be checked without knowing the connection. `available`: bytes that came after the header.
Result<VsockHeader> decode_vsock_header(std::string_view bytes, uint64_t available, uint64_t guest_cid);

class VsockDevice {
 public:
  VsockDevice(Fd listener, uint64_t guest_cid) : listener_(std::move(listener)), guest_cid_(guest_cid) {}

  // A packet of the guest. `payload` has header.size_bytes.
  void receive(const VsockHeader& header, std::string_view payload);
  // Fills `header` and as much of `space` as there is for the guest; nothing when nothing waits.
  std::optional<size_t> next(VsockHeader& header, std::span<char> space);

  // What to wait for, and what then came (the same vector). add_polls() may leave out what cannot go on now.
  void add_polls(std::vector<struct pollfd>& polls) const;
  void on_polls(std::span<const struct pollfd> polls);
  // Until the next time limit of a connection; -1: none.
  int timeout_ms() const;
  size_t connections() const { return connections_.size(); }

 private:
  enum class State { kHandshake, kRequested, kOpen, kEnding };
  struct Connection {
    Fd fd;
    State state = State::kHandshake;
    uint32_t guest_port = 0;
    Deadline deadline = Deadline::after_ms(0);  // of every state but kOpen
    std::string line;                          // kHandshake: what came so far
    std::string to_host;                       // from the guest, not yet taken by the host's socket
    uint32_t sent = 0, forwarded = 0, announced = 0;      // bytes to the guest; bytes to the host; said to the guest
    uint32_t peer_buffer = 0, peer_forwarded = 0;         // as the guest says
    bool send_request = false, send_reset = false, send_shutdown = false, send_credit = false;
    bool host_readable = false, guest_takes_no_more = false, guest_sends_no_more = false;
    bool wants_data() const;
  };
  using Connections = std::map<uint32_t, Connection>;  // by host port

  void accept_host();
  void say_connected(Connection& connection, uint32_t host_port);
  void read_line(Connection& connection);
  void flush(Connection& connection);
  void take_data(Connection& connection, std::string_view payload);
  void take_shutdown(Connection& connection, uint32_t flags);
  void begin_end(Connection& connection);
  VsockHeader header_for(uint32_t host_port, Connection& connection, VsockOp op) const;
  std::optional<size_t> next_of(uint32_t host_port, Connection& connection, VsockHeader& header, std::span<char> space);
  std::optional<size_t> next_data(uint32_t host_port, Connection& connection, VsockHeader& header,
                                  std::span<char> space);
  void drop_expired();

  Fd listener_;
  uint64_t guest_cid_;
  Connections connections_;
  std::vector<std::pair<uint32_t, uint32_t>> refused_;  // (host port, guest port) to answer with a reset
  uint32_t next_port_ = 1u << 30;
  uint32_t last_served_ = 0;
};

}  // namespace hpcc
