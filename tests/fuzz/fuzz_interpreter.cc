// Fuzzes decode_interpreter: any first bytes of a file give a name without NUL, or an Error.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "client/elf.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto name = hpcc::decode_interpreter(std::string_view(reinterpret_cast<const char*>(data), size));
  if (name.ok() && name->find('\0') != std::string::npos) std::abort();
  return 0;
}
