// The programs that make images, and where they are. Inline: who only asks links nothing of this folder, and so no
// archive code (docs/decisions/0011-images-and-microvms.md).
#pragma once

#include "base/programs.h"

namespace hpcc {

inline Result<std::string> find_mksquashfs() {
  std::string found = first_executable({"/usr/bin/mksquashfs", "/usr/sbin/mksquashfs", "/usr/local/bin/mksquashfs"});
  if (found.empty()) return Error{Code::kNotFound, "mksquashfs is missing: install squashfs-tools", 0};
  return found;
}

inline Result<std::string> find_mmdebstrap() {
  std::string found = first_executable({"/usr/bin/mmdebstrap"});
  if (!found.empty()) return found;
  return Error{Code::kNotFound, "mmdebstrap is missing: install the package mmdebstrap, or use `hpcc image add`", 0};
}

}  // namespace hpcc
