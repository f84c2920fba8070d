#include "vm/preflight.h"

#include <fcntl.h>
#include <linux/landlock.h>
#include <linux/openat2.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/fs.h"
#include "base/programs.h"
#include "image/programs.h"
#include "vm/qemu.h"

namespace hpcc {
namespace {

using State = Requirement::State;

constexpr int64_t kProbeMs = 20'000;

class Findings {
 public:
  // `problem`: "" when it is there.
  void add(const std::string& driver, const std::string& name, State otherwise, const std::string& found,
           const std::string& problem, const std::string& remedy) {
    const bool good = problem.empty();
    all_.push_back({driver, name, good ? State::kFound : otherwise, good ? found : problem, good ? "" : remedy});
  }
  // What would start it found it, or not: the remedy says what to install.
  void add_program(const std::string& driver, const std::string& name, State otherwise,
                   const Result<std::string>& found, const std::string& remedy) {
    add(driver, name, otherwise, found.ok() ? *found : "", found.ok() ? "" : "not installed", remedy);
  }
  std::vector<Requirement> take() { return std::move(all_); }

 private:
  std::vector<Requirement> all_;
};

std::string problem_of(const Status& status) { return status.ok() ? "" : status.error().to_string(); }

std::string landlock_problem() {
  const long version = syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
  return version >= 1 ? "" : std::string("not in this kernel: ") + strerror(errno);
}

std::string openat2_problem() {
  struct open_how how = {};
  how.flags = O_PATH | O_DIRECTORY | O_CLOEXEC;
  how.resolve = RESOLVE_IN_ROOT;
  const Fd fd(static_cast<int>(syscall(SYS_openat2, AT_FDCWD, "/", &how, sizeof how)));
  return fd ? "" : std::string("openat2: ") + strerror(errno);
}

// In a child: it cannot be undone.
std::string namespace_problem() {
  const pid_t pid = fork();
  if (pid < 0) return std::string("fork: ") + strerror(errno);
  if (pid == 0) {
    const int flags = geteuid() == 0 ? 0 : CLONE_NEWUSER;
    _exit(unshare(flags | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC) == 0 ? 0 : errno);
  }
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) continue;
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return "";
  return std::string("unshare: ") + (WIFEXITED(status) ? strerror(WEXITSTATUS(status)) : "killed");
}

void check_shared(Findings& findings, const std::string& driver) {
  findings.add(driver, "Landlock", State::kWeaker, "helpers see only their own files", landlock_problem(),
               "a kernel since 5.13 with Landlock among its security modules (lsm=landlock,…)");
  const std::string unprivileged = geteuid() == 0 ? "" : "started without root";
  findings.add(driver, "own uids", State::kWeaker, "each helper has a uid that no other process has", unprivileged,
               "run the worker as root: it gives up everything in what it starts");
}

void check_agent(Findings& findings, const std::string& driver, const std::string& agent) {
  findings.add(driver, "agent", State::kMissing, agent, agent.empty() ? "no hpcc-agent" : "",
               "install hpcc-agent beside the other programs of hpcc");
}

void check_qemu(Findings& findings, const std::string& kernel, const std::string& agent) {
  const Result<std::string> qemu = find_qemu();
  findings.add("qemu", "QEMU", State::kMissing, qemu.ok() ? *qemu : "", qemu.ok() ? "" : "no qemu-system-x86_64",
               "install the package qemu-system-x86");
  const std::string unbootable = guest_kernel_problem(kernel);
  findings.add("qemu", "guest kernel", State::kMissing, kernel, unbootable,
               "build it with `./dev guest`, or name one in HPCC_GUEST_KERNEL");
  check_agent(findings, "qemu", agent);
  std::string kvm = "not tried: QEMU or the guest kernel is missing";
  if (qemu.ok() && unbootable.empty()) kvm = problem_of(probe_kvm(kernel, Deadline::after_ms(kProbeMs)));
  findings.add("qemu", "KVM", State::kWeaker, "a guest kernel ran under it", kvm,
               "hardware virtualisation and access to /dev/kvm; without it QEMU interprets the guest (TCG), which is "
               "many times slower and no security boundary");
  check_shared(findings, "qemu");
}

void check_namespace(Findings& findings, const std::string& agent) {
  findings.add_program("namespace", "bubblewrap", State::kMissing, find_bubblewrap(), "install the package bubblewrap");
  findings.add("namespace", "namespaces", State::kMissing, "can be made", namespace_problem(),
               "root, or unprivileged user namespaces (sysctl kernel.unprivileged_userns_clone=1)");
  check_agent(findings, "namespace", agent);
  check_shared(findings, "namespace");
}

void check_image(Findings& findings) {
  findings.add_program("image", "mksquashfs", State::kMissing, find_mksquashfs(), "install the package squashfs-tools");
  findings.add("image", "openat2", State::kMissing, "paths are resolved inside the image", openat2_problem(),
               "a kernel since 5.6");
  findings.add_program("image", "mmdebstrap", State::kWeaker, find_mmdebstrap(),
                       "install the package mmdebstrap for `hpcc image build`; `hpcc image add` does without");
}

}  // namespace

std::vector<Requirement> preflight(const std::string& kernel, const std::string& agent) {
  Findings findings;
  check_qemu(findings, kernel, agent);
  check_namespace(findings, agent);
  check_image(findings);
  return findings.take();
}

std::vector<Requirement> driver_preflight(const std::string& driver, const std::string& kernel,
                                          const std::string& agent) {
  Findings findings;
  if (driver == "qemu") check_qemu(findings, kernel, agent);
  if (driver == "namespace") check_namespace(findings, agent);
  return findings.take();
}

std::string guest_kernel_problem(const std::string& kernel) {
  if (kernel.empty()) return "no vmlinux";
  const Fd fd(open(kernel.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  char magic[4] = {};
  if (!fd) return kernel + ": " + strerror(errno);
  if (read(fd.get(), magic, sizeof magic) == sizeof magic && memcmp(magic, "\177ELF", sizeof magic) == 0) return "";
  return kernel + " is no ELF file, as an uncompressed vmlinux is";
}

bool driver_works(const std::vector<Requirement>& requirements, const std::string& driver) {
  for (const Requirement& requirement : requirements) {
    if (requirement.driver == driver && requirement.state == State::kMissing) return false;
  }
  return true;
}

}  // namespace hpcc
