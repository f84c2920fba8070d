#include "wire/local.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <cerrno>

#include "base/fs.h"
#include "base/limits.h"

namespace hpcc {
namespace {

Error malformed(const char* what) { return Error{Code::kInvalid, std::string("local socket: malformed ") + what, 0}; }

bool read_string(frame::Reader& in, std::string* out, size_t limit) {
  uint32_t size = 0;
  const char* data = in.string(&size);
  if (!data || size > limit || memchr(data, 0, size)) return false;
  out->assign(data, size);
  return true;
}

bool read_list(frame::Reader& in, std::vector<std::string>* out, size_t max_count, size_t max_bytes) {
  uint32_t count = in.u32();
  if (in.failed || count > max_count || count > (in.size - in.at) / 4) return false;
  out->reserve(count);
  size_t total = 0;
  for (uint32_t i = 0; i < count; ++i) {
    std::string word;
    if (!read_string(in, &word, max_bytes)) return false;
    total += word.size();
    if (total > max_bytes) return false;
    out->push_back(std::move(word));
  }
  return true;
}

void put_u32(std::string* out, uint32_t value) { out->append(reinterpret_cast<const char*>(&value), 4); }

void put_string(std::string* out, std::string_view text) {
  put_u32(out, static_cast<uint32_t>(text.size()));
  out->append(text);
}

void put_list(std::string* out, const std::vector<std::string>& words) {
  put_u32(out, static_cast<uint32_t>(words.size()));
  for (const std::string& word : words) put_string(out, word);
}

// Waits for `events` on fd until `deadline_ms`.
Status wait_for(int fd, short events, int64_t deadline_ms) {
  for (;;) {
    int64_t left = deadline_ms - monotonic_ms();
    if (left <= 0) return Error{Code::kTimeout, "local socket: the peer does not answer", 0};
    struct pollfd wait = {fd, events, 0};
    int ready = poll(&wait, 1, static_cast<int>(left));
    if (ready > 0) return {};
    if (ready < 0 && errno != EINTR) return errno_error("poll on the local socket");
  }
}

}  // namespace

Result<Request> decode_request(std::string_view payload) {
  frame::Reader in{payload.data(), payload.size()};
  Request request;
  request.flags = in.u32();
  request.umask = in.u32() & 0777;
  bool ok = read_string(in, &request.build_id, 256) && read_string(in, &request.driver, limits::kPathBytes) &&
            read_string(in, &request.cwd, limits::kPathBytes) && read_string(in, &request.pwd, limits::kEnvBytes) &&
            read_list(in, &request.argv, limits::kArgvCount, limits::kArgvBytes) &&
            read_list(in, &request.env, limits::kArgvCount, limits::kEnvBytes);
  if (!ok || in.failed || in.at != in.size) return malformed("request");
  if (request.argv.empty() || request.cwd.empty() || request.cwd[0] != '/') {
    return malformed("request: empty argv or cwd");
  }
  return request;
}

Status decode_events(std::string_view payload, std::vector<Event>* out) {
  frame::Reader in{payload.data(), payload.size()};
  while (in.at < in.size) {
    Event event;
    uint8_t op = in.u8(), state = in.u8();
    uint16_t size = in.u16();
    event.pid = in.u32();
    event.dev = in.u64();
    event.ino = in.u64();
    event.size = in.u64();
    event.mtime_ns = static_cast<int64_t>(in.u64());
    event.ctime_ns = static_cast<int64_t>(in.u64());
    if (in.failed || op < 1 || op > static_cast<uint8_t>(frame::Op::kList) ||
        state > static_cast<uint8_t>(frame::State::kError) || size == 0 || size > in.size - in.at ||
        size > limits::kPathBytes || memchr(in.data + in.at, 0, size)) {
      return malformed("event");
    }
    event.op = static_cast<frame::Op>(op);
    event.state = static_cast<frame::State>(state);
    event.path.assign(in.data + in.at, size);
    in.at += size;
    if (out->size() >= limits::kInputs) return Error{Code::kLimit, "local socket: too many traced paths", 0};
    out->push_back(std::move(event));
  }
  return {};
}

Result<Finish> decode_finish(std::string_view payload) {
  frame::Reader in{payload.data(), payload.size()};
  Finish finish;
  finish.exit_code = static_cast<int>(in.u32());
  finish.flags = in.u32();
  finish.start_ns = static_cast<int64_t>(in.u64());
  finish.wall_ns = in.u64();
  uint32_t out_size = 0, err_size = 0;
  const char* out = in.string(&out_size);
  const char* err = in.string(&err_size);
  if (!out || !err || in.failed || in.at != in.size || out_size > limits::kStdioBytes ||
      err_size > limits::kStdioBytes) {
    return malformed("finish");
  }
  finish.stdout_text.assign(out, out_size);
  finish.stderr_text.assign(err, err_size);
  return finish;
}

std::string encode_done(int exit_code, std::string_view stdout_text, std::string_view stderr_text) {
  std::string out;
  put_u32(&out, static_cast<uint32_t>(exit_code));
  put_string(&out, stdout_text);
  put_string(&out, stderr_text);
  return out;
}

std::string encode_run(uint32_t flags, const std::vector<std::string>& prefix, const std::vector<std::string>& suffix) {
  std::string out;
  put_u32(&out, flags);
  put_list(&out, prefix);
  put_list(&out, suffix);
  return out;
}

std::string encode_string(std::string_view text) {
  std::string out;
  put_string(&out, text);
  return out;
}

Result<std::string> decode_string(std::string_view payload) {
  frame::Reader in{payload.data(), payload.size()};
  uint32_t size = 0;
  const char* data = in.string(&size);
  if (!data || in.at != in.size) return malformed("string");
  return std::string(data, size);
}

Result<bool> FrameBuffer::next(frame::Type* type, std::string* payload) {
  uint32_t header[3];
  if (bytes_.size() - at_ < sizeof header) return false;
  memcpy(header, bytes_.data() + at_, sizeof header);
  if (header[0] != frame::kMagic || header[2] > limits::kFrameBytes) return malformed("frame header");
  if (bytes_.size() - at_ - sizeof header < header[2]) return false;
  *type = static_cast<frame::Type>(header[1]);
  payload->assign(bytes_, at_ + sizeof header, header[2]);
  at_ += sizeof header + header[2];
  if (at_ == bytes_.size()) {
    bytes_.clear();
    at_ = 0;
  } else if (at_ > (1u << 20)) {
    bytes_.erase(0, at_);
    at_ = 0;
  }
  return true;
}

ssize_t receive_some(int fd, char* chunk, size_t size, std::vector<Fd>* lent) {
  struct iovec part = {chunk, size};
  alignas(struct cmsghdr) char control[CMSG_SPACE(frame::kLentDescriptors * sizeof(int))];
  struct msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  const ssize_t got = recvmsg(fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (got < 0) return got;
  for (struct cmsghdr* part_of = CMSG_FIRSTHDR(&message); part_of; part_of = CMSG_NXTHDR(&message, part_of)) {
    if (part_of->cmsg_level != SOL_SOCKET || part_of->cmsg_type != SCM_RIGHTS) continue;
    for (size_t at = 0; CMSG_LEN(at + sizeof(int)) <= part_of->cmsg_len; at += sizeof(int)) {
      int number;
      memcpy(&number, CMSG_DATA(part_of) + at, sizeof number);
      Fd owned(number);
      if (lent && lent->size() < frame::kLentDescriptors) lent->push_back(std::move(owned));
    }
  }
  return got;
}

Status send_frame(int fd, frame::Type type, std::string_view payload, int timeout_ms) {
  uint32_t header[3] = {frame::kMagic, static_cast<uint32_t>(type), static_cast<uint32_t>(payload.size())};
  const int64_t deadline = monotonic_ms() + timeout_ms;
  size_t sent_total = 0;
  const size_t total = sizeof header + payload.size();
  while (sent_total < total) {
    struct iovec parts[2];
    size_t header_done = sent_total < sizeof header ? sent_total : sizeof header;
    size_t payload_done = sent_total - header_done;
    parts[0] = {reinterpret_cast<char*>(header) + header_done, sizeof header - header_done};
    parts[1] = {const_cast<char*>(payload.data()) + payload_done, payload.size() - payload_done};
    struct msghdr message = {};
    message.msg_iov = parts;
    message.msg_iovlen = 2;
    ssize_t sent = sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent >= 0) {
      sent_total += static_cast<size_t>(sent);
    } else if (errno == EAGAIN) {
      TRY(wait_for(fd, POLLOUT, deadline));
    } else if (errno != EINTR) {
      return errno_error("send on the local socket");
    }
  }
  return {};
}

Result<std::string> receive_frame(int fd, FrameBuffer& buffer, frame::Type* type, int timeout_ms,
                                  std::vector<Fd>* lent) {
  std::string payload;
  const int64_t deadline = monotonic_ms() + timeout_ms;
  char chunk[65536];
  for (;;) {
    TRY_ASSIGN(bool whole, buffer.next(type, &payload));
    if (whole) return payload;
    TRY(wait_for(fd, POLLIN, deadline));
    ssize_t got = receive_some(fd, chunk, sizeof chunk, lent);
    if (got == 0) return Error{Code::kNotFound, "local socket: the peer closed", 0};
    if (got < 0 && errno != EINTR && errno != EAGAIN) return errno_error("receive on the local socket");
    if (got > 0) buffer.feed(chunk, static_cast<size_t>(got));
  }
}

}  // namespace hpcc
