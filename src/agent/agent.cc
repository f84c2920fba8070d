#include "agent/agent.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/reboot.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>

#include "agent/server.h"
#include "agent/supervise.h"
#include "base/limits.h"
#include "base/message.h"
#include "vm/agent_contract.h"

namespace hpcc {
namespace {

void complain(const std::string& text) { dprintf(2, "hpcc-agent: %s\n", text.c_str()); }

void block_signals(int how) {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGCHLD);
  sigprocmask(how, &signals, nullptr);
}

class FirstProcess {
 public:
  explicit FirstProcess(Site site) : site_(std::move(site)) {}

  // Ends when the server has ended.
  Status serve() {
    signal(SIGPIPE, SIG_IGN);
    block_signals(SIG_BLOCK);
    sigset_t child;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    signals_ = Fd(signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK));
    if (!signals_) return errno_error("signalfd");
    TRY_ASSIGN(SocketPair pair, message_pair());
    server_ = fork();
    if (server_ < 0) return errno_error("fork");
    if (server_ == 0) {
      block_signals(SIG_UNBLOCK);
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      pair.a.reset();
      signals_.reset();
      const Status ended = run_server(site_, std::move(pair.b));
      if (!ended.ok()) complain(ended.error().to_string());
      _exit(ended.ok() ? 0 : 1);
    }
    pair.b.reset();
    control_ = std::move(pair.a);
    return loop();
  }

 private:
  Status loop() {
    struct pollfd fds[2] = {{signals_.get(), POLLIN, 0}, {control_.get(), POLLIN, 0}};
    for (;;) {
      if (poll(fds, 2, -1) < 0 && errno != EINTR) return errno_error("poll");
      if (fds[0].revents && reap()) return {};
      if (fds[1].revents & POLLIN) {
        start_supervisor();
      } else if (fds[1].revents) {
        fds[1].fd = -1;
      }
    }
  }

  // Every ended process, ours or adopted. True when the server was among them.
  bool reap() {
    struct signalfd_siginfo info[16];
    while (read(signals_.get(), info, sizeof info) > 0) continue;
    bool server_ended = false;
    for (pid_t pid; (pid = waitpid(-1, nullptr, WNOHANG)) > 0;) {
      server_ended |= pid == server_;
      for (pid_t& slot : slots_) {
        if (slot == pid) slot = 0;
      }
    }
    return server_ended;
  }

  void start_supervisor() {
    Result<Message> message = receive_message(control_.get(), Deadline::after_ms(0));
    if (!message.ok() || message->fds.size() != 2) return;
    reap();
    for (unsigned slot = 0; slot < slots_.size(); ++slot) {
      if (slots_[slot] != 0) continue;
      const pid_t pid = fork();
      if (pid == 0) {
        control_.reset();
        signals_.reset();
        block_signals(SIG_UNBLOCK);
        supervise(site_, std::move(message->fds[0]), std::move(message->fds[1]), slot);
      }
      if (pid > 0) slots_[slot] = pid;
      return;  // without a supervisor the channel closes, which its server understands
    }
  }

  Site site_;
  Fd signals_, control_;
  pid_t server_ = -1;
  std::array<pid_t, 2 * limits::kGuestCompiles> slots_{};
};

Status live(GuestKind kind) {
  TRY_ASSIGN(Site site, prepare_site(kind));
  FirstProcess first(std::move(site));
  return first.serve();
}

}  // namespace

int run_agent(GuestKind kind) {
  // Descriptors of the host's files that bubblewrap was given must not be there when anything else runs. The driver's
  // socket is for every process that is forked from here, and for no program that one of them starts.
  if (kind == GuestKind::kNamespace) {
    syscall(SYS_close_range, kAgentControlFd + 1u, ~0u, 0u);
    fcntl(kAgentControlFd, F_SETFD, FD_CLOEXEC);
  }
  const Status ended = live(kind);
  if (!ended.ok()) complain(ended.error().to_string());
  if (kind == GuestKind::kMicroVm) {
    reboot(RB_AUTOBOOT);  // the machine's monitor ends at a reset; a power-off needs ACPI, which it may not have
  }
  return ended.ok() ? 0 : 1;
}

}  // namespace hpcc
