// Failed probes: any bytes give a value within the limits or an Error, and the value has no other encoding.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "model/probes.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  auto probes = hpcc::decode_probes(bytes);
  if (probes.ok() && hpcc::encode_probes(*probes) != bytes) std::abort();
  return 0;
}
