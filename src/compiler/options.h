// The option tables: one sorted table of rows per compiler family. An option is cacheable only if it has a row (or is
// the negative of one that says so); everything else is Bypass::kUnknownOption. Immutable; any thread.
//
// A row answers, for one spelling: how many words it takes, what its text is to the key, which outputs it makes, and
// whether those outputs come to depend on names, directories or the machine. Reading a file needs no mark for soundness
// (the tracer sees it); kReads only names the file for image mode.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "model/invocation.h"

namespace hpcc {

enum class Arity : uint8_t {
  kFlag,              // -Ofast: the whole word
  kJoined,            // -std=VALUE: the value is the rest of the word, perhaps empty
  kSeparate,          // -aux-info VALUE: the next word
  kJoinedOrSeparate,  // -IVALUE or -I VALUE
};

// What the parser does with the option. Everything but the colour, -o and the -M* file and target options is keyed.
enum class Act : uint8_t {
  kText,          // key: verbatim
  kPath,          // key: the value is a path
  kPrefixMap,     // key: the value is OLD=NEW
  kBypass,        // Bypass::kUnsupportedOption
  kQuery,         // Bypass::kNoSource: prints something and compiles nothing
  kPreprocess,    // -E, -M, -MM
  kCompile,       // -c
  kAssemble,      // -S
  kSyntaxOnly,    // -fsyntax-only
  kOutput,        // -o
  kLanguage,      // -x
  kEndOfOptions,  // --
  kLinkInput,     // -l
  kDepAll,        // -MD
  kDepUser,       // -MMD
  kDepFile,       // -MF
  kDepTarget,     // -MT
  kDepQuoted,     // -MQ
  kDepPhony,      // -MP
  kColourOn,
  kColourOff,
  kColourValue,        // -fdiagnostics-color=WHEN
  kPlainOutput,        // -fdiagnostics-plain-output: no colour, and other changes; keyed
  kMachine,            // -march=, -mtune=, -mcpu=: "native" keys the CPU
  kWp,                 // -Wp,SUB,SUB: each must have a row in the preprocessor table
  kXpreprocessor,      // -Xpreprocessor SUB: the same
  kWa,                 // -Wa,SUB,SUB: each must have a row in the assembler table
  kXassembler,         // -Xassembler SUB: the same
  kXclang,             // -Xclang ARG: ARG must have a row in the cc1 table
  kMllvm,              // -mllvm ARG: ARG must have a row in the LLVM table
  kSplitDwarf,         // writes a .dwo
  kCoverage,           // --coverage, -ftest-coverage: writes a .gcno
  kStackUsage,         // writes a .su
  kCallgraph,          // writes a .ci
  kOptRecord,          // -fsave-optimization-record[=FORMAT]
  kOptRecordFile,      // -foptimization-record-file=
  kOptInfo,            // -fopt-info[-KINDS][=FILE]
  kAuxInfo,            // -aux-info FILE: an output
  kDiagnostics,        // --serialize-diagnostics FILE: an output
  kDiagnosticsFormat,  // -fdiagnostics-format=: the "-file" forms write files
  kInputCharset,       // -finput-charset=: sources that are no superset of ASCII cannot be scanned
  kEmitLlvm,           // -emit-llvm: the default output name is another
  // Of the assembler table only.
  kListing,   // -a[LETTERS]=FILE: an output
  kAsmDebug,  // -g and kin: harmless for assembler sources, else the name of a temporary file enters the object
};

namespace opt {
inline constexpr uint8_t kNegatable = 1;  // -fno-X, -mno-X, -gno-X: keyed as text
inline constexpr uint8_t kReads = 2;      // the value names a file the compiler reads
inline constexpr uint8_t kLeaksName = 4;  // an output comes to hold output names or the command line as spelled
inline constexpr uint8_t kLeaksCwd = 8;   // an output holds the working directory in a form that cannot be searched for
inline constexpr uint8_t kOpaque = 16;    // an output is compressed, bitcode or otherwise cannot be searched
inline constexpr uint8_t kNative = 32;    // an output may depend on the CPU of this machine
}  // namespace opt

struct OptionRow {
  std::string_view name;
  Arity arity = Arity::kFlag;
  Act act = Act::kText;
  uint8_t bits = 0;
};

// Sorted by name, names unique.
std::span<const OptionRow> gcc_options();
std::span<const OptionRow> clang_options();
std::span<const OptionRow> cc1_options();           // what may follow -Xclang
std::span<const OptionRow> llvm_options();          // what may follow -mllvm
std::span<const OptionRow> assembler_options();     // what may follow -Wa, or -Xassembler
std::span<const OptionRow> preprocessor_options();  // what may follow -Wp, or -Xpreprocessor

struct OptionMatch {
  const OptionRow* row = nullptr;  // null: no row
  bool negated = false;            // found through the row of the positive form
};

// The longest row that `arg` can be a spelling of.
OptionMatch find_option(std::span<const OptionRow> table, std::string_view arg);

}  // namespace hpcc
