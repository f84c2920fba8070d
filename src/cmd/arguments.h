// A program's command line: names with a value each, listed in a table.
#pragma once

#include <algorithm>
#include <charconv>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace hpcc {

struct NamedArgument {
  std::string_view name;
  std::string* text = nullptr;  // this, or `number`
  int* number = nullptr;
  int least = 0;  // the number may not be smaller
};

// kInvalid names the option.
inline Result<int> decode_number(std::string_view name, std::string_view text, int least) {
  int number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc() && end == text.data() + text.size() && number >= least) return number;
  return Error{Code::kInvalid, std::string(name) + " wants a number of at least " + std::to_string(least) + ", not \"" +
                                   std::string(text.substr(0, 100)) + "\""};
}

inline Status decode_arguments(int argc, char** argv, std::span<const NamedArgument> known) {
  for (int i = 1; i < argc; i += 2) {
    const std::string name = argv[i];
    const auto found = std::find_if(known.begin(), known.end(), [&](const auto& one) { return one.name == name; });
    if (found == known.end()) return Error{Code::kInvalid, "unknown option " + name};
    if (i + 1 == argc) return Error{Code::kInvalid, name + " wants a value"};
    if (found->text != nullptr) *found->text = argv[i + 1];
    if (found->number != nullptr) {
      TRY_ASSIGN(*found->number, decode_number(name, argv[i + 1], found->least));
    }
  }
  return {};
}

}  // namespace hpcc
