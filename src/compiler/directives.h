// What one file may pull in, found in its text alone: the facts an include scan is made of. Conditions are not
// evaluated and macros not expanded; a file that no compile of this unit would read may be named, and what is named in
// a way that cannot be read here is marked as computed. Pure; kept by the file's digest.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace hpcc {

struct Reference {
  enum class Form : uint8_t {
    kQuote,     // "x": beside the file, then along the search path
    kAngle,     // <x>: along the search path
    kAssembly,  // .include "x": where the assembler looks
    kData,      // .incbin, #embed: the same, and the file itself names nothing
  };
  Form form = Form::kQuote;
  bool next = false;  // #include_next: the search goes on behind the directory that held this file
  std::string name;
  bool probe = false;  // __has_include, __has_embed: that it is not there is no error
  auto operator<=>(const Reference&) const = default;
};

struct Directives {
  std::vector<Reference> references;  // in order, without repeats
  // #include MACRO or __has_include(MACRO), the probe, stands in the file: any header_word of the unit may be meant.
  bool computed = false, computed_probe = false;
  std::vector<std::string> header_words;  // what looks like a header's name in macro definitions and computed includes
  bool once = false;  // the word once, or #import: compilers may take equal files for one
};

Directives scan_directives(std::string_view text);
// The same for an option's -D value ("NAME=VALUE").
void scan_definition(std::string_view definition, Directives* out);

}  // namespace hpcc
