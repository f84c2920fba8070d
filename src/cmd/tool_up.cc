// `hpcc up`, `hpcc down`, `hpcc status`: a scheduler and a worker of one's own on this machine. State under
// $HPCC_DIR/up.
#include <fcntl.h>
#include <spawn.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <optional>

#include "base/fs.h"
#include "base/message.h"
#include "client/services.h"
#include "cmd/tool.h"
#include "vm/preflight.h"
#include "vm/qemu.h"
#include "wire/client_config.h"

namespace hpcc {
namespace {

constexpr size_t kStatusBytes = 1u << 20;
constexpr const char* kServices[] = {"scheduler", "worker"};  // in the order they start; they stop in the other

struct Up {
  std::string dir, programs;
  Services services;
  std::string file(const std::string& name) const { return dir + "/" + name; }
};

Result<Up> find_up() {
  TRY_ASSIGN(std::string state, state_directory());
  const std::string dir = state + "/up";
  return Up{dir, program_directory(), Services(dir)};
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
  if (up.services.running("scheduler") > 0) {
    TRY_ASSIGN(const ClientConfig config, load_client_config(up.file("client/client.toml")));
    scheduler = config.scheduler;
  } else {
    TRY(up.services.stop("worker"));
    TRY(run_to_end({up.programs + "/hpcc-scheduler", "--init", up.dir}));
    TRY_ASSIGN(scheduler, up.services.start("scheduler", {up.programs + "/hpcc-scheduler", "--up", up.dir}));
  }
  TRY_ASSIGN(std::string worker, up.services.start("worker", {up.programs + "/hpcc-worker", "--up", up.dir, "--driver",
                                                              driver, "--scheduler", scheduler}));
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
  if (up->services.running("scheduler") > 0 && up->services.running("worker") > 0) {
    if (driver.empty()) return puts("already up (hpcc status)"), 0;
    fprintf(stderr, "hpcc: up already; to change the driver: hpcc down first\n");
    return 1;
  }
  const Choice choice = choose(*up, driver);
  if (!can_be_used(choice)) return 1;
  Result<std::string> started = start_missing(*up, choice.driver);
  if (!started.ok()) {
    fprintf(stderr, "hpcc: %s\n", started.error().message.c_str());
    for (const char* name : {"worker", "scheduler"}) (void)up->services.stop(name).ok();
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
    const bool was = up->services.running(name) > 0;
    const Status stopped = up->services.stop(name);
    if (!stopped.ok()) return fprintf(stderr, "hpcc: hpcc-%s: %s\n", name, stopped.error().to_string().c_str()), 1;
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
  const pid_t scheduler = up->services.running("scheduler"), worker = up->services.running("worker");
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
    const pid_t pid = up->services.running(name);
    if (!elsewhere) pid > 0 ? printf("%-10s running, pid %d\n", name, pid) : printf("%-10s not running\n", name);
  }
  fputs(said.c_str(), stdout);
  if (!elsewhere && (scheduler <= 0 || worker <= 0)) puts("`hpcc up` starts what is missing.");
  return is_up ? 0 : 1;
}

}  // namespace hpcc
