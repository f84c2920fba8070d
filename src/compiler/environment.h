// The environment variables a compiler reads, as one table: keyed, or a reason not to cache. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "compiler/parse.h"
#include "model/invocation.h"

namespace hpcc {

struct EnvKey {
  // Sorted by name. Values verbatim; PATH and the CPATH family are marked as path lists (KeyRole::kPath).
  struct Variable {
    std::string name;
    std::string value;
    KeyRole role = KeyRole::kText;
  };
  std::vector<Variable> variables;
};

// `env` holds "NAME=VALUE" strings. With `driver_is_script` every variable but hpcc's own is keyed.
// Variables that make the compiler write elsewhere (DEPENDENCIES_OUTPUT ...) give a BypassReason.
std::variant<EnvKey, BypassReason> key_environment(Family family, const std::vector<std::string>& env,
                                                   bool driver_is_script);

// Whether that reason is this variable.
bool prevents_caching(Family family, std::string_view name);

// Whether a compiler that is free to choose colours its messages.
bool chooses_colour(Family family, bool on_terminal, const std::vector<std::string>& env);

// First value of NAME in env, as getenv would give it.
std::optional<std::string_view> find_env(const std::vector<std::string>& env, std::string_view name);

}  // namespace hpcc
