// Fuzzes what the vsock backend reads: the host's connect line, the VMM's messages, and a guest's ring with packets.
#include <sys/socket.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <vector>

#include "base/limits.h"
#include "vm/connect_line.h"
#include "vm/vhost_user.h"
#include "vm/virtqueue.h"
#include "vm/vsock_backend.h"
#include "vm/vsock_device.h"

namespace {

void fuzz_line(std::string_view bytes) {
  const auto port = hpcc::decode_connect(bytes);
  if (port.ok() && bytes.size() > hpcc::kConnectLineBytes) std::abort();
  if (const auto said = hpcc::decode_connected(bytes); said.ok() && port.ok()) std::abort();
}

void fuzz_message(std::string_view bytes) {
  hpcc::VhostHeader header;
  if (bytes.size() < sizeof header + 1) return;
  memcpy(&header, bytes.data(), sizeof header);
  const size_t files = static_cast<uint8_t>(bytes[sizeof header]);
  const std::string_view payload = bytes.substr(sizeof header + 1);
  header.size_bytes = static_cast<uint32_t>(payload.size());
  const auto message = hpcc::decode_vhost_message(header, payload, files);
  if (message.ok() && message->queue >= hpcc::kVsockQueues) std::abort();
  if (message.ok() && !message->regions.empty() && message->regions.size() != files) std::abort();
}

// The input is a guest's memory with its rings; packets that can be read from it go to a device without connections.
void fuzz_ring(std::string_view bytes) {
  std::vector<char> memory(bytes.begin(), bytes.end());
  memory.resize(std::max<size_t>(memory.size(), 4096));
  hpcc::GuestMemory guest;
  guest.use_for_test(memory.data(), memory.size());
  hpcc::Virtqueue queue;
  if (!queue.set_size(8).ok()) std::abort();
  queue.set_addresses(0, 0x200, 0x100);
  queue.enable();
  hpcc::VsockDevice device(hpcc::Fd(socket(AF_UNIX, SOCK_STREAM, 0)), hpcc::kGuestCid);
  for (int i = 0; i < 16; ++i) {
    const auto chain = queue.peek(guest);
    if (!chain.ok() || !*chain) break;
    std::string packet;
    for (const auto& part : (*chain)->readable) {
      if (part.data() < memory.data() || part.data() + part.size() > memory.data() + memory.size()) std::abort();
      packet.append(part.data(), std::min<size_t>(part.size(), 70000));
    }
    if (packet.size() >= sizeof(hpcc::VsockHeader)) {
      const std::string_view all = packet, payload = all.substr(sizeof(hpcc::VsockHeader));
      const auto header =
          hpcc::decode_vsock_header(all.substr(0, sizeof(hpcc::VsockHeader)), payload.size(), hpcc::kGuestCid);
      if (header.ok()) device.receive(*header, payload.substr(0, header->size_bytes));
    }
    if (!queue.finish(guest, **chain, 0).ok()) break;
  }
  if (device.connections() != 0) std::abort();  // a guest cannot make one
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (data[0] == 0) fuzz_line(bytes);
  if (data[0] == 1) fuzz_message(bytes);
  if (data[0] >= 2) fuzz_ring(bytes);
  return 0;
}
