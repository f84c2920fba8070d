// `hpcc up`, `hpcc down`, `hpcc status`: a scheduler and a worker of one's own on this machine. State under
// $HPCC_DIR/up; run/<name>.pid holds "<pid> <start time>", so that a pid that was given to somebody else is not ended.
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "base/deadline.h"
#include "base/fs.h"
#include "cmd/tool.h"
#include "vm/qemu.h"

namespace hpcc {
namespace {

constexpr int kReadyMs = 60'000;
constexpr int kStopMs = 20'000;
constexpr int kProbeMs = 20'000;  // whether KVM boots a kernel
constexpr int kReadyFd = 3;
constexpr const char* kServices[] = {"scheduler", "worker"};  // in the order they start; they stop in the other

struct Up {
  std::string dir, programs;
  std::string file(const std::string& name) const { return dir + "/" + name; }
};

Result<Up> find_up() {
  TRY_ASSIGN(std::string state, state_directory());
  return Up{state + "/up", program_directory()};
}

// Field 22 of /proc/<pid>/stat; "" when there is no such process, or it is only a zombie.
std::string start_time(pid_t pid) {
  Result<std::string> stat = read_file("/proc/" + std::to_string(pid) + "/stat", 4096);
  if (!stat.ok()) return "";
  size_t at = stat->rfind(')');
  if (at == std::string::npos || stat->compare(at, 4, ") Z ") == 0) return "";
  for (int field = 2; field < 22 && at != std::string::npos; ++field) at = stat->find(' ', at + 1);
  return at == std::string::npos ? "" : stat->substr(at + 1, stat->find(' ', at + 1) - at - 1);
}

// The running process of a service, or -1.
pid_t running(const Up& up, const std::string& name) {
  Result<std::string> text = read_file(up.file("run/" + name + ".pid"), 256);
  if (!text.ok()) return -1;
  long pid = 0;
  char when[64] = {};
  if (sscanf(text->c_str(), "%ld %63s", &pid, when) != 2 || pid <= 1) return -1;
  return start_time(static_cast<pid_t>(pid)) == when ? static_cast<pid_t>(pid) : -1;
}

// Whether microVMs run here with the processor's own virtualization; the reason if not.
Status microvms_work(const Up& up) {
  const std::string kernel = find_guest_kernel(up.programs);
  if (kernel.empty()) return Error{Code::kNotFound, "there is no guest kernel (./dev guest)"};
  TRY_ASSIGN(const std::string qemu, find_qemu());
  return probe_kvm(kernel, Deadline::after_ms(kProbeMs));
}

Result<pid_t> spawn(const Words& words, int ready_fd, const std::string& log) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  if (!log.empty()) {
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 1, log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
    posix_spawn_file_actions_adddup2(&actions, 1, 2);
    posix_spawn_file_actions_adddup2(&actions, ready_fd, kReadyFd);
  }
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  if (!log.empty()) posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID);
  std::vector<char*> argv;
  for (const std::string& word : words) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  pid_t pid;
  const int error = posix_spawn(&pid, argv[0], &actions, &attributes, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  if (error != 0) return errno_error("start " + words[0], error);
  return pid;
}

Status run_to_end(const Words& words) {
  TRY_ASSIGN(pid_t pid, spawn(words, -1, ""));
  int status = 0;
  if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    return Error{Code::kIo, words[0] + " failed", 0};
  }
  return {};
}

// Starts a service and waits for its line: the address it listens on, and of a worker its driver.
Result<std::string> start_service(const Up& up, const std::string& name, Words words) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return errno_error("pipe");
  Fd ours(ends[0]), low(ends[1]);
  Fd theirs(fcntl(low.get(), F_DUPFD_CLOEXEC, kReadyFd + 1));
  low.reset();
  words.insert(words.end(), {"--ready-fd", std::to_string(kReadyFd)});
  const std::string log = up.file("log/" + name + ".log");
  TRY_ASSIGN(pid_t pid, spawn(words, theirs.get(), log));
  theirs.reset();
  const std::string pid_file = up.file("run/" + name + ".pid");
  Fd file(open(pid_file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!file) return errno_error("create " + pid_file);
  TRY(write_fd(file.get(), std::to_string(pid) + " " + start_time(pid) + "\n", pid_file));
  const Deadline deadline = Deadline::after_ms(kReadyMs);
  std::string said;
  while (said.find('\n') == std::string::npos) {
    struct pollfd wait = {ours.get(), POLLIN, 0};
    char chunk[512];
    ssize_t got = poll(&wait, 1, deadline.remaining_ms()) == 1 ? read(ours.get(), chunk, sizeof chunk) : -1;
    if (got <= 0) return Error{Code::kTimeout, "hpcc-" + name + " did not start; see " + log, 0};
    said.append(chunk, static_cast<size_t>(got));
  }
  return said.substr(0, said.find('\n'));
}

void stop_service(const Up& up, const std::string& name) {
  const pid_t pid = running(up, name);
  if (pid > 0) {
    const Deadline deadline = Deadline::after_ms(kStopMs);
    Fd process(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
    kill(pid, SIGTERM);
    struct pollfd wait = {process.get(), POLLIN, 0};
    if (!process || poll(&wait, 1, deadline.remaining_ms()) != 1) kill(pid, SIGKILL);
    waitpid(pid, nullptr, WNOHANG);
  }
  unlink(up.file("run/" + name + ".pid").c_str());
}

// `why_not`: why microVMs were not chosen, when nobody chose.
void print_isolation(const std::string& driver, const Status& why_not) {
  if (driver == "namespace") {
    puts(
        "isolation  namespace: bubblewrap on this machine's own kernel. Good for development; against a hostile "
        "source\n           the kernel is the only wall. Rows say so, and production policy refuses it.");
    if (!why_not.ok()) {
      printf("           Not microVMs: %s.\n           hpcc up --driver qemu emulates them, much slower.\n",
             why_not.error().message.c_str());
    }
  } else if (driver == "qemu-kvm") {
    puts("isolation  qemu-kvm: one microVM per tenant session, verified read-only root, no network device.");
  } else {
    puts(
        "isolation  qemu-tcg: one microVM per tenant session, verified read-only root, no network device; emulated,\n"
        "           because KVM is not usable here: about 19 times slower than this machine.");
  }
}

// What the worker says it isolates by: "namespace", "qemu-kvm" or "qemu-tcg".
Result<std::string> start_all(const Up& up, const std::string& driver) {
  for (const char* part : {"", "/run", "/log", "/images"}) TRY(make_directories(up.dir + part, 0700));
  // One that was there may be open to others.
  if (chmod(up.dir.c_str(), 0700) != 0) return errno_error("chmod " + up.dir);
  TRY(run_to_end({up.programs + "/hpcc-scheduler", "--init", up.dir}));
  TRY_ASSIGN(std::string scheduler, start_service(up, "scheduler", {up.programs + "/hpcc-scheduler", "--up", up.dir}));
  TRY_ASSIGN(std::string worker, start_service(up, "worker",
                                               {up.programs + "/hpcc-worker", "--up", up.dir, "--driver", driver,
                                                "--scheduler", scheduler}));
  // Until the scheduler gives leases for it.
  TRY(run_to_end({up.programs + "/hpcc-remote", "--client-dir", up.file("client"), "--wait-worker"}));
  return worker.substr(worker.find(' ') + 1);
}

}  // namespace

int tool_up(const Words& arguments) {
  std::string driver;
  if (arguments.size() == 2 && arguments[0] == "--driver") driver = arguments[1];
  if (!(arguments.empty() || driver == "qemu" || driver == "namespace")) {
    puts(
        "usage: hpcc up [--driver qemu|namespace]\n\nStarts a scheduler and a worker on this machine and leaves them "
        "running. Without --driver: qemu where KVM works,\nelse namespace.");
    return arguments.size() == 1 && arguments[0] == "--help" ? 0 : 2;
  }
  Result<Up> up = find_up();
  if (!up.ok()) return fprintf(stderr, "hpcc: %s\n", up.error().to_string().c_str()), 1;
  Status made = make_directories(up->file("run"), 0700);
  Fd lock(open(up->file("run/lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!made.ok() || !lock || flock(lock.get(), LOCK_EX) != 0) {
    return fprintf(stderr, "hpcc: %s cannot be written\n", up->dir.c_str()), 1;
  }
  for (const char* name : kServices) {
    if (running(*up, name) <= 0) continue;
    if (running(*up, "scheduler") > 0 && running(*up, "worker") > 0 && driver.empty()) {
      puts("already up (hpcc status)");
      return 0;
    }
    fprintf(stderr, "hpcc: hpcc-%s is running already: hpcc down first\n", name);
    return 1;
  }
  Status works;
  if (driver.empty()) {
    works = microvms_work(*up);
    driver = works.ok() ? "qemu" : "namespace";
  }
  Result<std::string> started = start_all(*up, driver);
  if (!started.ok()) {
    fprintf(stderr, "hpcc: %s\n", started.error().to_string().c_str());
    for (const char* name : {"worker", "scheduler"}) stop_service(*up, name);
    return 1;
  }
  print_isolation(*started, works);
  printf("up         state in %s; hpcc status, hpcc down\n", up->dir.c_str());
  return 0;
}

int tool_down(const Words&) {
  Result<Up> up = find_up();
  if (!up.ok()) return fprintf(stderr, "hpcc: %s\n", up.error().to_string().c_str()), 1;
  Fd lock(open(up->file("run/lock").c_str(), O_RDWR | O_CLOEXEC));
  if (!lock) return puts("nothing is up"), 0;
  flock(lock.get(), LOCK_EX);
  for (const char* name : {"worker", "scheduler"}) {
    const bool was = running(*up, name) > 0;
    stop_service(*up, name);
    if (was) printf("hpcc-%s stopped\n", name);
  }
  return 0;
}

// The workers' own numbers come through the scheduler, which only hpcc-remote can ask.
int tool_status(const Words& arguments) {
  const bool json = arguments.size() == 1 && arguments[0] == "--json";
  if (!arguments.empty() && !json) return puts("usage: hpcc status [--json]"), 2;
  Result<Up> up = find_up();
  if (!up.ok()) return fprintf(stderr, "hpcc: %s\n", up.error().to_string().c_str()), 1;
  const std::string program = up->programs + "/hpcc-remote", client = up->file("client");
  for (const char* name : kServices) {
    const pid_t pid = running(*up, name);
    if (!json && pid > 0) printf("%-10s running, pid %d\n", name, pid);
    if (!json && pid <= 0) printf("%-10s not running\n", name);
  }
  fflush(stdout);
  execl(program.c_str(), program.c_str(), "--client-dir", client.c_str(), json ? "--status-json" : "--status", nullptr);
  fprintf(stderr, "hpcc: cannot run %s: %s\n", program.c_str(), strerror(errno));
  return 1;
}

}  // namespace hpcc
