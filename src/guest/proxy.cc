// The proxy process: gRPC to the agent on one side, frames.h to the worker on the other. Threads: main (control socket,
// watch over stalled writes), one reader of the stream, one for each running compile. A breach by the agent ends the
// process; the worker then knows that the session is over, and why.
#include <fcntl.h>
#include <grpcpp/create_channel_posix.h>
#include <grpcpp/grpcpp.h>
#include <hpcc/v1/agent.grpc.pb.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <mutex>
#include <set>
#include <thread>

#include "base/confine.h"
#include "base/limits.h"
#include "base/message.h"
#include "guest/assemble.h"
#include "guest/blob_cache.h"
#include "guest/frames.h"
#include "guest/guest.h"

namespace hpcc {
namespace {

using proxy::Assembled;
using proxy::Assembler;
using proxy::BlobCache;
using proxy::Kind;

constexpr int kWorkerMs = 30'000;  // for the worker to take or give a message
constexpr int64_t kWriteStallNs = int64_t{30} * 1'000'000'000;
constexpr int kEndMs = 1000;  // for the reason of a stream that is over
constexpr int kCancelGraceMs = 10'000;  // for the agent to end a cancelled compile

// Descriptors, memory, threads and clocks: nothing with a path, nothing that makes a connection.
constexpr int kAllowed[] = {
    SYS_clone,        SYS_pread64,       SYS_fcntl,     SYS_dup,         SYS_recvmsg,           SYS_sendmsg,
    SYS_recvfrom,     SYS_sendto,        SYS_shutdown,  SYS_getsockname, SYS_getpeername,       SYS_getsockopt,
    SYS_setsockopt,   SYS_epoll_create1, SYS_epoll_ctl, SYS_epoll_wait,  SYS_epoll_pwait,       SYS_eventfd2,
    SYS_memfd_create, SYS_ftruncate,     SYS_getcpu,    SYS_uname,       SYS_set_robust_list,   SYS_rseq,
    SYS_getuid,       SYS_sysinfo,       SYS_pipe2,     SYS_nanosleep,   SYS_sched_getaffinity, SYS_clock_nanosleep,
    SYS_prctl,        SYS_membarrier};
// The C library counts processors by a file when memory is short of arenas, and does without.
constexpr int kRefused[] = {SYS_openat};

Status send_kind(int socket, Kind kind, std::string_view payload, const std::vector<int>& fds) {
  std::string bytes(1, static_cast<char>(kind));
  bytes += payload;
  return send_message(socket, bytes, fds, Deadline::after_ms(kWorkerMs));
}

// A compile the agent has been asked for. The reader fills it, its own thread waits for it.
struct Pending {
  Pending(const GuestCompile& what, Fd done_event)
      : assembler(what.limits, what.outputs.size()), done(std::move(done_event)) {}
  std::mutex mutex;
  Assembler assembler;
  std::vector<BlobCache::Need> pinned;
  std::optional<Assembled> assembled;
  bool cancelled = false;
  Fd done;  // eventfd
};

class Proxy {
 public:
  Proxy(Fd control, const proxy::Settings& settings)
      : control_(std::move(control)), settings_(settings), cache_(settings.blob_cache_bytes) {}

  [[noreturn]] void run(Fd agent) {
    connect(std::move(agent));
    greet();
    if (!send_kind(control_.get(), Kind::kReady, "", {}).ok()) _exit(1);
    std::thread([this] { read_stream(); }).detach();
    serve_control();
  }

  // Whatever thread finds the end of the session: nothing of it goes on.
  [[noreturn]] void fail(const Error& error) {
    fail_mutex_.lock();
    (void)send_kind(control_.get(), Kind::kError, proxy::encode_error(error), {}).ok();
    _exit(1);
  }

 private:
  void connect(Fd agent) {
    grpc::ChannelArguments arguments;
    arguments.SetMaxReceiveMessageSize(static_cast<int>(limits::kGuestChunkBytes + limits::kGuestMessageBytes * 2));
    arguments.SetMaxSendMessageSize(static_cast<int>(limits::kGuestCompileBytes));
    channel_ = grpc::CreateCustomInsecureChannelFromFd("agent", agent.release(), arguments);
    stub_ = v1::Agent::NewStub(channel_);
    stream_ = stub_->Session(&context_);
  }

  void greet() {
    v1::HostFrame frame;
    v1::Hello* hello = frame.mutable_hello();
    char seed[32];
    if (getrandom(seed, sizeof seed, 0) != sizeof seed) fail(errno_error("getrandom"));
    hello->set_seed(seed, sizeof seed);
    hello->set_unix_ns(realtime_ns());
    hello->set_blob_cache_bytes(settings_.blob_cache_bytes);
    v1::AgentFrame answer;
    if (!stream_->Write(frame) || !stream_->Read(&answer)) end_of_stream();
    if (answer.frame_case() != v1::AgentFrame::kReady || answer.ready().version() != 1) {
      fail({Code::kCorrupt, "the guest's agent broke the protocol: no ready", 0});
    }
  }

  // The stream is over: what gRPC knows about it.
  [[noreturn]] void end_of_stream() {
    // One that goes on, after a message that could not be read, is ended; one that has ended says why.
    std::thread([this] {
      poll(nullptr, 0, kEndMs);
      context_.TryCancel();
    }).detach();
    const grpc::Status status = stream_->Finish();
    fail({Code::kIo, "the guest ended the session: " + status.error_message(), 0});
  }

  void read_stream() {
    v1::AgentFrame frame;
    while (stream_->Read(&frame)) {
      const Status state = take(frame);
      if (!state.ok()) fail(state.error());
    }
    end_of_stream();
  }

  Result<std::shared_ptr<Pending>> find(uint64_t id) {
    std::lock_guard<std::mutex> lock(pending_mutex_);
    auto found = pending_.find(id);
    if (found != pending_.end()) return found->second;
    return Error{Code::kCorrupt, "the guest's agent broke the protocol: unknown id", 0};
  }

  Status take(const v1::AgentFrame& frame) {
    switch (frame.frame_case()) {
      case v1::AgentFrame::kStarted:
        return started(frame.started().id());
      case v1::AgentFrame::kData: {
        TRY_ASSIGN(auto pending, find(frame.data().id()));
        std::lock_guard<std::mutex> lock(pending->mutex);
        return pending->assembler.data(frame.data());
      }
      case v1::AgentFrame::kResult:
        return finish(frame.result());
      case v1::AgentFrame::kReady:
      case v1::AgentFrame::FRAME_NOT_SET:
        break;
    }
    return Error{Code::kCorrupt, "the guest's agent broke the protocol: unknown frame", 0};
  }

  Status started(uint64_t id) {
    TRY_ASSIGN(auto pending, find(id));
    std::lock_guard<std::mutex> lock(pending->mutex);
    cache_.unpin(std::exchange(pending->pinned, {}));
    return pending->assembler.started();
  }

  Status finish(const v1::Result& result) {
    TRY_ASSIGN(auto pending, find(result.id()));
    {
      std::lock_guard<std::mutex> lock(pending_mutex_);
      pending_.erase(result.id());
    }
    std::lock_guard<std::mutex> lock(pending->mutex);
    cache_.unpin(std::exchange(pending->pinned, {}));
    TRY_ASSIGN(pending->assembled, pending->assembler.finish(result, pending->cancelled));
    const uint64_t one = 1;
    if (write(pending->done.get(), &one, sizeof one) != sizeof one) return errno_error("eventfd");
    return {};
  }

  void write_frame(const v1::HostFrame& frame) {
    std::lock_guard<std::mutex> lock(write_mutex_);
    write_since_ns_ = monotonic_ns();
    const bool written = stream_->Write(frame);
    write_since_ns_ = 0;
    // The reader learns why and ends the process; this thread has nothing left to do.
    if (!written) pause_forever();
  }

  [[noreturn]] static void pause_forever() {
    for (;;) std::this_thread::sleep_for(std::chrono::hours(1));
  }

  [[noreturn]] void serve_control() {
    for (;;) {
      struct pollfd wait = {control_.get(), POLLIN, 0};
      poll(&wait, 1, 1000);
      const int64_t since_ns = write_since_ns_;
      if (since_ns != 0 && monotonic_ns() - since_ns > kWriteStallNs) {
        fail({Code::kTimeout, "the guest's agent takes no data", 0});
      }
      if (!wait.revents) continue;
      Result<Message> message = receive_message(control_.get(), Deadline::after_ms(0));
      if (!message.ok()) _exit(0);  // the worker has gone, or ended this session
      if (message->bytes.size() != 1 || message->bytes[0] != static_cast<char>(Kind::kCompile) ||
          message->fds.size() != 2 || running_ >= 2 * limits::kGuestCompiles) {
        continue;  // the channel closes with the message
      }
      ++running_;
      std::thread([this, channel = std::move(message->fds[0]), request = std::move(message->fds[1])]() mutable {
        serve_compile(channel, request);
        channel.reset();
        --running_;
      }).detach();
    }
  }

  void serve_compile(const Fd& channel, const Fd& request) {
    const Status state = compile(channel, request);
    if (!state.ok()) (void)send_kind(channel.get(), Kind::kError, proxy::encode_error(state.error()), {}).ok();
  }

  Status compile(const Fd& channel, const Fd& request) {
    TRY_ASSIGN(SealedBytes bytes, SealedBytes::map(request.get(), limits::kGuestCompileBytes));
    TRY_ASSIGN(GuestCompile what, proxy::decode_compile(bytes.view()));
    Fd event(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!event) return errno_error("eventfd");
    auto pending = std::make_shared<Pending>(what, std::move(event));
    uint64_t id = 0;
    {
      std::lock_guard<std::mutex> lock(upload_mutex_);
      TRY(upload(channel, what, pending.get()));
      id = ++last_id_;
      {
        std::lock_guard<std::mutex> add(pending_mutex_);
        pending_[id] = pending;
      }
      write_frame(compile_frame(id, what));
    }
    return await(channel, id, what, *pending);
  }

  static v1::HostFrame compile_frame(uint64_t id, const GuestCompile& what) {
    v1::HostFrame frame;
    v1::Compile* compile = frame.mutable_compile();
    compile->set_id(id);
    for (const std::string& word : what.argv) compile->add_argv(word);
    for (const std::string& word : what.environment) compile->add_environment(word);
    compile->set_working_directory(what.working_directory);
    for (const GuestInput& input : what.inputs) {
      v1::Input* row = compile->add_inputs();
      row->set_path(input.path);
      row->set_digest(std::string(input.digest.view()));
      row->set_executable(input.executable);
    }
    for (const std::string& path : what.directories) compile->add_directories(path);
    for (const std::string& path : what.outputs) compile->add_outputs(path);
    v1::Limits* limits = compile->mutable_limits();
    limits->set_wall_ms(what.limits.wall_ms);
    limits->set_processes(what.limits.processes);
    limits->set_memory_bytes(what.limits.memory_bytes);
    limits->set_disk_bytes(what.limits.disk_bytes);
    limits->set_output_bytes(what.limits.output_bytes);
    limits->set_stdio_bytes(what.limits.stdio_bytes);
    return frame;
  }

  // Sends what the agent does not hold. Afterwards all inputs are pinned and named in `pending`.
  Status upload(const Fd& channel, const GuestCompile& what, Pending* pending) {
    std::set<BlobCache::Need> distinct;
    for (const GuestInput& input : what.inputs) distinct.insert({input.digest, input.size_bytes});
    std::vector<BlobCache::Need> wanted(distinct.begin(), distinct.end());
    TRY_ASSIGN(BlobCache::Plan plan, cache_.plan(wanted));
    if (!plan.dropped.empty()) {
      v1::HostFrame frame;
      for (const BlobDigest& digest : plan.dropped) frame.mutable_drop()->add_digests(std::string(digest.view()));
      write_frame(frame);
    }
    size_t sent = 0;
    const Status state = send_missing(channel, plan.missing, &sent);
    if (!state.ok()) {
      for (size_t i = sent; i < plan.missing.size(); ++i) cache_.forget(plan.missing[i].digest);
      cache_.unpin(wanted);
      return state;
    }
    pending->pinned = std::move(wanted);
    return {};
  }

  // In rounds of as many descriptors as one message takes.
  Status send_missing(const Fd& channel, const std::vector<BlobCache::Need>& missing, size_t* sent) {
    for (size_t from = 0; from < missing.size(); from += kMessageFds) {
      const size_t count = std::min(kMessageFds, missing.size() - from);
      std::vector<BlobDigest> digests;
      for (size_t i = 0; i < count; ++i) digests.push_back(missing[from + i].digest);
      TRY(send_kind(channel.get(), Kind::kNeed, proxy::encode_need(digests), {}));
      TRY_ASSIGN(Message blobs, receive_message(channel.get(), Deadline::after_ms(kWorkerMs)));
      if (blobs.bytes[0] != static_cast<char>(Kind::kBlobs) || blobs.fds.size() != count) {
        return Error{Code::kInvalid, "the worker did not give the blobs asked for", 0};
      }
      for (size_t i = 0; i < count; ++i) {
        TRY(send_blob(missing[from + i], blobs.fds[i]));
        ++*sent;
      }
    }
    return {};
  }

  Status send_blob(const BlobCache::Need& need, const Fd& file) {
    struct stat info;
    if (fstat(file.get(), &info) != 0 || static_cast<uint64_t>(info.st_size) != need.size_bytes) {
      return Error{Code::kCorrupt, "an input's blob has another size: " + need.digest.hex(), 0};
    }
    Sha256 hash;
    v1::HostFrame frame;
    v1::Blob* blob = frame.mutable_blob();
    blob->set_digest(std::string(need.digest.view()));
    blob->set_size(need.size_bytes);
    uint64_t at = 0;
    do {
      std::string* bytes = blob->mutable_data();
      bytes->resize(std::min<uint64_t>(limits::kGuestChunkBytes, need.size_bytes - at));
      const ssize_t got = bytes->empty() ? 0 : pread(file.get(), bytes->data(), bytes->size(), static_cast<off_t>(at));
      // A part that is short now cannot be taken back: the agent waits for the whole.
      if (got != static_cast<ssize_t>(bytes->size())) fail(errno_error("read an input's blob"));
      hash.update(*bytes);
      write_frame(frame);
      at += bytes->size();
    } while (at < need.size_bytes);
    BlobDigest digest;
    hash.finish(digest.bytes.data());
    if (digest == need.digest) return {};
    v1::HostFrame drop;
    drop.mutable_drop()->add_digests(std::string(need.digest.view()));
    write_frame(drop);
    return Error{Code::kCorrupt, "an input's blob has other content: " + need.digest.hex(), 0};
  }

  // For the result, the worker's change of mind, or the end of patience.
  Status await(const Fd& channel, uint64_t id, const GuestCompile& what, Pending& pending) {
    Deadline deadline = Deadline::after_ms(int64_t{what.limits.wall_ms} + settings_.grace_ms);
    struct pollfd fds[2] = {{pending.done.get(), POLLIN, 0}, {channel.get(), POLLIN, 0}};
    while (!fds[0].revents) {
      if (poll(fds, 2, deadline.remaining_ms()) < 0 && errno != EINTR) return errno_error("poll");
      if (fds[1].revents && !fds[0].revents) {
        fds[1].fd = -1;
        cancel(id, pending);
        deadline = Deadline::after_ms(kCancelGraceMs);
      }
      if (!fds[0].revents && deadline.passed()) {
        fail({Code::kTimeout, "the guest did not answer in time", 0});
      }
    }
    std::lock_guard<std::mutex> lock(pending.mutex);
    Assembled& assembled = *pending.assembled;
    if (assembled.failed) return *assembled.failed;
    if (assembled.cancelled) return Error{Code::kPermission, "cancelled", 0};
    TRY_ASSIGN(Fd encoded, seal_bytes(proxy::encode_result(assembled.result)));
    std::vector<int> out = {encoded.get()};
    for (const Fd& file : assembled.files) out.push_back(file.get());
    return send_kind(channel.get(), Kind::kResult, "", out);
  }

  void cancel(uint64_t id, Pending& pending) {
    {
      std::lock_guard<std::mutex> lock(pending.mutex);
      pending.cancelled = true;
    }
    v1::HostFrame frame;
    frame.mutable_cancel()->set_id(id);
    write_frame(frame);
  }

  Fd control_;
  const proxy::Settings settings_;
  std::mutex fail_mutex_, write_mutex_, upload_mutex_, pending_mutex_;
  std::atomic<int64_t> write_since_ns_{0};
  std::atomic<size_t> running_{0};
  uint64_t last_id_ = 0;  // under upload_mutex_: ids ascend on the stream
  BlobCache cache_;
  // Shared with the thread that waits for it: either may be the last to use it.
  std::map<uint64_t, std::shared_ptr<Pending>> pending_;
  grpc::ClientContext context_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::Agent::Stub> stub_;
  std::unique_ptr<grpc::ClientReaderWriter<v1::HostFrame, v1::AgentFrame>> stream_;
};

}  // namespace

int run_guest_proxy() {
  signal(SIGPIPE, SIG_IGN);
  Fd control(proxy::kControlFd), agent(proxy::kAgentFd);
  fcntl(control.get(), F_SETFD, FD_CLOEXEC);
  fcntl(agent.get(), F_SETFD, FD_CLOEXEC);
  const int flags = fcntl(agent.get(), F_GETFL);
  if (flags < 0 || fcntl(agent.get(), F_SETFL, flags | O_NONBLOCK) != 0) return 2;
  Result<Message> first = receive_message(control.get(), Deadline::after_ms(kWorkerMs));
  if (!first.ok()) return 2;
  Result<proxy::Settings> settings = proxy::decode_settings(first->bytes);
  if (!settings.ok()) return 2;
  const Status confined = restrict_syscalls(kAllowed, kRefused);
  if (!confined.ok()) {
    (void)send_kind(control.get(), Kind::kError, proxy::encode_error(confined.error()), {}).ok();
    return 1;
  }
  // Never destroyed: its threads use it until the process ends.
  Proxy* proxy = new Proxy(std::move(control), *settings);
  proxy->run(std::move(agent));
}

}  // namespace hpcc
