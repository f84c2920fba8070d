// What kind of program a compiler driver is, told from its bytes alone. Pure; any thread.
#pragma once

#include <cstdint>
#include <string_view>

namespace hpcc {

enum class DriverKind : uint8_t {
  kGcc,
  kClang,
  kScript,   // begins with "#!": a wrapper, its family unknown, may read any variable
  kUnknown,  // not a compiler hpcc knows, or another compiler cache or distributor
};

DriverKind identify_driver(std::string_view content);

}  // namespace hpcc
