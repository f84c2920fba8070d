#include "wire/remote.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include <cerrno>
#include <cstring>

#include "base/limits.h"
#include "model/codec.h"

namespace hpcc::remote {
namespace {

constexpr uint32_t kMagic = 0x52435048;  // "HPCR"

Error malformed(const char* what) { return Error{Code::kCorrupt, std::string("remote frame: ") + what, 0}; }

void put_digest(ByteWriter& out, const SizedDigest& digest) {
  out.raw(digest.digest.view());
  out.u64(digest.size_bytes);
}
SizedDigest get_digest(ByteReader& in) {
  SizedDigest digest;
  std::string_view bytes = in.raw(digest.digest.bytes.size());
  if (in.ok()) memcpy(digest.digest.bytes.data(), bytes.data(), bytes.size());
  digest.size_bytes = in.u64();
  return digest;
}

std::string get_text(ByteReader& in, size_t limit_bytes) { return std::string(in.text32(limit_bytes)); }

Status read_whole(int fd, char* data, size_t size) {
  while (size > 0) {
    ssize_t got = recv(fd, data, size, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return errno_error("receive from hpcc-remote's socket");
    if (got == 0) return Error{Code::kNotFound, "the other end of the remote socket has closed", 0};
    data += got;
    size -= static_cast<size_t>(got);
  }
  return {};
}

}  // namespace

std::string encode_submit(const Submit& submit) {
  ByteWriter out;
  out.u64(submit.id);
  out.u8(submit.flags);
  out.text16(submit.image);
  out.text16(submit.root);
  out.text32(submit.action);
  out.text32(submit.command);
  out.u32(static_cast<uint32_t>(submit.directories.size()));
  for (const std::string& directory : submit.directories) out.text32(directory);
  out.u32(static_cast<uint32_t>(submit.files.size()));
  for (const TreeFile& file : submit.files) {
    put_digest(out, file.content);
    out.text16(file.path);
  }
  out.u32(static_cast<uint32_t>(submit.seen.size()));
  for (const SeenRows& seen : submit.seen) {
    out.text16(seen.worker);
    out.u64(seen.rows);
  }
  out.u32(submit.timeout_ms);
  return out.take();
}

Result<Submit> decode_submit(std::string_view payload) {
  ByteReader in(payload);
  Submit submit;
  submit.id = in.u64();
  submit.flags = in.u8();
  submit.image = in.text16(limits::kPathBytes);
  submit.root = in.text16(limits::kPathBytes);
  submit.action = get_text(in, limits::kArgvBytes);
  submit.command = get_text(in, limits::kArgvBytes + limits::kEnvBytes);
  uint32_t count = in.count(4, limits::kInputs);
  for (uint32_t i = 0; i < count && in.ok(); ++i) submit.directories.push_back(get_text(in, limits::kFrameBytes));
  count = in.count(42, limits::kInputs);
  submit.files.reserve(count);
  for (uint32_t i = 0; i < count && in.ok(); ++i) {
    TreeFile file;
    file.content = get_digest(in);
    file.path = in.text16(limits::kPathBytes);
    submit.files.push_back(std::move(file));
  }
  count = in.count(10, limits::kSeenNotes);
  for (uint32_t i = 0; i < count && in.ok(); ++i) {
    SeenRows seen;
    seen.worker = in.text16(limits::kIdentityBytes);
    seen.rows = in.u64();
    submit.seen.push_back(std::move(seen));
  }
  submit.timeout_ms = in.u32();
  if (!in.finished()) return malformed("submit");
  return submit;
}

std::string encode_cancel(uint64_t id) {
  ByteWriter out;
  out.u64(id);
  return out.take();
}

Result<uint64_t> decode_cancel(std::string_view payload) {
  ByteReader in(payload);
  uint64_t id = in.u64();
  if (!in.finished()) return malformed("cancel");
  return id;
}

std::string encode_blob_part(uint64_t id, const SizedDigest& blob, std::string_view bytes) {
  ByteWriter out;
  out.reserve(bytes.size() + 64);
  out.u64(id);
  put_digest(out, blob);
  out.text32(bytes);
  return out.take();
}

Result<BlobPart> decode_blob_part(std::string_view payload) {
  ByteReader in(payload);
  BlobPart part;
  part.id = in.u64();
  part.blob = get_digest(in);
  part.bytes = in.text32(kPartBytes);
  if (!in.finished() || part.blob.size_bytes > limits::kRemoteOutputBytes) return malformed("blob");
  return part;
}

std::string encode_remote_result(const RemoteResult& result) {
  ByteWriter out;
  out.u64(result.id);
  out.u8(static_cast<uint8_t>(result.outcome));
  out.text32(result.message);
  out.u64(result.bytes_sent);
  out.text32(result.timing);
  out.u32(static_cast<uint32_t>(result.exit_code));
  out.text32(result.stdout_text);
  out.text32(result.stderr_text);
  out.u32(static_cast<uint32_t>(result.outputs.size()));
  for (const RemoteOutput& output : result.outputs) {
    out.text16(output.path);
    put_digest(out, output.content);
    out.u8(output.executable ? 1 : 0);
  }
  for (const std::string* text : {&result.row, &result.checkpoint, &result.probes, &result.grant, &result.worker}) {
    out.text32(*text);
  }
  out.u64(result.leaf_index);
  out.u32(static_cast<uint32_t>(result.inclusion.size()));
  for (const std::string& hash : result.inclusion) out.text32(hash);
  out.u32(static_cast<uint32_t>(result.consistency.size()));
  for (const Consistency& proof : result.consistency) {
    out.u64(proof.from);
    out.u32(static_cast<uint32_t>(proof.steps.size()));
    for (const std::string& hash : proof.steps) out.text32(hash);
  }
  return out.take();
}

Result<RemoteResult> decode_remote_result(std::string_view payload) {
  ByteReader in(payload);
  RemoteResult result;
  result.id = in.u64();
  const uint8_t outcome = in.u8();
  if (outcome > static_cast<uint8_t>(kLastOutcome)) return malformed("result: outcome");
  result.outcome = static_cast<Outcome>(outcome);
  result.message = get_text(in, limits::kStdioBytes);
  result.bytes_sent = in.u64();
  result.timing = get_text(in, kTimingBytes);
  result.exit_code = static_cast<int32_t>(in.u32());
  result.stdout_text = get_text(in, limits::kStdioBytes);
  result.stderr_text = get_text(in, limits::kStdioBytes);
  uint32_t count = in.count(43, limits::kRemoteOutputs);
  for (uint32_t i = 0; i < count && in.ok(); ++i) {
    RemoteOutput output;
    output.path = in.text16(limits::kPathBytes);
    output.content = get_digest(in);
    output.executable = in.u8() != 0;
    result.outputs.push_back(std::move(output));
  }
  for (std::string* text : {&result.row, &result.checkpoint, &result.probes, &result.grant, &result.worker}) {
    *text = get_text(in, limits::kManifestBytes);
  }
  result.leaf_index = in.u64();
  count = in.count(36, 64);
  for (uint32_t i = 0; i < count && in.ok(); ++i) result.inclusion.push_back(get_text(in, 32));
  count = in.count(12, limits::kSeenOfWorker);
  for (uint32_t i = 0; i < count && in.ok(); ++i) {
    Consistency proof;
    proof.from = in.u64();
    const uint32_t steps = in.count(36, 65);
    for (uint32_t k = 0; k < steps && in.ok(); ++k) proof.steps.push_back(get_text(in, 32));
    result.consistency.push_back(std::move(proof));
  }
  if (!in.finished()) return malformed("result");
  return result;
}

Status send_frame(int fd, Type type, std::string_view payload) {
  if (payload.size() > limits::kFrameBytes) return Error{Code::kLimit, "remote frame too large", 0};
  uint32_t head[3] = {kMagic, static_cast<uint32_t>(type), static_cast<uint32_t>(payload.size())};
  struct iovec parts[2] = {{head, sizeof head}, {const_cast<char*>(payload.data()), payload.size()}};
  struct msghdr message = {};
  message.msg_iov = parts;
  message.msg_iovlen = 2;
  for (size_t left = sizeof head + payload.size(); left > 0;) {
    ssize_t sent = sendmsg(fd, &message, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) return errno_error("send on hpcc-remote's socket");
    left -= static_cast<size_t>(sent);
    for (struct iovec& part : parts) {
      const size_t done = std::min(part.iov_len, static_cast<size_t>(sent));
      part.iov_base = static_cast<char*>(part.iov_base) + done;
      part.iov_len -= done;
      sent -= static_cast<ssize_t>(done);
    }
  }
  return {};
}

Result<Frame> receive_frame(int fd) {
  uint32_t head[3];
  TRY(read_whole(fd, reinterpret_cast<char*>(head), sizeof head));
  if (head[0] != kMagic || head[2] > limits::kFrameBytes) return malformed("head");
  Frame frame{static_cast<Type>(head[1]), std::string(head[2], '\0')};
  TRY(read_whole(fd, frame.payload.data(), frame.payload.size()));
  return frame;
}

}  // namespace hpcc::remote
