#include "compiler/driver.h"

namespace hpcc {
namespace {

bool contains(std::string_view text, std::string_view needle) { return text.find(needle) != std::string_view::npos; }

// Another cache or distributor under a compiler's name: its own state would stand between hpcc and the compiler.
bool is_other_wrapper(std::string_view content) {
  return contains(content, "CCACHE_DIR") || contains(content, "SCCACHE_") || contains(content, "DISTCC_HOSTS") ||
         contains(content, "ICECC");
}

}  // namespace

DriverKind identify_driver(std::string_view content) {
  if (content.starts_with("#!")) return DriverKind::kScript;
  if (!content.starts_with("\177ELF") || is_other_wrapper(content)) return DriverKind::kUnknown;
  if (contains(content, "COLLECT_GCC") && contains(content, "GCC_EXEC_PREFIX") && contains(content, "cc1")) {
    return DriverKind::kGcc;
  }
  // A static clang holds the variable's name; a dynamic one imports clang::driver::Driver from libclang-cpp.
  if (contains(content, "CCC_OVERRIDE_OPTIONS") || contains(content, "clang6driver6Driver")) return DriverKind::kClang;
  return DriverKind::kUnknown;
}

}  // namespace hpcc
