#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <mutex>
#include <optional>
#include <utility>

#include "base/child.h"
#include "base/limits.h"
#include "base/message.h"
#include "guest/frames.h"
#include "guest/guest.h"

namespace hpcc {
namespace {

using proxy::Kind;

constexpr int kSendMs = 10'000;
constexpr int kProxyGraceMs = 30'000;  // beyond the proxy's own patience, which ends earlier

Kind kind_of(const Message& message) { return static_cast<Kind>(message.bytes[0]); }

std::string_view payload_of(const Message& message) { return std::string_view(message.bytes).substr(1); }

// One of the compiles that a guest takes at once.
class Turn {
 public:
  explicit Turn(std::atomic<size_t>& running) : running_(running), taken_(++running <= limits::kGuestCompiles) {}
  ~Turn() { --running_; }
  Turn(const Turn&) = delete;
  bool taken() const { return taken_; }

 private:
  std::atomic<size_t>& running_;
  const bool taken_;
};

class ProxySession final : public GuestSession {
 public:
  ProxySession(Fd control, Child proxy, uint32_t grace_ms)
      : control_(std::move(control)), proxy_(std::move(proxy)), grace_ms_(grace_ms) {}

  Status send_first(std::string_view bytes, Deadline deadline) {
    return send_message(control_.get(), bytes, {}, deadline);
  }

  Status await_ready(Deadline deadline) {
    Result<Message> message = receive_message(control_.get(), deadline);
    if (!message.ok()) {
      if (message.error().code != Code::kTimeout) return Error{Code::kIo, "the guest's proxy ended at its start", 0};
      return Error{Code::kTimeout, "the guest's agent did not answer", 0};
    }
    if (kind_of(*message) == Kind::kError) return proxy::decode_error(payload_of(*message));
    return kind_of(*message) == Kind::kReady ? Status() : Error{Code::kCorrupt, "proxy: unexpected message", 0};
  }

  Result<GuestResult> compile(const GuestCompile& what, BlobSource& blobs, Cancel cancel, Deadline deadline) override {
    if (!healthy_) return session_error();
    const Turn turn(running_);
    if (!turn.taken()) return Error{Code::kLimit, "too many compiles at once in one guest", 0};
    const std::string encoded = proxy::encode_compile(what);
    if (encoded.size() > limits::kGuestCompileBytes) return Error{Code::kLimit, "the command is too large", 0};
    // What the proxy would refuse is refused here, with a better message, before it costs a round.
    TRY(proxy::decode_compile(encoded));
    TRY_ASSIGN(Fd request, seal_bytes(encoded));
    TRY_ASSIGN(SocketPair pair, message_pair());
    const char kind = static_cast<char>(Kind::kCompile);
    const Status sent = send_message(control_.get(), {&kind, 1}, {pair.b.get(), request.get()},
                                     Deadline::earlier(deadline, Deadline::after_ms(kSendMs)));
    if (!sent.ok()) return session_error();
    pair.b.reset();
    const Deadline patience = Deadline::after_ms(int64_t{what.limits.wall_ms} + grace_ms_ + kProxyGraceMs);
    return serve(what, blobs, pair.a, cancel, deadline, patience);
  }

  bool healthy() const override { return healthy_; }
  pid_t proxy_pid() const override { return proxy_.pid(); }

 private:
  void end() {
    healthy_ = false;
    syscall(SYS_pidfd_send_signal, proxy_.pidfd(), SIGKILL, nullptr, 0);
  }

  // " (signal 31)", when it has ended already.
  std::string manner_of_end() const {
    siginfo_t info = {};
    if (waitid(P_PIDFD, static_cast<id_t>(proxy_.pidfd()), &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == 0)
      return "";
    return std::string(info.si_code == CLD_EXITED ? " (exit code " : " (signal ") + std::to_string(info.si_status) +
           ")";
  }

  // The proxy has ended, or did not speak the protocol: its last words.
  Error session_error() {
    std::lock_guard<std::mutex> lock(error_mutex_);
    healthy_ = false;
    if (error_) return *error_;
    error_ = Error{Code::kIo, "the guest's proxy ended" + manner_of_end(), 0};
    for (bool reset = false;;) {
      Result<Message> message = receive_message(control_.get(), Deadline::after_ms(1000));
      // A proxy that ends with a request of ours unread resets the socket: told once, before what it had said.
      if (!message.ok() && message.error().sys_errno == ECONNRESET && !std::exchange(reset, true)) continue;
      if (!message.ok()) break;
      if (kind_of(*message) != Kind::kError) continue;
      error_ = proxy::decode_error(payload_of(*message));
      break;
    }
    end();
    return *error_;
  }

  Error end_with(Error error) {
    std::lock_guard<std::mutex> lock(error_mutex_);
    if (!error_) error_ = error;
    end();
    return error;
  }

  // Until the result is here. Returning early closes the channel, which cancels the compile in the guest.
  Result<GuestResult> serve(const GuestCompile& what, BlobSource& blobs, const Fd& channel, Cancel cancel,
                            Deadline deadline, Deadline patience) {
    for (;;) {
      struct pollfd fds[2] = {{channel.get(), POLLIN, 0}, {cancel.fd, POLLIN, 0}};
      const Deadline first = Deadline::earlier(deadline, patience);
      if (poll(fds, 2, first.remaining_ms()) < 0 && errno != EINTR) return errno_error("poll");
      if (fds[1].revents) return Error{Code::kPermission, "cancelled", 0};
      if (!fds[0].revents) {
        if (patience.passed()) return end_with({Code::kTimeout, "the guest's proxy did not answer in time", 0});
        if (deadline.passed()) return Error{Code::kTimeout, "the compile's deadline has passed", 0};
        continue;
      }
      Result<Message> message = receive_message(channel.get(), Deadline::after_ms(0));
      if (!message.ok()) return session_error();
      switch (kind_of(*message)) {
        case Kind::kNeed:
          TRY(give_blobs(*message, blobs, channel));
          continue;
        case Kind::kError:
          return proxy::decode_error(payload_of(*message));
        case Kind::kResult: {
          Result<GuestResult> result = take_result(*message, what);
          if (!result.ok()) return end_with(result.error());
          return result;
        }
        case Kind::kCompile:
        case Kind::kReady:
        case Kind::kBlobs:
          break;
      }
      return end_with({Code::kCorrupt, "proxy: unexpected message", 0});
    }
  }

  Status give_blobs(const Message& message, BlobSource& blobs, const Fd& channel) {
    Result<std::vector<BlobDigest>> digests = proxy::decode_need(payload_of(message));
    if (!digests.ok()) return end_with(digests.error());
    std::vector<Fd> files;
    std::vector<int> fds;
    for (const BlobDigest& digest : *digests) {
      TRY_ASSIGN(Fd file, blobs.open(digest));
      fds.push_back(file.get());
      files.push_back(std::move(file));
    }
    const char kind = static_cast<char>(Kind::kBlobs);
    if (!send_message(channel.get(), {&kind, 1}, fds, Deadline::after_ms(kSendMs)).ok()) return session_error();
    return {};
  }

  // Digests are computed here, of sealed memory: not even a proxy that was taken over can give bytes another's name.
  static Result<GuestResult> take_result(Message& message, const GuestCompile& what) {
    const Error bad{Code::kCorrupt, "proxy: malformed result", 0};
    if (message.fds.empty()) return bad;
    TRY_ASSIGN(SealedBytes bytes,
               SealedBytes::map(message.fds[0].get(), limits::kProbesBytes + 2 * limits::kStdioBytes + 65536));
    TRY_ASSIGN(proxy::ProxyResult from, proxy::decode_result(bytes.view(), what));
    if (message.fds.size() != from.outputs.size() + 1) return bad;
    GuestResult out;
    for (size_t i = 0; i < from.outputs.size(); ++i) {
      TRY_ASSIGN(SealedBytes content, SealedBytes::map(message.fds[i + 1].get(), from.outputs[i].size_bytes));
      if (content.view().size() != from.outputs[i].size_bytes) return bad;
      GuestOutput output;
      output.path = what.outputs[from.outputs[i].output];
      output.executable = from.outputs[i].executable;
      output.digest = BlobDigest::of(content.view());
      output.size_bytes = from.outputs[i].size_bytes;
      output.file = std::move(message.fds[i + 1]);
      out.outputs.push_back(std::move(output));
    }
    TRY_ASSIGN(out.probes, decode_probes(from.probes));
    out.end = from.end;
    out.exit_code = static_cast<int>(from.exit_code);
    out.stdout_bytes = std::move(from.stdout_bytes);
    out.stderr_bytes = std::move(from.stderr_bytes);
    out.message = std::move(from.message);
    out.observed = from.observed;
    out.peak_rss_kib = from.peak_rss_kib;
    out.cpu_ms = from.cpu_ms;
    out.wall_ms = from.wall_ms;
    return out;
  }

  Fd control_;
  Child proxy_;
  const uint32_t grace_ms_;
  std::atomic<bool> healthy_{true};
  std::atomic<size_t> running_{0};
  std::mutex error_mutex_;
  std::optional<Error> error_;
};

constexpr uint64_t kProxyAddressBytes = uint64_t{4} << 30;
constexpr uint32_t kProxyFiles = 20'000;  // channels and outputs of all compiles at once

ChildSpec proxy_spec(const GuestOptions& options, const Fd& control, const Fd& agent) {
  ChildSpec spec;
  spec.program = options.proxy_argv[0];
  spec.argv = options.proxy_argv;
  spec.environment = {"GRPC_VERBOSITY=NONE"};  // a guest could make it write what it likes
  spec.descriptors = {-1, -1, -1, control.get(), agent.get()};
  Confinement confinement;
  confinement.memory_bytes = kProxyAddressBytes;
  confinement.file_bytes = limits::kOutputBytes;
  confinement.threads = limits::kGuestCompiles + 64;
  struct rlimit files = {};
  getrlimit(RLIMIT_NOFILE, &files);
  confinement.descriptors = static_cast<uint32_t>(std::min<rlim_t>(files.rlim_max, kProxyFiles));
  spec.confinement = confinement;
  return spec;
}

}  // namespace

Result<std::unique_ptr<GuestSession>> GuestSession::start(Fd agent, const GuestOptions& options, Deadline deadline) {
  TRY_ASSIGN(SocketPair pair, message_pair());
  TRY_ASSIGN(Child child, Child::start(proxy_spec(options, pair.b, agent)));
  auto session = std::make_unique<ProxySession>(std::move(pair.a), std::move(child), options.grace_ms);
  pair.b.reset();
  agent.reset();
  TRY(session->send_first(proxy::encode_settings({options.blob_cache_bytes, options.grace_ms}), deadline));
  TRY(session->await_ready(deadline));
  return std::unique_ptr<GuestSession>(std::move(session));
}

}  // namespace hpcc
