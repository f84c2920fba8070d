// The include scan of image mode: which files of the project a command may read, found without running a compiler. A
// superset wherever that is cheap (conditions are not evaluated), and a pure function of the command and the files it
// reaches: never of what an earlier compile did. Headers of the image are neither looked at nor named.
//
// It may miss a file (a header's name pasted together by macros, a project header that hides one of the system's). That
// cannot go unnoticed: the guest reports every path it looked for in vain, and the client compares
// (client/image_compile).
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "compiler/directives.h"
#include "compiler/environment.h"
#include "compiler/parse.h"
#include "model/invocation.h"

namespace hpcc {

enum class EntryKind : uint8_t { kAbsent, kFile, kDirectory, kOther };

// The project as the scan sees it. Paths are below its root, normal, without leading slash; "" is the root.
struct ScanFiles {
  std::function<EntryKind(const std::string& path)> kind;  // symbolic links followed
  std::function<bool(const std::string& path)> is_link;
  std::function<std::string(const std::string& path)> identity;  // the same for two names of one directory
  std::function<Result<std::shared_ptr<const Directives>>(const std::string& path)> directives;
};

struct ScanPlace {
  std::string root;        // absolute
  std::string root_alias;  // the same directory as $PWD names it, or ""
  std::string cwd;         // below the root, normal, "" is the root
};

struct ScanResult {
  std::vector<std::string> files;        // sorted; the source first of all in the command, but not here
  std::vector<std::string> directories;  // sorted; must be there though no file of theirs is needed
  bool computed = false;                 // some include's name is computed: any name may be asked for
  std::string absolute;                  // a file of the project that is included by its path here, which no guest has
  Bypass problem = Bypass::kNone;        // why the command cannot be scanned
  std::string detail;
};

// `path` as written in the command → below the root; nullopt when it lies elsewhere. By the text alone: ".." behind a
// symbolic link leads elsewhere.
std::optional<std::string> project_path(std::string_view path, const ScanPlace& place);

ScanResult scan_includes(const Invocation& invocation, const EnvKey& env, const ScanPlace& place,
                         const ScanFiles& files);

}  // namespace hpcc
