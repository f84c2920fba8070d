// Zstd: compression with pooled contexts (making one costs more than a small object's whole decompression).
//
// Thread rule: any thread; each call leases a context of its own.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

struct ZSTD_CCtx_s;
struct ZSTD_DCtx_s;

namespace hpcc::store {

struct ZstdFree {
  void operator()(ZSTD_CCtx_s* context) const;
  void operator()(ZSTD_DCtx_s* context) const;
};
using ZstdCompressor = std::unique_ptr<ZSTD_CCtx_s, ZstdFree>;
using ZstdDecompressor = std::unique_ptr<ZSTD_DCtx_s, ZstdFree>;

class Zstd {
 public:
  // One frame with its content size, level 1.
  Result<std::string> compress(std::string_view bytes);
  // Exactly `raw_bytes`, else kCorrupt; the caller has bounded raw_bytes.
  Result<std::string> decompress(std::string_view frame, size_t raw_bytes);

  // For streaming; give them back for the next caller.
  ZstdCompressor compressor();
  ZstdDecompressor decompressor();
  void give_back(ZstdCompressor context);
  void give_back(ZstdDecompressor context);

 private:
  std::mutex mutex_;
  std::vector<ZstdCompressor> compressors_;
  std::vector<ZstdDecompressor> decompressors_;
};

}  // namespace hpcc::store
