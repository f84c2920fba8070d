#include "image/inflate.h"

#include <zlib.h>
#include <zstd.h>

namespace hpcc {
namespace {

constexpr size_t kOutBytes = 256u << 10;
constexpr int kGzipOnly = 15 + 16;   // zlib's window bits: gzip headers and nothing else
constexpr int kZstdWindowLog = 27;   // 128 MiB: what the zstd tool takes without asking

Error corrupt(std::string message) { return {Code::kCorrupt, std::move(message), 0}; }

}  // namespace

struct Inflater::Codec {
  z_stream gzip = {};
  bool has_gzip = false;
  ZSTD_DStream* zstd = nullptr;
  ~Codec() {
    if (has_gzip) inflateEnd(&gzip);
    ZSTD_freeDStream(zstd);
  }
};

Inflater::Inflater() : codec_(std::make_unique<Codec>()) {}
Inflater::Inflater(Inflater&&) noexcept = default;
Inflater::~Inflater() = default;

Result<Inflater> Inflater::create(ByteSource source, LayerCompression compression, uint64_t limit_bytes) {
  Inflater inflater;
  inflater.source_ = std::move(source);
  inflater.compression_ = compression;
  inflater.limit_bytes_ = limit_bytes;
  const Error no_memory = {Code::kLimit, "no memory to decompress", 0};
  switch (compression) {
    case LayerCompression::kNone:
      break;
    case LayerCompression::kGzip:
      if (inflateInit2(&inflater.codec_->gzip, kGzipOnly) != Z_OK) return no_memory;
      inflater.codec_->has_gzip = true;
      break;
    case LayerCompression::kZstd:
      inflater.codec_->zstd = ZSTD_createDStream();
      if (!inflater.codec_->zstd) return no_memory;
      ZSTD_DCtx_setParameter(inflater.codec_->zstd, ZSTD_d_windowLogMax, kZstdWindowLog);
      break;
  }
  if (compression != LayerCompression::kNone) inflater.out_.resize(kOutBytes);
  return inflater;
}

Result<std::string_view> Inflater::next() {
  std::string_view given;
  while (given.empty()) {
    if (input_.empty() && !input_ended_) {
      TRY_ASSIGN(input_, source_());
      input_ended_ = input_.empty();
    }
    if (compression_ == LayerCompression::kNone) {
      if (input_ended_) return std::string_view();
      given = std::exchange(input_, {});
      break;
    }
    if (input_ended_ && !in_frame_) return std::string_view();
    TRY_ASSIGN(const size_t made, step());
    given = {out_.data(), made};
    if (made == 0 && input_ended_) return corrupt("the compressed bytes end too soon");
  }
  given_bytes_ += given.size();
  if (given_bytes_ > limit_bytes_) return Error{Code::kLimit, "too large when decompressed", 0};
  hash_.update(given);
  return given;
}

Result<size_t> Inflater::step() { return compression_ == LayerCompression::kGzip ? step_gzip() : step_zstd(); }

Result<size_t> Inflater::step_gzip() {
  z_stream& stream = codec_->gzip;
  if (!in_frame_) {
    if (inflateReset(&stream) != Z_OK) return corrupt("gzip cannot start");
    in_frame_ = true;
  }
  const uInt offered = static_cast<uInt>(std::min<size_t>(input_.size(), 1u << 20));
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(input_.data()));
  stream.avail_in = offered;
  stream.next_out = reinterpret_cast<Bytef*>(out_.data());
  stream.avail_out = static_cast<uInt>(out_.size());
  const int code = inflate(&stream, Z_NO_FLUSH);
  input_.remove_prefix(offered - stream.avail_in);
  if (code == Z_STREAM_END) {
    in_frame_ = false;
  } else if (code != Z_OK && code != Z_BUF_ERROR) {
    return corrupt("not gzip, or damaged");
  }
  return out_.size() - stream.avail_out;
}

Result<size_t> Inflater::step_zstd() {
  in_frame_ = true;
  ZSTD_inBuffer in = {input_.data(), input_.size(), 0};
  ZSTD_outBuffer out = {out_.data(), out_.size(), 0};
  const size_t left = ZSTD_decompressStream(codec_->zstd, &out, &in);
  if (ZSTD_isError(left)) return corrupt("not zstd, or damaged");
  input_.remove_prefix(in.pos);
  if (left == 0) in_frame_ = false;
  return out.pos;
}

BlobDigest Inflater::digest() {
  BlobDigest digest;
  hash_.finish(digest.bytes.data());
  return digest;
}

}  // namespace hpcc
