// Invocation: one compiler command, parsed. A pure value; made by compiler/parse.h, read by client/ and by keys.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace hpcc {

enum class Family : uint8_t { kGcc, kClang };

enum class Language : uint8_t {
  kC,                 // .c
  kCxx,               // .cc .cpp .cxx .C ...
  kPreprocessedC,     // .i
  kPreprocessedCxx,   // .ii
  kAssembler,         // .s
  kAssemblerWithCpp,  // .S .sx
};

// Why a command is run as if hpcc were not there, or is compiled and not stored. Names are printed by `hpcc stats` and
// are stable; append only (the value is an index into the counters file).
enum class Bypass : uint8_t {
  kNone,
  kNoSource,            // no input file, or `gcc --version`
  kLink,                // a link or archive step: no -c, -S or the like
  kPreprocess,          // -E, -M, -MM
  kSeveralSources,
  kStdin,               // source is "-"
  kUnknownOption,       // an option without a row in the table
  kUnsupportedOption,   // a row that says: never cached
  kUnsupportedLanguage, // Fortran, Go, CUDA, Objective-C, header to PCH ...
  kUnsupportedEnv,      // a variable that makes the compiler write or read beyond the key
  kBadCommand,          // missing argument, unreadable or too large response file
  kOutputSpecial,       // -o names a device, directory, fifo ...
  kOutputStdout,        // -o -
  kUnknownCompiler,     // the driver is not a gcc or clang that hpcc knows
  kDisabled,            // HPCC_DISABLE=1
  kUntraced,            // no tracer possible: compiled, not stored
  kVolatileInput,       // the compile read /proc, /sys, a device, the network ...
  kInputChanged,        // an input changed during or just before the run
  kTimeMacro,           // a macro that tells date or time, without SOURCE_DATE_EPOCH
  kOutputMissing,       // the compiler did not write a declared output, or wrote an undeclared one
  kOutputTooLarge,
  kStoreError,          // the store cannot be written: disk full, read-only, unsupported file system
  kQuarantined,         // a stored result of this compile was seen to be wrong (client/quarantine.h)
  kBadProjectFile,      // .hpcc cannot be read, or says what it may not: nothing compiles
  // Of image mode: why a compile did not go to a worker.
  kNoWorker,            // no scheduler, no worker, or none that answered in time
  kNoImage,             // the image is not on this machine, so there is no compiler
  kRemoteFailed,        // the worker could not run it: a limit, a lost guest
  kReceiptRefused,      // the worker's statement did not hold
  kScanIncomplete,      // inputs were still missing after the last round
  kOutsideRoot,         // the source or an output lies outside of the project
  kIdenticalInputs,     // equal headers with #pragma once: which is read depends on times
  kPrecompiledHeader,
  kOddPath,             // symbolic links that a guest's plain directories cannot stand for; an output that is read
  kUnreadable,          // a part of the project that cannot be looked at
  kNativeCpu,           // -march=native
  kInputTooLarge,       // too many or too large inputs
  kNoDaemon,            // HPCC_DAEMON=0 compiles here
  kNotUtf8,             // a word or file name that the messages to a worker cannot hold
  kAbsoluteInclude,     // a source includes a file of the project by its path here
  kCount
};
std::string_view bypass_name(Bypass reason);  // "unknown_option", ...

// What an option's value (or the option itself) is to a key.
enum class KeyRole : uint8_t {
  kText,       // verbatim
  kPath,       // a path: absolute ones under the project root are keyed relative to the root
  kPrefixMap,  // OLD=NEW of the -f*-prefix-map family
};

struct KeyArg {
  std::string option;  // as spelled on the command line, without its value: "-I", "-std=", "-O2"
  std::string value;   // "" when the option has none
  KeyRole role = KeyRole::kText;
  bool has_value = false;  // tells `-DX` with empty value from an option that takes none
  auto operator<=>(const KeyArg&) const = default;
};

enum class OutputKind : uint8_t {
  kObject,       // what -o names: object, or assembly under -S, or nothing under -fsyntax-only
  kDepFile,      // -MD, -MMD
  kDwo,          // -gsplit-dwarf
  kCoverageNotes,// .gcno
  kStackUsage,   // .su
  kCallgraph,    // .ci
  kListing,      // -Wa,-a=FILE
  kOptRecord,    // -fsave-optimization-record, -fopt-info-*=FILE
  kDiagnostics,  // --serialize-diagnostics
  kAuxInfo,      // -aux-info
  kOther,
};

struct OutputFile {
  OutputKind kind = OutputKind::kObject;
  std::string path;       // as the compiler would open it: relative to cwd, or absolute
  bool optional = false;  // the compiler may leave it out (a .dwo of a unit without debug info)
};

struct DepOptions {
  bool wanted = false;         // -MD or -MMD (or -Wp,-MD,FILE)
  bool user_headers_only = false;  // -MMD
  bool phony_targets = false;  // -MP
  std::string path;            // where the .d goes
  // Target words in command-line order: -MT verbatim, -MQ quoted for make. Empty: derived from the object's name.
  std::vector<std::string> targets;  // already quoted as they stand in the file
};

struct Invocation {
  Family family = Family::kGcc;
  Language language = Language::kC;
  std::string source;                // as written
  std::string object;                // OutputFile of kind kObject, or "" (-fsyntax-only)
  std::vector<OutputFile> outputs;   // everything the command declares it writes, the object last
  std::vector<KeyArg> key_args;      // in order; what may change an output's bytes. The source stands in it, too.
  std::vector<std::string> read_files;  // files named by options (plugins, lists, profiles, -include): for image mode
  DepOptions dep;
  // How colour is asked for; never part of key_args.
  enum class Colour : uint8_t { kAuto, kAlways, kNever } colour = Colour::kAuto;
  bool leaks_output_name = false;  // the object's name leaks into an output: key -o, -MF ... as written
  bool leaks_cwd = false;          // outputs hold the working directory in a form that cannot be searched for
  bool opaque_outputs = false;     // outputs are compressed or LTO: paths in them cannot be found by searching
  bool native_cpu = false;         // -march=native and kin: key the CPU
  bool has_prefix_map = false;
};

}  // namespace hpcc
