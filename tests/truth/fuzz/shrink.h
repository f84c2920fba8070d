// Shrinking a failure: the fewest states, files, pieces of files, options and variables that still fail; and writing
// the rest as a scenario of the truth matrix. Thread rule: one thread.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "state.h"

namespace hpcc::fuzz {

// Whether the last of these states still fails, from an empty cache.
using Fails = std::function<bool(const std::vector<State>&)>;

// Tries at most `budget` runs. Empty when not even all states together fail again.
std::vector<State> shrink(std::vector<State> states, const Fails& fails, size_t budget);

// A line of Python for tests/truth/matrix/scenarios, named `name`.
std::string scenario_text(const std::string& name, const std::vector<State>& states, const std::string& remark);

}  // namespace hpcc::fuzz
