#include "base/confine.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/audit.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>

#if defined(__SANITIZE_ADDRESS__)
// Looking for leaks at its end, a process clones and traces itself, which a confined one may not. All else is checked.
static bool is_confined = false;
extern "C" int __lsan_is_turned_off() { return is_confined; }
#endif

namespace hpcc {
namespace {

constexpr uint64_t kReadAccess = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
// Everything of Landlock's first version but EXECUTE: without new privileges, executing is reading.
constexpr uint64_t kAllAccess = kReadAccess | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |
                                LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_CHAR |
                                LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG |
                                LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO |
                                LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_SYM;
constexpr uint64_t kFileAccess = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE;

constexpr int kDenied[] = {
    SYS_ptrace,      SYS_process_vm_readv, SYS_process_vm_writev, SYS_kcmp,           SYS_pidfd_getfd,
    SYS_mount,       SYS_umount2,          SYS_pivot_root,        SYS_chroot,         SYS_open_tree,
    SYS_move_mount,  SYS_fsopen,           SYS_fsconfig,          SYS_fsmount,        SYS_fspick,
    SYS_unshare,     SYS_setns,            SYS_bpf,               SYS_perf_event_open, SYS_userfaultfd,
    SYS_io_uring_setup, SYS_io_uring_enter, SYS_io_uring_register, SYS_keyctl,        SYS_add_key,
    SYS_request_key, SYS_init_module,      SYS_finit_module,      SYS_delete_module,  SYS_kexec_load,
    SYS_kexec_file_load, SYS_reboot,       SYS_swapon,            SYS_swapoff,        SYS_acct,
    SYS_socket,      SYS_connect,          SYS_bind,              SYS_listen,         SYS_accept,
    SYS_quotactl,    SYS_name_to_handle_at, SYS_open_by_handle_at, SYS_iopl,          SYS_ioperm,
    SYS_settimeofday, SYS_clock_settime,   SYS_adjtimex,          SYS_sethostname,    SYS_setdomainname,
    SYS_syslog,      SYS_vhangup,          SYS_modify_ldt,        SYS_uselib,         SYS_personality,
    SYS_setuid,      SYS_setgid,           SYS_setresuid,         SYS_setresgid,      SYS_setgroups,
    SYS_msgget,      SYS_semget,           SYS_shmget,            SYS_mq_open,        SYS_fanotify_init};

// What any process of ours needs, C library included. A thread that waits for a lock (absl::Mutex, which gRPC uses)
// yields and asks for its own priority.
constexpr int kBasic[] = {
    SYS_read,        SYS_write,     SYS_readv,         SYS_writev,     SYS_close,          SYS_fstat,
    SYS_newfstatat,  SYS_lseek,     SYS_mmap,          SYS_munmap,     SYS_mprotect,       SYS_mremap,
    SYS_madvise,     SYS_brk,       SYS_futex,         SYS_poll,       SYS_ppoll,          SYS_exit,
    SYS_exit_group,  SYS_gettid,    SYS_getpid,        SYS_tgkill,     SYS_rt_sigreturn,   SYS_rt_sigprocmask,
    SYS_rt_sigaction, SYS_sigaltstack, SYS_clock_gettime, SYS_gettimeofday, SYS_getrandom, SYS_restart_syscall,
    SYS_sched_yield, SYS_sched_getparam, SYS_sched_getscheduler};

using Program = std::vector<struct sock_filter>;

constexpr uint32_t kX32Bit = 0x40000000;

// Calls of another architecture or of x32 end the process: their numbers mean something else.
Program filter_head() {
  return {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
          BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0),
          BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
          BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
          BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, kX32Bit, 0, 1),
          BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS)};
}

void add_match(Program& program, int number, uint32_t verdict) {
  program.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<uint32_t>(number), 0, 1));
  program.push_back(BPF_STMT(BPF_RET | BPF_K, verdict));
}

// clone makes threads and nothing else: its flags can be seen. Those of clone3 cannot, and the C library does without.
void add_threads(Program& program) {
  constexpr uint32_t kThread = CLONE_THREAD | CLONE_VM | CLONE_SIGHAND;
  add_match(program, SYS_clone3, SECCOMP_RET_ERRNO | ENOSYS);
  program.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 0, 5));
  program.push_back(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])));
  program.push_back(BPF_STMT(BPF_ALU | BPF_AND | BPF_K, kThread));
  program.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kThread, 0, 1));
  program.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
  program.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS));
}

// As in seccomp(2): needs no_new_privs. All threads get it.
int install(const struct sock_filter* filter, size_t length) {
  struct sock_fprog program = {static_cast<unsigned short>(length), const_cast<struct sock_filter*>(filter)};
  return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program) == 0 ? 0 : errno;
}

Status allow(int ruleset, const std::string& path, uint64_t access) {
  Fd fd(open(path.c_str(), O_PATH | O_CLOEXEC));
  if (!fd && (errno == ENOENT || errno == EACCES)) return {};
  if (!fd) return errno_error("open " + path);
  struct stat info;
  if (fstat(fd.get(), &info) != 0) return errno_error("stat " + path);
  if (!S_ISDIR(info.st_mode)) access &= kFileAccess;
  struct landlock_path_beneath_attr rule = {};
  rule.allowed_access = access;
  rule.parent_fd = fd.get();
  if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) == 0) return {};
  return errno_error("landlock rule for " + path);
}

int limit(__rlimit_resource resource, uint64_t value) {
  const struct rlimit limit = {value, value};
  return setrlimit(resource, &limit) == 0 ? 0 : errno;
}

// Sanitizers map terabytes of shadow.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kLimitsAddressSpace = false;
#else
constexpr bool kLimitsAddressSpace = true;
#endif

int apply_limits(const Confinement& what, bool own_uid) {
  int failed = limit(RLIMIT_CORE, 0);
  if (!failed && what.memory_bytes && kLimitsAddressSpace) failed = limit(RLIMIT_AS, what.memory_bytes);
  if (!failed && what.file_bytes) failed = limit(RLIMIT_FSIZE, what.file_bytes);
  if (!failed && what.cpu_s) failed = limit(RLIMIT_CPU, what.cpu_s);
  if (!failed) failed = limit(RLIMIT_NOFILE, what.descriptors);
  if (!failed && what.threads && own_uid) failed = limit(RLIMIT_NPROC, what.threads);
  return failed;
}

// By system call: the C library's wrappers tell all threads, which a child of fork() must not try.
int take_own_uid(const std::vector<gid_t>& groups) {
  if (unshare(CLONE_NEWNET | CLONE_NEWIPC) != 0) return errno;
  const uid_t own = kOwnUidBase + static_cast<uid_t>(getpid());
  if (syscall(SYS_setgroups, groups.size(), groups.data()) != 0) return errno;
  if (syscall(SYS_setresgid, own, own, own) != 0 || syscall(SYS_setresuid, own, own, own) != 0) return errno;
  return 0;
}

constexpr size_t kDenyLength = 6 + 2 * std::size(kDenied) + 1;

int deny_to_program() {
  // On the stack: a child of fork() must not allocate.
  std::array<struct sock_filter, kDenyLength> filter = {{
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, kX32Bit, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
  }};
  size_t at = 6;
  for (int number : kDenied) {
    filter[at++] = BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<uint32_t>(number), 0, 1);
    filter[at++] = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM);
  }
  filter[at++] = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
  return install(filter.data(), at);
}

}  // namespace

std::vector<std::string> program_libraries() {
  return {"/usr/lib", "/usr/lib64", "/lib", "/lib64", "/etc/ld.so.cache"};
}

Result<PreparedConfinement> PreparedConfinement::prepare(const Confinement& what, const std::string& program) {
  PreparedConfinement prepared;
  prepared.what_ = what;
  if (what.readable.empty() && what.writable.empty()) return prepared;
  struct landlock_ruleset_attr attributes = {};
  attributes.handled_access_fs = kAllAccess;
  prepared.ruleset_.reset(
      static_cast<int>(syscall(SYS_landlock_create_ruleset, &attributes, sizeof attributes.handled_access_fs, 0)));
  if (!prepared.ruleset_) {
    if (errno == ENOSYS || errno == EOPNOTSUPP) return prepared;
    return errno_error("landlock_create_ruleset");
  }
  TRY(allow(prepared.ruleset_.get(), program, kReadAccess));
  for (const std::string& path : what.readable) TRY(allow(prepared.ruleset_.get(), path, kReadAccess));
  for (const std::string& path : what.writable) TRY(allow(prepared.ruleset_.get(), path, kAllAccess));
  return prepared;
}

int PreparedConfinement::apply() const {
  const bool own_uid = geteuid() == 0;
  int failed = 0;
  if (own_uid) failed = take_own_uid(what_.groups);
  if (!failed) failed = apply_limits(what_, own_uid);
  if (!failed && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) failed = errno;
  if (!failed && ruleset_ && syscall(SYS_landlock_restrict_self, ruleset_.get(), 0) != 0) failed = errno;
  return failed ? failed : deny_to_program();
}

Status restrict_syscalls(std::span<const int> allowed, std::span<const int> refused) {
  Program program = filter_head();
  for (int number : kBasic) add_match(program, number, SECCOMP_RET_ALLOW);
  for (int number : allowed) {
    if (number == SYS_clone) {
      add_threads(program);
    } else {
      add_match(program, number, SECCOMP_RET_ALLOW);
    }
  }
  for (int number : refused) add_match(program, number, SECCOMP_RET_ERRNO | EACCES);
  program.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS));
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return errno_error("no_new_privs");
  const int failed = install(program.data(), program.size());
  if (failed) return errno_error("seccomp", failed);
#if defined(__SANITIZE_ADDRESS__)
  is_confined = true;
#endif
  return {};
}

}  // namespace hpcc
