#include "launcher/run.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "launcher/engine_link.h"
#include "launcher/frame.h"
#include "launcher/ptrace.h"
#include "launcher/tracer.h"

extern char** environ;

namespace hpcc::launcher {
namespace {

constexpr size_t kCaptureLimit = 16u << 20;
constexpr size_t kReplyLimit = 65536;
constexpr int kStoreDeadlineMs = 20000;

volatile sig_atomic_t g_child = 0;  // signal handlers have no other way to know it

void forward_signal(int number) {
  if (g_child > 0) kill(g_child, number);
}

// A signal sent to this process alone (make, timeout, a CI runner) must reach the compiler, which then ends by itself.
void install_signal_forwarding() {
  struct sigaction action = {};
  action.sa_handler = forward_signal;
  action.sa_flags = SA_RESTART;
  constexpr int kForwarded[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT};
  for (int number : kForwarded) {
    struct sigaction old;
    if (sigaction(number, nullptr, &old) == 0 && old.sa_handler != SIG_IGN) sigaction(number, &action, nullptr);
  }
}

// What the child tells its parent; the listener comes with its word.
constexpr char kUntraceable = 0, kByListener = 1, kByPtrace = 2;

struct Plan {
  uint32_t flags = 0;
  char** argv = nullptr;
};

// argv[0], prefix words, the user's arguments, suffix words; or the engine's own command.
bool decode_plan(Buffer& reply, char** argv, Plan* plan) {
  frame::Reader in{reply.data(), reply.size()};
  plan->flags = in.u32();
  size_t own = 0;
  while (argv[own]) ++own;
  // Strings in the frame are not terminated: copy them. Size is bounded by the frame.
  char* text = static_cast<char*>(malloc(reply.size() + 16));
  char** words = static_cast<char**>(malloc((own + reply.size() / 4 + 8) * sizeof(char*)));
  if (!text || !words) return false;
  size_t n = 0;
  const bool own_command = plan->flags & frame::kCommand;
  if (!own_command) words[n++] = argv[0];
  for (int list = 0; list < 2; ++list) {
    uint32_t count = in.u32();
    for (uint32_t i = 0; i < count && !in.failed; ++i) {
      uint32_t size = 0;
      const char* word = in.string(&size);
      if (!word) break;
      memcpy(text, word, size);
      text[size] = 0;
      words[n++] = text;
      text += size + 1;
    }
    if (list == 0 && !own_command) {
      for (size_t i = 1; i < own; ++i) words[n++] = argv[i];
    }
  }
  words[n] = nullptr;
  plan->argv = words;
  return !in.failed && in.at == in.size && n > 0;
}

struct Pipe {
  int read_end = -1, write_end = -1;
  bool open() {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) return false;
    read_end = ends[0];
    write_end = ends[1];
    return true;
  }
};

struct Child {
  pid_t pid = -1;
  int pidfd = -1, listener = -1;
  Pipe out, err;
  bool traced = false;
  bool by_ptrace = false;
};

[[noreturn]] void child_main(const char* driver, const Plan& plan, Child& child, int channel) {
  if (plan.flags & frame::kCapture) {
    dup2(child.out.write_end, 1);
    dup2(child.err.write_end, 2);
  }
  if (plan.flags & frame::kNoStdin) {
    const int empty = open("/dev/null", O_RDONLY);
    if (empty < 0 || dup2(empty, 0) != 0) _exit(125);
    if (empty > 0) close(empty);
  }
  if (plan.flags & frame::kTrace) {
    const char* wanted = env("HPCC_TRACER");
    int listener = wanted && strcmp(wanted, "ptrace") == 0 ? -1 : install_listener();
    if (listener >= 0) {
      const char how = kByListener;
      if (!send_descriptors(channel, &how, 1, &listener, 1)) _exit(125);
      close(listener);
    } else {
      char how = ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) == 0 ? kByPtrace : kUntraceable;
      if (send(channel, &how, 1, MSG_NOSIGNAL) != 1) _exit(125);
      if (how == kByPtrace) {
        raise(SIGSTOP);  // the parent sets its options; a filter that then fails leaves no events, which it notices
        install_trace_filter();
      }
    }
  }
  // A masqueraded compiler inside this one must not answer from the cache: its inputs would not be observed.
  if (plan.flags & frame::kTrace) setenv("HPCC_DISABLE", "1", 1);
  execv(driver, plan.argv);
  int error = errno;
  dprintf(2, "hpcc: cannot run %s: %s\n", driver, strerror(error));
  _exit(error == ENOENT ? 127 : 126);
}

bool start_child(const char* driver, const Plan& plan, Child* child) {
  if ((plan.flags & frame::kCapture) && !(child->out.open() && child->err.open())) return false;
  int channel[2] = {-1, -1};
  if (plan.flags & frame::kTrace && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, channel) != 0) return false;
  child->pid = fork();
  if (child->pid < 0) return false;
  if (child->pid == 0) {
    if (channel[0] >= 0) close(channel[0]);  // a parent that has died must not look alive
    child_main(driver, plan, *child, channel[1]);
  }
  g_child = child->pid;
  if (plan.flags & frame::kTrace) {
    close(channel[1]);
    char how = kUntraceable;
    child->listener = receive_descriptor(channel[0], &how);
    child->by_ptrace = child->listener < 0 && how == kByPtrace && adopt_tracee(child->pid);
    child->traced = child->listener >= 0 || child->by_ptrace;
    close(channel[0]);
#ifdef SECCOMP_IOCTL_NOTIF_SET_FLAGS
    if (child->listener >= 0) ioctl(child->listener, SECCOMP_IOCTL_NOTIF_SET_FLAGS, 1ul);
#else
    // SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP, Linux 6.6: hand the processor over at once. Older kernels refuse it.
    if (child->listener >= 0) ioctl(child->listener, _IOW('!', 4, uint64_t), 1ul);
#endif
  }
  if (plan.flags & frame::kCapture) {
    close(child->out.write_end);
    close(child->err.write_end);
  }
  child->pidfd = static_cast<int>(syscall(SYS_pidfd_open, child->pid, 0));
  return true;
}

// The engine holds copies of what the compiler needs somebody to serve. If this process is killed, the engine does, and
// the compiler ends as it would have; else its next open() would fail with ENOSYS. The engine may refuse: no matter.
void lend(int engine, const Child& child) {
  const uint32_t header[3] = {frame::kMagic, static_cast<uint32_t>(frame::Type::kLend), 0};
  const int fds[frame::kLentDescriptors] = {child.listener, child.out.read_end, child.err.read_end};
  if (child.listener >= 0) send_descriptors(engine, header, sizeof header, fds, child.out.read_end >= 0 ? 3 : 1);
}

// Serves notifications and output until the compiler has ended. Returns its wait status.
int watch(Child& child, Tracer& tracer, Outputs& outputs) {
  enum { kListener, kPid, kOut, kErr, kCount };
  struct pollfd fds[kCount] = {
      {child.listener, POLLIN, 0}, {child.pidfd, POLLIN, 0}, {outputs.out_fd, POLLIN, 0}, {outputs.err_fd, POLLIN, 0}};
  int status = 0;
  for (;;) {
    // Without a pidfd (before Linux 5.3) the end is noticed by asking now and then.
    int ready = poll(fds, kCount, child.pidfd >= 0 ? -1 : 5);
    if (ready < 0 && errno != EINTR) break;
    if (fds[kListener].revents & POLLIN) {
      if (!tracer.handle(child.listener)) fds[kListener].fd = -1;
    } else if (fds[kListener].revents) {
      fds[kListener].fd = -1;
    }
    if (fds[kOut].revents && !outputs.pump_out()) fds[kOut].fd = -1;
    if (fds[kErr].revents && !outputs.pump_err()) fds[kErr].fd = -1;
    if (child.pidfd < 0 || fds[kPid].revents) {
      pid_t done = waitpid(child.pid, &status, child.pidfd < 0 ? WNOHANG : 0);
      if (done == child.pid || (done < 0 && errno != EINTR)) break;
    }
    for (struct pollfd& fd : fds) fd.revents = 0;
  }
  return status;
}

// Processes that the compiler left behind still wait for this listener at every system call it watches; without it they
// would fail with ENOSYS for the rest of their lives. A detached process goes on answering. True when there were any.
bool leave_to_guardian(int listener) {
  constexpr int kRelaxMs = 20;  // the filter is released a moment after its last user has been reaped
  struct pollfd users = {listener, 0, 0};
  if (listener < 0 || poll(&users, 1, kRelaxMs) != 0) return false;
  if (fork() != 0) return true;
  setsid();
  for (int fd = 0; fd < 1024; ++fd) {
    if (fd != listener) close(fd);
  }
  Tracer silent(EventSink{});
  for (users.events = POLLIN; poll(&users, 1, -1) >= 0 && !(users.revents & POLLHUP);) {
    if (!silent.handle(listener)) break;
  }
  _exit(0);
}

// The engine's rendering of what was held back, or as it is when there is none.
void print_held(Buffer* done, Buffer& out, Buffer& err) {
  uint32_t sizes[2] = {static_cast<uint32_t>(out.size()), static_cast<uint32_t>(err.size())};
  const char* texts[2] = {out.data(), err.data()};
  if (done) {
    frame::Reader in{done->data(), done->size()};
    in.u32();
    for (int i = 0; i < 2; ++i) texts[i] = in.string(&sizes[i]);
  }
  for (int i = 0; i < 2; ++i) write_all(i + 1, texts[i], sizes[i]);
}

enum class Reported { kYes, kUnanswered, kRefused };

// The engine copies the outputs now: build systems edit them at once. A failure is answered as soon as it is counted.
Reported await_stored(int engine, bool held, Buffer& out, Buffer& err) {
  frame::Type type;
  Buffer reply(frame::kMaxLength);
  const int got = receive_frame(engine, &type, &reply, kStoreDeadlineMs);
  if (held) print_held(got == 1 && type == frame::Type::kDone ? &reply : nullptr, out, err);
  if (got <= 0) return got == 0 ? Reported::kUnanswered : Reported::kYes;
  if (type != frame::Type::kRefused) return Reported::kYes;
  frame::Reader in{reply.data(), reply.size()};
  uint32_t size = 0;
  const char* why = in.string(&size);
  fprintf(stderr, "hpcc: %.*s\n", static_cast<int>(size), why ? why : "");
  return Reported::kRefused;
}

Reported report(int engine, Tracer& tracer, const Child& child, const Plan& plan, int code, uint64_t started,
                uint64_t wall, Buffer& out, Buffer& err) {
  tracer.flush();
  uint32_t flags = tracer.finish_flags();
  if (leave_to_guardian(child.listener)) flags |= frame::kForeign;
  if ((plan.flags & frame::kTrace) && !child.traced) flags |= frame::kUntraced;
  if (out.truncated() || err.truncated()) flags |= frame::kTruncated;
  char head[64];
  frame::Writer writer{head, sizeof head};
  writer.u32(static_cast<uint32_t>(code));
  writer.u32(flags);
  writer.u64(started);
  writer.u64(wall);
  Buffer payload(frame::kMaxLength);
  uint32_t sizes[2] = {static_cast<uint32_t>(out.size()), static_cast<uint32_t>(err.size())};
  bool ok = payload.append(head, writer.size) && payload.append(&sizes[0], 4) && payload.append(out.data(), sizes[0]) &&
            payload.append(&sizes[1], 4) && payload.append(err.data(), sizes[1]);
  if (!ok || !send_frame(engine, frame::Type::kFinish, payload.data(), payload.size())) {
    if (plan.flags & frame::kHold) print_held(nullptr, out, err);
    return Reported::kYes;
  }
  return await_stored(engine, (plan.flags & frame::kHold) != 0, out, err);
}

bool send_events(void* engine, const char* events, size_t size) {
  return send_frame(*static_cast<int*>(engine), frame::Type::kEvents, events, size);
}

}  // namespace

int run_compiler(const char* driver, char** argv, int engine, Buffer& reply, const Places* daemon) {
  Plan plan;
  Child child;
  if (!decode_plan(reply, argv, &plan)) {
    execv(driver, argv);
    return 126;
  }
  if (plan.flags & frame::kCommand) driver = plan.argv[0];
  const uint64_t started = clock_ns(CLOCK_REALTIME), ticks = clock_ns(CLOCK_MONOTONIC);
  install_signal_forwarding();
  if (!start_child(driver, plan, &child)) {
    execv(driver, argv);
    return 126;
  }
  lend(engine, child);
  EventSink sink;
  if ((plan.flags & frame::kTrace) && child.traced) sink = EventSink{send_events, &engine};
  Tracer tracer(sink);
  Buffer out(kCaptureLimit), err(kCaptureLimit);
  Outputs outputs{child.out.read_end, child.err.read_end, &out, &err, (plan.flags & frame::kHold) != 0};
  int status = child.by_ptrace ? watch_ptrace(child.pid, tracer, outputs) : watch(child, tracer, outputs);
  g_child = 0;
  outputs.drain();
  int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  const Reported reported =
      report(engine, tracer, child, plan, code, started, clock_ns(CLOCK_MONOTONIC) - ticks, out, err);
  if (reported == Reported::kUnanswered && daemon) abandon_daemon(*daemon, engine);
  close(engine);
  if (reported == Reported::kRefused) return frame::kStrictExit;
  if (WIFSIGNALED(status)) {
    signal(WTERMSIG(status), SIG_DFL);
    raise(WTERMSIG(status));
  }
  return code;
}

}  // namespace hpcc::launcher
