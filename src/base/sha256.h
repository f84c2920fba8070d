// SHA-256 (FIPS 180-4), hpcc's only digest. Uses SHA-NI where the CPU has it, else portable code with the same result.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace hpcc {

class Sha256 {
 public:
  static constexpr size_t kBytes = 32;

  Sha256();
  void update(const void* data, size_t size);
  void update(std::string_view text) { update(text.data(), text.size()); }
  // Writes 32 bytes; the object must not be used afterwards.
  void finish(uint8_t out[kBytes]);

  // For tests: whether the hardware path is in use, and a switch to compare both paths.
  static bool has_hardware();
  static void force_portable_for_test(bool portable);

 private:
  uint32_t state_[8];
  uint64_t length_ = 0;
  uint8_t block_[64];
  size_t used_ = 0;
};

}  // namespace hpcc
