#include "compiler/environment.h"

#include <algorithm>

namespace hpcc {
namespace {

enum class Use : uint8_t {
  kText,    // keyed as it is
  kPaths,   // keyed, a list of paths
  kBypass,  // not cached when set, be it empty
};

struct Row {
  std::string_view name;  // a trailing '*' matches any rest
  Use use = Use::kText;
  std::string_view why;
};

// Left out on purpose: TMPDIR, TMP and TEMP (names of temporary files enter no object), TERM (it shapes messages only
// on a terminal), PWD (the engine compares it with the working directory).
constexpr Row kRows[] = {
    {"ANNOBIN*", Use::kText, "options of a gcc plugin"},
    {"AS_SECURE_LOG_FILE", Use::kBypass, "the assembler appends to that file"},
    {"CCC_*", Use::kBypass, "clang edits its command line, prints it, or adds to it"},
    {"CC_LOG_*", Use::kBypass, "clang writes a log"},
    {"CC_PRINT_*", Use::kBypass, "clang writes logs"},
    {"CLANG_*", Use::kText, "configuration directories, module cache, spawning"},
    {"CLICOLOR*", Use::kText, "colour of messages"},
    {"COLLECT_*", Use::kText, "gcc's driver to its children"},
    {"COLUMNS", Use::kText, "width of messages"},
    {"COMPILER_PATH", Use::kPaths, "where drivers look for cc1, as"},
    {"CPATH", Use::kPaths, "include path"},
    {"CPLUS_INCLUDE_PATH", Use::kPaths, "include path"},
    {"C_INCLUDE_PATH", Use::kPaths, "include path"},
    {"DEPENDENCIES_OUTPUT", Use::kBypass, "gcc writes dependencies there"},
    {"EXPERIMENTAL_SARIF_SOCKET", Use::kBypass, "gcc sends messages there"},
    {"FORCE_CLANG_DIAGNOSTICS_CRASH", Use::kBypass, "clang crashes on purpose"},
    {"GCC_ANALYZER*", Use::kBypass, "not studied"},
    {"GCC_COLORS", Use::kText, "colour of messages"},
    {"GCC_COMPARE_DEBUG", Use::kBypass, "compiles twice, writes dumps"},
    {"GCC_DIAGNOSTICS_LOG", Use::kBypass, "gcc writes a log"},
    {"GCC_EXEC_PREFIX", Use::kPaths, "where gcc looks for everything"},
    {"GCC_EXTRA_DIAGNOSTIC_OUTPUT", Use::kText, "fix-its on stderr"},
    {"GCC_ROOT", Use::kPaths, "where gcc looks for everything"},
    {"GCC_URLS", Use::kText, "links in messages"},
    {"GCONV_PATH", Use::kPaths, "character set conversion"},
    {"GLIBC_TUNABLES", Use::kText, "the C library of the compiler"},
    {"GNUTARGET", Use::kText, "binutils' object format"},
    {"LANG", Use::kText, "language of messages"},
    {"LANGUAGE", Use::kText, "language of messages"},
    {"LC_ALL", Use::kText, "language of messages"},
    {"LC_CTYPE", Use::kText, "character set of messages"},
    {"LC_MESSAGES", Use::kText, "language of messages"},
    {"LD_*", Use::kText, "the loader of the compiler's processes"},
    {"LIBRARY_PATH", Use::kPaths, "library path"},
    {"LLVM_*", Use::kText, "producer string, crash reports"},
    {"LOCPATH", Use::kPaths, "locales"},
    {"LPATH", Use::kPaths, "library path"},
    {"MACOSX_DEPLOYMENT_TARGET", Use::kText, "clang's default target"},
    {"MALLOC_*", Use::kText, "the C library of the compiler"},
    {"NLSPATH", Use::kPaths, "message catalogues"},
    {"NO_COLOR", Use::kText, "colour of messages"},
    {"OBJCPLUS_INCLUDE_PATH", Use::kPaths, "include path"},
    {"OBJC_INCLUDE_PATH", Use::kPaths, "include path"},
    {"OUTPUT_CHARSET", Use::kText, "character set of messages"},
    {"PATH", Use::kPaths, "where drivers look for programs"},
    {"POSIXLY_CORRECT", Use::kText, "order of the assembler's options"},
    {"QA_OVERRIDE_GCC3_OPTIONS", Use::kBypass, "clang edits its command line"},
    {"RC_DEBUG_*", Use::kBypass, "clang records its options or maps prefixes"},
    {"SDKROOT", Use::kPaths, "clang's default sysroot"},
    {"SOURCE_DATE_EPOCH", Use::kText, "__DATE__ and __TIME__"},
    {"SUNPRO_DEPENDENCIES", Use::kBypass, "gcc writes dependencies there"},
    {"TERM_URLS", Use::kText, "links in messages"},
    {"TZ", Use::kText, "__TIMESTAMP__, listings"},
    {"TZDIR", Use::kPaths, "time zones"},
};

// clang's configuration directory may be given relative to the home directory.
constexpr Row kHome = {"HOME", Use::kPaths, "~ in clang's configuration directory"};

bool matches(std::string_view pattern, std::string_view name) {
  if (pattern.ends_with('*')) return name.starts_with(pattern.substr(0, pattern.size() - 1));
  return pattern == name;
}

const Row* find_row(Family family, std::string_view name) {
  if (family == Family::kClang && name == kHome.name) return &kHome;
  auto it = std::find_if(std::begin(kRows), std::end(kRows), [&](const Row& row) { return matches(row.name, name); });
  return it == std::end(kRows) ? nullptr : it;
}

// What changes without meaning: the shell's name of the last command, the working directory (the engine's matter), and
// hpcc's own settings.
bool is_noise(std::string_view name) { return name == "_" || name == "PWD" || name.starts_with("HPCC_"); }

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

bool chooses_colour(Family family, bool on_terminal, const std::vector<std::string>& env) {
  const std::optional<std::string_view> term = find_env(env, "TERM");
  if (!on_terminal || !term || *term == "dumb") return false;
  const std::optional<std::string_view> colours = find_env(env, "GCC_COLORS");
  return family != Family::kGcc || !colours || !colours->empty();
}

bool prevents_caching(Family family, std::string_view name) {
  const Row* row = find_row(family, name);
  return row && row->use == Use::kBypass;
}

std::variant<EnvKey, BypassReason> key_environment(Family family, const std::vector<std::string>& env,
                                                   bool driver_is_script) {
  EnvKey key;
  for (const std::string& entry : env) {
    size_t equals = entry.find('=');
    if (equals == std::string::npos || equals == 0) continue;
    std::string name = entry.substr(0, equals);
    const Row* row = find_row(family, name);
    if (row && row->use == Use::kBypass) return BypassReason{Bypass::kUnsupportedEnv, name, {}, {}};
    if (!row && (!driver_is_script || is_noise(name))) continue;
    KeyRole role = row && row->use == Use::kPaths ? KeyRole::kPath : KeyRole::kText;
    key.variables.push_back({std::move(name), entry.substr(equals + 1), role});
  }
  // Stable: of two entries with one name getenv takes the first, and a script's shell may take the last.
  std::stable_sort(key.variables.begin(), key.variables.end(),
                   [](const auto& a, const auto& b) { return a.name < b.name; });
  return key;
}

}  // namespace hpcc
