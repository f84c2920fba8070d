// Programs as files: what is one, and its interpreter (PT_INTERP of ELF, or what a script's first line names).
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace hpcc {

// Whether it starts as an ELF file does; no source of any language can.
bool is_elf(std::string_view head);
bool is_elf_file(const std::string& path);

// "" for a static program. kInvalid for a malformed file. Reads at most a few KiB.
Result<std::string> find_interpreter(const std::string& path);
Result<std::string> decode_interpreter(std::string_view head);  // the file's first bytes

}  // namespace hpcc
