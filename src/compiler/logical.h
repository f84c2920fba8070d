// A command as it stands in the guest: paths of the project under the logical root /hpcc/w, whatever the project's
// place on this machine. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "compiler/include_scan.h"
#include "model/invocation.h"

namespace hpcc {

// Every argument with the project's root replaced where it begins a path. Values of -D stay as they are: a program may
// open such a path when it runs, and it will not run in the guest. argv[0] becomes its last component.
std::vector<std::string> logical_arguments(Family family, const std::vector<std::string>& argv, const ScanPlace& place);

// `text` with the root replaced where a path begins: at its start, or behind one of = , : or a quote.
std::string to_logical(std::string_view text, const ScanPlace& place);

// Messages of a guest for the user: /hpcc/w is the root again.
std::string from_logical(std::string_view text, const std::string& root);

}  // namespace hpcc
