// Consistency: that a worker's log extends what it was at `from` rows, as it travels. Checked by trust/seen.h.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace hpcc {

struct Consistency {
  uint64_t from = 0;               // rows
  std::vector<std::string> steps;  // RFC 6962, 2.1.2; 32 bytes each
  bool operator==(const Consistency&) const = default;
};

}  // namespace hpcc
