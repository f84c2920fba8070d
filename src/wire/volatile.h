// Paths whose content the kernel makes up at each look: what a compile reads there, no key can hold. The same for a
// compile traced here and for one in a guest.
#pragma once

#include <cstdint>
#include <string_view>

#include "launcher/frame.h"

namespace hpcc {

// kIgnore: steers buffer sizes and thread counts, never an object.
enum class Volatile : uint8_t { kNo, kIgnore, kRefuse };
Volatile volatile_kind(std::string_view path, frame::Op op);

}  // namespace hpcc
