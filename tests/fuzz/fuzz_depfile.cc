// Fuzzes compiler/depfile.h: what decodes must encode, in either layout, to something that decodes to the same.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "compiler/depfile.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  hpcc::quote_for_make(text);
  hpcc::Result<hpcc::DepFile> dep = hpcc::decode_depfile(text);
  if (!dep.ok()) return 0;
  for (hpcc::Family family : {hpcc::Family::kGcc, hpcc::Family::kClang}) {
    hpcc::Result<hpcc::DepFile> again = hpcc::decode_depfile(hpcc::encode_depfile(*dep, family));
    if (!again.ok() || again->targets != dep->targets || again->prerequisites != dep->prerequisites) std::abort();
  }
  return 0;
}
