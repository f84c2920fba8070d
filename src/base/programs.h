// Programs of the machine that hpcc starts: at fixed places, so that no PATH decides what runs. Thread-safe.
#pragma once

#include <initializer_list>
#include <string>

#include "base/result.h"

namespace hpcc {

// The first that can be executed; "" when none can.
std::string first_executable(std::initializer_list<const char*> paths);

Result<std::string> find_bubblewrap();  // kNotFound says what to install

}  // namespace hpcc
