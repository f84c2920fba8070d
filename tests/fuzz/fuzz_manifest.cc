// Fuzzes decode_manifest: what decodes has exactly one encoding, and its indexes stay within it.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "model/manifest.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto manifest = hpcc::decode_manifest(bytes);
  if (!manifest.ok()) return 0;
  if (hpcc::encode_manifest(*manifest) != bytes) std::abort();
  for (const hpcc::IdentityGroup& group : manifest->groups) {
    if (group.inputs.size() != group.classes.size()) std::abort();
    for (uint32_t input : group.inputs) {
      if (input >= manifest->inputs.size()) std::abort();
    }
  }
  return 0;
}
