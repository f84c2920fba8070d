#include "store/zstd.h"

#include <zstd.h>

namespace hpcc::store {
namespace {

constexpr size_t kPooled = 8;  // contexts kept per kind
constexpr int kLevel = 1;

}  // namespace

void ZstdFree::operator()(ZSTD_CCtx* context) const { ZSTD_freeCCtx(context); }
void ZstdFree::operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }

Result<std::string> Zstd::compress(std::string_view bytes) {
  ZstdCompressor context = compressor();
  std::string out(ZSTD_compressBound(bytes.size()), '\0');
  const size_t n = ZSTD_compressCCtx(context.get(), out.data(), out.size(), bytes.data(), bytes.size(), kLevel);
  give_back(std::move(context));
  if (ZSTD_isError(n)) return Error{Code::kIo, std::string("zstd: ") + ZSTD_getErrorName(n)};
  out.resize(n);
  return out;
}

Result<std::string> Zstd::decompress(std::string_view frame, size_t raw_bytes) {
  ZstdDecompressor context = decompressor();
  std::string out(raw_bytes, '\0');
  const size_t n = ZSTD_decompressDCtx(context.get(), out.data(), out.size(), frame.data(), frame.size());
  give_back(std::move(context));
  if (ZSTD_isError(n) || n != raw_bytes) return Error{Code::kCorrupt, "compressed bytes are damaged"};
  return out;
}

ZstdCompressor Zstd::compressor() {
  {
    std::lock_guard lock(mutex_);
    if (!compressors_.empty()) {
      ZstdCompressor context = std::move(compressors_.back());
      compressors_.pop_back();
      return context;
    }
  }
  ZstdCompressor context(ZSTD_createCCtx());
  CHECK(context != nullptr);
  return context;
}

ZstdDecompressor Zstd::decompressor() {
  {
    std::lock_guard lock(mutex_);
    if (!decompressors_.empty()) {
      ZstdDecompressor context = std::move(decompressors_.back());
      decompressors_.pop_back();
      return context;
    }
  }
  ZstdDecompressor context(ZSTD_createDCtx());
  CHECK(context != nullptr);
  return context;
}

void Zstd::give_back(ZstdCompressor context) {
  ZSTD_CCtx_reset(context.get(), ZSTD_reset_session_and_parameters);
  std::lock_guard lock(mutex_);
  if (compressors_.size() < kPooled) compressors_.push_back(std::move(context));
}

void Zstd::give_back(ZstdDecompressor context) {
  ZSTD_DCtx_reset(context.get(), ZSTD_reset_session_and_parameters);
  std::lock_guard lock(mutex_);
  if (decompressors_.size() < kPooled) decompressors_.push_back(std::move(context));
}

}  // namespace hpcc::store
