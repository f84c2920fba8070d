#include <algorithm>
#include <cstring>

#include "base/limits.h"
#include "compiler/parse.h"

namespace hpcc {
namespace {

bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

// One pass over a response file: words split at white space; a backslash takes the next character as it is, everywhere;
// single and double quotes group. An unclosed quote and a trailing backslash end with the file.
std::vector<std::string> split_words(std::string_view text) {
  std::vector<std::string> words;
  size_t i = 0;
  while (true) {
    while (i < text.size() && is_space(text[i])) ++i;
    if (i == text.size()) return words;
    std::string word;
    char quote = 0;
    for (; i < text.size() && (quote || !is_space(text[i])); ++i) {
      char c = text[i];
      if (c == '\\') {
        if (++i == text.size()) break;
        word += text[i];
      } else if (quote) {
        if (c == quote)
          quote = 0;
        else
          word += c;
      } else if (c == '\'' || c == '"') {
        quote = c;
      } else {
        word += c;
      }
    }
    words.push_back(std::move(word));
  }
}

bool ends_in_open_backslash(std::string_view text) {
  size_t slashes = text.size() - (text.find_last_not_of('\\') + 1);
  return slashes % 2 != 0;
}

// LLVM's GNU tokenizer agrees with libiberty's but for these: it drops empty words, keeps a trailing backslash, splits
// at fewer kinds of white space, and converts UTF-16 and strips a byte order mark. A NUL ends the text for libiberty.
bool tokenizers_agree(std::string_view text, const std::vector<std::string>& words) {
  if (text.find_first_of(std::string_view("\0\v\f", 3)) != std::string_view::npos) return false;
  if (text.starts_with("\xef\xbb\xbf") || text.starts_with("\xff\xfe") || text.starts_with("\xfe\xff")) return false;
  if (ends_in_open_backslash(text)) return false;
  return std::none_of(words.begin(), words.end(), [](const std::string& word) { return word.empty(); });
}

struct Expansion {
  const ReadFile& read_file;
  std::vector<std::string> out;
  size_t bytes = 0;

  Status add(const std::string& arg, size_t depth);
};

Status Expansion::add(const std::string& arg, size_t depth) {
  if (arg.size() > 1 && arg[0] == '@') {
    // Another file to each process: "@<(...)" of a shell is a descriptor that only the compiler has.
    if (arg.starts_with("@/proc/") || (arg.starts_with("@/dev/") && arg != "@/dev/null")) {
      return Error{Code::kUnsupported, "response file that only the compiler can read: " + arg};
    }
    Result<std::string> text = read_file(arg.substr(1));
    if (!text.ok() && text.error().code != Code::kNotFound) return text.error();
    if (text.ok()) {
      if (depth >= limits::kResponseFileDepth) return Error{Code::kLimit, "response files nest too deeply: " + arg};
      if (text->size() > limits::kResponseFileBytes) return Error{Code::kLimit, "response file too large: " + arg};
      std::vector<std::string> words = split_words(*text);
      if (!tokenizers_agree(*text, words)) {
        return Error{Code::kUnsupported, "response file that compilers split differently: " + arg};
      }
      for (const std::string& word : words) TRY(add(word, depth + 1));
      return {};
    }
  }
  bytes += arg.size() + 1;
  if (out.size() >= limits::kArgvCount || bytes > limits::kArgvBytes) {
    return Error{Code::kLimit, "command line too long"};
  }
  out.push_back(arg);
  return {};
}

}  // namespace

Result<std::vector<std::string>> expand_response_files(const std::vector<std::string>& argv,
                                                       const ReadFile& read_file) {
  Expansion expansion{read_file, {}, 0};
  if (!argv.empty()) expansion.out.push_back(argv[0]);
  for (size_t i = 1; i < argv.size(); ++i) TRY(expansion.add(argv[i], 0));
  return std::move(expansion.out);
}

}  // namespace hpcc
