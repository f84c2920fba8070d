// The `namespace` driver: hpcc-agent in new user, mount, PID, network, IPC, UTS and cgroup namespaces made by
// bubblewrap, the image's tree read-only, no network. For development: the host's kernel is the only wall, its whole
// interface open to the agent (not to compiles, which the agent confines further). Started by root, ids 0 to 65535 of
// the guest are a range that nobody on the host has; started by a user, only that user is there, and compiles have user
// namespaces instead.
//
// Nothing is left behind because nothing is made outside but an empty file of locks: mounts and processes live in the
// namespaces, the connections are socket pairs without names. The kernel ends it all with bubblewrap, and bubblewrap
// with the thread that waits for it.
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <future>
#include <thread>
#include <vector>

#include "base/fs.h"
#include "base/limits.h"
#include "base/message.h"
#include "base/programs.h"
#include "base/uuid.h"
#include "vm/agent_contract.h"
#include "vm/sandbox.h"

namespace hpcc {
namespace {

// Above the ids of accounts and containers and of the worker's confined processes, within 31 bits.
constexpr unsigned kIdBase = 0x71000000, kIdCount = 65536, kIdRanges = 0xe00;
// One byte for each range, locked while a guest has it: by this process or another, and never longer than either lives.
constexpr char kIdLocks[] = "/run/hpcc-guest-ids";

// Moves `from` to a fixed number that exec keeps open. Between fork and exec.
bool place(int from, int to) { return dup2(from, to) == to; }

// C library wrappers would signal threads that a forked child does not have.
bool become(unsigned id) {
  return syscall(SYS_setgroups, 0, nullptr) == 0 && syscall(SYS_setresgid, id, id, id) == 0 &&
         syscall(SYS_setresuid, id, id, id) == 0;
}

Status write_map(pid_t pid, const char* file, unsigned base) {
  const std::string path = "/proc/" + std::to_string(pid) + "/" + file;
  Fd fd(open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!fd) return errno_error("open " + path);
  return write_fd(fd.get(), "0 " + std::to_string(base) + " " + std::to_string(kIdCount) + "\n", path);
}

// Ids that no other guest of this machine has while `lock` is open: guests that shared them could signal each other's
// processes and use up each other's limits.
struct IdRange {
  unsigned base = 0;
  Fd lock;
};

Result<IdRange> take_ids() {
  Fd lock(open(kIdLocks, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!lock) return errno_error(std::string("open ") + kIdLocks);
  const unsigned first = static_cast<unsigned>(monotonic_ns() >> 16);  // anywhere: no id is soon used again
  for (unsigned i = 0; i < kIdRanges; ++i) {
    const unsigned range = (first + i) % kIdRanges;
    struct flock one = {};
    one.l_type = F_WRLCK;
    one.l_whence = SEEK_SET;
    one.l_start = range;
    one.l_len = 1;
    if (fcntl(lock.get(), F_OFD_SETLK, &one) == 0) return IdRange{kIdBase + range * kIdCount, std::move(lock)};
    if (errno != EAGAIN && errno != EACCES) return errno_error(std::string("lock ") + kIdLocks);
  }
  return Error{Code::kLimit, "all ids for guests are in use", 0};
}

// A user namespace in which ids from 0 are ids from `base` out here. A child makes it and is gone before this returns.
Result<Fd> make_user_namespace(unsigned base) {
  TRY_ASSIGN(Pipe made, make_pipe());
  TRY_ASSIGN(Pipe done, make_pipe());
  const pid_t pid = fork();
  if (pid < 0) return errno_error("fork");
  if (pid == 0) {
    char byte = 0;
    close(done.write_end.get());
    if (!become(base) || unshare(CLONE_NEWUSER) != 0) byte = static_cast<char>(errno);
    if (write(made.write_end.get(), &byte, 1) == 1 && read(done.read_end.get(), &byte, 1) < 0) _exit(1);
    _exit(0);
  }
  made.write_end.reset();
  auto finish = [&]() -> Result<Fd> {
    char failed = 0;
    if (read(made.read_end.get(), &failed, 1) != 1 || failed != 0) return errno_error("user namespace", failed);
    TRY(write_map(pid, "uid_map", base));
    TRY(write_map(pid, "gid_map", base));
    Fd space(open(("/proc/" + std::to_string(pid) + "/ns/user").c_str(), O_RDONLY | O_CLOEXEC));
    if (!space) return errno_error("open user namespace");
    return space;
  };
  Result<Fd> space = finish();
  done.write_end.reset();
  waitpid(pid, nullptr, 0);
  return space;
}

Result<std::string> file_sha256(const std::string& path) {
  Fd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return errno_error("open " + path);
  Sha256 hash;
  std::vector<char> buffer(1u << 20);
  for (;;) {
    const ssize_t got = read(fd.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return errno_error("read " + path);
    if (got == 0) break;
    hash.update(buffer.data(), static_cast<size_t>(got));
  }
  BlobDigest digest;
  hash.finish(digest.bytes.data());
  return digest.hex();
}

Result<Fd> open_path(const std::string& path, int flags) {
  Fd fd(open(path.c_str(), O_PATH | O_CLOEXEC | flags));
  if (!fd) return errno_error("open " + path);
  return fd;
}

// Everything the new process needs, made before fork.
struct Launch {
  unsigned id_base = 0;  // 0: the caller's own id
  std::string program, tree_path, agent_path;
  Fd control, tree, agent, info, user_namespace, errors, null;
  std::vector<std::string> words;
  std::vector<char*> argv;
  std::vector<int> sources;  // in the order of their numbers in the new process, from kAgentControlFd
};

constexpr int kTreeFd = kAgentControlFd + 1, kAgentFileFd = kTreeFd + 1, kInfoFd = kAgentFileFd + 1,
              kUserNamespaceFd = kInfoFd + 1;

void add_words(Launch* launch) {
  std::vector<std::string>& words = launch->words;
  words = {"bwrap",
           "--unshare-ipc",
           "--unshare-pid",
           "--unshare-net",
           "--unshare-uts",
           "--unshare-cgroup-try",
           "--uid",
           "0",
           "--gid",
           "0",
           "--cap-add",
           "ALL",
           "--hostname",
           "hpcc",
           "--die-with-parent",
           "--as-pid-1",
           "--new-session",
           "--clearenv",
           "--ro-bind-fd",
           std::to_string(kTreeFd),
           kGuestImageDir,
           "--proc",
           "/proc",
           "--dev",
           "/dev",
           "--tmpfs",
           "/run",
           "--ro-bind-fd",
           std::to_string(kAgentFileFd),
           "/init"};
  words.insert(words.end(), {"--info-fd", std::to_string(kInfoFd)});
  if (launch->id_base != 0) {
    words.insert(words.end(), {"--userns", std::to_string(kUserNamespaceFd)});
  } else {
    words.push_back("--unshare-user");
  }
  words.insert(words.end(), {"--", "/init", kAgentNamespaceFlag});
  for (const std::string& word : words) launch->argv.push_back(const_cast<char*>(word.c_str()));
  launch->argv.push_back(nullptr);
}

// bubblewrap resolves the paths of what it binds as the id it runs as, to which a home or state directory of root is
// closed. So both get paths that are open to it, in a mount namespace that nobody else sees. In the child.
bool expose_sources(const Launch& launch) {
  constexpr const char *kTree = "/tmp/image", *kAgent = "/tmp/agent";
  if (unshare(CLONE_NEWNS) != 0 || mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return false;
  // Descriptors of the other namespace's mounts cannot be bound here. They may lie below /tmp, which is covered next.
  const int tree = open(launch.tree_path.c_str(), O_PATH | O_CLOEXEC);
  const int agent = open(launch.agent_path.c_str(), O_PATH | O_CLOEXEC);
  if (tree < 0 || agent < 0 || !place(tree, kTreeFd) || !place(agent, kAgentFileFd)) return false;
  if (mount("tmpfs", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV, "mode=0711,size=64k") != 0) return false;
  umask(0);
  const int file = open(kAgent, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444);
  if (file < 0 || close(file) != 0 || mkdir(kTree, 0755) != 0) return false;
  char source[] = "/proc/self/fd/0";
  for (const auto& [number, target] : {std::pair{kTreeFd, kTree}, std::pair{kAgentFileFd, kAgent}}) {
    static_assert(kAgentFileFd < 10);
    source[sizeof source - 2] = static_cast<char>('0' + number);
    if (mount(source, target, nullptr, MS_BIND, nullptr) != 0) return false;
    const int bound = open(target, O_PATH | O_CLOEXEC);
    if (bound < 0 || !place(bound, number)) return false;
  }
  return true;
}

// In the child: only system calls, since other threads may have held any lock at the fork.
[[noreturn]] void become_bubblewrap(const Launch& launch) {
  bool ok = place(launch.null.get(), 0) && place(launch.errors.get(), 1) && place(launch.errors.get(), 2);
  int target = kAgentControlFd;
  for (int source : launch.sources) ok = ok && place(source, target++);
  ok = ok && syscall(SYS_close_range, static_cast<unsigned>(target), ~0u, 0u) == 0;
  if (ok && launch.id_base != 0) ok = expose_sources(launch) && become(launch.id_base);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  char* const environment[] = {nullptr};
  if (ok) execve(launch.program.c_str(), launch.argv.data(), environment);
  static constexpr char kWhy[] = "bubblewrap (bwrap) cannot be started";
  (void)!write(2, kWhy, sizeof kWhy - 1);
  _exit(127);
}

// Sources are moved above every target first, so that placing one does not close another.
Status lift(Fd* fd) {
  Fd high(fcntl(fd->get(), F_DUPFD_CLOEXEC, 64));
  if (!high) return errno_error("dup");
  *fd = std::move(high);
  return {};
}

class NamespaceSandbox final : public Sandbox {
 public:
  NamespaceSandbox(SandboxInfo info, Fd control, Fd errors, Fd ids)
      : info_(std::move(info)), control_(std::move(control)), errors_(std::move(errors)), ids_(std::move(ids)) {}
  ~NamespaceSandbox() override { end(); }

  Status launch(Launch launch, const Fd& started_info, Deadline deadline) {
    std::promise<pid_t> started;
    std::future<pid_t> pid = started.get_future();
    keeper_ = std::thread([&launch, &started] {
      const pid_t child = fork();
      if (child == 0) become_bubblewrap(launch);
      started.set_value(child);
      if (child > 0) waitid(P_PID, static_cast<id_t>(child), nullptr, WEXITED | WNOWAIT);
    });
    monitor_ = pid.get();
    if (monitor_ < 0) return errno_error("fork");
    launch.info.reset();
    launch.errors.reset();
    TRY_ASSIGN(pid_t first, first_process(started_info, deadline));
    // bubblewrap has not waited for it yet, or has already ended: then the number may be another's, which the check of
    // bubblewrap's own state right after tells.
    guest_ = Fd(static_cast<int>(syscall(SYS_pidfd_open, first, 0)));
    siginfo_t state = {};
    const bool ended =
        waitid(P_PID, static_cast<id_t>(monitor_), &state, WEXITED | WNOWAIT | WNOHANG) != 0 || state.si_pid != 0;
    if (guest_ && !ended) return {};
    guest_.reset();
    return Error{Code::kIo, "the sandbox did not start: " + complaint(), 0};
  }

  Result<Fd> connect(Deadline deadline) override {
    if (has_ended()) return Error{Code::kIo, "the sandbox has ended: " + complaint(), 0};
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0) return errno_error("socketpair");
    Fd ours(ends[0]), theirs(ends[1]);
    const Status sent = send_message(control_.get(), "S", {theirs.get()}, deadline);
    if (!sent.ok()) return Error{sent.error().code, "the sandbox takes no connection: " + complaint(), 0};
    return ours;
  }

  const SandboxInfo& info() const override { return info_; }
  int ended_fd() const override { return guest_.get(); }

  std::string last_words() override {
    return guest_ && has_ended() ? "its first process has ended; " + complaint() : "";
  }

  // The first process is gone when everything in its PID namespace is.
  Status stop(Deadline deadline) override {
    if (!guest_) return {};
    syscall(SYS_pidfd_send_signal, guest_.get(), SIGKILL, nullptr, 0);
    if (!wait_readable(guest_.get(), deadline).ok()) {
      return Error{Code::kTimeout, "the sandbox's processes do not end", 0};
    }
    end();
    return {};
  }

 private:
  bool has_ended() const {
    struct pollfd wait = {guest_.get(), POLLIN, 0};
    return !guest_ || poll(&wait, 1, 0) != 0;
  }

  // bubblewrap tells the number of the guest's first process: {"child-pid": 123, ...}.
  Result<pid_t> first_process(const Fd& info, Deadline deadline) const {
    std::string text;
    while (text.find('}') == std::string::npos && text.size() < 4096) {
      TRY(wait_readable(info.get(), deadline));
      char part[512];
      const ssize_t size = read(info.get(), part, sizeof part);
      if (size <= 0) return Error{Code::kIo, "the sandbox did not start: " + complaint(), 0};
      text.append(part, static_cast<size_t>(size));
    }
    const size_t at = text.find("\"child-pid\":");
    const long pid = at == std::string::npos ? 0 : strtol(text.c_str() + at + 12, nullptr, 10);
    if (pid <= 1) return Error{Code::kIo, "bubblewrap does not say what it started", 0};
    return static_cast<pid_t>(pid);
  }

  // What bubblewrap or the agent said last.
  std::string complaint() const {
    char text[1024];
    const ssize_t size = read(errors_.get(), text, sizeof text);
    std::string out = size > 0 ? std::string(text, static_cast<size_t>(size)) : "no reason given";
    for (char& c : out) c = c >= 0x20 && c < 0x7f ? c : ' ';
    return out;
  }

  void end() {
    control_.reset();
    if (guest_) {
      syscall(SYS_pidfd_send_signal, guest_.get(), SIGKILL, nullptr, 0);
      poll_ended();
    }
    if (monitor_ > 0) kill(monitor_, SIGKILL);  // our child and not yet waited for: the number is still its own
    if (keeper_.joinable()) keeper_.join();
    if (monitor_ > 0) waitpid(monitor_, nullptr, 0);
    monitor_ = -1;
    guest_.reset();
    ids_.reset();
  }

  void poll_ended() const {
    constexpr int kEndMs = 10'000;
    (void)wait_readable(guest_.get(), Deadline::after_ms(kEndMs)).ok();
  }

  SandboxInfo info_;
  Fd control_, errors_;
  Fd ids_;              // the lock on its ids, until all that has them is gone
  Fd guest_;            // pidfd of the guest's first process
  pid_t monitor_ = -1;  // bubblewrap itself
  std::thread keeper_;
};

}  // namespace

Result<std::unique_ptr<Sandbox>> start_namespace(const SandboxSpec& spec, Deadline deadline) {
  SandboxInfo info;
  info.driver = "namespace";
  info.vm_id = new_uuid7();
  TRY_ASSIGN(info.agent_digest, file_sha256(spec.agent));
  Launch launch;
  TRY_ASSIGN(launch.program, find_bubblewrap());
  launch.tree_path = spec.rootfs.tree_dir;
  launch.agent_path = spec.agent;
  TRY_ASSIGN(launch.tree, open_path(launch.tree_path, O_DIRECTORY));
  TRY_ASSIGN(launch.agent, open_path(launch.agent_path, O_NOFOLLOW));
  launch.null = Fd(open("/dev/null", O_RDWR | O_CLOEXEC));
  if (!launch.null) return errno_error("open /dev/null");
  TRY_ASSIGN(Pipe errors, make_pipe());
  launch.errors = std::move(errors.write_end);
  fcntl(errors.read_end.get(), F_SETFL, O_NONBLOCK);
  TRY_ASSIGN(SocketPair pair, message_pair());
  launch.control = std::move(pair.b);
  IdRange ids;
  if (geteuid() == 0) {
    TRY_ASSIGN(ids, take_ids());
    launch.id_base = ids.base;
    TRY_ASSIGN(launch.user_namespace, make_user_namespace(launch.id_base));
  }
  TRY_ASSIGN(Pipe info_pipe, make_pipe());
  launch.info = std::move(info_pipe.write_end);
  for (Fd* fd : {&launch.control, &launch.tree, &launch.agent, &launch.info, &launch.errors, &launch.null}) {
    TRY(lift(fd));
  }
  launch.sources = {launch.control.get(), launch.tree.get(), launch.agent.get(), launch.info.get()};
  if (launch.user_namespace) {
    TRY(lift(&launch.user_namespace));
    launch.sources.push_back(launch.user_namespace.get());
  }
  add_words(&launch);
  auto sandbox = std::make_unique<NamespaceSandbox>(std::move(info), std::move(pair.a), std::move(errors.read_end),
                                                    std::move(ids.lock));
  TRY(sandbox->launch(std::move(launch), info_pipe.read_end, deadline));
  return std::unique_ptr<Sandbox>(std::move(sandbox));
}

}  // namespace hpcc
