// Fuzzes decode_result: what decodes has exactly one encoding.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "model/manifest.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto result = hpcc::decode_result(bytes);
  if (result.ok() && hpcc::encode_result(*result) != bytes) std::abort();
  return 0;
}
