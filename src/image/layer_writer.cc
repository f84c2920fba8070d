#include "image/layer_writer.h"

#include <fcntl.h>
#include <zstd.h>

#include <vector>

#include "base/fs.h"

namespace hpcc {
namespace {

constexpr int kLevel = 6;

}  // namespace

struct LayerWriter::Codec {
  ZSTD_CCtx* context = ZSTD_createCCtx();
  std::vector<char> out = std::vector<char>(ZSTD_CStreamOutSize());
  ~Codec() { ZSTD_freeCCtx(context); }
};

LayerWriter::LayerWriter() : codec_(std::make_unique<Codec>()) {}
LayerWriter::LayerWriter(LayerWriter&&) noexcept = default;
LayerWriter::~LayerWriter() = default;

Result<LayerWriter> LayerWriter::create(const std::string& path) {
  LayerWriter writer;
  writer.path_ = path;
  writer.file_.reset(open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
  if (!writer.file_) return errno_error("create " + path);
  if (!writer.codec_->context) return Error{Code::kLimit, "no memory to compress", 0};
  ZSTD_CCtx_setParameter(writer.codec_->context, ZSTD_c_compressionLevel, kLevel);
  ZSTD_CCtx_setParameter(writer.codec_->context, ZSTD_c_checksumFlag, 1);
  return writer;
}

Status LayerWriter::write(std::string_view tar) {
  plain_.update(tar);
  return compress(tar, ZSTD_e_continue);
}

Status LayerWriter::compress(std::string_view bytes, int directive) {
  ZSTD_inBuffer in = {bytes.data(), bytes.size(), 0};
  for (;;) {
    ZSTD_outBuffer out = {codec_->out.data(), codec_->out.size(), 0};
    const size_t left =
        ZSTD_compressStream2(codec_->context, &out, &in, static_cast<ZSTD_EndDirective>(directive));
    if (ZSTD_isError(left)) return Error{Code::kIo, std::string("zstd: ") + ZSTD_getErrorName(left), 0};
    const std::string_view packed(codec_->out.data(), out.pos);
    packed_.update(packed);
    size_bytes_ += packed.size();
    TRY(write_fd(file_.get(), packed, path_));
    if (directive == ZSTD_e_end ? left == 0 : in.pos == in.size) return {};
  }
}

Result<LayerWriter::Done> LayerWriter::finish() {
  TRY(compress({}, ZSTD_e_end));
  Done done;
  packed_.finish(done.blob.bytes.data());
  plain_.finish(done.diff_id.bytes.data());
  done.size_bytes = size_bytes_;
  return done;
}

}  // namespace hpcc
