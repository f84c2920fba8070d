// The toolchain image `debian-gcc`: Debian 12 with gcc, g++ and clang, made by mmdebstrap as an OCI layout of one
// layer. The same packages give the same image, bit for bit: file times are those of the packages, later ones are
// clamped.
#pragma once

#include <string>

#include "base/deadline.h"
#include "base/result.h"

namespace hpcc {

// Makes `layout_dir` (must not exist); mmdebstrap's messages go to this process's stderr.
Status build_debian_gcc(const std::string& layout_dir, Deadline deadline);

}  // namespace hpcc
