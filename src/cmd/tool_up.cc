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
#include <optional>

#include "base/deadline.h"
#include "base/fs.h"
#include "base/message.h"
#include "cmd/tool.h"
#include "vm/preflight.h"
#include "vm/qemu.h"
#include "wire/client_config.h"

namespace hpcc {
namespace {

constexpr int kReadyMs = 60'000;
constexpr int kStopMs = 20'000;
constexpr size_t kLogBytes = 64u << 20, kStatusBytes = 1u << 20;
constexpr off_t kOldLogBytes = 32 << 20;  // a log of that size is begun anew
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

struct Choice {
  std::string driver;
  std::vector<Requirement> needs;
  std::optional<Requirement> why_not;  // why microVMs were not chosen, when nobody chose
};

// Without a driver named: microVMs where the processor's own virtualization runs them, else namespaces.
Choice choose(const Up& up, const std::string& named) {
  const std::string agent = up.programs + "/hpcc-agent";
  const auto needs = [&](const char* driver) {
    return driver_preflight(driver, find_guest_kernel(up.programs), access(agent.c_str(), X_OK) == 0 ? agent : "");
  };
  if (!named.empty()) return {named, needs(named.c_str()), {}};
  Choice choice = {"qemu", needs("qemu"), {}};
  for (const Requirement& one : choice.needs) {
    const bool counts = one.state == Requirement::State::kMissing || one.name == "KVM";
    if (counts && one.state != Requirement::State::kFound && !choice.why_not) choice.why_not = one;
  }
  return choice.why_not ? Choice{"namespace", needs("namespace"), choice.why_not} : choice;
}

// False, and all that is missing with its remedy, when the driver cannot run anything here.
bool can_be_used(const Choice& choice) {
  if (driver_works(choice.needs, choice.driver)) return true;
  fprintf(stderr, "hpcc: driver %s cannot be used on this machine:\n", choice.driver.c_str());
  for (const Requirement& one : choice.needs) {
    if (one.state != Requirement::State::kMissing) continue;
    fprintf(stderr, "  %s: %s\n  remedy: %s\n", one.name.c_str(), one.detail.c_str(), one.remedy.c_str());
  }
  return false;
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

// The last line that a service has written to its log since `from`.
std::string last_line(const std::string& log, off_t from) {
  Result<std::string> text = read_file(log, kLogBytes);
  if (!text.ok() || text->size() <= static_cast<size_t>(from)) return "it said nothing";
  while (text->ends_with('\n')) text->pop_back();
  const size_t at = text->rfind('\n');
  return text->substr(at == std::string::npos ? 0 : at + 1);
}

// Starts a service and waits for its line: the address it listens on, and of a worker its driver.
Result<std::string> start_service(const Up& up, const std::string& name, Words words) {
  TRY_ASSIGN(Pipe ready, make_pipe());
  Fd theirs(fcntl(ready.write_end.get(), F_DUPFD_CLOEXEC, kReadyFd + 1));
  ready.write_end.reset();
  words.insert(words.end(), {"--ready-fd", std::to_string(kReadyFd)});
  const std::string log = up.file("log/" + name + ".log");
  struct stat before = {};
  if (stat(log.c_str(), &before) == 0 && before.st_size > kOldLogBytes) unlink(log.c_str()), before.st_size = 0;
  TRY_ASSIGN(pid_t pid, spawn(words, theirs.get(), log));
  theirs.reset();
  const std::string pid_file = up.file("run/" + name + ".pid");
  Fd file(open(pid_file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!file) return errno_error("create " + pid_file);
  TRY(write_fd(file.get(), std::to_string(pid) + " " + start_time(pid) + "\n", pid_file));
  const Deadline deadline = Deadline::after_ms(kReadyMs);
  std::string said;
  while (said.find('\n') == std::string::npos) {
    struct pollfd wait = {ready.read_end.get(), POLLIN, 0};
    char chunk[512];
    ssize_t got = poll(&wait, 1, deadline.remaining_ms()) == 1 ? read(wait.fd, chunk, sizeof chunk) : -1;
    if (got == 0) return Error{Code::kIo, "it ended: " + last_line(log, before.st_size) + "\n(log: " + log + ")", 0};
    if (got < 0) return Error{Code::kTimeout, "hpcc-" + name + " did not start in time; see " + log, 0};
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

void print_isolation(const std::string& driver, const std::optional<Requirement>& why_not) {
  if (driver == "namespace") {
    puts(
        "isolation  namespace: bubblewrap on this machine's own kernel. Good for development; against a hostile "
        "source\n           the kernel is the only wall. Rows say so.");
    if (!why_not) return;
    printf("           Not microVMs: %s: %s.\n", why_not->name.c_str(), why_not->detail.c_str());
    const bool emulates = why_not->state != Requirement::State::kMissing;
    printf("           %s\n", emulates ? "hpcc up --driver qemu emulates them, much slower." : why_not->remedy.c_str());
  } else if (driver == "qemu-kvm") {
    puts("isolation  qemu-kvm: one microVM per tenant session, verified read-only root, no network device.");
  } else {
    puts(
        "isolation  qemu-tcg: one microVM per tenant session, verified read-only root, no network device; emulated,\n"
        "           because KVM is not usable here: about 19 times slower than this machine.");
  }
}

// What is not there; a worker without its scheduler is started anew, for it would never find the next one. Returns what
// the worker says it isolates by: "namespace", "qemu-kvm" or "qemu-tcg".
Result<std::string> start_missing(const Up& up, const std::string& driver) {
  for (const char* part : {"", "/run", "/log", "/images"}) TRY(make_directories(up.dir + part, 0700));
  // One that was there may be open to others.
  if (chmod(up.dir.c_str(), 0700) != 0) return errno_error("chmod " + up.dir);
  std::string scheduler;
  if (running(up, "scheduler") > 0) {
    TRY_ASSIGN(const ClientConfig config, load_client_config(up.file("client/client.toml")));
    scheduler = config.scheduler;
  } else {
    stop_service(up, "worker");
    TRY(run_to_end({up.programs + "/hpcc-scheduler", "--init", up.dir}));
    TRY_ASSIGN(scheduler, start_service(up, "scheduler", {up.programs + "/hpcc-scheduler", "--up", up.dir}));
  }
  TRY_ASSIGN(std::string worker, start_service(up, "worker",
                                               {up.programs + "/hpcc-worker", "--up", up.dir, "--driver", driver,
                                                "--scheduler", scheduler}));
  // Until the scheduler gives leases for it.
  const size_t space = worker.find(' ');
  TRY(run_to_end(
      {up.programs + "/hpcc-remote", "--client-dir", up.file("client"), "--wait-worker", worker.substr(0, space)}));
  return worker.substr(space + 1);
}

}  // namespace

int tool_up(const Words& arguments) {
  std::string driver;
  if (arguments.size() == 2 && arguments[0] == "--driver") driver = arguments[1];
  if (!(arguments.empty() || driver == "qemu" || driver == "namespace")) {
    return print_usage(arguments,
                       "hpcc up [--driver qemu|namespace]\n\nStarts a scheduler and a worker on this machine, or what "
                       "is missing of them, and leaves them running.\nWithout --driver: qemu where KVM works, else "
                       "namespace.");
  }
  Result<Up> up = find_up();
  if (!up.ok()) return fprintf(stderr, "hpcc: %s\n", up.error().to_string().c_str()), 1;
  Status made = make_directories(up->file("run"), 0700);
  Fd lock(open(up->file("run/lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!made.ok() || !lock || flock(lock.get(), LOCK_EX) != 0) {
    return fprintf(stderr, "hpcc: %s cannot be written\n", up->dir.c_str()), 1;
  }
  if (running(*up, "scheduler") > 0 && running(*up, "worker") > 0) {
    if (driver.empty()) return puts("already up (hpcc status)"), 0;
    fprintf(stderr, "hpcc: up already; to change the driver: hpcc down first\n");
    return 1;
  }
  const Choice choice = choose(*up, driver);
  if (!can_be_used(choice)) return 1;
  Result<std::string> started = start_missing(*up, choice.driver);
  if (!started.ok()) {
    fprintf(stderr, "hpcc: %s\n", started.error().message.c_str());
    for (const char* name : {"worker", "scheduler"}) stop_service(*up, name);
    return 1;
  }
  print_isolation(*started, choice.why_not);
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

namespace {

// What hpcc-remote prints, and its exit code.
Result<int> ask_remote(const Up& up, const char* what, std::string* out) {
  TRY_ASSIGN(Pipe answer, make_pipe());
  const std::string program = up.programs + "/hpcc-remote", client = up.file("client");
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, answer.write_end.get(), 1);
  char* argv[] = {const_cast<char*>(program.c_str()), const_cast<char*>("--client-dir"),
                  const_cast<char*>(client.c_str()), const_cast<char*>(what), nullptr};
  pid_t pid;
  const int error = posix_spawn(&pid, program.c_str(), &actions, nullptr, argv, environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) return errno_error("start " + program, error);
  answer.write_end.reset();
  TRY_ASSIGN(*out, read_fd(answer.read_end.get(), kStatusBytes, "the answer of hpcc-remote"));
  int status = 0;
  if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status)) return Error{Code::kIo, program + " failed", 0};
  return WEXITSTATUS(status);
}

std::string json_pid(pid_t pid) { return pid > 0 ? std::to_string(pid) : "null"; }

}  // namespace

// The workers' own numbers come through the scheduler, which only hpcc-remote can ask. Success: a worker is there.
int tool_status(const Words& arguments) {
  const bool json = arguments.size() == 1 && arguments[0] == "--json";
  if (!arguments.empty() && !json) {
    return print_usage(arguments,
                       "hpcc status [--json]\n\nScheduler and worker of `hpcc up`, their sessions and sandboxes. "
                       "Succeeds if both run and the worker has registered.");
  }
  Result<Up> up = find_up();
  if (!up.ok()) return fprintf(stderr, "hpcc: %s\n", up.error().to_string().c_str()), 1;
  // The client of a farm elsewhere has certificates and nothing of its own to run.
  const bool elsewhere = access(up->file("run").c_str(), F_OK) != 0 && access(up->file("client").c_str(), F_OK) == 0;
  const pid_t scheduler = running(*up, "scheduler"), worker = running(*up, "worker");
  std::string said;
  Result<int> asked = 1;
  if (scheduler > 0 || elsewhere) asked = ask_remote(*up, json ? "--status-json" : "--status", &said);
  if (!asked.ok()) fprintf(stderr, "hpcc: %s\n", asked.error().to_string().c_str());
  const bool is_up = (worker > 0 || elsewhere) && asked.ok() && *asked == 0;
  if (json) {
    printf("{\"schema\":1,\"up\":%s,\"scheduler_pid\":%s,\"worker_pid\":%s,%s}\n", is_up ? "true" : "false",
           json_pid(scheduler).c_str(), json_pid(worker).c_str(), said.empty() ? "\"workers\":[]" : said.c_str());
    return is_up ? 0 : 1;
  }
  for (const char* name : kServices) {
    const pid_t pid = running(*up, name);
    if (!elsewhere) pid > 0 ? printf("%-10s running, pid %d\n", name, pid) : printf("%-10s not running\n", name);
  }
  fputs(said.c_str(), stdout);
  if (!elsewhere && (scheduler <= 0 || worker <= 0)) puts("`hpcc up` starts what is missing.");
  return is_up ? 0 : 1;
}

}  // namespace hpcc
