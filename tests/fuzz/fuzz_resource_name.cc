// Fuzzes rpc/reapi.h and rpc/identity.h: names that are taken come back as they were written.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "rpc/identity.h"
#include "rpc/reapi.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto read = hpcc::decode_read_name(text); read.ok()) {
    if (hpcc::encode_read_name(*read) != text) std::abort();
  }
  if (const auto written = hpcc::decode_write_name(text); written.ok()) {
    // The upload's id and what follows the size are not kept.
    const std::string again = hpcc::encode_write_name(*written, "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b");
    if (again.size() > text.size() || !hpcc::decode_write_name(again).ok()) std::abort();
  }
  if (const auto identity = hpcc::decode_identity(text); identity.ok()) {
    if (hpcc::encode_identity(*identity) != text) std::abort();
  }
  (void)hpcc::decode_peer(text);
  return 0;
}
