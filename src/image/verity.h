// dm-verity hash trees (format 1, SHA-256, blocks of 4096 bytes), as `veritysetup format` writes them. The root hash
// names every byte of the data: the guest's kernel checks each block it reads against it.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"

namespace hpcc {

struct Verity {
  std::string root_hash;  // hex
  uint64_t data_blocks = 0;
};

inline constexpr uint32_t kVerityBlockBytes = 4096;

// Reads `data_path`, whose size must be a multiple of the block, and writes superblock and tree to `hash_path`. `salt`:
// 32 bytes. The same data and salt give the same bytes.
Result<Verity> write_verity(const std::string& data_path, const std::string& hash_path, const std::string& salt);

}  // namespace hpcc
