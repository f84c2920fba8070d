// hpcc's configuration files are TOML (toml++ 3, without exceptions). Pure; thread-safe.
#pragma once

#include <string>
#include <string_view>

#define TOML_EXCEPTIONS 0
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow"
#include <toml++/toml.h>
#pragma GCC diagnostic pop

#include "base/result.h"

namespace hpcc {

// Letters beyond ASCII become '?': no key or value of ours has any, comments may. At most 1 MiB. Errors name `name`
// and the line.
Result<toml::table> parse_toml(std::string_view text, const std::string& name);

Error toml_error(const std::string& name, const toml::node& node, const std::string& what);

}  // namespace hpcc
