// How a time macro can come about by ##, and which facts prove that it cannot.
//
// A pasted word is a sequence of tokens, each a piece of it. Each piece but the last is the left operand of some ##,
// each but the first the right operand. Within one file the pieces are put together exactly (Pieces::complete). Across
// files only pieces of two letters or more are united: a whole word, or two halves.
//
// An operand of ## is what stands beside ## in a replacement list, or the last (left operand) or first (right operand)
// token of a macro argument, or of a replacement list that becomes one. So the text after a left operand continues with
// ## , ) or the end of the line, and the text before a right operand ends with ## ( , or the head of a #define. This
// test matters: bits/types.h of glibc says "__TIME*_T_TYPE" in a comment that every C program includes.
#include "compiler/source_facts.h"

#include <array>
#include <cstring>
#include <string>

namespace hpcc {
namespace {

constexpr std::string_view kDate = "__DATE__", kTime = "__TIME__", kTimestamp = "__TIMESTAMP__";
constexpr std::string_view kFile = "__FILE__", kBaseFile = "__BASE_FILE__";

enum Class : uint8_t { kOther = 0, kIdentifier = 1, kOfMacro = 3 };  // kOfMacro: a character of the names above

// '$' and bytes of UTF-8 count as no part of an identifier: that splits tokens and finds more.
constexpr std::array<uint8_t, 256> make_classes() {
  std::array<uint8_t, 256> classes{};
  for (int c = '0'; c <= '9'; ++c) classes[c] = kIdentifier;
  for (int c = 'a'; c <= 'z'; ++c) classes[c] = kIdentifier;
  for (int c = 'A'; c <= 'Z'; ++c) classes[c] = kIdentifier;
  for (unsigned char c : std::string_view("_DATEIMSPFLB")) classes[c] = kOfMacro;
  return classes;
}
constexpr std::array<uint8_t, 256> kClasses = make_classes();

uint8_t class_of(char c) { return kClasses[static_cast<unsigned char>(c)]; }
bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\v' || c == '\f' || c == '\r'; }

bool contains(std::string_view text, std::string_view needle) {
  return memmem(text.data(), text.size(), needle.data(), needle.size()) != nullptr;
}

// The length of a line splice at `at`: a backslash or the trigraph for it, blanks, newline. 0 if there is none.
size_t splice_length(std::string_view text, size_t at) {
  size_t i = at;
  if (text[i] == '\\')
    i += 1;
  else if (text.substr(i).starts_with("?\?/"))
    i += 3;
  else
    return 0;
  while (i < text.size() && is_blank(text[i])) ++i;
  if (i < text.size() && text[i] == '\n') return i + 1 - at;
  return i > at && text[i - 1] == '\r' ? i - at : 0;
}

// Whether some splice stands inside what may be an identifier. Nearly always false: macros end their lines in " \".
bool has_split_identifier(std::string_view text) {
  for (char first : {'\\', '?'}) {
    for (size_t at = text.find(first); at != std::string_view::npos; at = text.find(first, at + 1)) {
      size_t length = splice_length(text, at);
      if (length == 0 || at == 0) continue;
      size_t next = at + length;
      if (class_of(text[at - 1]) == kOther && splice_length(text, at - 1) == 0 && text[at - 1] != '\n') continue;
      if (next < text.size() && (class_of(text[next]) != kOther || text[next] == '\\' || text[next] == '?'))
        return true;
    }
  }
  return false;
}

std::string without_splices(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size();) {
    size_t length = splice_length(text, i);
    if (length == 0)
      out += text[i++];
    else
      i += length;
  }
  return out;
}

// Whether text[end] on continues as it must after the left operand of ##. '%' and '?' begin digraph and trigraph,
// '/' a comment, '\\' a splice.
bool can_be_left_operand(std::string_view text, size_t end) {
  while (end < text.size() && is_blank(text[end])) ++end;
  return end == text.size() || std::strchr("#,)\n%?/\\", text[end]) != nullptr;
}

// Whether the text before `begin` ends as it must before the right operand of ##.
bool can_be_right_operand(std::string_view text, size_t begin) {
  size_t i = begin;
  while (i > 0 && is_blank(text[i - 1])) --i;
  if (i == 0 || std::strchr("#,()=\n:/\\", text[i - 1]) != nullptr) return true;
  if (class_of(text[i - 1]) == kOther) return false;
  // After a word: the head of a definition?
  size_t line = text.substr(0, i).rfind('\n');
  line = line == std::string_view::npos ? 0 : line + 1;
  return text.substr(line, i - line).find_first_of("#%?\\") != std::string_view::npos || line == 0;
}

bool is_piece(std::string_view word, std::string_view token) { return word.find(token) != std::string_view::npos; }

// Which stretches of the three names the operands of a file cover: edges[w][from] has bit `to` for a piece.
struct Pieces {
  static constexpr std::string_view kWords[] = {kDate, kTime, kTimestamp};
  std::array<std::array<uint16_t, 16>, 3> edges{};

  void add(std::string_view token, bool left, bool right);
  bool complete() const;
};

void Pieces::add(std::string_view token, bool left, bool right) {
  for (size_t w = 0; w < 3; ++w) {
    std::string_view word = kWords[w];
    for (size_t from = word.find(token); from != std::string_view::npos; from = word.find(token, from + 1)) {
      size_t to = from + token.size();
      bool possible = (from == 0 || right) && (to == word.size() || left);
      if (possible) edges[w][from] |= static_cast<uint16_t>(1u << to);
    }
  }
}

bool Pieces::complete() const {
  for (size_t w = 0; w < 3; ++w) {
    uint32_t reached = 1;
    for (size_t from = 0; from < kWords[w].size(); ++from) {
      if (reached >> from & 1) reached |= edges[w][from];
    }
    if (reached >> kWords[w].size() & 1) return true;
  }
  return false;
}

// Facts of a piece with two letters or more, told by its letters.
uint32_t facts_of_letters(std::string_view letters, bool underscore) {
  if (letters == "DATE" || letters == "TIME" || letters == "TIMESTAMP") {
    uint32_t facts = underscore ? kFactTimePiece : kFactTimeWord;
    return letters == "TIME" ? facts | kFactStampHead : facts;
  }
  uint32_t facts = 0;
  if (letters == "DA") facts |= kFactDa;
  if (letters == "TE") facts |= kFactTe;
  if (letters == "TI") facts |= kFactTi;
  if (letters == "ME") facts |= kFactMe;
  if (std::string_view("TIMESTAMP").starts_with(letters)) facts |= kFactStampHead;
  if (std::string_view("TIMESTAMP").ends_with(letters)) facts |= kFactStampTail;
  return facts;
}

// A whole token made of the macros' characters.
uint32_t facts_of_piece(std::string_view text, size_t begin, size_t end, Pieces& pieces) {
  std::string_view token = text.substr(begin, end - begin);
  size_t first = token.find_first_not_of('_');
  std::string_view letters =
      first == std::string_view::npos ? "" : token.substr(first, token.find_last_not_of('_') - first + 1);
  bool underscore = letters.size() < token.size();
  uint32_t facts = 0;
  if (underscore && !letters.empty() && token.size() >= 4 && (is_piece(kFile, token) || is_piece(kBaseFile, token))) {
    facts |= kFactFileMacro;
  }
  if (token == kDate || token == kTime || token == kTimestamp) return facts;  // found as whole words
  if (!is_piece(kDate, token) && !is_piece(kTimestamp, token) && !is_piece(kTime, token)) return facts;
  bool left = can_be_left_operand(text, end);
  bool right = can_be_right_operand(text, begin);
  pieces.add(token, left, right);
  // What begins like the word is a left operand, what ends like it a right one, anything else is both.
  if (letters.empty()) return left || right ? facts | kFactUnderscores : facts;
  bool possible = token.starts_with("__") ? left : token.ends_with("__") ? right : left && right;
  if (!possible || letters.size() < 2) return facts;
  return facts | facts_of_letters(letters, underscore);
}

// Every maximal run of the macros' characters.
uint32_t scan_runs(std::string_view text) {
  uint32_t facts = 0;
  Pieces pieces;
  size_t size = text.size();
  for (size_t i = 0; i < size;) {
    if (class_of(text[i]) != kOfMacro) {
      ++i;
      continue;
    }
    size_t begin = i;
    while (i < size && class_of(text[i]) == kOfMacro) ++i;
    if (i - begin >= kDate.size()) {
      std::string_view run = text.substr(begin, i - begin);
      if (is_piece(run, kDate) || is_piece(run, kTime)) facts |= kFactDateTime;
      if (is_piece(run, kTimestamp)) facts |= kFactTimestamp;
      if (is_piece(run, kFile) || is_piece(run, kBaseFile)) facts |= kFactFileMacro;
    }
    bool whole = (begin == 0 || class_of(text[begin - 1]) == kOther) && (i == size || class_of(text[i]) == kOther);
    if (whole && i - begin < kTimestamp.size()) facts |= facts_of_piece(text, begin, i, pieces);
  }
  return pieces.complete() ? facts | kFactTimePiece : facts;
}

// "dependency" after GCC, or where macros could bring it there.
bool has_pragma_dependency(std::string_view text) {
  constexpr std::string_view kWord = "dependency";
  for (size_t at = text.find(kWord); at != std::string_view::npos; at = text.find(kWord, at + 1)) {
    size_t i = at;
    size_t end = at + kWord.size();
    if ((at > 0 && class_of(text[at - 1]) != kOther) || (end < text.size() && class_of(text[end]) != kOther)) continue;
    while (i > 0 && is_blank(text[i - 1])) --i;
    if (text.substr(0, i).ends_with("GCC") || text.substr(0, i).ends_with("*/")) return true;
    size_t line = text.substr(0, at).rfind('\n');
    line = line == std::string_view::npos ? 0 : line + 1;
    std::string_view before = text.substr(line, at - line);
    if (before.find_first_of("#%") != std::string_view::npos || contains(before, "?\?=")) return true;
    if (contains(before, "ragma") || before.ends_with('\\')) return true;
    size_t previous = line > 1 ? text.substr(0, line - 1).find_last_not_of(" \t\r") : std::string_view::npos;
    if (previous != std::string_view::npos && text[previous] == '\\') return true;  // inside a long #define or #pragma
  }
  return false;
}

uint32_t scan_spliced(std::string_view text) {
  uint32_t facts = kFactScanned | scan_runs(text);
  if (has_pragma_dependency(text)) facts |= kFactPragmaDependency;
  if (contains(text, "source_location") || contains(text, "__builtin_FILE")) facts |= kFactFileMacro;
  return facts;
}

// Bazel's way: all three macros are given fixed values on the command line, and no later option takes that back.
bool redefines_time_macros(const Invocation& invocation) {
  uint32_t fixed = 0;
  static constexpr std::string_view kMacros[] = {"__DATE__=", "__TIME__=", "__TIMESTAMP__="};
  for (const KeyArg& arg : invocation.key_args) {
    for (size_t i = 0; i < 3; ++i) {
      if (arg.option == "-D" && arg.value.starts_with(kMacros[i])) {
        std::string_view body = std::string_view(arg.value).substr(kMacros[i].size());
        if (scan_source_facts(body) & (kFactDateTime | kFactTimestamp)) return false;
        fixed |= 1u << i;
      } else if (arg.option == "-U" && arg.value + "=" == kMacros[i]) {
        return false;
      }
    }
  }
  return fixed == 7;
}

}  // namespace

uint32_t scan_source_facts(std::string_view text) {
  if (text.starts_with("CPCH")) return kFactScanned | kFactClangPch;
  if (!has_split_identifier(text)) return scan_spliced(text);
  // Both readings: a splice inside a raw string is undone again.
  return scan_spliced(text) | scan_spliced(without_splices(text));
}

uint32_t compile_facts(uint32_t of_inputs, const Invocation& invocation) {
  uint32_t facts = of_inputs;
  for (const KeyArg& arg : invocation.key_args) facts |= scan_source_facts(arg.value);
  return redefines_time_macros(invocation) ? facts & ~kTimeMacroFacts : facts;
}

bool may_paste_time_macro(uint32_t facts) {
  auto has = [&](uint32_t bits) { return (facts & bits) == bits; };
  return has(kFactTimePiece) || has(kFactUnderscores | kFactTimeWord) || has(kFactDa | kFactTe) ||
         has(kFactTi | kFactMe) || has(kFactStampHead | kFactStampTail);
}

}  // namespace hpcc
