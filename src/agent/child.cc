#include "agent/child.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstring>
#include <string>
#include <vector>

#include "launcher/tracer.h"
#include "model/guest_environment.h"
#include "model/probes.h"

namespace hpcc {
namespace {

constexpr rlim_t kStackSoft = 8u << 20, kStackHard = 64u << 20;  // gcc's driver raises its own stack to 64 MiB
constexpr rlim_t kFiles = 1024;

[[noreturn]] void give_up(const char* what) {
  dprintf(2, "hpcc-agent: %s: %s\n", what, strerror(errno));
  _exit(kChildFailed);
}

// What a compiler never needs and what could reach beyond the compile: other namespaces, mounts, sockets (vsock has no
// namespace), kernel interfaces with a history of holes. clone3 hides its flags from filters: ENOSYS makes libc use
// clone.
constexpr long kDenied[] = {SYS_unshare,
                            SYS_setns,
                            SYS_mount,
                            SYS_umount2,
                            SYS_pivot_root,
                            SYS_chroot,
                            SYS_socket,
                            SYS_ptrace,
                            SYS_bpf,
                            SYS_perf_event_open,
                            SYS_userfaultfd,
                            SYS_keyctl,
                            SYS_add_key,
                            SYS_request_key,
                            SYS_kexec_load,
                            SYS_init_module,
                            SYS_finit_module,
                            SYS_delete_module,
                            SYS_open_by_handle_at,
                            SYS_name_to_handle_at,
                            SYS_process_vm_readv,
                            SYS_process_vm_writev,
                            SYS_acct,
                            SYS_swapon,
                            SYS_reboot,
                            SYS_quotactl,
                            SYS_io_setup,
                            SYS_personality,
                            425 /* io_uring_setup */,
                            426,
                            427,
                            428 /* open_tree */,
                            429 /* move_mount */,
                            430 /* fsopen */,
                            431,
                            432,
                            433,
                            438 /* pidfd_getfd */,
                            440 /* process_madvise */,
                            442 /* mount_setattr */};
constexpr long kClone3 = 435;
constexpr uint32_t kNamespaceFlags = CLONE_NEWNS | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC |
                                     CLONE_NEWUTS | CLONE_NEWCGROUP | 0x80 /* CLONE_NEWTIME */;
#if defined(__x86_64__)
constexpr uint32_t kNativeArch = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr uint32_t kNativeArch = AUDIT_ARCH_AARCH64;
#endif

bool install_denials() {
  std::vector<sock_filter> code;
  auto statement = [&](uint16_t op, uint32_t k) { code.push_back({op, 0, 0, k}); };
  auto jump = [&](uint16_t op, uint32_t k, uint8_t yes, uint8_t no) { code.push_back({op, yes, no, k}); };
  const uint16_t kLoad = BPF_LD | BPF_W | BPF_ABS, kEqual = BPF_JMP | BPF_JEQ | BPF_K, kReturn = BPF_RET | BPF_K;
  const uint32_t kAllow = SECCOMP_RET_ALLOW, kNoCall = SECCOMP_RET_ERRNO | ENOSYS, kNoRight = SECCOMP_RET_ERRNO | EPERM;
  statement(kLoad, offsetof(struct seccomp_data, arch));
  jump(kEqual, kNativeArch, 1, 0);
  statement(kReturn, kNoCall);  // other ABIs would pass by the numbers below
  statement(kLoad, offsetof(struct seccomp_data, nr));
  jump(BPF_JMP | BPF_JGE | BPF_K, 0x40000000u, 0, 1);
  statement(kReturn, kNoCall);
  jump(kEqual, kClone3, 0, 1);
  statement(kReturn, kNoCall);
  for (long number : kDenied) {
    jump(kEqual, static_cast<uint32_t>(number), 0, 1);
    statement(kReturn, kNoRight);
  }
  jump(kEqual, SYS_clone, 0, 3);
  statement(kLoad, offsetof(struct seccomp_data, args[0]));
  jump(BPF_JMP | BPF_JSET | BPF_K, kNamespaceFlags, 0, 1);
  statement(kReturn, kNoRight);
  statement(kReturn, kAllow);
  struct sock_fprog program = {static_cast<unsigned short>(code.size()), code.data()};
  return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0;
}

bool write_map(const char* path, const std::string& text) {
  const int fd = open(path, O_WRONLY | O_CLOEXEC);
  const bool ok = fd >= 0 && write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  close(fd);
  return ok;
}

// Where only one id is mapped: a user namespace of the compile's own, so that its processes are counted apart and it
// has no rights over the agent's namespaces.
void enter_user_namespace(unsigned uid) {
  const std::string map = std::to_string(uid) + " 0 1\n";  // the agent is 0 of its namespace
  if (unshare(CLONE_NEWUSER) != 0) give_up("user namespace");
  if (!write_map("/proc/self/setgroups", "deny") || !write_map("/proc/self/uid_map", map) ||
      !write_map("/proc/self/gid_map", map)) {
    give_up("user namespace map");
  }
}

void drop_rights(const ChildSetup& setup) {
  if (setup.own_uid) {
    if (setgroups(0, nullptr) != 0) give_up("setgroups");
  } else {
    enter_user_namespace(setup.uid);
  }
  for (int capability = 0; prctl(PR_CAPBSET_READ, capability) >= 0; ++capability) {
    if (prctl(PR_CAPBSET_DROP, capability) != 0) give_up("capability bounding set");
  }
  if (setresgid(setup.uid, setup.uid, setup.uid) != 0 || setresuid(setup.uid, setup.uid, setup.uid) != 0) {
    give_up("setresuid");
  }
  struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  struct __user_cap_data_struct none[2] = {};
  if (syscall(SYS_capset, &header, none) != 0) give_up("capset");
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) give_up("no_new_privs");
}

void limit(__rlimit_resource what, rlim_t soft, rlim_t hard) {
  const struct rlimit value = {soft, hard};
  if (setrlimit(what, &value) != 0) give_up("setrlimit");
}

void set_limits(const ChildSetup& setup) {
  const v1::Limits& limits = setup.compile->limits();
  limit(RLIMIT_CORE, 0, 0);
  limit(RLIMIT_STACK, kStackSoft, kStackHard);
  limit(RLIMIT_NOFILE, kFiles, kFiles);
  limit(RLIMIT_FSIZE, setup.file_bytes, setup.file_bytes);
  limit(RLIMIT_NPROC, limits.processes(), limits.processes());
  limit(RLIMIT_MEMLOCK, 0, 0);
}

// The command's own environment wins; these are the same for every compile everywhere.
std::vector<std::string> full_environment(const v1::Compile& compile, const std::string& cwd) {
  std::vector<std::string> all(compile.environment().begin(), compile.environment().end());
  auto pin = [&](const std::string& name, const std::string& value) {
    for (const std::string& variable : compile.environment()) {
      if (variable.starts_with(name + "=")) return;
    }
    all.push_back(name + "=" + value);
  };
  for (const auto& [name, value] : kGuestVariables) pin(name, value);
  pin("PWD", cwd);
  return all;
}

template <typename Strings>
std::vector<char*> pointers(const Strings& words) {
  std::vector<char*> out;
  for (const std::string& word : words) out.push_back(const_cast<char*>(word.c_str()));
  out.push_back(nullptr);
  return out;
}

}  // namespace

void become_compile(const ChildSetup& setup) {
  if (dup2(setup.null, 0) < 0 || dup2(setup.out, 1) < 0 || dup2(setup.err, 2) < 0) _exit(kChildFailed);
  const v1::Compile& compile = *setup.compile;
  std::string cwd = kLogicalRoot;
  if (!compile.working_directory().empty()) cwd += "/" + compile.working_directory();
  if (setsid() < 0) give_up("setsid");
  umask(022);
  drop_rights(setup);
  if (chdir(cwd.c_str()) != 0) give_up("chdir");
  set_limits(setup);
  std::vector<std::string> environment = full_environment(compile, cwd);
  std::vector<char*> argv = pointers(compile.argv()), env = pointers(environment);
  // Whatever the agent has open.
  constexpr unsigned kCloseAtExec = 4;  // CLOSE_RANGE_CLOEXEC
  if (syscall(SYS_close_range, 3u, ~0u, kCloseAtExec) != 0) give_up("close_range");
  if (!install_denials()) give_up("seccomp");
  const int listener = launcher::install_listener();
  if (listener < 0) give_up("seccomp listener");
  const char byte = 1;
  if (!launcher::send_descriptors(setup.listener_socket, &byte, 1, &listener, 1)) give_up("send listener");
  close(listener);
  close(setup.listener_socket);
  environ = env.data();  // execvp looks in this PATH
  execvp(argv[0], argv.data());
  give_up(argv[0]);
}

}  // namespace hpcc
