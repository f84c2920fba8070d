// LayerWriter: tar bytes in, a zstd-compressed OCI layer blob out, with both its digests. The same bytes give the same
// blob as long as hpcc is linked with the same zstd.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/fd.h"
#include "base/result.h"
#include "model/digest.h"

namespace hpcc {

class LayerWriter {
 public:
  static Result<LayerWriter> create(const std::string& path);  // must not exist
  LayerWriter(LayerWriter&&) noexcept;
  ~LayerWriter();

  Status write(std::string_view tar);
  struct Done {
    BlobDigest blob, diff_id;
    uint64_t size_bytes = 0;
  };
  Result<Done> finish();

 private:
  struct Codec;
  LayerWriter();
  Status compress(std::string_view bytes, int directive);

  std::string path_;
  Fd file_;
  std::unique_ptr<Codec> codec_;
  Sha256 plain_, packed_;
  uint64_t size_bytes_ = 0;
};

}  // namespace hpcc
