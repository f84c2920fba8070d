#include "compiler/environment.h"

#include <algorithm>

namespace hpcc {
namespace {

enum class Use : uint8_t {
  kText,    // keyed as it is
  kPaths,   // keyed, a list of paths
  kBypass,  // not cached when set
};

struct Row {
  std::string_view name;  // a trailing '*' matches any rest
  Use use = Use::kText;
};

// Sorted for people; looked up linearly once per variable.
constexpr Row kRows[] = {
    // Where the driver and the assembler look for programs and files.
    {"COMPILER_PATH", Use::kPaths},
    {"GCC_EXEC_PREFIX", Use::kPaths},
    {"LIBRARY_PATH", Use::kPaths},
    {"LPATH", Use::kPaths},
    {"PATH", Use::kPaths},
    // Include paths.
    {"CPATH", Use::kPaths},
    {"CPLUS_INCLUDE_PATH", Use::kPaths},
    {"C_INCLUDE_PATH", Use::kPaths},
    {"OBJCPLUS_INCLUDE_PATH", Use::kPaths},
    {"OBJC_INCLUDE_PATH", Use::kPaths},
    // Locale: texts of messages, and the input character set.
    {"LANG"},
    {"LANGUAGE"},
    {"LC_ALL"},
    {"LC_CTYPE"},
    {"LC_MESSAGES"},
    {"LOCPATH"},
    {"NLSPATH"},
    // Time.
    {"SOURCE_DATE_EPOCH"},
    {"TZ"},
    // Shape of messages.
    {"COLUMNS"},
    {"GCC_COLORS"},
    {"GCC_URLS"},
    {"TERM_URLS"},
    // The loader and the C library of the compiler's own processes.
    {"GLIBC_TUNABLES"},
    {"LD_*"},
    {"MALLOC_*"},
    // Options by other means.
    {"CCC_OVERRIDE_OPTIONS", Use::kBypass},
    {"COLLECT_AS_OPTIONS"},
    {"GCC_COMPARE_DEBUG", Use::kBypass},
    {"LLVM_OVERRIDE_PRODUCER"},
    // Outputs nobody declared.
    {"AS_SECURE_LOG_FILE", Use::kBypass},
    {"CC_LOG_DIAGNOSTICS", Use::kBypass},
    {"CC_LOG_DIAGNOSTICS_FILE", Use::kBypass},
    {"CC_PRINT_*", Use::kBypass},
    {"DEPENDENCIES_OUTPUT", Use::kBypass},
    {"GCC_EXTRA_DIAGNOSTIC_OUTPUT", Use::kBypass},
    {"SUNPRO_DEPENDENCIES", Use::kBypass},
};

bool matches(std::string_view pattern, std::string_view name) {
  if (pattern.ends_with('*')) return name.starts_with(pattern.substr(0, pattern.size() - 1));
  return pattern == name;
}

const Row* find_row(std::string_view name) {
  auto it = std::find_if(std::begin(kRows), std::end(kRows), [&](const Row& row) { return matches(row.name, name); });
  return it == std::end(kRows) ? nullptr : it;
}

}  // namespace

std::optional<std::string_view> find_env(const std::vector<std::string>& env, std::string_view name) {
  for (const std::string& entry : env) {
    std::string_view view = entry;
    if (view.size() > name.size() && view[name.size()] == '=' && view.starts_with(name)) {
      return view.substr(name.size() + 1);
    }
  }
  return std::nullopt;
}

std::variant<EnvKey, BypassReason> key_environment(Family, const std::vector<std::string>& env,
                                                   bool driver_is_script) {
  EnvKey key;
  for (const std::string& entry : env) {
    size_t equals = entry.find('=');
    if (equals == std::string::npos || equals == 0) continue;
    std::string name = entry.substr(0, equals);
    const Row* row = find_row(name);
    if (row && row->use == Use::kBypass) return BypassReason{Bypass::kUnsupportedEnv, name, {}, {}};
    bool noise = name == "_" || name == "PWD" || name.starts_with("HPCC_");
    if (!row && (!driver_is_script || noise)) continue;
    KeyRole role = row && row->use == Use::kPaths ? KeyRole::kPath : KeyRole::kText;
    key.variables.push_back({std::move(name), entry.substr(equals + 1), role});
  }
  std::stable_sort(key.variables.begin(), key.variables.end(),
                   [](const auto& a, const auto& b) { return a.name < b.name; });
  return key;
}

}  // namespace hpcc
