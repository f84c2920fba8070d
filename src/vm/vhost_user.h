// vhost-user: what a VMM (QEMU) tells the process that serves one of its devices. Messages from the VMM are as hostile
// as its guest once the guest has broken out. Only what a vsock device needs; anything else is an Error.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/deadline.h"
#include "base/fd.h"
#include "base/result.h"
#include "vm/guest_memory.h"

namespace hpcc {

enum class VhostRequest : uint32_t {
  kGetFeatures = 1,
  kSetFeatures = 2,
  kSetOwner = 3,
  kSetMemTable = 5,
  kSetVringNum = 8,
  kSetVringAddr = 9,
  kSetVringBase = 10,
  kGetVringBase = 11,
  kSetVringKick = 12,
  kSetVringCall = 13,
  kSetVringErr = 14,
  kGetProtocolFeatures = 15,
  kSetProtocolFeatures = 16,
  kSetVringEnable = 18,
  kGetConfig = 24,
};

struct VhostHeader {
  uint32_t request = 0, flags = 0, size_bytes = 0;
};

struct VhostMessage {
  VhostRequest request = VhostRequest::kGetFeatures;
  bool needs_reply = false;
  uint64_t number = 0;                                // SET_FEATURES, SET_PROTOCOL_FEATURES
  uint32_t queue = 0, value = 0;                      // of SET_VRING_*; for kick, call and err: value 1 says "no file"
  uint64_t descriptors = 0, used = 0, available = 0;  // SET_VRING_ADDR
  std::vector<MemoryRegion> regions;                  // SET_MEM_TABLE
  uint32_t offset = 0, size_bytes = 0, flags = 0;     // GET_CONFIG
};

inline constexpr uint32_t kVsockQueues = 2;  // receive, transmit; the event queue stays with QEMU

// `files`: how many descriptors came with it.
Result<VhostMessage> decode_vhost_message(const VhostHeader& header, std::string_view payload, size_t files);

// One message from the socket, with its files. kNotFound: the VMM has closed it.
struct VhostReceived {
  VhostMessage message;
  std::vector<Fd> files;
};
Result<VhostReceived> receive_vhost(int socket);
Status reply_vhost(int socket, VhostRequest request, std::string_view payload);

}  // namespace hpcc
