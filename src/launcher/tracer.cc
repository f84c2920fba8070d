#include "launcher/tracer.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include "launcher/listener.h"

namespace hpcc::launcher {
namespace {

using frame::Op;
using frame::State;

#if defined(__x86_64__)
constexpr uint32_t kNativeArch = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr uint32_t kNativeArch = AUDIT_ARCH_AARCH64;
#else
#error "the tracer knows x86_64 and aarch64"
#endif

// What a watched system call does to its paths. Several rows may share an action.
enum class Action : uint8_t {
  kOpen,      // open(path, flags)
  kOpenAt,    // openat(dirfd, path, flags)
  kOpenAt2,   // openat2(dirfd, path, how, size)
  kCreate,    // path0 written
  kStatPath,  // path0
  kLstatPath,
  kStatAt,    // (dirfd, path1), AT_SYMLINK_NOFOLLOW in `flag_arg`
  kReadlink,  // path0
  kReadlinkAt,
  kExec,  // path0
  kExecAt,
  kRename,     // path0 removed, path1 written
  kRenameAt,   // (0,1) removed, (2,3) written
  kRemove,     // path0
  kRemoveAt,   // (0,1)
  kMake,       // path0 written (mkdir, truncate, mknod)
  kMakeAt,     // (0,1)
  kLink,       // path1 written, path0 read
  kLinkAt,     // (0,1) read, (2,3) written
  kSymlink,    // path1 written
  kSymlinkAt,  // (1,2) written
  kChdir,      // later relative paths need the process's own directory
  kConnect,    // talks to another process or machine
  kForeign,    // escapes the tracer's sight: io_uring, file handles, namespaces
};

struct Watched {
  long number;
  Action action;
  uint8_t flag_arg;  // argument index of flags, 0 = none
};

constexpr Watched kWatched[] = {
#if defined(__x86_64__)
    {SYS_open, Action::kOpen, 1},
    {SYS_creat, Action::kCreate, 0},
    {SYS_stat, Action::kStatPath, 0},
    {SYS_lstat, Action::kLstatPath, 0},
    {SYS_access, Action::kStatPath, 0},
    {SYS_readlink, Action::kReadlink, 0},
    {SYS_rename, Action::kRename, 0},
    {SYS_unlink, Action::kRemove, 0},
    {SYS_rmdir, Action::kRemove, 0},
    {SYS_mkdir, Action::kMake, 0},
    {SYS_mknod, Action::kMake, 0},
    {SYS_link, Action::kLink, 0},
    {SYS_symlink, Action::kSymlink, 0},
    {SYS_newfstatat, Action::kStatAt, 3},
#else
    {SYS_newfstatat, Action::kStatAt, 3},
#endif
    {SYS_openat, Action::kOpenAt, 2},
    {437 /* openat2 */, Action::kOpenAt2, 0},
    {SYS_statx, Action::kStatAt, 2},
    {SYS_faccessat, Action::kStatAt, 0},
    {439 /* faccessat2 */, Action::kStatAt, 3},
    {SYS_readlinkat, Action::kReadlinkAt, 0},
    {SYS_execve, Action::kExec, 0},
    {SYS_execveat, Action::kExecAt, 0},
    {SYS_renameat, Action::kRenameAt, 0},
    {SYS_renameat2, Action::kRenameAt, 0},
    {SYS_unlinkat, Action::kRemoveAt, 0},
    {SYS_mkdirat, Action::kMakeAt, 0},
    {SYS_mknodat, Action::kMakeAt, 0},
    {SYS_linkat, Action::kLinkAt, 0},
    {SYS_symlinkat, Action::kSymlinkAt, 0},
    {SYS_truncate, Action::kMake, 0},
    {SYS_chdir, Action::kChdir, 0},
    {SYS_fchdir, Action::kChdir, 0},
    {SYS_connect, Action::kConnect, 0},
    {SYS_chroot, Action::kForeign, 0},
    {SYS_unshare, Action::kForeign, 0},
    {SYS_setns, Action::kForeign, 0},
    {SYS_mount, Action::kForeign, 0},
    {SYS_open_by_handle_at, Action::kForeign, 0},
    {425 /* io_uring_setup */, Action::kForeign, 0},
};
constexpr size_t kWatchedCount = sizeof kWatched / sizeof kWatched[0];

constexpr uint32_t kAtEmptyPath = 0x1000;

// arch? → number in the table? → notify. fstat() arrives as newfstatat(fd, "", AT_EMPTY_PATH) with a real descriptor:
// it names nothing new and is let through, or it would double the cost.
size_t build_filter(struct sock_filter* out, uint32_t caught) {
  size_t n = 0;
  auto statement = [&](uint16_t code, uint32_t k) { out[n++] = sock_filter{code, 0, 0, k}; };
  auto jump = [&](uint16_t code, uint32_t k, uint8_t yes, uint8_t no) { out[n++] = sock_filter{code, yes, no, k}; };
  const uint16_t kLoad = BPF_LD | BPF_W | BPF_ABS, kEqual = BPF_JMP | BPF_JEQ | BPF_K;
  statement(kLoad, offsetof(struct seccomp_data, arch));
  jump(kEqual, kNativeArch, 1, 0);
  statement(BPF_RET | BPF_K, caught);
  statement(kLoad, offsetof(struct seccomp_data, nr));
#if defined(__x86_64__)
  jump(BPF_JMP | BPF_JGE | BPF_K, 0x40000000u, 0, 1);  // x32 numbers
  statement(BPF_RET | BPF_K, caught);
#endif
  jump(kEqual, SYS_newfstatat, 0, 6);
  statement(kLoad, offsetof(struct seccomp_data, args[3]));
  jump(kEqual, kAtEmptyPath, 0, 3);
  statement(kLoad, offsetof(struct seccomp_data, args[0]));
  jump(BPF_JMP | BPF_JGE | BPF_K, 0x80000000u, 1, 0);
  statement(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
  statement(BPF_RET | BPF_K, caught);
  for (size_t i = 0; i < kWatchedCount; ++i) {
    jump(kEqual, static_cast<uint32_t>(kWatched[i].number), static_cast<uint8_t>(kWatchedCount - i), 0);
  }
  statement(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
  statement(BPF_RET | BPF_K, caught);
  return n;
}

const Watched* find_watched(long number) {
  for (const Watched& row : kWatched) {
    if (row.number == number) return &row;
  }
  return nullptr;
}

State state_of(const struct stat& info) {
  if (S_ISREG(info.st_mode)) return State::kFile;
  if (S_ISDIR(info.st_mode)) return State::kDirectory;
  if (S_ISLNK(info.st_mode)) return State::kLink;
  return State::kSpecial;
}

}  // namespace

namespace {

int install_filter(uint32_t caught, unsigned flags) {
  struct sock_filter filter[kWatchedCount + 24];
  struct sock_fprog program = {static_cast<unsigned short>(build_filter(filter, caught)), filter};
  long fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
  if (fd < 0 && errno == EACCES) {
    // Without CAP_SYS_ADMIN a filter needs NO_NEW_PRIVS: set-uid programs under a compiler lose their privilege.
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return -1;
    fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
  }
  return static_cast<int>(fd);
}

}  // namespace

int install_listener() { return install_filter(SECCOMP_RET_USER_NOTIF, SECCOMP_FILTER_FLAG_NEW_LISTENER); }
int install_trace_filter() { return install_filter(SECCOMP_RET_TRACE, 0); }

bool send_descriptors(int socket, const void* bytes, size_t size, const int* fds, size_t count) {
  struct iovec part = {const_cast<void*>(bytes), size};
  alignas(struct cmsghdr) char control[CMSG_SPACE(frame::kLentDescriptors * sizeof(int))] = {};
  struct msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = CMSG_SPACE(count * sizeof(int));
  struct cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(count * sizeof(int));
  memcpy(CMSG_DATA(header), fds, count * sizeof(int));
  return sendmsg(socket, &message, MSG_NOSIGNAL) == static_cast<ssize_t>(size);
}

int receive_descriptor(int socket, char* byte) {
  struct iovec part = {byte, 1};
  alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  struct msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  ssize_t got;
  do {
    got = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
  } while (got < 0 && errno == EINTR);
  if (got != 1) return -1;
  struct cmsghdr* header = CMSG_FIRSTHDR(&message);
  if (!header || header->cmsg_type != SCM_RIGHTS || header->cmsg_len != CMSG_LEN(sizeof(int))) return -1;
  int fd;
  memcpy(&fd, CMSG_DATA(header), sizeof fd);
  return fd;
}

struct Tracer::Call {
  pid_t pid;
  const uint64_t* args;
  uint64_t arg(int i) const { return args[i]; }
  int fd(int i) const { return static_cast<int>(args[i]); }
};

Tracer::Tracer(EventSink sink, int proc) : sink_(sink), proc_(proc) {
  const size_t bytes = kSeenSlots * sizeof(uint64_t) + kBufferBytes;
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) {
    sink_.deliver = nullptr;
    memory = nullptr;
  }
  seen_ = static_cast<uint64_t*>(memory);
  buffer_ = reinterpret_cast<char*>(seen_ + kSeenSlots);
}

bool Tracer::seen(uint64_t hash) {
  if (hash == 0) hash = 1;
  size_t slot = hash & (kSeenSlots - 1);
  while (seen_[slot] != 0) {
    if (seen_[slot] == hash) return true;
    slot = (slot + 1) & (kSeenSlots - 1);
  }
  if (seen_count_ < kSeenSlots / 4 * 3) {
    seen_[slot] = hash;
    ++seen_count_;
  }
  return false;
}

void Tracer::flush() {
  if (used_ != 0 && recording() && !sink_.deliver(sink_.context, buffer_, used_)) {
    sink_.deliver = nullptr;
    flags_ |= frame::kUntraced;
  }
  used_ = 0;
}

bool Tracer::read_path(pid_t pid, uint64_t address, Path* out) {
  size_t have = 0;
  while (have < sizeof out->text) {
    // Never across a page: the next one may not be there.
    size_t chunk = 4096 - ((address + have) & 4095);
    if (chunk > sizeof out->text - have) chunk = sizeof out->text - have;
    struct iovec local = {out->text + have, chunk};
    struct iovec remote = {reinterpret_cast<void*>(static_cast<uintptr_t>(address + have)), chunk};
    ssize_t got = process_vm_readv(pid, &local, 1, &remote, 1, 0);
    if (got <= 0) return false;
    if (void* end = memchr(out->text + have, 0, static_cast<size_t>(got))) {
      out->size = static_cast<size_t>(static_cast<char*>(end) - out->text);
      return true;
    }
    have += static_cast<size_t>(got);
  }
  return false;
}

void Tracer::record(Op op, pid_t pid, int dirfd, const char* path) {
  if (!recording()) return;
  Path full;
  bool relative = path[0] != '/';
  if (relative && (dirfd != AT_FDCWD || directory_changed_)) {
    char link[64], base[4096];
    if (dirfd == AT_FDCWD) {
      snprintf(link, sizeof link, "/proc/%d/cwd", pid);
    } else {
      snprintf(link, sizeof link, "/proc/%d/fd/%d", pid, dirfd);
    }
    const size_t skip = proc_ >= 0 ? sizeof "/proc/" - 1 : 0;
    ssize_t size = readlinkat(proc_, link + skip, base, sizeof base);
    if (size <= 0 || base[0] != '/') {
      if (path[0]) flags_ |= frame::kForeign;  // a place that has no name: cannot be recorded
      return;
    }
    full += Text(base, static_cast<size_t>(size));
    full += "/";
  }
  full += path;
  if (full.bad || full.size == 0) {
    if (full.bad) flags_ |= frame::kForeign;
    return;
  }
  // Every program tells what it is and reads: what only an assembler read is taken for data (client/observation.cc).
  exec_count_ += op == Op::kExec;
  const uint64_t who = op == Op::kExec || op == Op::kRead ? exec_count_ << 32 | static_cast<uint32_t>(pid) : 0;
  if (seen(fnv1a(full.text, full.size, (who << 8 | static_cast<uint64_t>(op)) * 0x9e3779b97f4a7c15ull))) return;
  struct stat info;
  memset(&info, 0, sizeof info);
  const bool follow = op != Op::kLstat && op != Op::kReadlink && op != Op::kRemove;
  int rc = follow ? stat(full.c_str(), &info) : lstat(full.c_str(), &info);
  State state = rc == 0 ? state_of(info) : (errno == ENOENT || errno == ENOTDIR) ? State::kAbsent : State::kError;
  if (used_ + 48 + full.size > kBufferBytes) flush();
  frame::Writer out{buffer_, kBufferBytes, used_};
  out.u8(static_cast<uint8_t>(op));
  out.u8(static_cast<uint8_t>(state));
  out.u16(static_cast<uint16_t>(full.size));
  out.u32(static_cast<uint32_t>(pid));
  out.u64(info.st_dev);
  out.u64(info.st_ino);
  out.u64(static_cast<uint64_t>(info.st_size));
  out.u64(static_cast<uint64_t>(info.st_mtim.tv_sec) * 1000000000u + static_cast<uint64_t>(info.st_mtim.tv_nsec));
  out.u64(static_cast<uint64_t>(info.st_ctim.tv_sec) * 1000000000u + static_cast<uint64_t>(info.st_ctim.tv_nsec));
  out.raw(full.text, full.size);
  used_ = out.size;
}

void Tracer::observe_path(Op op, const Call& call, int dirfd, uint64_t address) {
  Path path;
  if (address == 0) return;
  if (!read_path(call.pid, address, &path)) {
    flags_ |= frame::kForeign;
    return;
  }
  record(op, call.pid, dirfd, path.text);
}

void Tracer::observe_open(const Call& call, uint64_t path, int dirfd, uint64_t open_flags) {
  const uint64_t access_mode = open_flags & O_ACCMODE;
  if (access_mode != O_RDONLY || (open_flags & (O_CREAT | O_TRUNC))) {
    if (access_mode == O_RDWR && !(open_flags & O_TRUNC)) observe_path(Op::kRead, call, dirfd, path);
    observe_path(Op::kWrite, call, dirfd, path);
  } else {
    observe_path(open_flags & O_DIRECTORY ? Op::kList : Op::kRead, call, dirfd, path);
  }
}

void Tracer::observe(const Call& call) {
  const Watched* row = find_watched(static_cast<long>(call.args[-1]));
  if (!row) {
    flags_ |= frame::kForeign;
    return;
  }
  switch (row->action) {
    case Action::kOpen:
      return observe_open(call, call.arg(0), AT_FDCWD, call.arg(1));
    case Action::kOpenAt:
      return observe_open(call, call.arg(1), call.fd(0), call.arg(2));
    case Action::kOpenAt2: {
      uint64_t how = 0;
      struct iovec local = {&how, sizeof how}, remote = {reinterpret_cast<void*>(call.arg(2)), sizeof how};
      if (process_vm_readv(call.pid, &local, 1, &remote, 1, 0) != sizeof how) how = O_RDWR;
      return observe_open(call, call.arg(1), call.fd(0), how);
    }
    case Action::kCreate:
    case Action::kMake:
      return observe_path(Op::kWrite, call, AT_FDCWD, call.arg(0));
    case Action::kMakeAt:
      return observe_path(Op::kWrite, call, call.fd(0), call.arg(1));
    case Action::kStatPath:
      return observe_path(Op::kStat, call, AT_FDCWD, call.arg(0));
    case Action::kLstatPath:
      return observe_path(Op::kLstat, call, AT_FDCWD, call.arg(0));
    case Action::kStatAt: {
      bool nofollow = row->flag_arg && (call.arg(row->flag_arg) & AT_SYMLINK_NOFOLLOW);
      return observe_path(nofollow ? Op::kLstat : Op::kStat, call, call.fd(0), call.arg(1));
    }
    case Action::kReadlink:
      return observe_path(Op::kReadlink, call, AT_FDCWD, call.arg(0));
    case Action::kReadlinkAt:
      return observe_path(Op::kReadlink, call, call.fd(0), call.arg(1));
    case Action::kExec:
      return observe_path(Op::kExec, call, AT_FDCWD, call.arg(0));
    case Action::kExecAt:
      return observe_path(Op::kExec, call, call.fd(0), call.arg(1));
    case Action::kRename:
      observe_path(Op::kRemove, call, AT_FDCWD, call.arg(0));
      return observe_path(Op::kWrite, call, AT_FDCWD, call.arg(1));
    case Action::kRenameAt:
      observe_path(Op::kRemove, call, call.fd(0), call.arg(1));
      return observe_path(Op::kWrite, call, call.fd(2), call.arg(3));
    case Action::kRemove:
      return observe_path(Op::kRemove, call, AT_FDCWD, call.arg(0));
    case Action::kRemoveAt:
      return observe_path(Op::kRemove, call, call.fd(0), call.arg(1));
    case Action::kLink:
      observe_path(Op::kRead, call, AT_FDCWD, call.arg(0));
      return observe_path(Op::kWrite, call, AT_FDCWD, call.arg(1));
    case Action::kLinkAt:
      observe_path(Op::kRead, call, call.fd(0), call.arg(1));
      return observe_path(Op::kWrite, call, call.fd(2), call.arg(3));
    case Action::kSymlink:
      return observe_path(Op::kWrite, call, AT_FDCWD, call.arg(1));
    case Action::kSymlinkAt:
      return observe_path(Op::kWrite, call, call.fd(1), call.arg(2));
    case Action::kChdir:
      directory_changed_ = true;
      return;
    case Action::kConnect:
      flags_ |= frame::kNetwork;
      return;
    case Action::kForeign:
      flags_ |= frame::kForeign;
      return;
  }
}

void Tracer::system_call(pid_t pid, uint32_t arch, long number, const uint64_t* args) {
  if (arch != kNativeArch || number >= 0x40000000) {
    flags_ |= frame::kForeign;
    return;
  }
  saw_exec_ |= number == SYS_execve;
  if (!recording()) return;
  uint64_t words[7];
  words[0] = static_cast<uint64_t>(number);
  memcpy(words + 1, args, 6 * sizeof(uint64_t));
  observe(Call{pid, words + 1});
}

bool Tracer::handle(int listener) {
  Notice notice;
  if (!receive_notice(listener, &notice)) return errno == EINTR || errno == ENOENT;
  uint64_t args[6];
  memcpy(args, notice.call.data.args, sizeof args);
  system_call(static_cast<pid_t>(notice.call.pid), notice.call.data.arch, notice.call.data.nr, args);
  return let_go_on(listener, notice);
}

}  // namespace hpcc::launcher
