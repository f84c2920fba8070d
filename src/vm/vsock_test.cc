// The vsock device without a guest: packets by hand on one side, a Unix socket on the other.
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>

#include "base/fs.h"
#include "base/limits.h"
#include "vm/connect_line.h"
#include "vm/vsock_backend.h"
#include "vm/vsock_device.h"

namespace hpcc {
namespace {

class Ground {
 public:
  Ground() {
    std::string name = "/tmp/hpcc-vsock-test-XXXXXX";
    if (!mkdtemp(name.data())) abort();
    dir_ = name;
    address_.sun_family = AF_UNIX;
    snprintf(address_.sun_path, sizeof address_.sun_path, "%s/v", dir_.c_str());
    Fd listener(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0));
    EXPECT_EQ(bind(listener.get(), reinterpret_cast<sockaddr*>(&address_), sizeof address_), 0);
    EXPECT_EQ(listen(listener.get(), 100), 0);
    device.emplace(std::move(listener), kGuestCid);
  }
  ~Ground() { EXPECT_TRUE(remove_tree(dir_).ok()); }

  Fd dial(const std::string& line) {
    Fd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0));
    EXPECT_EQ(connect(fd.get(), reinterpret_cast<sockaddr*>(&address_), sizeof address_), 0);
    EXPECT_EQ(send(fd.get(), line.data(), line.size(), MSG_NOSIGNAL), static_cast<ssize_t>(line.size()));
    turn();
    turn();
    return fd;
  }
  // One round of the backend's loop, without waiting.
  void turn() {
    std::vector<struct pollfd> polls;
    device->add_polls(polls);
    ::poll(polls.data(), polls.size(), 0);
    device->on_polls(polls);
  }
  struct Packet {
    VsockHeader header;
    std::string payload;
    VsockOp op() const { return static_cast<VsockOp>(header.op); }
  };
  std::optional<Packet> next(size_t room = 4096) {
    turn();
    Packet packet;
    std::vector<char> space(room);
    const std::optional<size_t> size = device->next(packet.header, space);
    if (!size) return std::nullopt;
    packet.payload.assign(space.data(), *size);
    return packet;
  }
  void say(VsockOp op, uint32_t host_port, const std::string& payload = "", uint32_t flags = 0,
           uint32_t buffer = 1 << 20, uint32_t forwarded = 0) {
    VsockHeader header;
    header.source_cid = kGuestCid;
    header.target_cid = 2;
    header.source_port = 1024;
    header.target_port = host_port;
    header.op = static_cast<uint16_t>(op);
    header.size_bytes = static_cast<uint32_t>(payload.size());
    header.flags = flags;
    header.buffer_bytes = buffer;
    header.forwarded_bytes = forwarded;
    device->receive(header, payload);
  }
  static std::string drain(int fd) {
    char bytes[1 << 16];
    const ssize_t got = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT);
    if (got < 0) return errno == ECONNRESET ? "" : "(nothing)";  // closed with bytes of ours unread
    return std::string(bytes, static_cast<size_t>(got));
  }
  // A connection the guest has accepted; its OK line is read.
  std::pair<Fd, uint32_t> open() {
    Fd fd = dial("CONNECT 1024\n");
    const std::optional<Packet> request = next();
    EXPECT_TRUE(request && request->op() == VsockOp::kRequest);
    const uint32_t port = request ? request->header.source_port : 0;
    say(VsockOp::kResponse, port);
    EXPECT_EQ(drain(fd.get()), "OK " + std::to_string(port) + "\n");
    return {std::move(fd), port};
  }

  std::optional<VsockDevice> device;

 private:
  std::string dir_;
  struct sockaddr_un address_ = {};
};

TEST(Vsock, AHostConnectionReachesTheGuestAndDataFlowsBothWays) {
  Ground ground;
  auto [fd, port] = ground.open();
  ASSERT_EQ(send(fd.get(), "ping", 4, 0), 4);
  const auto data = ground.next();
  ASSERT_TRUE(data);
  EXPECT_EQ(data->op(), VsockOp::kData);
  EXPECT_EQ(data->payload, "ping");
  EXPECT_EQ(data->header.target_port, 1024u);
  ground.say(VsockOp::kData, port, "pong");
  EXPECT_EQ(Ground::drain(fd.get()), "pong");
}

TEST(Vsock, BytesGluedToTheConnectLineAreTheGuests) {
  Ground ground;
  Fd fd = ground.dial("CONNECT 1024\nearly");
  const auto request = ground.next();
  ASSERT_TRUE(request);
  ground.say(VsockOp::kResponse, request->header.source_port);
  const auto data = ground.next();
  ASSERT_TRUE(data);
  EXPECT_EQ(data->payload, "early");
}

TEST(Vsock, ABadConnectLineEndsTheConnectionAndTheGuestNeverHearsOfIt) {
  for (const char* line : {"CONNECT\n", "CONNECT x\n", "CONNECT 99999999999\n", "CONNECT -1\n", "CONNECT 0\n",
                           "connect 1024\n", "CONNECT  1024\n", "CONNECT 1024 \n", "\n",
                           "CONNECT 00000000000000000000000000001024\n"}) {
    Ground ground;
    Fd fd = ground.dial(line);
    EXPECT_FALSE(ground.next()) << line;
    EXPECT_EQ(Ground::drain(fd.get()), "") << line;  // closed
    EXPECT_EQ(ground.device->connections(), 0u);
  }
}

TEST(Vsock, AGuestCannotConnectToTheHost) {
  Ground ground;
  ground.say(VsockOp::kRequest, 22);
  const auto answer = ground.next();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->op(), VsockOp::kReset);
  EXPECT_EQ(answer->header.source_port, 22u);
  EXPECT_EQ(ground.device->connections(), 0u);
}

TEST(Vsock, AClosedPortClosesTheHostsSocket) {
  Ground ground;
  Fd fd = ground.dial("CONNECT 1024\n");
  const auto request = ground.next();
  ASSERT_TRUE(request);
  ground.say(VsockOp::kReset, request->header.source_port);
  EXPECT_EQ(Ground::drain(fd.get()), "");
}

TEST(Vsock, NoMoreIsSentThanTheGuestHasRoomFor) {
  Ground ground;
  auto [fd, port] = ground.open();
  ground.say(VsockOp::kCreditUpdate, port, "", 0, 10, 0);
  ASSERT_EQ(send(fd.get(), "0123456789abcdef", 16, 0), 16);
  auto data = ground.next();
  ASSERT_TRUE(data);
  EXPECT_EQ(data->payload, "0123456789");
  EXPECT_FALSE(ground.next());
  ground.say(VsockOp::kCreditUpdate, port, "", 0, 10, 4);
  data = ground.next();
  ASSERT_TRUE(data);
  EXPECT_EQ(data->payload, "abcd");
}

TEST(Vsock, AGuestThatSendsBeyondItsCreditIsReset) {
  Ground ground;
  auto [fd, port] = ground.open();
  const std::string packet(limits::kVsockPacketBytes, 'x');
  std::optional<Ground::Packet> answer;
  for (int i = 0; i < 64 && !(answer && answer->op() == VsockOp::kReset); ++i) {
    ground.say(VsockOp::kData, port, packet);
    answer = ground.next();
  }
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->op(), VsockOp::kReset);
  EXPECT_EQ(ground.device->connections(), 0u);
}

TEST(Vsock, TheGuestIsToldOfRoomAsTheHostReads) {
  Ground ground;
  auto [fd, port] = ground.open();
  ground.say(VsockOp::kData, port, std::string(limits::kVsockPacketBytes, 'x'));
  ground.say(VsockOp::kData, port, std::string(limits::kVsockPacketBytes, 'x'));
  size_t read = 0;
  while (read < 2 * limits::kVsockPacketBytes) {
    const std::string got = Ground::drain(fd.get());
    ASSERT_NE(got, "(nothing)");
    read += got.size();
    ground.turn();
  }
  const auto update = ground.next();
  ASSERT_TRUE(update);
  EXPECT_EQ(update->op(), VsockOp::kCreditUpdate);
  EXPECT_EQ(update->header.forwarded_bytes, 2 * limits::kVsockPacketBytes);
}

TEST(Vsock, AHostThatHangsUpShutsTheGuestsEndDown) {
  Ground ground;
  auto [fd, port] = ground.open();
  fd.reset();
  auto packet = ground.next();
  ASSERT_TRUE(packet);
  EXPECT_EQ(packet->op(), VsockOp::kShutdown);
  EXPECT_EQ(packet->header.flags, 3u);
  ground.say(VsockOp::kReset, port);
  EXPECT_EQ(ground.device->connections(), 0u);
}

TEST(Vsock, AGuestThatClosesHasItsLastBytesDelivered) {
  Ground ground;
  auto [fd, port] = ground.open();
  ground.say(VsockOp::kData, port, "last");
  ground.say(VsockOp::kShutdown, port, "", 3);
  const auto answer = ground.next();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->op(), VsockOp::kReset);
  EXPECT_EQ(Ground::drain(fd.get()), "last");
  EXPECT_EQ(Ground::drain(fd.get()), "");
}

TEST(Vsock, ConnectionsAreLimited) {
  Ground ground;
  std::vector<Fd> all;
  for (size_t i = 0; i < limits::kVsockConnections + 5; ++i) all.push_back(ground.dial("CONNECT 1024\n"));
  EXPECT_EQ(ground.device->connections(), limits::kVsockConnections);
}

TEST(Vsock, HeadersThatCannotBeAreRefused) {
  VsockHeader header;
  header.source_cid = kGuestCid;
  header.target_cid = 2;
  header.op = 5;
  header.size_bytes = 100;
  const auto decode = [&](uint64_t available) {
    return decode_vsock_header({reinterpret_cast<const char*>(&header), sizeof header}, available, kGuestCid).ok();
  };
  EXPECT_TRUE(decode(100));
  EXPECT_FALSE(decode(99));
  header.source_cid = 4;
  EXPECT_FALSE(decode(100));
  header.source_cid = kGuestCid;
  header.op = 8;
  EXPECT_FALSE(decode(100));
  header.op = 5;
  header.size_bytes = limits::kVsockPacketBytes + 1;
  EXPECT_FALSE(decode(1 << 30));
}

TEST(ConnectLine, IsDecodedAsItIsEncoded) {
  EXPECT_EQ(*decode_connect(encode_connect(1024)), 1024u);
  EXPECT_EQ(*decode_connected(encode_connected(1u << 30)), 1u << 30);
  EXPECT_FALSE(decode_connected("OK 1").ok());
  EXPECT_FALSE(decode_connected("OK 1\nrest").ok());
  EXPECT_FALSE(decode_connected("NO 1\n").ok());
}

}  // namespace
}  // namespace hpcc
