// Fuzzes decode_dep_list: what decodes can be encoded, and decodes to the same again.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "client/outputs.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  hpcc::Place place;
  place.root = "/srv/the project";
  place.cwd = place.root + "/build";
  const auto dep = hpcc::decode_dep_list(std::string_view(reinterpret_cast<const char*>(data), size), place);
  if (!dep.ok()) return 0;
  const auto again = hpcc::decode_dep_list(hpcc::encode_dep_list(*dep, place), place);
  if (!again.ok() || again->prerequisites != dep->prerequisites || again->phony != dep->phony) std::abort();
  return 0;
}
