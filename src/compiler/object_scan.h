// Whether a compiler output can be searched for a directory name: paths stand in it as plain bytes. Pure; any thread.
#pragma once

#include <string_view>

namespace hpcc {

// True for a relocatable ELF object without compressed sections, LTO sections or embedded bitcode, and for plain text
// (assembly). False for everything else, malformed input included.
bool outputs_are_searchable(std::string_view object);

}  // namespace hpcc
