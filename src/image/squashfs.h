// A flattened tree as a squashfs file, by mksquashfs in confinement. The same tree gives the same bytes.
#pragma once

#include <string>

#include "base/deadline.h"
#include "base/result.h"

namespace hpcc {

// `file` must not exist.
Status write_squashfs(const std::string& tree_dir, const std::string& file, Deadline deadline);

}  // namespace hpcc
