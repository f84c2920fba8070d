// Manifest: what one traced compile read, and what it looked for and did not find. CompileResult: what it wrote.
// Pure values with canonical encodings (model/encoding.cc, formats in docs/formats.md).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/digest.h"
#include "model/invocation.h"

namespace hpcc {

// Where a recorded path starts. Paths under the project root or relative to the working directory move with a checkout.
enum class Anchor : uint8_t { kAbsolute, kRoot, kCwd };

struct AnchoredPath {
  Anchor anchor = Anchor::kAbsolute;
  std::string path;  // kAbsolute: starts with '/'; kRoot, kCwd: relative, never empty ("." is the place itself)
  auto operator<=>(const AnchoredPath&) const = default;
};

enum class InputKind : uint8_t {
  kFile,       // regular file: digest of its content
  kDirectory,  // exists and is a directory; digest unused
  kListing,    // directory that was read: digest of its sorted names
  kLink,       // symbolic link that was read: digest of its target
  kNotLink,    // looked at without following, and is no symbolic link; digest unused
  kProgram,    // regular file that may be executed: a compiler passes over one that may not
};
inline constexpr InputKind kLastInputKind = InputKind::kProgram;

struct Input {
  AnchoredPath path;
  InputKind kind = InputKind::kFile;
  BlobDigest digest;
};

// Names that were looked for in a directory and were absent.
struct AbsentSet {
  AnchoredPath directory;          // the deepest directory that existed
  std::vector<std::string> names;  // sorted; an unchanged directory proves all of them absent
  std::vector<std::string> checked_names;  // sorted; must be looked up each time ("file.c/x", dangling links)
};

// Inputs with equal content may be merged by the compiler when they share an inode (clang) or an mtime second (gcc,
// #pragma once); directories with one inode are merged in include paths. A hit needs the same grouping.
struct IdentityGroup {
  enum class By : uint8_t { kInode, kMtimeSecond } by = By::kInode;
  std::vector<uint32_t> inputs;   // indexes into Manifest::inputs, all candidates of one group
  std::vector<uint32_t> classes;  // parallel: inputs with equal class were identical
};

struct Manifest {
  std::vector<Input> inputs;       // sorted by path, kind
  std::vector<AbsentSet> absents;  // sorted by directory
  std::vector<IdentityGroup> groups;
};

struct StoredOutput {
  OutputKind kind = OutputKind::kObject;
  uint32_t index = 0;     // position in Invocation::outputs of the command that asks
  BlobDigest digest;
  uint64_t size_bytes = 0;
  bool executable = false;  // mode bits beyond 0666 & ~umask
};

struct CompileResult {
  std::vector<StoredOutput> outputs;  // object last
  std::string stdout_text;
  std::string stderr_text;
  // Restrictions: the entry serves only a request with the same value. Empty = any.
  std::string bound_place;    // root and cwd, when an output or message holds a path of the tree
  std::string bound_colour;   // "on" or "off", when there were messages
  std::string bound_names;    // -o, -MF, -MT as given, when the .d could not be re-rendered
  uint64_t compile_ns = 0;    // wall time of the compile that made it
};

std::string encode_manifest(const Manifest& manifest);
Result<Manifest> decode_manifest(std::string_view bytes);
std::string encode_result(const CompileResult& result);
Result<CompileResult> decode_result(std::string_view bytes);

}  // namespace hpcc
