// The engine's side of the local socket: frames of launcher/frame.h as values. Every decode_* treats its bytes as
// hostile: bounds-checked, limited by base/limits.h, an Error instead of a guess.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "launcher/frame.h"

namespace hpcc {

struct Request {
  uint32_t flags = 0;  // frame::kRecache, kStderrTty, kStdoutTty
  uint32_t umask = 022;
  std::string build_id;
  std::string driver;  // the compiler's file as the launcher found it; may be relative to cwd; "": there is none
  std::string cwd;     // as getcwd gives it
  std::string pwd;     // $PWD as it stands in the environment, "" when unset
  std::vector<std::string> argv;
  std::vector<std::string> env;
};
Result<Request> decode_request(std::string_view payload);

// One path the compile looked at; see frame::Op.
struct Event {
  frame::Op op = frame::Op::kRead;
  frame::State state = frame::State::kAbsent;
  uint32_t pid = 0;
  uint64_t dev = 0, ino = 0, size = 0;
  int64_t mtime_ns = 0, ctime_ns = 0;
  std::string path;
};
// Appends the events of one chunk; at most limits::kInputs in all.
Status decode_events(std::string_view payload, std::vector<Event>* out);

struct Finish {
  int exit_code = 0;
  uint32_t flags = 0;  // frame::kUntraced ...
  int64_t start_ns = 0;
  uint64_t wall_ns = 0;
  std::string stdout_text, stderr_text;
};
Result<Finish> decode_finish(std::string_view payload);

std::string encode_done(int exit_code, std::string_view stdout_text, std::string_view stderr_text);
std::string encode_run(uint32_t flags, const std::vector<std::string>& prefix, const std::vector<std::string>& suffix);
std::string encode_string(std::string_view text);  // u32 size, bytes: payload of kExec, kStored, kText
Result<std::string> decode_string(std::string_view payload);

// Frames in a growing buffer: feed bytes, take whole frames.
class FrameBuffer {
 public:
  void feed(const char* data, size_t size) { bytes_.append(data, size); }
  // True and fills type and payload when a whole frame is there. An Error when the peer does not speak the protocol.
  Result<bool> next(frame::Type* type, std::string* payload);

 private:
  std::string bytes_;
  size_t at_ = 0;
};

// As recv() without waiting, and takes descriptors that come with the bytes; at most frame::kLentDescriptors are kept.
ssize_t receive_some(int fd, char* chunk, size_t size, std::vector<Fd>* lent);

// Sends a whole frame on a socket that may be non-blocking, within a deadline.
Status send_frame(int fd, frame::Type type, std::string_view payload, int timeout_ms);
// Blocking receive of one frame, within a deadline; `buffer` keeps what arrived behind it, `lent` the descriptors that
// came with it. kNotFound when the peer closed.
Result<std::string> receive_frame(int fd, FrameBuffer& buffer, frame::Type* type, int timeout_ms,
                                  std::vector<Fd>* lent = nullptr);

}  // namespace hpcc
