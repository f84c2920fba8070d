#include "compiler/source_facts.h"

namespace hpcc {
uint32_t scan_source_facts(std::string_view text) {
  uint32_t facts = kFactScanned;
  if (text.find("__DATE__") != text.npos || text.find("__TIME__") != text.npos) facts |= kFactDateTime;
  if (text.find("__TIMESTAMP__") != text.npos) facts |= kFactTimestamp;
  return facts;
}
}  // namespace hpcc
