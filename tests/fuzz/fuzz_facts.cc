// Fuzzes compiler/source_facts.h: any bytes, and the promise that a time macro written out is never missed, wherever a
// line splice falls into it.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "compiler/source_facts.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string text(reinterpret_cast<const char*>(data), size);
  uint32_t facts = hpcc::scan_source_facts(text);
  if (!(facts & hpcc::kFactScanned)) std::abort();
  hpcc::may_paste_time_macro(facts);
  if (size < 2 || text.starts_with("CPCH")) return 0;

  // The same text with the macro put in the middle, in parts joined by splices.
  std::string macro = "__TIME__";
  size_t cut = data[0] % macro.size();
  size_t at = data[1] % size;
  constexpr std::string_view kSplices[] = {"", "\\\n", "\\ \t\n", "\\\r\n", "\?\?/\n", "\\\n\\\n"};
  macro.insert(cut, kSplices[data[1] % std::size(kSplices)]);
  std::string planted = text.substr(0, at) + " " + macro + " " + text.substr(at);
  if (planted.starts_with("CPCH")) return 0;
  if (!(hpcc::scan_source_facts(planted) & hpcc::kFactDateTime)) std::abort();
  return 0;
}
