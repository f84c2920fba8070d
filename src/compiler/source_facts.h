// Facts about a source or header that decide whether a compile may be cached at all, found by scanning its bytes once
// (then kept with its digest). Conservative: a fact may be claimed wrongly, never missed.
#pragma once

#include <cstdint>
#include <string_view>

namespace hpcc {

// Bits. Tokens are found after splicing backslash-newlines; comments and strings are not skipped.
inline constexpr uint32_t kFactDateTime = 1u << 0;   // __DATE__ or __TIME__
inline constexpr uint32_t kFactTimestamp = 1u << 1;  // __TIMESTAMP__
// A token that could be pasted into one of the above: a proper piece of >= 4 characters with a letter and an underscore.
inline constexpr uint32_t kFactTimePiece = 1u << 2;
inline constexpr uint32_t kFactUnderscores = 1u << 3;   // the token "_" or "__"
inline constexpr uint32_t kFactTimeWord = 1u << 4;      // the bare token DATE, TIME or TIMESTAMP
inline constexpr uint32_t kFactPragmaDependency = 1u << 5;  // #pragma GCC dependency: compares mtimes
// The file can see its own path: __FILE__, __BASE_FILE__, __builtin_FILE, __builtin_source_location, source_location,
// __FILE_NAME__ does not count.
inline constexpr uint32_t kFactFileMacro = 1u << 6;
inline constexpr uint32_t kFactScanned = 1u << 31;

uint32_t scan_source_facts(std::string_view text);

}  // namespace hpcc
