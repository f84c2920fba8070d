// Probes: the paths of the project that a compile looked for and did not find, as names × search directories. Signed in
// the Receipt; a client compares them with its own tree: one that is there was missing from the input tree.
//
// Encoding (little-endian; text16 = u16 length, bytes), canonical: one value has one encoding.
//   probes := u8 version=1, u32 n, directory*n, u32 n, group*n
//   directory := text16                        strictly ascending; logical ("/hpcc/w", "/hpcc/w/include")
//   group := u32 n, u32 directory*n, u32 n, text16*n      both strictly ascending; groups ascend by their directories,
//                                              no two have the same; every directory is used by some group
// Version history: 1 = first.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/digest.h"

namespace hpcc {

// Every name was looked for in every one of the directories.
struct ProbeGroup {
  std::vector<uint32_t> directories;  // indices into Probes::directories
  std::vector<std::string> names;     // one path component each, never "." or ".."
  auto operator<=>(const ProbeGroup&) const = default;
};

struct Probes {
  std::vector<std::string> directories;  // normal absolute paths, equal to or below kLogicalRoot
  std::vector<ProbeGroup> groups;

  // From single paths, in any order, with repeats. Paths that are not normal, not below the logical root, or too long
  // are left out.
  static Probes from_paths(const std::vector<std::string>& paths);
  // Number of (directory, name) pairs.
  uint64_t path_count() const;
  bool operator==(const Probes&) const = default;
};

inline constexpr char kLogicalRoot[] = "/hpcc/w";

std::string encode_probes(const Probes& probes);
Result<Probes> decode_probes(std::string_view bytes);

}  // namespace hpcc
