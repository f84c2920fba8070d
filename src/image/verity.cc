#include "image/verity.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <vector>

#include "base/fs.h"
#include "base/sha256.h"
#include "model/digest.h"

namespace hpcc {
namespace {

constexpr size_t kBlock = kVerityBlockBytes, kHash = Sha256::kBytes, kSaltBytes = 32;

// The superblock in its own block at the front of the hash file (little endian, as on disk).
struct Superblock {
  char signature[8] = {'v', 'e', 'r', 'i', 't', 'y', 0, 0};
  uint32_t version = 1, hash_type = 1;
  uint8_t uuid[16] = {};
  char algorithm[32] = "sha256";
  uint32_t data_block_size = kBlock, hash_block_size = kBlock;
  uint64_t data_blocks = 0;
  uint16_t salt_size = kSaltBytes;
  uint8_t padding1[6] = {};
  uint8_t salt[256] = {};
  uint8_t padding2[168] = {};
};
static_assert(sizeof(Superblock) == 512);

void append_hash(std::string& level, const std::string& salt, const char* block) {
  Sha256 hash;
  hash.update(salt);
  hash.update(block, kBlock);
  uint8_t digest[kHash];
  hash.finish(digest);
  level.append(reinterpret_cast<const char*>(digest), kHash);
}

void pad(std::string& level) { level.resize((level.size() + kBlock - 1) / kBlock * kBlock); }

Result<std::string> hash_data(int fd, uint64_t blocks, const std::string& salt, const std::string& name) {
  constexpr size_t kChunk = 256 * kBlock;
  std::vector<char> chunk(kChunk);
  std::string level;
  level.reserve(blocks * kHash);
  for (uint64_t done = 0; done < blocks * kBlock;) {
    const ssize_t got = pread(fd, chunk.data(), kChunk, static_cast<off_t>(done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return errno_error("read " + name);
    const size_t whole = static_cast<size_t>(got) / kBlock * kBlock;
    if (whole == 0) return Error{Code::kCorrupt, name + ": changed while it was read", 0};
    for (size_t at = 0; at < whole; at += kBlock) append_hash(level, salt, chunk.data() + at);
    done += whole;
  }
  return level;
}

}  // namespace

Result<Verity> write_verity(const std::string& data_path, const std::string& hash_path, const std::string& salt) {
  CHECK(salt.size() == kSaltBytes);
  Fd data(open(data_path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  struct stat info;
  if (!data || fstat(data.get(), &info) != 0) return errno_error("open " + data_path);
  if (info.st_size <= 0 || static_cast<uint64_t>(info.st_size) % kBlock != 0) {
    return Error{Code::kInvalid, data_path + ": not a whole number of blocks", 0};
  }
  Verity out;
  out.data_blocks = static_cast<uint64_t>(info.st_size) / kBlock;
  std::vector<std::string> levels;
  TRY_ASSIGN(std::string lowest, hash_data(data.get(), out.data_blocks, salt, data_path));
  levels.push_back(std::move(lowest));
  while (levels.back().size() > kHash) {
    pad(levels.back());
    std::string above;
    const std::string& below = levels.back();
    for (size_t at = 0; at < below.size(); at += kBlock) append_hash(above, salt, below.data() + at);
    levels.push_back(std::move(above));
  }
  // One data block: its hash is the root, and there is no tree.
  out.root_hash = hex_encode(levels.back());
  levels.pop_back();

  Superblock superblock;
  superblock.data_blocks = out.data_blocks;
  memcpy(superblock.salt, salt.data(), kSaltBytes);
  memcpy(superblock.uuid, salt.data(), sizeof superblock.uuid);
  std::string bytes(reinterpret_cast<const char*>(&superblock), sizeof superblock);
  pad(bytes);
  for (auto level = levels.rbegin(); level != levels.rend(); ++level) bytes += *level;
  Fd hashes(open(hash_path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444));
  if (!hashes) return errno_error("create " + hash_path);
  TRY(write_fd(hashes.get(), bytes, hash_path));
  return out;
}

}  // namespace hpcc
