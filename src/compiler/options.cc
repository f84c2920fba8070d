#include "compiler/options.h"

#include <algorithm>
#include <string>

namespace hpcc {
namespace {

bool takes_glued_value(Arity arity) { return arity == Arity::kJoined || arity == Arity::kJoinedOrSeparate; }

size_t common_prefix(std::string_view a, std::string_view b) {
  return std::mismatch(a.begin(), a.begin() + std::min(a.size(), b.size()), b.begin()).first - a.begin();
}

// Every row that is a prefix of `arg` sorts at or before it. Step back from the upper bound; a row that is no prefix
// shares some shorter prefix with arg, and only rows at or before that prefix can still match.
const OptionRow* find_exact(std::span<const OptionRow> table, std::string_view arg) {
  std::string_view probe = arg;
  while (!probe.empty()) {
    auto it = std::upper_bound(table.begin(), table.end(), probe,
                               [](std::string_view key, const OptionRow& row) { return key < row.name; });
    if (it == table.begin()) return nullptr;
    const OptionRow& row = *std::prev(it);
    size_t shared = common_prefix(arg, row.name);
    if (shared == row.name.size()) {
      if (shared == arg.size() || takes_glued_value(row.arity)) return &row;
      --shared;  // a flag that arg merely begins with
    }
    probe = arg.substr(0, std::min(shared, probe.size() - 1));
  }
  return nullptr;
}

}  // namespace

OptionMatch find_option(std::span<const OptionRow> table, std::string_view arg) {
  if (const OptionRow* row = find_exact(table, arg)) return {row, false};
  // -fno-X, -mno-X, -gno-X, -Wno-X
  if (arg.size() > 5 && arg[0] == '-' && arg.substr(2, 3) == "no-") {
    std::string positive = std::string(arg.substr(0, 2)) + std::string(arg.substr(5));
    const OptionRow* row = find_exact(table, positive);
    if (row && row->name == positive && (row->bits & opt::kNegatable)) return {row, true};
  }
  return {};
}

}  // namespace hpcc
