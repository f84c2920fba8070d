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
constexpr int kWindowLog = 23;                 // of a client's zstd: levels up to 19 need no more
constexpr uint64_t kStreamBytes = 10u << 20;   // what one stream may hold in memory: that window and its buffers

// What arrives of one blob, unpacked into a nameless file.
class Arriving {
 public:
  Arriving(Cas& cas, const ResourceName& name, Fd file)
      : zstd_(cas.zstd()), name_(name), file_(std::move(file)), context_(zstd_.decompressor()) {
    ZSTD_DCtx_reset(context_.get(), ZSTD_reset_session_only);
    ZSTD_DCtx_setParameter(context_.get(), ZSTD_d_windowLogMax, kWindowLog);
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

// What of one blob is asked for, to the client.
class Sending {
 public:
  Sending(store::Zstd& zstd, const ResourceName& name, uint64_t offset, uint64_t end, Writer* writer)
      : zstd_(zstd), compression_(name.compression), skip_bytes_(offset), left_bytes_(end - offset), writer_(writer) {
    if (compression_ == Compression::kIdentity) return;
    context_ = zstd_.compressor();
    ZSTD_CCtx_reset(context_.get(), ZSTD_reset_session_only);
    ZSTD_CCtx_setParameter(context_.get(), ZSTD_c_compressionLevel, 1);
  }
  ~Sending() {
    if (context_ != nullptr) zstd_.give_back(std::move(context_));
  }
  Sending(const Sending&) = delete;
  Sending& operator=(const Sending&) = delete;

  Status add(std::string_view part) {
    const size_t skipped = static_cast<size_t>(std::min<uint64_t>(skip_bytes_, part.size()));
    skip_bytes_ -= skipped;
    part = part.substr(skipped, static_cast<size_t>(std::min<uint64_t>(left_bytes_, part.size() - skipped)));
    left_bytes_ -= part.size();
    if (part.empty()) return {};
    return compression_ == Compression::kIdentity ? send(part) : pack(part, ZSTD_e_continue);
  }
  Status finish() { return compression_ == Compression::kIdentity ? Status() : pack({}, ZSTD_e_end); }

 private:
  Status pack(std::string_view part, ZSTD_EndDirective directive) {
    std::string out(kChunkBytes, '\0');
    ZSTD_inBuffer in = {part.data(), part.size(), 0};
    for (bool pending = true; pending;) {
      ZSTD_outBuffer piece = {out.data(), out.size(), 0};
      const size_t left = ZSTD_compressStream2(context_.get(), &piece, &in, directive);
      if (ZSTD_isError(left)) return Error{Code::kIo, "cannot compress a blob"};
      pending = directive == ZSTD_e_end ? left != 0 : in.pos < in.size;
      if (piece.pos != 0) TRY(send({out.data(), piece.pos}));
    }
    return {};
  }
  Status send(std::string_view bytes) {
    response_.set_data(bytes.data(), bytes.size());
    if (!writer_->Write(response_)) return Error{Code::kTimeout, "the client is gone"};
    return {};
  }

  store::Zstd& zstd_;
  const Compression compression_;
  uint64_t skip_bytes_, left_bytes_;
  Writer* writer_;
  store::ZstdCompressor context_;
  google::bytestream::ReadResponse response_;
};

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
  const auto room = parts_.cas.reserve(caller->tenant, kStreamBytes);
  if (!room.ok()) return to_grpc(room.error());
  const uint64_t offset = static_cast<uint64_t>(request->read_offset());
  uint64_t end = size;
  if (request->read_limit() != 0) end = std::min(size, offset + static_cast<uint64_t>(request->read_limit()));
  Sending sending(parts_.cas.zstd(), *name, offset, end, writer);
  // To the blob's end even when less is asked for: only then is it known to be whole.
  Status sent =
      parts_.cas.read_parts(caller->tenant, name->blob, [&](std::string_view part) { return sending.add(part); });
  if (sent.ok()) sent = sending.finish();
  return sent.ok() ? grpc::Status::OK : to_grpc(sent.error());
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
  const auto room = parts_.cas.reserve(caller->tenant, name->blob.size_bytes + kStreamBytes);
  if (!room.ok()) return to_grpc(room.error());
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
