// Where a compile takes place: its project root, working directory, and what they mean for paths.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "model/manifest.h"
#include "model/probes.h"
#include "wire/local.h"

namespace hpcc {

inline constexpr std::string_view kProjectFile = ".hpcc";

// Where a compile takes place.
struct Place {
  std::string root;  // project root, absolute: directory of .hpcc, or of version control, or what cwd and source share
  std::string cwd;
  std::string pwd;            // $PWD when it names cwd by another path, else ""
  bool logical_root = false;  // a .hpcc file: the root is mapped to /hpcc/w
  bool image = false;         // compiled in an image: paths outside of the root are the image's
};

// The nearest directory at or above `cwd` with a .hpcc file; "" when there is none.
std::string find_project_root(const std::string& cwd);

// Root: `project_root` (find_project_root of the request's cwd), or else the nearest directory at or above the source
// with a .hpcc file; else one at or above cwd with version control, else the deepest one that holds cwd and source.
Place find_place(const Request& request, const std::string& source, const std::string& project_root);

// A traced path (absolute, or relative to cwd) as a Manifest stores it, and back.
AnchoredPath anchor_path(std::string_view path, const Place& place);
std::string resolve_path(const AnchoredPath& path, const Place& place);

// Everything an entry is bound to when its outputs hold a path: root, cwd and pwd as one string.
std::string bound_place_text(const Place& place);

}  // namespace hpcc
