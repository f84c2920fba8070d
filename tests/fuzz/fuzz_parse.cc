// Fuzzes compiler/parse.h: any argument list, for both families. The first byte picks the family, newlines separate
// arguments; "@" arguments read the input itself. What must hold: no crash, declared outputs with names, the object
// last.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "compiler/parse.h"

namespace {

void check(bool condition) {
  if (!condition) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  std::vector<std::string> argv = {data[0] % 4 < 2 ? "gcc" : "clang++"};
  for (size_t at = 0; at <= text.size();) {
    size_t end = std::min(text.find('\n', at), text.size());
    argv.emplace_back(text.substr(at, end - at));
    at = end + 1;
  }
  auto read_file = [&](const std::string& path) -> hpcc::Result<std::string> {
    if (path.starts_with("missing")) return hpcc::Error{hpcc::Code::kNotFound, path, 0};
    return std::string(text.substr(std::min(path.size(), text.size())));
  };
  hpcc::Family family = data[0] % 2 ? hpcc::Family::kClang : hpcc::Family::kGcc;
  hpcc::ParseResult result = hpcc::parse_command(family, argv, read_file);
  if (const auto* reason = std::get_if<hpcc::BypassReason>(&result)) {
    check(reason->reason != hpcc::Bypass::kNone);
    return 0;
  }
  const hpcc::Invocation& inv = std::get<hpcc::Invocation>(result);
  check(!inv.source.empty() && !inv.key_args.empty());
  for (const hpcc::OutputFile& output : inv.outputs) check(!output.path.empty() && output.path != inv.source);
  if (!inv.object.empty()) check(inv.outputs.back().kind == hpcc::OutputKind::kObject);
  if (inv.dep.wanted) check(!inv.dep.path.empty() && !inv.dep.targets.empty());
  return 0;
}
