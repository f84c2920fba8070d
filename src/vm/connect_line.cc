#include "vm/connect_line.h"

#include <charconv>

namespace hpcc {
namespace {

constexpr std::string_view kConnect = "CONNECT ", kConnected = "OK ";

Result<uint32_t> decode(std::string_view line, std::string_view word) {
  const Error bad = {Code::kInvalid, "vsock handshake: not a line \"" + std::string(word) + "<port>\"", 0};
  if (line.size() > kConnectLineBytes || line.size() < word.size() + 2 || line.substr(0, word.size()) != word ||
      line.back() != '\n') {
    return bad;
  }
  const std::string_view digits = line.substr(word.size(), line.size() - word.size() - 1);
  uint32_t port = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (error != std::errc() || end != digits.data() + digits.size()) return bad;
  return port;
}

}  // namespace

std::string encode_connect(uint32_t port) { return std::string(kConnect) + std::to_string(port) + "\n"; }
std::string encode_connected(uint32_t port) { return std::string(kConnected) + std::to_string(port) + "\n"; }
Result<uint32_t> decode_connect(std::string_view line) { return decode(line, kConnect); }
Result<uint32_t> decode_connected(std::string_view line) { return decode(line, kConnected); }

}  // namespace hpcc
