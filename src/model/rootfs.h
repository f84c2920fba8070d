// Rootfs: a toolchain image made ready to be a sandbox's read-only root. A value; the image store makes it, sandbox
// drivers use it.
#pragma once

#include <cstdint>
#include <string>

#include "model/digest.h"

namespace hpcc {

struct Rootfs {
  ImageDigest digest;        // the OCI manifest's
  std::string tree_dir;      // the flattened tree: root of the `namespace` driver and of the local fallback
  std::string squashfs;      // the same tree as a file system image
  std::string verity;        // its dm-verity hash tree
  std::string root_hash;     // hex; names every byte of squashfs
  std::string salt;          // hex
  uint64_t data_blocks = 0;  // of 4096 bytes
};

}  // namespace hpcc
