// Dependency files (.d): read as the compiler wrote them, written again for another command line.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/invocation.h"

namespace hpcc {

struct DepFile {
  std::vector<std::string> targets;        // raw words as they stand in the file, make quoting kept
  std::vector<std::string> prerequisites;  // raw words, make quoting kept, in order
  bool phony = false;                      // an empty rule follows for each prerequisite but the first (-MP)
};

// Parses one rule plus -MP rules. At most limits::kDepFileBytes.
Result<DepFile> decode_depfile(std::string_view text);

// Writes it with the family's own wrapping, byte for byte as gcc 12 / clang 14 do (clang 14 puts an empty line before
// each phony rule, its successors may not). The caller checks on the miss that encode(decode(text)) == text and stores
// the file verbatim otherwise.
std::string encode_depfile(const DepFile& dep, Family family);

// The target word the compiler writes when no -MT or -MQ is given. parse_command has put it into dep.targets already,
// since it does not follow from the object alone (gcc -S a.c names a.o).
std::string default_dep_target(const Invocation& invocation);

// A target or prerequisite as gcc writes it: without leading "./".
std::string_view strip_leading_dot_slash(std::string_view name);

// Quotes a name for make as -MQ does.
std::string quote_for_make(std::string_view name);

}  // namespace hpcc
