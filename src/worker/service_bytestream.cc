// ByteStream: blobs of any size, as they are or as one zstd stream.
#include <zstd.h>

#include "base/fs.h"
#include "base/limits.h"
#include "rpc/status.h"
#include "store/io.h"
#include "worker/services.h"

namespace hpcc {
namespace {

constexpr size_t kChunkBytes = 256u << 10;
constexpr int64_t kStreamMs = 10 * 60 * 1000;  // a gigabyte at 2 MB/s

// What arrives of one blob, unpacked into a nameless file.
class Arriving {
 public:
  Arriving(Cas& cas, const ResourceName& name, Fd file)
      : zstd_(cas.zstd()), name_(name), file_(std::move(file)), context_(zstd_.decompressor()) {
    ZSTD_DCtx_reset(context_.get(), ZSTD_reset_session_only);
  }
  ~Arriving() { zstd_.give_back(std::move(context_)); }
  Arriving(const Arriving&) = delete;
  Arriving& operator=(const Arriving&) = delete;

  Status add(std::string_view bytes) {
    sent_bytes_ += bytes.size();
    if (name_.compression == Compression::kIdentity) return append(bytes);
    ZSTD_inBuffer in = {bytes.data(), bytes.size(), 0};
    std::string out(ZSTD_DStreamOutSize(), '\0');
    for (bool full = false; in.pos < in.size || full;) {
      if (ended_) return Error{Code::kInvalid, "bytes follow the end of the zstd stream"};
      ZSTD_outBuffer piece = {out.data(), out.size(), 0};
      const size_t left = ZSTD_decompressStream(context_.get(), &piece, &in);
      if (ZSTD_isError(left)) return Error{Code::kInvalid, "malformed zstd stream"};
      TRY(append({out.data(), piece.pos}));
      ended_ = left == 0;
      full = !ended_ && piece.pos == piece.size;
    }
    return {};
  }
  bool is_whole() const {
    return bytes_ == name_.blob.size_bytes && (name_.compression == Compression::kIdentity || ended_);
  }
  uint64_t sent_bytes() const { return sent_bytes_; }
  int fd() const { return file_.get(); }

 private:
  Status append(std::string_view bytes) {
    bytes_ += bytes.size();
    if (bytes_ > name_.blob.size_bytes) return Error{Code::kInvalid, "more bytes than the blob has"};
    return store::write_all(file_.get(), bytes);
  }

  store::Zstd& zstd_;
  const ResourceName name_;
  Fd file_;
  store::ZstdDecompressor context_;
  uint64_t sent_bytes_ = 0, bytes_ = 0;
  bool ended_ = false;
};

using Writer = grpc::ServerWriter<google::bytestream::ReadResponse>;

grpc::Status gone() { return {grpc::StatusCode::CANCELLED, "the client is gone"}; }

grpc::Status send_raw(int fd, uint64_t offset, uint64_t end, Writer* writer) {
  google::bytestream::ReadResponse response;
  while (offset < end) {
    std::string chunk(std::min<uint64_t>(kChunkBytes, end - offset), '\0');
    const ssize_t n = store::pread_some(fd, chunk.data(), chunk.size(), offset);
    if (n != static_cast<ssize_t>(chunk.size())) return to_grpc({Code::kIo, "cannot read a blob"});
    offset += chunk.size();
    response.set_data(std::move(chunk));
    if (!writer->Write(response)) return gone();
  }
  return grpc::Status::OK;
}

grpc::Status send_zstd(store::Zstd& zstd, int fd, uint64_t offset, uint64_t end, Writer* writer) {
  store::ZstdCompressor context = zstd.compressor();
  ZSTD_CCtx_reset(context.get(), ZSTD_reset_session_only);
  ZSTD_CCtx_setParameter(context.get(), ZSTD_c_compressionLevel, 1);
  std::string chunk(kChunkBytes, '\0'), out(kChunkBytes, '\0');
  google::bytestream::ReadResponse response;
  for (bool more = true; more;) {
    const size_t want = static_cast<size_t>(std::min<uint64_t>(kChunkBytes, end - offset));
    const ssize_t n = store::pread_some(fd, chunk.data(), want, offset);
    if (n != static_cast<ssize_t>(want)) return to_grpc({Code::kIo, "cannot read a blob"});
    offset += want;
    ZSTD_inBuffer in = {chunk.data(), want, 0};
    for (bool pending = true; pending;) {
      ZSTD_outBuffer piece = {out.data(), out.size(), 0};
      const size_t left =
          ZSTD_compressStream2(context.get(), &piece, &in, offset == end ? ZSTD_e_end : ZSTD_e_continue);
      if (ZSTD_isError(left)) return to_grpc({Code::kIo, "cannot compress a blob"});
      pending = offset == end ? left != 0 : in.pos < in.size;
      more = offset < end || pending;
      if (piece.pos == 0) continue;
      response.set_data(out.data(), piece.pos);
      if (!writer->Write(response)) return gone();
    }
  }
  zstd.give_back(std::move(context));
  return grpc::Status::OK;
}

}  // namespace

grpc::Status ByteStreamService::Read(grpc::ServerContext* context, const google::bytestream::ReadRequest* request,
                                     Writer* writer) {
  const CallTimer timer(parts_.watchdog, *context, kStreamMs);
  const auto name = decode_read_name(request->resource_name());
  if (!name.ok()) return to_grpc(name.error());
  const auto caller = parts_.gate.enter(*context, name->instance);
  if (!caller.ok()) return to_grpc(caller.error());
  const uint64_t size = name->blob.size_bytes;
  if (request->read_offset() < 0 || static_cast<uint64_t>(request->read_offset()) > size) {
    return {grpc::StatusCode::OUT_OF_RANGE, "the offset is beyond the blob"};
  }
  const bool zstd = name->compression == Compression::kZstd;
  if (request->read_limit() < 0 || (zstd && request->read_limit() != 0)) {
    return {grpc::StatusCode::INVALID_ARGUMENT, "malformed read limit"};
  }
  const auto file = parts_.cas.open_blob(caller->tenant, name->blob);
  if (!file.ok()) return to_grpc(file.error());
  const uint64_t offset = static_cast<uint64_t>(request->read_offset());
  uint64_t end = size;
  if (request->read_limit() != 0) end = std::min(size, offset + static_cast<uint64_t>(request->read_limit()));
  return zstd ? send_zstd(parts_.cas.zstd(), file->get(), offset, end, writer)
              : send_raw(file->get(), offset, end, writer);
}

grpc::Status ByteStreamService::Write(grpc::ServerContext* context,
                                      grpc::ServerReader<google::bytestream::WriteRequest>* reader,
                                      google::bytestream::WriteResponse* response) {
  const CallTimer timer(parts_.watchdog, *context, kStreamMs);
  google::bytestream::WriteRequest request;
  if (!reader->Read(&request)) return {grpc::StatusCode::INVALID_ARGUMENT, "nothing was sent"};
  const std::string resource = request.resource_name();
  const auto name = decode_write_name(resource);
  if (!name.ok()) return to_grpc(name.error());
  const auto caller = parts_.gate.enter(*context, name->instance);
  if (!caller.ok()) return to_grpc(caller.error());
  const bool zstd = name->compression == Compression::kZstd;
  if (parts_.cas.has(caller->tenant, name->blob)) {
    response->set_committed_size(zstd ? -1 : static_cast<int64_t>(name->blob.size_bytes));
    return grpc::Status::OK;
  }
  auto file = parts_.cas.create_temporary();
  if (!file.ok()) return to_grpc(file.error());
  Arriving arriving(parts_.cas, *name, std::move(*file));
  for (;;) {
    if (request.write_offset() < 0 || static_cast<uint64_t>(request.write_offset()) != arriving.sent_bytes()) {
      return {grpc::StatusCode::INVALID_ARGUMENT, "a write must continue where the last one ended"};
    }
    const Status added = arriving.add(request.data());
    if (!added.ok()) return to_grpc(added.error());
    if (request.finish_write()) break;
    if (!reader->Read(&request)) return {grpc::StatusCode::CANCELLED, "the stream ended before its last write"};
    if (!request.resource_name().empty() && request.resource_name() != resource) {
      return {grpc::StatusCode::INVALID_ARGUMENT, "a stream is for one resource"};
    }
  }
  if (!arriving.is_whole()) return {grpc::StatusCode::INVALID_ARGUMENT, "fewer bytes than the blob has"};
  const Status put = parts_.cas.put_from(caller->tenant, name->blob, arriving.fd());
  if (!put.ok()) return to_grpc(put.error());
  response->set_committed_size(static_cast<int64_t>(arriving.sent_bytes()));
  return grpc::Status::OK;
}

grpc::Status ByteStreamService::QueryWriteStatus(grpc::ServerContext* context,
                                                 const google::bytestream::QueryWriteStatusRequest* request,
                                                 google::bytestream::QueryWriteStatusResponse* response) {
  const auto name = decode_write_name(request->resource_name());
  if (!name.ok()) return to_grpc(name.error());
  const auto caller = parts_.gate.enter(*context, name->instance);
  if (!caller.ok()) return to_grpc(caller.error());
  // An interrupted write starts over: nothing of it is kept.
  const bool complete = parts_.cas.has(caller->tenant, name->blob);
  response->set_complete(complete);
  response->set_committed_size(complete ? static_cast<int64_t>(name->blob.size_bytes) : 0);
  return grpc::Status::OK;
}

}  // namespace hpcc
