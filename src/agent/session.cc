#include "agent/session.h"

#include <fcntl.h>
#include <linux/random.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <thread>
#include <vector>

#include "agent/protocol.h"
#include "agent/supervise.h"
#include "base/limits.h"
#include "base/message.h"

namespace hpcc {
namespace {

constexpr uint32_t kProtocolVersion = 1;
constexpr int kStartMs = 30'000;
constexpr int kEndMs = 15'000;  // beyond the compile's own limit of time

// A guest that was cloned, or has booted without entropy, would draw what another drew before it.
Status reseed(const std::string& seed) {
  // struct rand_pool_info: its flexible array cannot be declared in place.
  struct {
    int entropy_bits, size_bytes;
    char bytes[32];
  } entropy = {256, 32, {}};
  memcpy(entropy.bytes, seed.data(), sizeof entropy.bytes);
  Fd random(open("/dev/urandom", O_WRONLY | O_CLOEXEC));
  if (!random) return errno_error("open /dev/urandom");
  if (ioctl(random.get(), RNDADDENTROPY, &entropy) != 0) return errno_error("RNDADDENTROPY");
  if (ioctl(random.get(), RNDRESEEDCRNG) != 0) return errno_error("RNDRESEEDCRNG");
  return {};
}

Status set_clock(int64_t unix_ns) {
  const struct timespec now = {unix_ns / 1000000000, unix_ns % 1000000000};
  return clock_settime(CLOCK_REALTIME, &now) == 0 ? Status() : errno_error("set the clock");
}

}  // namespace

// One compile, and the thread that waits for its supervisor and sends what it answers.
class RunningCompile {
 public:
  RunningCompile(Session& session, const v1::Compile& compile, Fd channel)
      : session_(session),
        id_(compile.id()),
        deadline_(Deadline::after_ms(int64_t{compile.limits().wall_ms()} + kStartMs + kEndMs)),
        channel_(std::move(channel)),
        thread_([this] { run(); }) {}
  ~RunningCompile() {
    cancel();
    thread_.join();
  }

  void cancel() { (void)send_message(channel_.get(), "C", {}, Deadline::after_ms(1000)).ok(); }
  bool finished() const { return finished_; }

 private:
  void run() {
    Result<Message> message = receive_message(channel_.get(), deadline_);
    if (message.ok() && message->bytes == kStagedMessage) {
      v1::AgentFrame frame;
      frame.mutable_started()->set_id(id_);
      session_.send(frame);
      message = receive_message(channel_.get(), deadline_);
    }
    Status sent = message.ok() ? send_result(*message) : Status(message.error());
    if (!sent.ok()) send_failure(sent.error().to_string());
    finished_ = true;
  }

  void send_failure(const std::string& why) {
    v1::AgentFrame frame;
    frame.mutable_result()->set_id(id_);
    frame.mutable_result()->set_end(v1::END_FAILED);
    frame.mutable_result()->set_message(why);
    session_.send(frame);
  }

  Status send_result(const Message& message) {
    v1::AgentFrame last;
    v1::Result* result = last.mutable_result();
    const Error bad{Code::kCorrupt, "the compile's supervisor broke off", 0};
    if (message.bytes != kResultMessage || message.fds.size() < kResultFds) return bad;
    TRY_ASSIGN(SealedBytes bytes, SealedBytes::map(message.fds[0].get(), limits::kGuestCompileBytes));
    if (!result->ParseFromArray(bytes.view().data(), static_cast<int>(bytes.view().size()))) return bad;
    if (static_cast<size_t>(result->outputs_size()) + kResultFds != message.fds.size()) return bad;
    if (result->end() != v1::END_FAILED) {
      TRY(send_file(v1::STREAM_STDOUT, 0, message.fds[1], result->stdout_size()));
      TRY(send_file(v1::STREAM_STDERR, 0, message.fds[2], result->stderr_size()));
      TRY(send_file(v1::STREAM_PROBES, 0, message.fds[3], result->probes_size()));
      for (int i = 0; i < result->outputs_size(); ++i) {
        const v1::Output& output = result->outputs(i);
        TRY(send_file(v1::STREAM_OUTPUT, output.output(), message.fds[kResultFds + i], output.size()));
      }
    }
    session_.send(last);
    return {};
  }

  Status send_file(v1::Stream stream, uint32_t output, const Fd& file, uint64_t size_bytes) {
    v1::AgentFrame frame;
    v1::Data* data = frame.mutable_data();
    data->set_id(id_);
    data->set_stream(stream);
    data->set_output(output);
    std::string* bytes = data->mutable_bytes();
    for (uint64_t at = 0; at < size_bytes;) {
      bytes->resize(std::min<uint64_t>(limits::kGuestChunkBytes, size_bytes - at));
      const ssize_t got = pread(file.get(), bytes->data(), bytes->size(), static_cast<off_t>(at));
      if (got <= 0) return errno_error("read an output");
      bytes->resize(static_cast<size_t>(got));
      at += static_cast<uint64_t>(got);
      if (!session_.send(frame)) return {};
    }
    return {};
  }

  Session& session_;
  const uint64_t id_;
  const Deadline deadline_;
  Fd channel_;
  std::atomic<bool> finished_{false};
  std::thread thread_;  // last: it uses the others
};

Session::Session(const Site& site, int first, Send send)
    : site_(site), first_(first), send_(std::move(send)), blobs_(site.blobs.get()) {}

Session::~Session() = default;

bool Session::send(const v1::AgentFrame& frame) {
  std::lock_guard<std::mutex> lock(send_mutex_);
  return send_(frame);
}

Status Session::receive(const v1::HostFrame& frame) {
  TRY(check_host_frame(frame));
  const bool is_hello = frame.frame_case() == v1::HostFrame::kHello;
  if (is_hello == greeted_) return Error{Code::kInvalid, "hello must come first, and once", 0};
  forget_finished();
  switch (frame.frame_case()) {
    case v1::HostFrame::kHello:
      return hello(frame.hello());
    case v1::HostFrame::kBlob:
      return blobs_.put(frame.blob());
    case v1::HostFrame::kDrop:
      for (const std::string& digest : frame.drop().digests()) blobs_.drop(digest);
      return {};
    case v1::HostFrame::kCompile:
      return start(frame.compile());
    case v1::HostFrame::kCancel:
      if (auto found = running_.find(frame.cancel().id()); found != running_.end()) found->second->cancel();
      return {};
    case v1::HostFrame::FRAME_NOT_SET:
      break;
  }
  return Error{Code::kInvalid, "unknown frame", 0};
}

Status Session::hello(const v1::Hello& hello) {
  // In a namespace sandbox kernel, clock and randomness are the host's own, which must not be touched.
  if (site_.kind == GuestKind::kMicroVm) {
    TRY(reseed(hello.seed()));
    TRY(set_clock(hello.unix_ns()));
  }
  blobs_.set_limit(hello.blob_cache_bytes());
  greeted_ = true;
  v1::AgentFrame frame;
  frame.mutable_ready()->set_version(kProtocolVersion);
  frame.mutable_ready()->set_own_uids(site_.own_uids);
  frame.mutable_ready()->set_cgroups(static_cast<bool>(site_.cgroups));
  send(frame);
  return {};
}

Status Session::start(const v1::Compile& compile) {
  if (compile.id() <= last_id_) return Error{Code::kInvalid, "compile ids must ascend", 0};
  last_id_ = compile.id();
  if (running_.size() >= 2 * limits::kGuestCompiles) return Error{Code::kLimit, "too many compiles at once", 0};
  for (const v1::Input& input : compile.inputs()) {
    if (!blobs_.has(input.digest())) return Error{Code::kInvalid, "input without its blob: " + input.path(), 0};
  }
  TRY_ASSIGN(Fd job, seal_bytes(compile.SerializeAsString()));
  TRY_ASSIGN(SocketPair pair, message_pair());
  TRY(send_message(first_, "J", {pair.b.get(), job.get()}, Deadline::after_ms(kStartMs)));
  running_[compile.id()] = std::make_unique<RunningCompile>(*this, compile, std::move(pair.a));
  return {};
}

void Session::forget_finished() {
  std::erase_if(running_, [](const auto& entry) { return entry.second->finished(); });
}

}  // namespace hpcc
