// The vsock backend: a confined process (`--role=vsock`) that serves one microVM's AF_VSOCK over vhost-user. Descriptor
// 3 is the VMM's socket, 4 the listening Unix socket of the host's side; it has nothing else. Ends when the VMM closes
// its socket or breaks the protocol.
#pragma once

#include <cstdint>

namespace hpcc {

inline constexpr uint64_t kGuestCid = 3;

// Main of the role. Returns the exit code.
int run_vsock_backend();

}  // namespace hpcc
