// The two lines of Firecracker's vsock socket on the host: "CONNECT <port>\n" from who connects, "OK <port>\n" back;
// after them the stream is the guest's. Hostile on both sides: the backend and the worker do not trust each other.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace hpcc {

inline constexpr size_t kConnectLineBytes = 32;  // newline included

std::string encode_connect(uint32_t port);
std::string encode_connected(uint32_t port);
// `line` with its newline.
Result<uint32_t> decode_connect(std::string_view line);
Result<uint32_t> decode_connected(std::string_view line);

}  // namespace hpcc
