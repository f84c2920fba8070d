// Where a compile takes place: its project root, working directory, and what they mean for paths.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "client/key.h"
#include "model/manifest.h"
#include "wire/local.h"

namespace hpcc {

inline constexpr std::string_view kLogicalRoot = "/hpcc/w";
inline constexpr std::string_view kProjectFile = ".hpcc";

// Root: the nearest directory at or above cwd, or else the source, with a .hpcc file; else of cwd with version control,
// else the deepest directory that holds both cwd and the source.
Place find_place(const Request& request, const std::string& source);

// A traced path (absolute, or relative to cwd) as a Manifest stores it, and back.
AnchoredPath anchor_path(std::string_view path, const Place& place);
std::string resolve_path(const AnchoredPath& path, const Place& place);

}  // namespace hpcc
