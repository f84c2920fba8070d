// Names of the files a compile writes, derived as the compilers derive them. Pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "compiler/parse.h"
#include "model/invocation.h"

namespace hpcc {

// In order of precedence: the highest one named on the command line counts.
enum class Mode : uint8_t { kLink, kCompile, kAssemble, kSyntaxOnly, kPreprocess };

// What the options ask for, before any name is derived.
struct OutputRequest {
  Mode mode = Mode::kLink;
  std::optional<std::string> output;  // -o
  bool split_dwarf = false;
  bool coverage = false;
  bool stack_usage = false;
  bool callgraph = false;
  bool opt_record = false;
  bool emit_llvm = false;
  std::optional<std::string> opt_record_file;
  std::optional<std::string> opt_info_file;
  std::optional<std::string> listing_file;
  std::optional<std::string> aux_info_file;
  std::optional<std::string> diagnostics_file;
};

// One -MT or -MQ, in command-line order.
struct DepTarget {
  std::string name;
  bool quoted = false;  // -MQ
};

struct DepRequest {
  bool all = false;   // -MD
  bool user = false;  // -MMD
  bool phony = false;
  std::optional<std::string> file;  // -MF
  std::vector<DepTarget> targets;
  // -Wp,-M[M]D,FILE. gcc hands it to cc1 behind its own back: the target then does not follow -o.
  std::optional<std::string> preprocessor_file;
  bool preprocessor_user = false;
};

// Sets object, outputs and dep of `inv`, whose family, language and source are set. A reason: a name that is not
// derived with certainty, or one that is no ordinary file.
BypassReason derive_outputs(const OutputRequest& request, const DepRequest& dep, Invocation& inv);

}  // namespace hpcc
