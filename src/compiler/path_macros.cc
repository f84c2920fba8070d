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
  bool hides_lines() const { return hides_lines_; }

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
    // Lines of a raw string could pass for directives.
    if (in_.substr(at_, end == std::string::npos ? end : end - at_).find('\n') != std::string::npos)
      hides_lines_ = true;
    copy_to(end == std::string::npos ? open : end + close.size());
  }
  void quoted(char quote) {
    size_t end = at_ + 1;
    while (end < in_.size() && in_[end] != quote && in_[end] != '\n') end += in_[end] == '\\' ? 2 : 1;
    copy_to(end + 1);
  }

  std::string in_, out_;
  size_t at_ = 0;
  bool hides_lines_ = false;
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
  each_identifier(line, [&](std::string_view word) {
    for (std::string_view function : kFunctions) certain_ |= word == function;
    defined_pieces_.emplace(word);
  });
  size_t size = 0;
  while (size < line.size() && is_word(line[size])) ++size;
  defined_.emplace(line.substr(0, size));
}

void PathMacros::add_undefinition(std::string_view name) { undefined_.emplace(name); }

void PathMacros::add_file(std::string_view text, Named named) {
  Cleaner cleaner(text);
  files_.push_back({cleaner.run(), named});
  follows_groups_ &= !cleaner.hides_lines();
}

// The directive of a line ("ifdef X"), "" for a line of text.
std::string_view directive_of(std::string_view line) {
  line = trim_left(line);
  if (line.starts_with('#')) return trim_left(line.substr(1));
  if (line.starts_with("%:")) return trim_left(line.substr(2));
  if (line.starts_with("?\?=")) return trim_left(line.substr(3));
  return {};
}

std::string_view word_at(std::string_view text) {
  size_t size = 0;
  while (size < text.size() && is_word(text[size])) ++size;
  return text.substr(0, size);
}

template <typename Visit>
void each_line(std::string_view text, Visit visit) {
  while (!text.empty()) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    visit(line);
  }
}

// A macro of the command line that some file undefines, or defines again, decides nothing.
void PathMacros::forget_undefined() {
  if (!follows_groups_) defined_.clear();
  for (const std::string& name : undefined_) defined_.erase(name);
  for (const File& file : files_) {
    if (file.clean.find("push_macro") != std::string::npos || file.clean.find("pop_macro") != std::string::npos) {
      defined_.clear();
    }
    each_line(file.clean, [&](std::string_view line) {
      std::string_view directive = directive_of(line);
      for (std::string_view changing : {"undef", "define"}) {
        if (directive.starts_with(changing)) {
          defined_.erase(std::string(word_at(trim_left(directive.substr(changing.size())))));
        }
      }
    });
  }
}

// Keeps track of #if groups; true while the present lines cannot be compiled.
bool PathMacros::group_is_dead(std::string_view directive) {
  const std::string_view name = word_at(directive);
  auto known = [&] { return defined_.count(std::string(word_at(trim_left(directive.substr(name.size()))))) != 0; };
  if (name == "ifndef") {
    groups_.push_back(known());
    decided_.push_back(known());
  } else if (name == "ifdef" || name == "if") {
    groups_.push_back(false);
    decided_.push_back(name == "ifdef" && known());
  } else if (name == "else" && !groups_.empty()) {
    groups_.back() = decided_.back() && !groups_.back();
  } else if (name.starts_with("elif") && !groups_.empty()) {
    groups_.back() = false;  // not followed: alive
    decided_.back() = false;
  } else if (name == "endif" && !groups_.empty()) {
    groups_.pop_back();
    decided_.pop_back();
  }
  return std::find(groups_.begin(), groups_.end(), true) != groups_.end();
}

void PathMacros::read_file(const File& file) {
  groups_.clear();
  decided_.clear();
  bool dead = false;
  each_line(file.clean, [&](std::string_view line) {
    if (std::string_view directive = directive_of(line); !directive.empty()) dead = group_is_dead(directive);
    if (!dead) read_line(line, file.named == Named::kAbsolute);
  });
}

void PathMacros::read_line(std::string_view line, bool observable) {
  auto piece = [&](std::string_view word) {
    for (std::string_view function : kFunctions) certain_ |= word == function;
    if (observable) defined_pieces_.emplace(word);
  };
  if (observable && (line.find("##") != line.npos || line.find("%:%:") != line.npos)) pastes_ = true;
  const std::string_view directive = directive_of(line);
  if (directive.starts_with("define")) {
    add_macro(trim_left(directive.substr(6)));
    each_identifier(directive.substr(6), piece);
    return;
  }
  if (directive.starts_with("include")) {
    std::string_view operand = trim_left(directive.substr(7));
    if (operand.starts_with('<') || operand.starts_with('"')) return;
  }
  each_identifier(line, piece);
  if (observable) each_identifier(line, [&](std::string_view word) { used_.emplace(word); });
}

bool PathMacros::may_see_path() {
  forget_undefined();
  for (const File& file : files_) read_file(file);
  files_.clear();
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
