// Facts about a source or header that decide whether a compile may be cached at all, found by scanning its bytes once
// (then kept with its digest). Conservative: a fact may be claimed wrongly, never missed.
//
// A compile sees the union of its inputs' facts, so the pieces of a pasted token may stand in different files.
#pragma once

#include <cstdint>
#include <string_view>

#include "model/invocation.h"

namespace hpcc {

// Bits. Tokens are found after splicing backslash-newlines; comments and strings are not skipped.
inline constexpr uint32_t kFactDateTime = 1u << 0;   // the macro of the date or of the time of day
inline constexpr uint32_t kFactTimestamp = 1u << 1;  // the macro of the source file's date
// One of the above can be pasted together by ## within this file, or a token holds all of its letters and some of its
// underscores on one side and can be an operand of ##: it stands beside ## itself, at the end of a macro argument,
// or at the end of a macro's replacement.
inline constexpr uint32_t kFactTimePiece = 1u << 2;
inline constexpr uint32_t kFactUnderscores = 1u << 3;       // the token "_" or "__", where it can be an operand of ##
inline constexpr uint32_t kFactTimeWord = 1u << 4;          // likewise the token DATE, TIME or TIMESTAMP
inline constexpr uint32_t kFactPragmaDependency = 1u << 5;  // #pragma GCC dependency: compares mtimes
// The file can see its own path: __FILE__, __BASE_FILE__, __builtin_FILE, __builtin_source_location, source_location,
// or a piece of the first two. __FILE_NAME__ does not count.
inline constexpr uint32_t kFactFileMacro = 1u << 6;
// Halves of such a word as operands, with or without underscores; of the longest word any beginning
// and any end of two letters or more.
inline constexpr uint32_t kFactDa = 1u << 7;
inline constexpr uint32_t kFactTe = 1u << 8;
inline constexpr uint32_t kFactTi = 1u << 9;
inline constexpr uint32_t kFactMe = 1u << 10;
inline constexpr uint32_t kFactStampHead = 1u << 11;
inline constexpr uint32_t kFactStampTail = 1u << 12;
// A precompiled header of clang: it is refused, unless built without timestamps, when the mtime of a header it was made
// from has changed. No Manifest holds those.
inline constexpr uint32_t kFactClangPch = 1u << 13;
inline constexpr uint32_t kFactScanned = 1u << 31;
// Those about the three macros, whole or in pieces.
inline constexpr uint32_t kTimeMacroFacts = kFactDateTime | kFactTimestamp | kFactTimePiece | kFactUnderscores |
                                            kFactTimeWord | kFactDa | kFactTe | kFactTi | kFactMe | kFactStampHead |
                                            kFactStampTail;

uint32_t scan_source_facts(std::string_view text);

// Of a whole compile: its inputs' facts and what the values of its options add. The three macros are none where the
// command fixes them (-D__DATE__=...).
uint32_t compile_facts(uint32_t of_inputs, const Invocation& invocation);

// Whether one of those three macros could be pasted together from the tokens of all inputs of a compile,
// whose facts are given united. The names written out in full are facts of their own. Pieces of a single letter count
// only within the file where all the rest is: T, E and `__` are in every C++ program.
bool may_paste_time_macro(uint32_t facts);

}  // namespace hpcc
