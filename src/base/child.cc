#include "base/child.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

namespace hpcc {
namespace {

// Everything the child needs, made before fork(): after it, system calls only.
struct Prepared {
  const char* path = nullptr;
  Fd program, null, report;  // report: errno of what failed; closed by a successful exec
  std::vector<char*> argv, environment;
  std::vector<int> sources;
  const PreparedConfinement* confinement = nullptr;
  bool dies_with_starter = false;
  pid_t starter = 0;
};

std::vector<char*> pointers(const std::vector<std::string>& words) {
  std::vector<char*> out;
  for (const std::string& word : words) out.push_back(const_cast<char*>(word.c_str()));
  out.push_back(nullptr);
  return out;
}

void reset_signals() {
  struct sigaction normal = {};
  normal.sa_handler = SIG_DFL;
  for (int number = 1; number < NSIG; ++number) sigaction(number, &normal, nullptr);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
}

// Moves the sources out of the way of the targets 0..n-1 first; then nothing else stays open but what exec closes.
int place_descriptors(Prepared& prepared, int& report, int& program) {
  const int count = static_cast<int>(prepared.sources.size());
  const int above = count + 8;
  report = fcntl(report, F_DUPFD_CLOEXEC, above);
  program = fcntl(program, F_DUPFD_CLOEXEC, above);
  if (report < 0 || program < 0) return errno;
  for (int& source : prepared.sources) {
    source = fcntl(source, F_DUPFD_CLOEXEC, above);
    if (source < 0) return errno;
  }
  for (int target = 0; target < count; ++target) {
    if (dup2(prepared.sources[static_cast<size_t>(target)], target) < 0) return errno;
  }
  if (syscall(SYS_close_range, static_cast<unsigned>(count), ~0u, 4u /* CLOSE_RANGE_CLOEXEC */) != 0) return errno;
  return 0;
}

[[noreturn]] void run_child(Prepared& prepared) {
  int report = prepared.report.get(), program = prepared.program.get();
  reset_signals();
  int failed = place_descriptors(prepared, report, program);
  if (!failed && prepared.confinement) failed = prepared.confinement->apply();
  // After the change of uid, which clears it.
  if (!failed && prepared.dies_with_starter) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != prepared.starter) failed = ESRCH;
  }
  if (!failed) {
    // A confined child may not see the path any more. A script needs it: its interpreter opens it again.
    if (prepared.confinement) {
      syscall(SYS_execveat, program, "", prepared.argv.data(), prepared.environment.data(), AT_EMPTY_PATH);
    } else {
      execve(prepared.path, prepared.argv.data(), prepared.environment.data());
    }
    failed = errno;
  }
  [[maybe_unused]] ssize_t told = write(report, &failed, sizeof failed);
  _exit(127);
}

Result<Prepared> prepare(const ChildSpec& spec) {
  Prepared prepared;
  prepared.program.reset(open(spec.program.c_str(), O_PATH | O_CLOEXEC));
  if (!prepared.program) return errno_error("cannot execute " + spec.program);
  prepared.null.reset(open("/dev/null", O_RDWR | O_CLOEXEC));
  if (!prepared.null) return errno_error("open /dev/null");
  prepared.path = spec.program.c_str();
  prepared.argv = pointers(spec.argv);
  prepared.environment = pointers(spec.environment);
  for (int fd : spec.descriptors) prepared.sources.push_back(fd < 0 ? prepared.null.get() : fd);
  prepared.dies_with_starter = spec.dies_with_starter;
  prepared.starter = getpid();
  return prepared;
}

}  // namespace

Result<Child> Child::start(const ChildSpec& spec) {
  CHECK(!spec.argv.empty());
  TRY_ASSIGN(Prepared prepared, prepare(spec));
  std::optional<PreparedConfinement> confinement;
  if (spec.confinement) {
    TRY_ASSIGN(confinement, PreparedConfinement::prepare(*spec.confinement, spec.program));
    prepared.confinement = &*confinement;
  }
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return errno_error("pipe");
  Fd report(ends[0]);
  prepared.report.reset(ends[1]);
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  const pid_t pid = fork();
  if (pid == 0) run_child(prepared);
  const int fork_errno = errno;
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (pid < 0) return errno_error("fork for " + spec.program, fork_errno);
  Child child;
  child.pid_ = pid;
  child.pidfd_.reset(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
  prepared.report.reset();
  int failed = 0;
  ssize_t got;
  do got = read(report.get(), &failed, sizeof failed);
  while (got < 0 && errno == EINTR);
  if (got > 0) return errno_error("start " + spec.program, failed);
  if (!child.pidfd_) return errno_error("pidfd_open");
  return child;
}

Child::Child(Child&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)), pidfd_(std::move(other.pidfd_)), status_(other.status_) {}

Child& Child::operator=(Child&& other) noexcept {
  if (this == &other) return *this;
  kill();
  pid_ = std::exchange(other.pid_, -1);
  pidfd_ = std::move(other.pidfd_);
  status_ = other.status_;
  return *this;
}

Child::~Child() { kill(); }

Result<int> Child::wait(Deadline deadline) {
  if (status_) return *status_;
  struct pollfd ended = {pidfd_.get(), POLLIN, 0};
  while (poll(&ended, 1, deadline.remaining_ms()) <= 0) {
    if (deadline.passed()) return Error{Code::kTimeout, "process " + std::to_string(pid_) + " still runs", 0};
  }
  int raw = 0;
  if (waitpid(pid_, &raw, 0) != pid_) return errno_error("waitpid");
  status_ = WIFEXITED(raw) ? WEXITSTATUS(raw) : 128 + WTERMSIG(raw);
  return *status_;
}

void Child::kill() {
  if (pid_ < 0 || status_) return;
  ::kill(pid_, SIGKILL);
  int raw = 0;
  while (waitpid(pid_, &raw, 0) < 0 && errno == EINTR) continue;
  status_ = 128 + SIGKILL;
}

}  // namespace hpcc
