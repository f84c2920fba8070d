// The include scan's look at one file: ends, stays within the text, and names only what stands in it.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "compiler/directives.h"
#include "wire/client_config.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const hpcc::Directives found = hpcc::scan_directives(text);
  for (const hpcc::Reference& reference : found.references) {
    if (reference.name.empty() || reference.name.find('\0') != std::string::npos) abort();
  }
  hpcc::Directives out;
  hpcc::scan_definition(text, &out);
  (void)hpcc::decode_client_config(text, "client.toml").ok();
  return 0;
}
