#include "compiler/depfile.h"

#include "base/limits.h"

namespace hpcc {
namespace {

constexpr size_t kGccColumns = 72;    // c-family's argument to deps_write
constexpr size_t kClangColumns = 75;  // DependencyFileGenerator::outputDependencyFile

// Splits at white space that no backslash quotes; drops the backslash-newline of a continuation line.
// A space after an odd number of backslashes belongs to the word.
struct Words {
  std::string_view text;
  size_t at = 0;

  // The next word of this logical line, or an empty view at its end (`at` then stands on the newline or the end).
  std::string_view next() {
    while (at < text.size()) {
      if (text[at] == ' ')
        ++at;
      else if (text.substr(at).starts_with("\\\n"))
        at += 2;
      else
        break;
    }
    size_t start = at;
    size_t slashes = 0;
    for (; at < text.size() && text[at] != '\n'; ++at) {
      if (text[at] == ' ' && slashes % 2 == 0) break;
      slashes = text[at] == '\\' ? slashes + 1 : 0;
    }
    return text.substr(start, at - start);
  }
};

// The length of the name that a word of the file stands for, as clang counts columns: before it was quoted.
size_t unquoted_size(std::string_view word) {
  size_t size = word.size();
  for (size_t i = 0; i < word.size(); ++i) {
    if (word[i] == '$' && i + 1 < word.size() && word[i + 1] == '$') {
      --size;
      ++i;
    } else if (word[i] == '#' && i > 0 && word[i - 1] == '\\') {
      --size;
    } else if (word[i] == ' ' && i > 0 && word[i - 1] == '\\') {
      size_t slashes = 0;
      while (slashes < i && word[i - 1 - slashes] == '\\') ++slashes;
      size -= (slashes + 1) / 2;
    }
  }
  return size;
}

void encode_gcc(const DepFile& dep, std::string& out) {
  size_t column = 0;
  auto put = [&](std::string_view word) {
    if (column) {
      if (column + word.size() > kGccColumns) {
        out += " \\\n";
        column = 0;
      }
      out += ' ';
      ++column;
    }
    out += word;
    column += word.size();
  };
  for (const std::string& target : dep.targets) put(target);
  out += ':';
  ++column;
  for (const std::string& word : dep.prerequisites) put(word);
  out += '\n';
}

void encode_clang(const DepFile& dep, std::string& out) {
  size_t column = 0;
  for (const std::string& target : dep.targets) {
    if (column == 0) {
      column = target.size();
    } else if (column + target.size() + 2 > kClangColumns) {
      out += " \\\n  ";
      column = target.size() + 2;
    } else {
      out += ' ';
      column += target.size() + 1;
    }
    out += target;
  }
  out += ':';
  ++column;
  for (const std::string& word : dep.prerequisites) {
    size_t size = unquoted_size(word);
    if (column + size + 3 > kClangColumns) {
      out += " \\\n ";
      column = 2;
    }
    out += ' ';
    out += word;
    column += size + 1;
  }
  out += '\n';
}

}  // namespace

Result<DepFile> decode_depfile(std::string_view text) {
  if (text.size() > limits::kDepFileBytes) return Error{Code::kLimit, "dependency file too large"};
  DepFile dep;
  Words words{text};
  bool in_targets = true;
  for (std::string_view word = words.next(); !word.empty(); word = words.next()) {
    // Such a name could not be told from a quoted space or a continuation.
    if (word.back() == '\\') return Error{Code::kInvalid, "dependency file with a name that ends in a backslash"};
    if (!in_targets) {
      dep.prerequisites.emplace_back(word);
    } else if (word.back() == ':') {
      word.remove_suffix(1);
      if (word.empty()) return Error{Code::kInvalid, "dependency file with an empty target"};
      dep.targets.emplace_back(word);
      in_targets = false;
    } else {
      dep.targets.emplace_back(word);
    }
  }
  if (in_targets) return Error{Code::kInvalid, "dependency file without a rule"};
  if (words.at < text.size()) ++words.at;  // the newline
  if (words.at == text.size()) return dep;

  dep.phony = true;
  for (size_t i = 1; i < dep.prerequisites.size(); ++i) {
    const std::string& name = dep.prerequisites[i];
    if (words.at < text.size() && text[words.at] == '\n') ++words.at;  // clang's empty line
    std::string_view rest = text.substr(words.at);
    if (!rest.starts_with(name) || !rest.substr(name.size()).starts_with(":\n")) {
      return Error{Code::kInvalid, "dependency file with an unexpected second rule"};
    }
    words.at += name.size() + 2;
  }
  if (words.at != text.size()) return Error{Code::kInvalid, "dependency file with text after its rules"};
  return dep;
}

std::string encode_depfile(const DepFile& dep, Family family) {
  std::string out;
  if (family == Family::kGcc)
    encode_gcc(dep, out);
  else
    encode_clang(dep, out);
  if (dep.phony) {
    for (size_t i = 1; i < dep.prerequisites.size(); ++i) {
      if (family == Family::kClang) out += '\n';
      out += dep.prerequisites[i] + ":\n";
    }
  }
  return out;
}

std::string default_dep_target(const Invocation& invocation) {
  if (!invocation.dep.targets.empty()) return invocation.dep.targets.front();
  std::string_view name = invocation.object;
  if (invocation.family == Family::kGcc) name = strip_leading_dot_slash(name);
  return quote_for_make(name);
}

std::string_view strip_leading_dot_slash(std::string_view name) {
  while (name.starts_with("./")) {
    name.remove_prefix(2);
    while (name.starts_with('/')) name.remove_prefix(1);
  }
  return name;
}

std::string quote_for_make(std::string_view name) {
  std::string out;
  size_t slashes = 0;
  for (char c : name) {
    if (c == ' ' || c == '\t') out.append(slashes + 1, '\\');
    if (c == '#') out += '\\';
    if (c == '$') out += '$';
    slashes = c == '\\' ? slashes + 1 : 0;
    out += c;
  }
  return out;
}

}  // namespace hpcc
