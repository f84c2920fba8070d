#include "compiler/logical.h"

#include <cstring>

#include "base/fs.h"
#include "compiler/options.h"
#include "model/probes.h"

namespace hpcc {
namespace {

bool begins_path(std::string_view text, size_t at) {
  return at == 0 || std::strchr("=,:\"'@ ", text[at - 1]) != nullptr;
}
bool ends_component(std::string_view text, size_t at) {
  return at == text.size() || std::strchr("/=,:\"' \n\t);", text[at]) != nullptr;
}

std::string replace_root(std::string_view text, const std::string& root) {
  std::string out;
  size_t done = 0;
  for (size_t at = text.find(root); at != std::string_view::npos; at = text.find(root, at + 1)) {
    if (at < done || !begins_path(text, at) || !ends_component(text, at + root.size())) continue;
    out += text.substr(done, at - done);
    out += kLogicalRoot;
    done = at + root.size();
  }
  out += text.substr(done);
  return out;
}

std::span<const OptionRow> table_of(Family family) { return family == Family::kGcc ? gcc_options() : clang_options(); }

}  // namespace

std::string to_logical(std::string_view text, const ScanPlace& place) {
  std::string out = replace_root(text, place.root);
  return place.root_alias.empty() ? out : replace_root(out, place.root_alias);
}

std::string from_logical(std::string_view text, const std::string& root) {
  std::string out;
  const std::string_view logical = kLogicalRoot;
  size_t done = 0;
  for (size_t at = text.find(logical); at != std::string_view::npos; at = text.find(logical, at + 1)) {
    const bool inside = at > 0 && (std::isalnum(static_cast<unsigned char>(text[at - 1])) || text[at - 1] == '/');
    if (at < done || inside) continue;
    const size_t end = at + logical.size();
    if (end < text.size() && (std::isalnum(static_cast<unsigned char>(text[end])) || text[end] == '_')) continue;
    out += text.substr(done, at - done);
    out += root;
    done = end;
  }
  out += text.substr(done);
  return out;
}

std::vector<std::string> logical_arguments(Family family, const std::vector<std::string>& argv,
                                           const ScanPlace& place) {
  std::vector<std::string> out;
  out.reserve(argv.size());
  bool defines = false;  // the argument is the value of a separate -D
  for (const std::string& arg : argv) {
    if (out.empty()) {
      out.emplace_back(basename_of(arg));
      continue;
    }
    const bool is_definition = defines || arg.starts_with("-D");
    defines = !defines && (arg == "-D" || arg == "-U");
    if (is_definition) {
      out.push_back(arg);
      continue;
    }
    const OptionMatch match = arg.starts_with('-') ? find_option(table_of(family), arg) : OptionMatch();
    // Without a row, -L/a/lib is told by the first slash.
    size_t name = match.row && !match.negated ? match.row->name.size() : 0;
    if (!match.row && arg.starts_with('-')) name = std::min(arg.find('/'), arg.size());
    const std::string_view word = arg;
    out.push_back(std::string(word.substr(0, name)) + to_logical(word.substr(name), place));
  }
  return out;
}

}  // namespace hpcc
