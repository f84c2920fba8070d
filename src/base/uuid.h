// UUID version 7 (RFC 9562): milliseconds, then random bits; ids made later sort later.
#pragma once

#include <string>

namespace hpcc {

std::string new_uuid7();

}  // namespace hpcc
