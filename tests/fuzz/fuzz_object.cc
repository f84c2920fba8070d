// Fuzzes compiler/object_scan.h and compiler/driver.h: any bytes as an object, or as a program.
#include <cstdint>
#include <string_view>

#include "compiler/driver.h"
#include "compiler/object_scan.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view bytes(reinterpret_cast<const char*>(data), size);
  hpcc::outputs_are_searchable(bytes);
  hpcc::differing_sections(bytes, bytes.substr(0, size / 2), 8);
  hpcc::identify_driver(bytes);
  return 0;
}
