#include "compiler/directives.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <set>

namespace hpcc {
namespace {

constexpr size_t kNameBytes = 1024;  // a longer name is none

bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '$';
}
bool is_path_char(char c) { return is_word(c) || c == '.' || c == '/' || c == '-' || c == '+'; }
bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\v' || c == '\f' || c == '\r'; }

std::string_view skip_blanks(std::string_view text) {
  while (!text.empty() && is_blank(text[0])) text.remove_prefix(1);
  return text;
}

std::string_view take_word(std::string_view* text) {
  size_t size = 0;
  while (size < text->size() && is_word((*text)[size])) ++size;
  std::string_view word = text->substr(0, size);
  text->remove_prefix(size);
  return word;
}

// Characters at which the scan has something to decide.
constexpr std::array<bool, 256> make_stops() {
  std::array<bool, 256> stops{};
  for (unsigned char c : std::string_view("\n\"'/#%R")) stops[c] = true;
  return stops;
}
constexpr std::array<bool, 256> kStops = make_stops();

class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  Directives run() {
    while (at_ < text_.size()) step();
    find_assembly(".incbin", Reference::Form::kData);
    find_assembly(".include", Reference::Form::kAssembly);
    return std::move(out_);
  }
  void define_body(std::string_view body);
  Directives take() { return std::move(out_); }

 private:
  void step();
  void skip_line_comment();
  void skip_block_comment();
  void skip_literal(char quote);
  void skip_raw_string();
  std::string logical_line();
  size_t header_name_length() const;
  void directive(std::string_view line);
  void include(std::string_view rest, Reference::Form quoted, Reference::Form angled, bool next, bool probe = false);
  void has_include(std::string_view line);
  void add(Reference reference);
  void add_word(std::string_view word);
  void find_assembly(std::string_view directive, Reference::Form form);
  bool line_start() const;

  std::string_view text_;
  size_t at_ = 0;
  Directives out_;
  std::set<Reference> seen_;
  std::set<std::string, std::less<>> words_;
};

void Scanner::step() {
  while (at_ < text_.size() && !kStops[static_cast<unsigned char>(text_[at_])]) ++at_;
  if (at_ >= text_.size()) return;
  const char c = text_[at_], next = at_ + 1 < text_.size() ? text_[at_ + 1] : '\0';
  if (c == '/' && next == '/') return skip_line_comment();
  if (c == '/' && next == '*') return skip_block_comment();
  if (c == '"') return skip_literal(c);
  // 1'000 opens no literal.
  if (c == '\'' && !(at_ > 0 && is_word(text_[at_ - 1]))) return skip_literal(c);
  if (c == 'R' && next == '"') return skip_raw_string();
  if ((c == '#' || (c == '%' && next == ':')) && line_start()) {
    at_ += c == '#' ? 1 : 2;
    return directive(logical_line());
  }
  ++at_;
}

// Only blanks, or a comment, stand before it on the line.
bool Scanner::line_start() const {
  size_t i = at_;
  while (i > 0 && is_blank(text_[i - 1])) --i;
  return i == 0 || text_[i - 1] == '\n' || (i > 1 && text_[i - 1] == '/' && text_[i - 2] == '*');
}

void Scanner::skip_line_comment() {
  for (;;) {
    size_t end = text_.find('\n', at_);
    at_ = end == std::string_view::npos ? text_.size() : end + 1;
    if (end == std::string_view::npos || end == 0) return;
    size_t last = text_[end - 1] == '\r' ? end - 2 : end - 1;
    if (text_[last] != '\\') return;
  }
}

void Scanner::skip_block_comment() {
  size_t end = text_.find("*/", at_ + 2);
  at_ = end == std::string_view::npos ? text_.size() : end + 2;
}

void Scanner::skip_literal(char quote) {
  for (++at_; at_ < text_.size() && text_[at_] != quote && text_[at_] != '\n'; ++at_) {
    if (text_[at_] == '\\') ++at_;
  }
  at_ = std::min(at_ + 1, text_.size());
}

// R"delimiter( ... )delimiter". What is none (a macro R before a string) is an ordinary literal.
void Scanner::skip_raw_string() {
  const size_t open = text_.find('(', at_ + 2);
  at_ += 1;
  if (open == std::string_view::npos || open - at_ > 18) return skip_literal('"');
  const std::string close = ")" + std::string(text_.substr(at_ + 1, open - at_ - 1)) + "\"";
  const size_t end = text_.find(close, open);
  if (end == std::string_view::npos || close.find_first_of(" \n\\\"") + 1 != close.size()) return skip_literal('"');
  at_ = end + close.size();
}

// Of <...> at this place, 0 when there is none.
size_t Scanner::header_name_length() const {
  if (text_[at_] != '<') return 0;
  const size_t end = text_.find_first_of("> \t\n", at_);
  return end != std::string_view::npos && text_[end] == '>' ? end + 1 - at_ : 0;
}

// The directive's text up to the newline that ends it: splices gone, comments blanks.
std::string Scanner::logical_line() {
  std::string line;
  char quote = 0;
  while (at_ < text_.size() && text_[at_] != '\n') {
    const char c = text_[at_];
    if (c == '\\') {
      size_t end = at_ + 1;
      while (end < text_.size() && is_blank(text_[end])) ++end;
      if (end < text_.size() && text_[end] == '\n') {
        at_ = end + 1;
        continue;
      }
      if (quote != 0 && at_ + 1 < text_.size()) line += text_[at_++];
    } else if (quote != 0) {
      if (c == quote) quote = 0;
    } else if (c == '"' || (c == '\'' && !(at_ > 0 && is_word(text_[at_ - 1])))) {
      quote = c;
    } else if (const size_t size = header_name_length(); size != 0) {
      line += text_.substr(at_, size);  // <a//b.h> holds no comment
      at_ += size;
      continue;
    } else if (text_.substr(at_).starts_with("/*")) {
      skip_block_comment();
      line += ' ';
      continue;
    } else if (text_.substr(at_).starts_with("//")) {
      skip_line_comment();
      return line;
    }
    line += text_[at_++];
  }
  return line;
}

void Scanner::directive(std::string_view line) {
  using Form = Reference::Form;
  line = skip_blanks(line);
  const std::string_view word = take_word(&line);
  if (word == "include" || word == "import" || word == "include_next") {
    if (word == "import") out_.once = true;  // the file that is named; all are compared
    include(line, Form::kQuote, Form::kAngle, word == "include_next");
  } else if (word == "embed") {
    include(line, Form::kData, Form::kData, false);
  } else if (word == "if" || word == "elif") {
    has_include(line);
  } else if (word == "define") {
    line = skip_blanks(line);
    take_word(&line);
    define_body(line);
  } else if (word == "pragma") {
    line = skip_blanks(line);
    if (take_word(&line) != "GCC") return;
    line = skip_blanks(line);
    if (take_word(&line) == "dependency") include(line, Form::kQuote, Form::kAngle, false);
  }
}

// `rest` begins with the header's name, or with something that is expanded to one.
void Scanner::include(std::string_view rest, Reference::Form quoted, Reference::Form angled, bool next, bool probe) {
  rest = skip_blanks(rest);
  const char close = rest.empty() ? '\0' : rest[0] == '"' ? '"' : rest[0] == '<' ? '>' : '\0';
  if (close != '\0') {
    size_t end = rest.find(close, 1);
    if (end != std::string_view::npos) {
      add({close == '"' ? quoted : angled, next, std::string(rest.substr(1, end - 1)), probe});
    }
    return;
  }
  if (rest.empty()) return;
  out_.computed = true;
  out_.computed_probe |= probe;
  define_body(rest);
}

void Scanner::has_include(std::string_view line) {
  for (std::string_view name : {"__has_include", "__has_embed"}) {
    for (size_t at = line.find(name); at != std::string_view::npos; at = line.find(name, at + 1)) {
      std::string_view rest = line.substr(at + name.size());
      const bool next = rest.starts_with("_next");
      if (next) rest.remove_prefix(5);
      rest = skip_blanks(rest);
      if (!rest.starts_with('(')) continue;
      rest.remove_prefix(1);
      const bool data = name == "__has_embed";
      include(rest, data ? Reference::Form::kData : Reference::Form::kQuote,
              data ? Reference::Form::kData : Reference::Form::kAngle, next, true);
    }
  }
}

// Anything in a macro's replacement that a computed include could come to: "a/b.h", <a/b.h>, a/b.h.
void Scanner::define_body(std::string_view body) {
  has_include(body);
  for (size_t i = 0; i < body.size();) {
    if (!is_path_char(body[i])) {
      ++i;
      continue;
    }
    size_t begin = i;
    bool path = false;
    for (; i < body.size() && is_path_char(body[i]); ++i) path = path || body[i] == '.' || body[i] == '/';
    const bool quoted = begin > 0 && i < body.size() &&
                        ((body[begin - 1] == '"' && body[i] == '"') || (body[begin - 1] == '<' && body[i] == '>'));
    if (quoted || path) add_word(body.substr(begin, i - begin));
  }
}

void Scanner::add(Reference reference) {
  const std::string& name = reference.name;
  if (name.empty() || name.size() > kNameBytes || name.find('\0') != std::string::npos) return;
  if (seen_.insert(reference).second) out_.references.push_back(std::move(reference));
}

void Scanner::add_word(std::string_view word) {
  const bool number = word[0] >= '0' && word[0] <= '9' && word.find('/') == std::string_view::npos;
  const bool letters =
      std::any_of(word.begin(), word.end(), [](char c) { return is_word(c) && !(c >= '0' && c <= '9'); });
  if (word.size() > kNameBytes || number || !letters || words_.find(word) != words_.end()) return;
  words_.emplace(word);
  out_.header_words.emplace_back(word);
}

// In an assembler source, or in the string of an asm statement, where quotes are escaped.
void Scanner::find_assembly(std::string_view name, Reference::Form form) {
  const char* end_of_text = text_.data() + text_.size();
  for (const char* at = text_.data();;) {
    if (at == nullptr || at >= end_of_text) return;
    const void* found = memmem(at, static_cast<size_t>(end_of_text - at), name.data(), name.size());
    if (!found) return;
    at = static_cast<const char*>(found) + name.size();
    std::string_view rest = skip_blanks({at, static_cast<size_t>(end_of_text - at)});
    if (rest.starts_with("\\t")) rest = skip_blanks(rest.substr(2));
    if (rest.starts_with('\\')) rest.remove_prefix(1);
    if (!rest.starts_with('"')) continue;
    size_t end = rest.find_first_of("\"\\\n", 1);
    if (end != std::string_view::npos && rest[end] != '\n') {
      add({form, false, std::string(rest.substr(1, end - 1))});
    }
  }
}

}  // namespace

// In a #pragma, a _Pragma, a macro, or a comment: each may matter in the end, and the last does no harm.
bool says_once(std::string_view text) {
  for (size_t at = text.find("once"); at != std::string_view::npos; at = text.find("once", at + 1)) {
    const bool begins = at == 0 || !is_word(text[at - 1]), ends = at + 4 == text.size() || !is_word(text[at + 4]);
    if (begins && ends) return true;
  }
  return false;
}

Directives scan_directives(std::string_view text) {
  Directives found = Scanner(text).run();
  found.once = found.once || says_once(text);
  return found;
}

void scan_definition(std::string_view definition, Directives* out) {
  size_t equals = definition.find('=');
  if (equals == std::string_view::npos) return;
  Scanner scanner(definition);
  scanner.define_body(definition.substr(equals + 1));
  Directives found = scanner.take();
  out->header_words.insert(out->header_words.end(), found.header_words.begin(), found.header_words.end());
  out->references.insert(out->references.end(), found.references.begin(), found.references.end());
}

}  // namespace hpcc
