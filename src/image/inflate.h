// Inflater: decompresses a stream (gzip of several members, zstd of several frames, or nothing) piece by piece, with a
// limit on what comes out and a digest of it. Its input is hostile; zlib and zstd do the work.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/sha256.h"
#include "image/oci.h"

namespace hpcc {

// Gives the next compressed bytes; empty at the end. The view lives until the next call.
using ByteSource = std::function<Result<std::string_view>()>;

class Inflater {
 public:
  static Result<Inflater> create(ByteSource source, LayerCompression compression, uint64_t limit_bytes);
  Inflater(Inflater&&) noexcept;
  ~Inflater();

  // The next decompressed bytes; empty at the end. The view lives until the next call.
  Result<std::string_view> next();
  // Of everything next() gave, once it has given the end.
  BlobDigest digest();

 private:
  struct Codec;
  Inflater();
  Result<size_t> step();  // decompresses into out_; 0: more input is needed
  Result<size_t> step_gzip();
  Result<size_t> step_zstd();

  ByteSource source_;
  LayerCompression compression_ = LayerCompression::kNone;
  uint64_t limit_bytes_ = 0, given_bytes_ = 0;
  std::unique_ptr<Codec> codec_;
  std::string_view input_;
  bool input_ended_ = false, in_frame_ = false;
  std::vector<char> out_;
  Sha256 hash_;
};

}  // namespace hpcc
