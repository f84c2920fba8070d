#include "agent/supervise.h"

#include <fcntl.h>
#include <hpcc/v1/agent.pb.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <vector>

#include "agent/cgroup.h"
#include "agent/child.h"
#include "agent/observe.h"
#include "agent/protocol.h"
#include "agent/stage.h"
#include "agent/usage.h"
#include "base/fs.h"
#include "base/limits.h"
#include "base/message.h"
#include "launcher/tracer.h"

namespace hpcc {
namespace {

constexpr char kWork[] = "/run/work";
constexpr int kSendMs = 30'000;
// A compiler whose call fails for want of room fails as it does for an error in the source, which nobody can tell
// apart. So there is more room than the compile may use, and how much it uses is looked at meanwhile.
constexpr int kLookMs = 50;
constexpr uint64_t kRoomFactor = 2;

Status mount_at(const char* source, const std::string& target, const char* type, unsigned long flags,
                const std::string& options) {
  if (mount(source, target.c_str(), type, flags, options.c_str()) == 0) return {};
  return errno_error("mount " + target);
}

uint64_t input_bytes(const v1::Compile& compile, int blobs) {
  uint64_t total_bytes = 0;
  for (const v1::Input& input : compile.inputs()) {
    struct stat info;
    if (fstatat(blobs, hex_encode(input.digest()).c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0) {
      total_bytes += (static_cast<uint64_t>(info.st_size) + 4095) & ~uint64_t{4095};
    }
  }
  return total_bytes;
}

class Supervisor {
 public:
  Supervisor(const Site& site, Fd channel, unsigned slot)
      : site_(site), channel_(std::move(channel)), slot_(slot), uid_(site.own_uids ? kCompileUidBase + slot : 0) {}

  Status run(const Fd& job) {
    started_ns_ = monotonic_ns();
    TRY(read_job(job));
    TRY(enter_mounts());
    TRY(stage_inputs(compile_, site_.blobs.get(), work_.get(), uid_));
    TRY(send_message(channel_.get(), kStagedMessage, {}, Deadline::after_ms(kSendMs)));
    TRY(start());
    TRY(watch());
    return collect();
  }

  // The answer, whatever became of the compile.
  Status answer(const Status& outcome) {
    if (!outcome.ok()) {
      result_.set_end(v1::END_FAILED);
      result_.set_message(outcome.error().to_string());
      outputs_.clear();
      result_.clear_outputs();
    }
    result_.set_id(compile_.id());
    result_.set_wall_ms(static_cast<uint64_t>(monotonic_ns() - started_ns_) / 1000000);
    std::vector<Fd> own;
    std::vector<int> fds;
    for (const std::string& bytes : {result_.SerializeAsString(), out_, err_, probes_}) {
      TRY_ASSIGN(Fd sealed, seal_bytes(bytes));
      own.push_back(std::move(sealed));
    }
    for (const Fd& fd : own) fds.push_back(fd.get());
    for (const FoundOutput& output : outputs_) fds.push_back(output.file.get());
    return send_message(channel_.get(), kResultMessage, fds, Deadline::after_ms(kSendMs));
  }

 private:
  Status read_job(const Fd& job) {
    TRY_ASSIGN(SealedBytes bytes, SealedBytes::map(job.get(), limits::kGuestCompileBytes));
    if (!compile_.ParseFromArray(bytes.view().data(), static_cast<int>(bytes.view().size()))) {
      return Error{Code::kInvalid, "compile job: malformed", 0};
    }
    return check_compile(compile_);
  }

  // The compile's own mounts; afterwards this process sees the files as the compile will, so that the tracer's looks at
  // paths are the compile's.
  Status enter_mounts() {
    if (unshare(CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC) != 0) return errno_error("unshare");
    disk_bytes_ = compile_.limits().disk_bytes() + input_bytes(compile_, site_.blobs.get());
    const uint64_t size = disk_bytes_ * kRoomFactor;
    const unsigned long flags = MS_NOSUID | MS_NODEV;
    TRY(mount_at("tmpfs", kWork, "tmpfs", flags, "mode=0755,nr_inodes=200000,size=" + std::to_string(size)));
    const std::string work = kWork;
    for (const char* name : {"/w", "/tmp"}) {
      if (mkdir((work + name).c_str(), 0755) != 0 || chown((work + name).c_str(), uid_, uid_) != 0) {
        return errno_error("mkdir " + work + name);
      }
    }
    work_ = Fd(open((work + "/w").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!work_) return errno_error("open " + work);
    TRY(mount_at((work + "/w").c_str(), site_.root + kLogicalRoot, nullptr, MS_BIND, ""));
    TRY(mount_at((work + "/tmp").c_str(), site_.root + "/tmp", nullptr, MS_BIND, ""));
    if (chdir(site_.root.c_str()) != 0 || mount(".", "/", nullptr, MS_MOVE, nullptr) != 0 || chroot(".") != 0) {
      return errno_error("enter the compile's root");
    }
    return {};
  }

  Status start() {
    TRY_ASSIGN(Pipe out, make_pipe());
    TRY_ASSIGN(Pipe err, make_pipe());
    TRY_ASSIGN(Pipe go, make_pipe());
    TRY_ASSIGN(Pipe status, make_pipe());
    TRY_ASSIGN(SocketPair listener, message_pair());
    TRY_ASSIGN(cgroup_, CompileCgroup::create(site_.cgroups.get(), slot_, compile_.limits()));
    std::string cwd = kLogicalRoot;
    if (!compile_.working_directory().empty()) cwd += "/" + compile_.working_directory();
    if (chdir(cwd.c_str()) != 0) return errno_error("chdir " + cwd);
    ChildSetup setup;
    setup.compile = &compile_;
    setup.uid = site_.own_uids ? uid_ : kCompileUidBase;
    setup.own_uid = site_.own_uids;
    setup.file_bytes = disk_bytes_ * kRoomFactor;
    setup.null = site_.null.get();
    setup.out = out.write_end.get();
    setup.err = err.write_end.get();
    setup.listener_socket = listener.b.get();
    init_ = fork();
    if (init_ < 0) return errno_error("fork");
    if (init_ == 0) first_process(setup, go.read_end.get(), status.write_end.get());
    TRY(cgroup_.add(init_));
    pidfd_ = Fd(static_cast<int>(syscall(SYS_pidfd_open, init_, 0)));
    if (!pidfd_) return errno_error("pidfd_open");
    TRY(write_fd(go.write_end.get(), "g", "go"));
    listener.b.reset();
    out_pipe_ = std::move(out.read_end);
    err_pipe_ = std::move(err.read_end);
    status_pipe_ = std::move(status.read_end);
    listener_socket_ = std::move(listener.a);
    fcntl(out_pipe_.get(), F_SETFL, O_NONBLOCK);
    fcntl(err_pipe_.get(), F_SETFL, O_NONBLOCK);
    return {};
  }

  // First process of the compile's PID namespace: when it ends, the kernel ends everything else in there.
  [[noreturn]] void first_process(const ChildSetup& setup, int go, int status) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    char byte;
    if (read(go, &byte, 1) != 1) _exit(1);
    if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr) != 0) {
      dprintf(setup.err, "hpcc-agent: mount /proc: %s\n", strerror(errno));
      _exit(1);
    }
    const pid_t compile = fork();
    if (compile == 0) become_compile(setup);
    // Holding no end of the compile's pipes, so that their ends are seen.
    dup2(status, 3);
    syscall(SYS_close_range, 4u, ~0u, 0u);
    int code = 0;
    for (;;) {
      int one = 0;
      const pid_t ended = waitpid(-1, &one, 0);
      if (ended == compile) code = one;
      if (ended == compile || (ended < 0 && errno != EINTR)) break;
    }
    if (write(3, &code, sizeof code) != sizeof code) _exit(1);
    _exit(0);
  }

  static bool deliver(void* self, const char* events, size_t size) {
    return static_cast<Supervisor*>(self)->probe_collector_->add({events, size});
  }

  void stop(v1::End why) {
    if (result_.end() == v1::END_UNSPECIFIED) result_.set_end(why);
    kill(init_, SIGKILL);
  }

  void check_usage() {
    if (disk_used(work_.get()) > disk_bytes_) stop(v1::END_OUTPUT_LIMIT);
    if (cgroup_.active()) return;
    if (memory_below(site_.proc.get(), init_) > compile_.limits().memory_bytes()) stop(v1::END_MEMORY_LIMIT);
  }

  // False at the stream's end.
  bool pump(const Fd& pipe, std::string* into) {
    char bytes[65536];
    const ssize_t got = read(pipe.get(), bytes, sizeof bytes);
    if (got < 0) return errno == EAGAIN || errno == EINTR;
    const size_t room = compile_.limits().stdio_bytes() - into->size();
    into->append(bytes, std::min(static_cast<size_t>(got), room));
    if (static_cast<size_t>(got) > room) stop(v1::END_OUTPUT_LIMIT);
    return got != 0;
  }

  Status watch() {
    std::string cwd = kLogicalRoot;
    if (!compile_.working_directory().empty()) cwd += "/" + compile_.working_directory();
    ProbeCollector collector(cwd);
    probe_collector_ = &collector;
    launcher::Tracer tracer(launcher::EventSink{deliver, this}, site_.proc.get());
    const Deadline deadline = Deadline::after_ms(compile_.limits().wall_ms());
    Deadline look = Deadline::after_ms(kLookMs);
    enum { kListener, kNewListener, kInit, kOut, kErr, kChannel, kCount };
    struct pollfd fds[kCount] = {{-1, POLLIN, 0},
                                 {listener_socket_.get(), POLLIN, 0},
                                 {pidfd_.get(), POLLIN, 0},
                                 {out_pipe_.get(), POLLIN, 0},
                                 {err_pipe_.get(), POLLIN, 0},
                                 {channel_.get(), POLLIN, 0}};
    while (!fds[kInit].revents) {
      const int ready = poll(fds, kCount, std::min(deadline.remaining_ms(), look.remaining_ms()));
      if (ready < 0 && errno != EINTR) return errno_error("poll");
      if (deadline.passed() && fds[kChannel].fd >= 0) {
        fds[kChannel].fd = -1;
        stop(v1::END_TIME_LIMIT);
      }
      if (look.passed()) {
        check_usage();
        look = Deadline::after_ms(kLookMs);
      }
      // At the end of its last user there is nothing to receive, and kernels before 6.11 would wait for it forever.
      const short listener = fds[kListener].revents;
      if (listener && (!(listener & POLLIN) || !tracer.handle(listener_.get()))) fds[kListener].fd = -1;
      if (fds[kNewListener].revents) fds[kListener].fd = accept_listener(&fds[kNewListener].fd);
      if (fds[kOut].revents && !pump(out_pipe_, &out_)) fds[kOut].fd = -1;
      if (fds[kErr].revents && !pump(err_pipe_, &err_)) fds[kErr].fd = -1;
      if (fds[kChannel].revents) {
        fds[kChannel].fd = -1;
        stop(v1::END_CANCELLED);
      }
    }
    if (waitpid(init_, nullptr, 0) != init_) return errno_error("wait for the compile");
    while (pump(out_pipe_, &out_) && errno != EAGAIN) continue;
    while (pump(err_pipe_, &err_) && errno != EAGAIN) continue;
    tracer.flush();
    probes_ = encode_probes(collector.finish(compile_));
    const uint32_t blind = frame::kForeign | frame::kUntraced | frame::kTruncated;
    result_.set_observed((tracer.finish_flags() & blind) == 0 && probes_.size() <= limits::kProbesBytes &&
                         !collector.saw_more());
    if (probes_.size() > limits::kProbesBytes) probes_ = encode_probes(Probes{});
    return {};
  }

  int accept_listener(int* waiting_fd) {
    *waiting_fd = -1;
    char byte;
    listener_ = Fd(launcher::receive_descriptor(listener_socket_.get(), &byte));
    // SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP, Linux 6.6: hand the processor over at once. Older kernels refuse it.
    if (listener_) ioctl(listener_.get(), _IOW('!', 4, uint64_t), 1ul);
    return listener_.get();
  }

  // Everything the compile started has ended; what is in its files stays as it is.
  Status collect() {
    struct rusage usage;
    if (getrusage(RUSAGE_CHILDREN, &usage) == 0) {
      result_.set_peak_rss_kib(static_cast<uint64_t>(usage.ru_maxrss));
      const int64_t cpu_us = (int64_t{usage.ru_utime.tv_sec} + usage.ru_stime.tv_sec) * 1000000 +
                             usage.ru_utime.tv_usec + usage.ru_stime.tv_usec;
      result_.set_cpu_ms(static_cast<uint64_t>(cpu_us / 1000));
    }
    int status = 0;
    const bool reported = read(status_pipe_.get(), &status, sizeof status) == sizeof status;
    if (cgroup_.hit_memory_limit()) result_.set_end(v1::END_MEMORY_LIMIT);
    TRY(cgroup_.remove());
    set_end_by_usage(reported && status == 0);
    set_end(reported, status);
    if (result_.end() == v1::END_EXITED || result_.end() == v1::END_SIGNALLED) set_outputs();
    result_.set_stdout_size(out_.size());
    result_.set_stderr_size(err_.size());
    result_.set_probes_size(probes_.size());
    return {};
  }

  // What came and went between two looks. A compile that succeeded had the memory it wanted.
  void set_end_by_usage(bool succeeded) {
    if (result_.end() != v1::END_UNSPECIFIED) return;
    const bool large = result_.peak_rss_kib() * 1024 > compile_.limits().memory_bytes();
    if (!succeeded && !cgroup_.active() && large) result_.set_end(v1::END_MEMORY_LIMIT);
    if (disk_used(work_.get()) > disk_bytes_) result_.set_end(v1::END_OUTPUT_LIMIT);
  }

  void set_end(bool reported, int status) {
    if (result_.end() != v1::END_UNSPECIFIED) return;
    if (!reported || !listener_) {  // the child gives its listener away right before it becomes the compiler
      result_.set_end(v1::END_FAILED);
      result_.set_message("the compile did not start: " + err_.substr(0, 1024));
    } else if (WIFSIGNALED(status)) {
      result_.set_end(v1::END_SIGNALLED);
      result_.set_code(static_cast<uint32_t>(WTERMSIG(status)));
    } else {
      result_.set_end(v1::END_EXITED);
      result_.set_code(static_cast<uint32_t>(WEXITSTATUS(status)));
    }
  }

  void set_outputs() {
    Result<std::vector<FoundOutput>> found = open_outputs(compile_, work_.get());
    if (!found.ok()) {
      result_.set_end(found.error().code == Code::kLimit ? v1::END_OUTPUT_LIMIT : v1::END_REFUSED_OUTPUT);
      result_.set_message(found.error().message);
      return;
    }
    outputs_ = std::move(*found);
    for (const FoundOutput& output : outputs_) {
      v1::Output* row = result_.add_outputs();
      row->set_output(output.output);
      row->set_size(output.size_bytes);
      row->set_executable(output.executable);
    }
  }

  const Site& site_;
  Fd channel_;
  unsigned slot_, uid_;
  int64_t started_ns_ = 0;
  uint64_t disk_bytes_ = 0;  // of the inputs and of what the compile may write
  v1::Compile compile_;
  v1::Result result_;
  CompileCgroup cgroup_;
  pid_t init_ = -1;
  Fd work_, pidfd_, listener_, listener_socket_, out_pipe_, err_pipe_, status_pipe_;
  std::string out_, err_, probes_;
  ProbeCollector* probe_collector_ = nullptr;
  std::vector<FoundOutput> outputs_;
};

}  // namespace

void supervise(const Site& site, Fd channel, Fd job, unsigned slot) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  Supervisor supervisor(site, std::move(channel), slot);
  const Status outcome = supervisor.run(job);
  _exit(supervisor.answer(outcome).ok() ? 0 : 1);
}

}  // namespace hpcc
