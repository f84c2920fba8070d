#include "client/remote_link.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <cerrno>
#include <utility>

#include "base/fs.h"
#include "base/limits.h"

namespace hpcc {
namespace {

constexpr int64_t kRestartNs = 3'000'000'000;
constexpr int kUpkeepMs = 1000;
constexpr int kGraceMs = 15'000;  // hpcc-remote keeps the deadlines itself; beyond this it hangs
constexpr int kSendTimeoutS = 10;
constexpr int kRemoteFd = 3;
// Of blobs in memory, of one compile and of all; what goes beyond is put into the store as it arrives.
constexpr size_t kHeldBytes = 16u << 20, kAllHeldBytes = 256u << 20;
constexpr size_t kBlobCost = 256;  // in memory beside its bytes, at most

}  // namespace

RemoteLink::~RemoteLink() { stop(); }

Status RemoteLink::start_locked() {
  if (running_) return {};
  if (stopping_ || monotonic_ns() < not_before_ns_) {
    return Error{Code::kIo, "hpcc-remote ended; it is started again in a few seconds", 0};
  }
  if (reader_.joinable()) reader_.join();  // it has set running_ to false as its last step under the lock
  not_before_ns_ = monotonic_ns() + kRestartNs;
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return errno_error("socketpair");
  Fd ours(ends[0]), theirs(ends[1]);
  const struct timeval timeout = {kSendTimeoutS, 0};
  setsockopt(ours.get(), SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  // Through a number that is certainly not kRemoteFd: dup2 onto itself would leave it close-on-exec.
  const int high = fcntl(theirs.get(), F_DUPFD_CLOEXEC, kRemoteFd + 1);
  posix_spawn_file_actions_adddup2(&actions, high, kRemoteFd);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none;
  sigemptyset(&none);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
  std::vector<char*> argv;
  for (const std::string& word : command_) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  const int error = posix_spawn(&pid_, argv[0], &actions, &attributes, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  close(high);
  if (error != 0) return errno_error("start " + command_[0], error);
  socket_ = std::move(ours);
  running_ = true;
  reader_ = std::thread([this, fd = socket_.get()] { read_loop(fd); });
  return {};
}

Result<uint64_t> RemoteLink::submit(remote::Submit submit, Done done) {
  std::lock_guard sending(send_mutex_);
  int fd;
  {
    std::lock_guard lock(mutex_);
    TRY(start_locked());
    submit.id = next_id_++;
    waiting_[submit.id] = {std::move(done), Deadline::after_ms(int64_t{submit.timeout_ms} + kGraceMs)};
    fd = socket_.get();
  }
  Status sent = remote::send_frame(fd, remote::Type::kSubmit, remote::encode_submit(submit));
  if (sent.ok()) return submit.id;
  std::lock_guard lock(mutex_);
  waiting_.erase(submit.id);
  if (running_) ::shutdown(fd, SHUT_RDWR);  // half a frame may have gone: the reader sees the end
  return sent.error();
}

void RemoteLink::cancel(uint64_t id) {
  std::lock_guard sending(send_mutex_);
  int fd;
  {
    std::lock_guard lock(mutex_);
    if (waiting_.erase(id) == 0 || !running_) return;
    fd = socket_.get();
  }
  (void)remote::send_frame(fd, remote::Type::kCancel, remote::encode_cancel(id)).ok();
}

void RemoteLink::stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    waiting_.clear();
    if (running_) ::shutdown(socket_.get(), SHUT_RDWR);
  }
  if (reader_.joinable()) reader_.join();
}

void RemoteLink::read_loop(int fd) {
  for (;;) {
    struct pollfd wait = {fd, POLLIN, 0};
    const int ready = poll(&wait, 1, kUpkeepMs);
    expire();
    if (ready == 0 || (ready < 0 && errno == EINTR)) continue;
    Result<remote::Frame> frame = remote::receive_frame(fd);
    if (!frame.ok() || !take(*frame)) {
      lost(frame.ok() ? "hpcc-remote does not keep to the protocol" : frame.error().to_string());
      return;
    }
  }
}

bool RemoteLink::take(const remote::Frame& frame) {
  switch (frame.type) {
    case remote::Type::kBlob: {
      Result<remote::BlobPart> part = remote::decode_blob_part(frame.payload);
      return part.ok() && take_part(*part).ok();
    }
    case remote::Type::kResult: {
      Result<remote::RemoteResult> result = remote::decode_remote_result(frame.payload);
      if (!result.ok()) return false;
      HeldBlobs blobs;
      if (auto arrived = arriving_.extract(result->id); !arrived.empty()) {
        held_bytes_ -= arrived.mapped().held_bytes;
        blobs = std::move(arrived.mapped().held);
      }
      finish(std::move(result).value(), std::move(blobs));
      return true;
    }
    case remote::Type::kSubmit:
    case remote::Type::kCancel:
      return false;
  }
  return false;
}

Status RemoteLink::take_part(const remote::BlobPart& part) {
  {
    std::lock_guard lock(mutex_);
    if (!waiting_.contains(part.id)) return {};  // cancelled meanwhile, or never asked for
  }
  Arriving& arriving = arriving_[part.id];
  std::string& bytes = arriving.bytes;
  if (bytes.size() + part.bytes.size() > part.blob.size_bytes) return Error{Code::kCorrupt, "blob too long", 0};
  bytes += part.bytes;
  if (bytes.size() < part.blob.size_bytes) return {};
  // What does not have its digest is not kept; the result that names it is then refused.
  std::string blob = std::exchange(bytes, {});
  if (arriving.held.contains(part.blob.digest) || BlobDigest::of(blob) != part.blob.digest) return {};
  const size_t cost = blob.size() + kBlobCost;
  if (arriving.held_bytes + cost > kHeldBytes || held_bytes_ + cost > kAllHeldBytes) {
    (void)store_.put_blob(part.blob.digest, blob).ok();
    return {};
  }
  arriving.held_bytes += cost;
  held_bytes_ += cost;
  arriving.held.emplace(part.blob.digest, std::move(blob));
  return {};
}

void RemoteLink::finish(remote::RemoteResult result, HeldBlobs blobs) {
  Done done;
  {
    std::lock_guard lock(mutex_);
    auto found = waiting_.find(result.id);
    if (found == waiting_.end()) return;
    done = std::move(found->second.done);
    waiting_.erase(found);
  }
  store_.count(Counter::kBytesSent, result.bytes_sent);
  done(std::move(result), std::move(blobs));
}

void RemoteLink::expire() {
  std::vector<uint64_t> late;
  {
    std::lock_guard lock(mutex_);
    for (const auto& [id, waiting] : waiting_) {
      if (waiting.deadline.passed()) late.push_back(id);
    }
    // What came for those that were cancelled meanwhile, or were told of their end here.
    std::erase_if(arriving_, [&](const auto& entry) {
      if (waiting_.contains(entry.first)) return false;
      held_bytes_ -= entry.second.held_bytes;
      return true;
    });
  }
  for (uint64_t id : late) {
    remote::RemoteResult result;
    result.id = id;
    result.outcome = remote::Outcome::kNoWorker;
    result.message = "hpcc-remote gave no answer in time";
    finish(std::move(result), {});
  }
}

void RemoteLink::lost(const std::string& why) {
  std::unordered_map<uint64_t, Waiting> waiting;
  pid_t pid;
  {
    std::lock_guard lock(mutex_);
    waiting.swap(waiting_);
    pid = pid_;
    pid_ = -1;
    socket_.reset();
  }
  arriving_.clear();
  held_bytes_ = 0;
  kill(pid, SIGKILL);
  waitpid(pid, nullptr, 0);
  for (auto& [id, entry] : waiting) {
    remote::RemoteResult result;
    result.id = id;
    result.outcome = remote::Outcome::kNoWorker;
    result.message = why;
    entry.done(std::move(result), {});
  }
  std::lock_guard lock(mutex_);
  running_ = false;
}

}  // namespace hpcc
