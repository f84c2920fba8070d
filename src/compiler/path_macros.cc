#include "compiler/path_macros.h"

#include <algorithm>

namespace hpcc {
namespace {

bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '$' || (c & 0x80);
}
bool is_word(char c) { return is_letter(c) || (c >= '0' && c <= '9'); }

// Calls `visit` for each identifier; numbers and their suffixes are passed over.
template <typename Visit>
void each_identifier(std::string_view text, Visit visit) {
  for (size_t i = 0; i < text.size();) {
    if (!is_word(text[i])) {
      ++i;
      continue;
    }
    size_t start = i;
    while (i < text.size() && is_word(text[i])) ++i;
    if (is_letter(text[start])) visit(text.substr(start, i - start));
  }
}

// The text with backslash-newlines joined and comments blanked. Strings are followed only to find their end, never
// removed: what looks like code in them counts as code, so a mistake here can only claim too much.
class Cleaner {
 public:
  explicit Cleaner(std::string_view text) { splice(text); }
  std::string run() {
    while (at_ < in_.size()) step();
    return std::move(out_);
  }

 private:
  void splice(std::string_view text) {
    in_.reserve(text.size());
    for (size_t i = 0; i < text.size(); ++i) {
      if (text[i] == '\\') {
        size_t end = i + 1;
        while (end < text.size() && (text[end] == ' ' || text[end] == '\t' || text[end] == '\r')) ++end;
        if (end < text.size() && text[end] == '\n') {
          i = end;
          continue;
        }
      }
      in_ += text[i];
    }
  }
  bool next_is(char c) const { return at_ + 1 < in_.size() && in_[at_ + 1] == c; }
  void step() {
    const char c = in_[at_];
    if (c == '/' && next_is('/')) {
      size_t end = std::min(in_.find('\n', at_), in_.size());
      at_ = end;
    } else if (c == '/' && next_is('*')) {
      size_t end = in_.find("*/", at_ + 2);
      at_ = end == std::string::npos ? in_.size() : end + 2;
      out_ += ' ';
    } else if (c == '"' && raw_prefix()) {
      raw_string();
    } else if (c == '"' || (c == '\'' && !(at_ > 0 && is_word(in_[at_ - 1])))) {
      quoted(c);
    } else {
      out_ += c;
      ++at_;
    }
  }
  bool raw_prefix() const { return at_ > 0 && in_[at_ - 1] == 'R'; }
  void copy_to(size_t end) {
    end = std::min(end, in_.size());
    out_.append(in_, at_, end - at_);
    at_ = end;
  }
  void raw_string() {
    size_t open = in_.find('(', at_);
    if (open == std::string::npos || open - at_ > 17) return copy_to(at_ + 1);
    std::string close = ")" + in_.substr(at_ + 1, open - at_ - 1) + "\"";
    size_t end = in_.find(close, open);
    copy_to(end == std::string::npos ? open : end + close.size());
  }
  void quoted(char quote) {
    size_t end = at_ + 1;
    while (end < in_.size() && in_[end] != quote && in_[end] != '\n') end += in_[end] == '\\' ? 2 : 1;
    copy_to(end + 1);
  }

  std::string in_, out_;
  size_t at_ = 0;
};

std::string_view trim_left(std::string_view text) {
  size_t start = text.find_first_not_of(" \t\f\v\r");
  return start == std::string_view::npos ? std::string_view() : text.substr(start);
}

// Names that give the path to code without any macro of a library.
constexpr std::string_view kFunctions[] = {"__builtin_FILE", "__builtin_source_location", "source_location",
                                           "__BASE_FILE__"};
constexpr std::string_view kFile = "__FILE__";

// Whether `name` is a concatenation of two or more words of `pieces`.
bool can_be_pasted(std::string_view name, const std::unordered_set<std::string>& pieces) {
  std::vector<bool> reach(name.size() + 1, false);
  reach[0] = true;
  for (size_t from = 0; from < name.size(); ++from) {
    if (!reach[from]) continue;
    for (size_t size = 1; from + size <= name.size(); ++size) {
      if (size < name.size() && pieces.count(std::string(name.substr(from, size)))) reach[from + size] = true;
    }
  }
  return reach[name.size()];
}

}  // namespace

void PathMacros::add_macro(std::string_view line) {
  size_t size = 0;
  while (size < line.size() && is_word(line[size])) ++size;
  if (size == 0) return;
  auto& body = macros_[std::string(line.substr(0, size))];
  each_identifier(line.substr(size), [&](std::string_view word) { body.emplace_back(word); });
}

void PathMacros::add_definition(std::string_view definition) {
  std::string line(definition);
  size_t equals = line.find('=');
  if (equals != std::string::npos) line[equals] = ' ';
  add_macro(line);
}

void PathMacros::add_file(std::string_view text, Named named) {
  const std::string clean = Cleaner(text).run();
  std::string_view rest = clean;
  const bool observable = named == Named::kAbsolute;
  auto piece = [&](std::string_view word) {
    for (std::string_view function : kFunctions) certain_ |= word == function;
    if (observable) defined_pieces_.emplace(word);
  };
  while (!rest.empty()) {
    std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    std::string_view body = trim_left(line);
    if (observable && (body.find("##") != body.npos || body.find("%:%:") != body.npos)) pastes_ = true;
    if (body.starts_with('#') || body.starts_with("%:") || body.starts_with("?\?=")) {
      body = trim_left(body.substr(body[0] == '#' ? 1 : body[0] == '%' ? 2 : 3));
      if (body.starts_with("define")) {
        body = trim_left(body.substr(6));
        add_macro(body);
        each_identifier(body, piece);
        continue;
      }
      std::string_view operand = body.starts_with("include") ? trim_left(body.substr(7)) : std::string_view("x");
      if (operand.starts_with('<') || operand.starts_with('"')) continue;
    }
    each_identifier(body, piece);
    if (observable) each_identifier(body, [&](std::string_view word) { used_.emplace(word); });
  }
}

bool PathMacros::may_see_path() const {
  if (certain_) return true;
  Names leading{std::string(kFile)};
  for (bool grown = true; grown;) {
    grown = false;
    for (const auto& [name, body] : macros_) {
      if (leading.count(name)) continue;
      auto leads = [&](const std::string& word) { return leading.count(word) != 0; };
      if (std::any_of(body.begin(), body.end(), leads)) grown = leading.insert(name).second;
    }
  }
  for (const std::string& name : leading) {
    if (used_.count(name) || (pastes_ && can_be_pasted(name, defined_pieces_))) return true;
  }
  return false;
}

}  // namespace hpcc
