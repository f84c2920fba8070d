#include "wire/toml.h"

namespace hpcc {
namespace {

constexpr size_t kBytes = 1u << 20;

Error at_line(const std::string& name, const toml::source_region& where, const std::string& what) {
  return Error{Code::kInvalid, name + ":" + std::to_string(where.begin.line) + ": " + what, 0};
}

}  // namespace

Error toml_error(const std::string& name, const toml::node& node, const std::string& what) {
  return at_line(name, node.source(), what);
}

Result<toml::table> parse_toml(std::string_view text, const std::string& name) {
  if (text.size() > kBytes) return Error{Code::kLimit, name + ": larger than 1 MiB", 0};
  // toml++ 3 has undefined behaviour on some letters beyond ASCII outside of strings.
  std::string ascii(text);
  for (char& c : ascii) {
    if (static_cast<unsigned char>(c) >= 0x80) c = '?';
  }
  toml::parse_result parsed = toml::parse(ascii);
  if (parsed.failed()) return at_line(name, parsed.error().source(), std::string(parsed.error().description()));
  return std::move(parsed).table();
}

}  // namespace hpcc
