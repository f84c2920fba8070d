#include "model/digest.h"

namespace hpcc {

std::string hex_encode(std::string_view bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  text.reserve(bytes.size() * 2);
  for (unsigned char byte : bytes) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

bool hex_decode(std::string_view hex, uint8_t* out, size_t size) {
  if (hex.size() != size * 2) return false;
  auto digit = [](char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1; };
  for (size_t i = 0; i < size; ++i) {
    int high = digit(hex[2 * i]), low = digit(hex[2 * i + 1]);
    if (high < 0 || low < 0) return false;
    out[i] = static_cast<uint8_t>(high << 4 | low);
  }
  return true;
}

Result<ImageDigest> parse_image_digest(std::string_view text) {
  if (const std::optional<ImageDigest> digest = ImageDigest::from_text(text)) return *digest;
  return Error{Code::kInvalid, "not an image digest (sha256: and 64 digits): " + std::string(text.substr(0, 100)), 0};
}

}  // namespace hpcc
