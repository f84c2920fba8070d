#include "launcher/ptrace.h"

#include <errno.h>
#include <linux/ptrace.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace hpcc::launcher {
namespace {

// Requests and options by number: the C library's and the kernel's headers define them in ways that collide.
constexpr int kCont = 7, kSetOptions = 0x4200, kGetSyscallInfo = 0x420e;
constexpr long kOptions =
    0x02 | 0x04 | 0x08 | 0x10 | 0x80 | 0x100000;  // fork, vfork, clone, exec, seccomp; kill on exit
constexpr int kEventSeccomp = 7;

long request(int what, pid_t pid, long address, long data) {
  return syscall(SYS_ptrace, what, pid, address, data);
}

void on_seccomp_stop(pid_t pid, Tracer& tracer) {
  struct ptrace_syscall_info info;
  memset(&info, 0, sizeof info);
  long size = request(kGetSyscallInfo, pid, sizeof info, reinterpret_cast<long>(&info));
  if (size <= 0 || info.op != PTRACE_SYSCALL_INFO_SECCOMP) {
    tracer.lost_sight();
    return;
  }
  uint64_t args[6];
  memcpy(args, info.seccomp.args, sizeof args);
  tracer.system_call(pid, info.arch, static_cast<long>(info.seccomp.nr), args);
}

// Answers one stop of one process of the tree.
void on_stop(pid_t pid, int status, Tracer& tracer) {
  const int signal = WSTOPSIG(status), event = status >> 16;
  long deliver = 0;
  if (event == kEventSeccomp) {
    on_seccomp_stop(pid, tracer);
  } else if (event == 0 && signal != SIGTRAP && signal != SIGSTOP) {
    deliver = signal;  // SIGSTOP is how new children of the tree announce themselves
  }
  request(kCont, pid, 0, deliver);
}

}  // namespace

bool adopt_tracee(pid_t child) {
  int status = 0;
  pid_t got;
  do {
    got = waitpid(child, &status, WUNTRACED);
  } while (got < 0 && errno == EINTR);
  if (got != child || !WIFSTOPPED(status)) return false;
  const bool adopted = request(kSetOptions, child, 0, kOptions) == 0;
  request(kCont, child, 0, 0);
  return adopted;
}

int watch_ptrace(pid_t child, Tracer& tracer, Outputs& outputs) {
  // SIGCHLD announces each stop; it is let through only while ppoll sleeps, so that none is missed.
  struct sigaction announce = {};
  announce.sa_handler = [](int) {};
  sigaction(SIGCHLD, &announce, nullptr);
  sigset_t child_signal, usual;
  sigemptyset(&child_signal);
  sigaddset(&child_signal, SIGCHLD);
  sigprocmask(SIG_BLOCK, &child_signal, &usual);
  struct pollfd fds[2] = {{outputs.out_fd, POLLIN, 0}, {outputs.err_fd, POLLIN, 0}};
  for (;;) {
    int status = 0;
    pid_t pid = waitpid(-1, &status, WNOHANG | __WALL);
    if (pid < 0 && errno != EINTR) return 0;
    if (pid > 0 && WIFSTOPPED(status)) {
      on_stop(pid, status, tracer);
    } else if (pid == child) {
      return status;
    }
    fds[0].revents = fds[1].revents = 0;
    const struct timespec at_once = {0, 0};
    ppoll(fds, 2, pid > 0 ? &at_once : nullptr, &usual);
    if (fds[0].revents && !outputs.pump_out()) fds[0].fd = -1;
    if (fds[1].revents && !outputs.pump_err()) fds[1].fd = -1;
  }
}

}  // namespace hpcc::launcher
