#include "agent/site.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string_view>

#include "base/deadline.h"
#include "base/fs.h"
#include "base/limits.h"
#include "model/guest_environment.h"
#include "vm/agent_contract.h"

namespace hpcc {
namespace {

constexpr char kRoot[] = "/run/root", kBlobs[] = "/run/blobs", kCgroups[] = "/sys/fs/cgroup";
constexpr unsigned long kPlain = MS_NOSUID | MS_NODEV;

Status mount_at(const char* source, const char* target, const char* type, unsigned long flags, const char* options) {
  if (mount(source, target, type, flags, options) == 0) return {};
  return errno_error(std::string("mount ") + (type ? type : source) + " on " + target);
}

Status make_directory(const std::string& path, mode_t mode) {
  if (mkdir(path.c_str(), mode) == 0 || errno == EEXIST) return {};
  return errno_error("mkdir " + path);
}

Result<std::string> root_device() {
  TRY_ASSIGN(std::string line, read_file("/proc/cmdline", 64 * 1024));
  std::string_view rest = line;
  while (!rest.empty()) {
    const size_t end = rest.find_first_of(" \n");
    std::string_view word = rest.substr(0, end);
    if (word.starts_with(kAgentRootArgument)) return std::string(word.substr(sizeof kAgentRootArgument - 1));
    rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
  }
  return Error{Code::kInvalid, std::string("no ") + kAgentRootArgument + " on the kernel's command line", 0};
}

// The device is made by the kernel before this process starts; its node can be a moment late.
Status mount_image() {
  TRY_ASSIGN(std::string device, root_device());
  const Deadline deadline = Deadline::after_ms(5000);
  while (access(device.c_str(), F_OK) != 0) {
    if (deadline.passed()) return Error{Code::kNotFound, "no root device " + device, 0};
    usleep(1000);
  }
  return mount_at(device.c_str(), kGuestImageDir, "squashfs", MS_RDONLY | kPlain, nullptr);
}

// A kernel that finds no /dev/console in its initramfs starts the first process without descriptors; 0 to 2 must not
// become something else. Complaints go to the console, which a guest in production does not have.
void fill_standard_descriptors() {
  for (;;) {
    int fd = open("/dev/console", O_RDWR | O_NOCTTY);
    if (fd < 0) fd = open("/dev/null", O_RDWR);
    if (fd >= 0 && fd < 3) continue;
    if (fd >= 0) close(fd);
    return;
  }
}

Status mount_devices() {
  TRY(make_directory("/dev", 0755));
  if (mount("devtmpfs", "/dev", "devtmpfs", MS_NOSUID, nullptr) == 0 || errno == EBUSY) return {};
  return errno_error("mount /dev");
}

Status mount_guest() {
  for (const char* path : {"/proc", "/run", "/sys", kGuestImageDir}) TRY(make_directory(path, 0755));
  TRY(mount_at("proc", "/proc", "proc", kPlain | MS_NOEXEC, nullptr));
  TRY(mount_at("sysfs", "/sys", "sysfs", kPlain | MS_NOEXEC, nullptr));
  TRY(mount_at("tmpfs", "/run", "tmpfs", kPlain, "mode=0700"));
  TRY(mount_at("cgroup2", kCgroups, "cgroup2", kPlain | MS_NOEXEC, nullptr));
  Fd control(open("/sys/fs/cgroup/cgroup.subtree_control", O_WRONLY | O_CLOEXEC));
  if (!control) return errno_error("cgroup.subtree_control");
  TRY(write_fd(control.get(), "+pids +memory", "cgroup.subtree_control"));
  // A call for memory succeeds, and the compile's limit ends who uses too much: a compiler that is refused memory fails
  // as it does for an error in the source.
  Fd overcommit(open("/proc/sys/vm/overcommit_memory", O_WRONLY | O_CLOEXEC));
  if (!overcommit) return errno_error("vm.overcommit_memory");
  TRY(write_fd(overcommit.get(), "1", "vm.overcommit_memory"));
  if (sethostname("hpcc", 4) != 0) return errno_error("sethostname");
  return mount_image();
}

// One top-level entry of the image appears in the compiles' root.
Status show_entry(const std::string& name) {
  const std::string from = std::string(kGuestImageDir) + "/" + name, to = std::string(kRoot) + "/" + name;
  struct stat info;
  if (lstat(from.c_str(), &info) != 0) return errno_error("stat " + from);
  if (S_ISLNK(info.st_mode)) {
    char target[limits::kPathBytes];
    const ssize_t size = readlink(from.c_str(), target, sizeof target - 1);
    if (size < 0) return errno_error("readlink " + from);
    target[size] = 0;
    return symlink(target, to.c_str()) == 0 ? Status() : errno_error("symlink " + to);
  }
  if (S_ISDIR(info.st_mode)) {
    TRY(make_directory(to, 0755));
  } else if (S_ISREG(info.st_mode)) {
    Fd made(open(to.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0444));
    if (!made) return errno_error("create " + to);
  } else {
    return {};
  }
  return mount_at(from.c_str(), to.c_str(), nullptr, MS_BIND | MS_REC, nullptr);
}

Status show_devices() {
  const std::string dev = std::string(kRoot) + "/dev/";
  for (const char* name : {"null", "zero", "full", "random", "urandom"}) {
    Fd made(open((dev + name).c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0444));
    if (!made) return errno_error("create /dev/" + std::string(name));
    TRY(mount_at((std::string("/dev/") + name).c_str(), (dev + name).c_str(), nullptr, MS_BIND, nullptr));
  }
  constexpr const char* kLinks[][2] = {{"fd", "/proc/self/fd"},
                                       {"stdin", "/proc/self/fd/0"},
                                       {"stdout", "/proc/self/fd/1"},
                                       {"stderr", "/proc/self/fd/2"}};
  for (const auto& link : kLinks) {
    if (symlink(link[1], (dev + link[0]).c_str()) != 0) return errno_error("symlink /dev/" + std::string(link[0]));
  }
  return {};
}

// The image itself is never mounted over: its top-level entries are bound, read-only as their source is, into a small
// root of our own, which has the mount points that an image may lack. Images stay what was verified.
Status build_root() {
  TRY(make_directory(kRoot, 0755));
  TRY(mount_at("tmpfs", kRoot, "tmpfs", kPlain, "mode=0755,size=1m"));
  TRY_ASSIGN(std::vector<std::string> names, list_directory(kGuestImageDir));
  for (const std::string& name : names) {
    if (!is_replaced_in_guest(name)) TRY(show_entry(name));
  }
  const std::string root = kRoot;
  for (const char* name : {"/proc", "/dev", "/sys", "/tmp", "/run", "/hpcc", "/hpcc/w"}) {
    TRY(make_directory(root + name, 0755));
  }
  TRY(show_devices());
  return mount_at("tmpfs", kRoot, nullptr, MS_REMOUNT | MS_BIND | MS_RDONLY | kPlain, nullptr);
}

// Whether more ids than our own are mapped here. The guest's kernel knows no user namespaces: every id is there.
bool has_own_uids() {
  Result<std::string> map = read_file("/proc/self/uid_map", 64 * 1024);
  if (!map.ok()) return map.error().code == Code::kNotFound;
  unsigned long inside, outside, count;
  return sscanf(map->c_str(), "%lu %lu %lu", &inside, &outside, &count) == 3 && inside == 0 &&
         count > kCompileUidBase + 2 * limits::kGuestCompiles;
}

Result<Fd> open_directory(const char* path) {
  Fd fd(open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return errno_error(std::string("open ") + path);
  return fd;
}

}  // namespace

Result<Site> prepare_site(GuestKind kind) {
  umask(022);
  if (kind == GuestKind::kMicroVm) TRY(mount_devices());
  fill_standard_descriptors();
  if (kind == GuestKind::kMicroVm) TRY(mount_guest());
  TRY(mount_at("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr));
  TRY(build_root());
  for (const char* path : {kBlobs, "/run/work"}) TRY(make_directory(path, 0700));
  Site site;
  site.kind = kind;
  site.root = kRoot;
  site.own_uids = has_own_uids();
  TRY_ASSIGN(site.proc, open_directory("/proc"));
  TRY_ASSIGN(site.blobs, open_directory(kBlobs));
  if (kind == GuestKind::kMicroVm) {
    TRY_ASSIGN(site.cgroups, open_directory(kCgroups));
  }
  site.null = Fd(open("/dev/null", O_RDWR | O_CLOEXEC));
  if (!site.null) return errno_error("open /dev/null");
  return site;
}

}  // namespace hpcc
