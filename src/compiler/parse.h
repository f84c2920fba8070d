// argv → Invocation, or the reason why the command is not cached. Table-driven (compiler/options.h). Pure but for
// response files, which are read through `read_file`.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"
#include "model/invocation.h"

namespace hpcc {

struct BypassReason {
  Bypass reason = Bypass::kNone;
  std::string detail;  // the option, file or variable, for `hpcc explain`; of a kLink that also compiles, a source
  // For kLink: files among the arguments and the output, so that the link can be recorded.
  std::vector<std::string> link_inputs;
  std::string link_output;
};

// Reads one response file: path as written (relative to cwd). At most limits::kResponseFileBytes.
using ReadFile = std::function<Result<std::string>(const std::string& path)>;

using ParseResult = std::variant<Invocation, BypassReason>;

// `argv[0]` is the driver as the user named it ("g++-12", "/opt/x/bin/clang++"): its name picks the default language.
ParseResult parse_command(Family family, const std::vector<std::string>& argv, const ReadFile& read_file);

// Expands @FILE arguments with GNU quoting (libiberty's buildargv), nested; a missing file stays as it is, as gcc does.
Result<std::vector<std::string>> expand_response_files(const std::vector<std::string>& argv, const ReadFile& read_file);

// Whether a program name is one hpcc treats as a compiler when it stands first: gcc, g++, cc, c++, clang, clang++, with
// any target prefix and version suffix ("x86_64-linux-gnu-g++-12"). Also what a masquerading symlink may be called.
bool is_compiler_name(std::string_view basename);

// The family of a driver by its name alone, where its content cannot tell: of a script, or in an image. cc and c++ are
// gcc's.
Family family_by_name(std::string_view driver);

}  // namespace hpcc
