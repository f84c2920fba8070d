// What can be said of an object without a linker: whether paths stand in it as plain bytes, and which sections of two
// differ. Pure; any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace hpcc {

// True for a relocatable ELF object without compressed sections, LTO sections or embedded bitcode, and for plain text
// (assembly). False for everything else, malformed input included.
bool outputs_are_searchable(std::string_view object);

// Names of at most `limit` sections that differ between two objects. Empty when either is no sound relocatable object,
// or when only symbols' places, headers or padding differ.
std::vector<std::string> differing_sections(std::string_view stored, std::string_view compiled, size_t limit);

}  // namespace hpcc
