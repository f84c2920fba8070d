#include "base/programs.h"

#include <unistd.h>

namespace hpcc {

std::string first_executable(std::initializer_list<const char*> paths) {
  for (const char* path : paths) {
    if (access(path, X_OK) == 0) return path;
  }
  return "";
}

Result<std::string> find_bubblewrap() {
  std::string found = first_executable({"/usr/bin/bwrap", "/usr/local/bin/bwrap", "/bin/bwrap"});
  if (found.empty()) return Error{Code::kNotFound, "bwrap is not installed (package bubblewrap)", 0};
  return found;
}

}  // namespace hpcc
