// Fuzzes decode_grant behind its signature: the input is signed here, so that the fields are reached.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "trust/grant.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const hpcc::SigningKey key = *hpcc::SigningKey::create();
  std::string bytes(reinterpret_cast<const char*>(data), size);
  (void)hpcc::decode_grant(bytes, key.public_key());
  bytes += key.sign(hpcc::kGrantPayloadType, bytes).view();
  const auto grant = hpcc::decode_grant(bytes, key.public_key());
  if (!grant.ok()) return 0;
  const auto again = hpcc::sign_grant(*grant, key);
  if (!again.ok() || *again != bytes) std::abort();
  return 0;
}
