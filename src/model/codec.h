// ByteWriter and ByteReader: little-endian fields for every encoding hpcc keeps on disk. The reader is bounds-checked
// and sticky: after the first failure every read gives zeros and ok() stays false, so decoders test once per item.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace hpcc {

class ByteWriter {
 public:
  void u8(uint8_t value) { out_.push_back(static_cast<char>(value)); }
  void u16(uint16_t value) { number(value); }
  void u32(uint32_t value) { number(value); }
  void u64(uint64_t value) { number(value); }
  void raw(std::string_view bytes) { out_.append(bytes); }
  void text16(std::string_view text) {  // the caller keeps texts below 64 KiB
    u16(static_cast<uint16_t>(text.size()));
    raw(text);
  }
  void text32(std::string_view text) {
    u32(static_cast<uint32_t>(text.size()));
    raw(text);
  }
  const std::string& bytes() const { return out_; }
  std::string take() { return std::move(out_); }
  void reserve(size_t size_bytes) { out_.reserve(size_bytes); }

 private:
  template <typename T>
  void number(T value) {
    char bytes[sizeof(T)];
    for (size_t i = 0; i < sizeof(T); ++i) bytes[i] = static_cast<char>(value >> (8 * i));
    out_.append(bytes, sizeof bytes);
  }
  std::string out_;
};

class ByteReader {
 public:
  explicit ByteReader(std::string_view bytes) : rest_(bytes) {}

  uint8_t u8() { return number<uint8_t>(); }
  uint16_t u16() { return number<uint16_t>(); }
  uint32_t u32() { return number<uint32_t>(); }
  uint64_t u64() { return number<uint64_t>(); }
  std::string_view raw(size_t size_bytes) {
    if (failed_ || size_bytes > rest_.size()) {
      failed_ = true;
      return {};
    }
    std::string_view bytes = rest_.substr(0, size_bytes);
    rest_.remove_prefix(size_bytes);
    return bytes;
  }
  std::string_view text16(size_t limit_bytes) { return text(u16(), limit_bytes); }
  std::string_view text32(size_t limit_bytes) { return text(u32(), limit_bytes); }
  // A count of items that take at least `item_bytes` each: fails before anything is allocated for an absurd one.
  uint32_t count(size_t item_bytes, size_t limit) {
    uint32_t n = u32();
    if (n > limit || n > rest_.size() / item_bytes) failed_ = true;
    return failed_ ? 0 : n;
  }
  void fail() { failed_ = true; }
  bool ok() const { return !failed_; }
  bool finished() const { return !failed_ && rest_.empty(); }
  size_t remaining() const { return failed_ ? 0 : rest_.size(); }

 private:
  template <typename T>
  T number() {
    std::string_view bytes = raw(sizeof(T));
    if (failed_) return 0;
    T value = 0;
    for (size_t i = 0; i < sizeof(T); ++i) {
      value = static_cast<T>(value | static_cast<T>(static_cast<T>(static_cast<uint8_t>(bytes[i])) << (8 * i)));
    }
    return value;
  }
  std::string_view text(size_t size_bytes, size_t limit_bytes) {
    if (size_bytes > limit_bytes) failed_ = true;
    return raw(size_bytes);
  }

  std::string_view rest_;
  bool failed_ = false;
};

}  // namespace hpcc
