// Where a server listens, and where others dial it: HOST:PORT both. They differ where it listens on all addresses of
// its machine, which nobody can dial.
#pragma once

#include <string>

#include "base/result.h"

namespace hpcc {

// `advertise`: "" for `listen`. kInvalid when others could not dial what comes of the two.
Status check_addresses(const std::string& listen, const std::string& advertise);
// `port`: the one that is listened on, should `listen` say 0.
std::string dialled_address(const std::string& listen, const std::string& advertise, int port);

}  // namespace hpcc
