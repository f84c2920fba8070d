#include "vm/qemu.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "base/child.h"
#include "base/fs.h"
#include "base/programs.h"
#include "base/uuid.h"
#include "model/digest.h"
#include "vm/agent_contract.h"
#include "vm/connect_line.h"
#include "vm/initramfs.h"
#include "vm/qemu_command.h"
#include "vm/supervisor.h"
#include "vm/vsock_backend.h"

namespace hpcc {
namespace {

constexpr size_t kAgentBytes = 64u << 20, kKernelBytes = 256u << 20;
constexpr int64_t kHandshakeMs = 2500, kCleanupMs = 5000;
constexpr int kRetryMs = 20;

Error about(const std::string& what, Error error) {
  error.message = what + ": " + error.message;
  return error;
}

struct HashedFile {
  Fd fd;
  std::string digest;
};

// The digest is of the very file that will be booted: it stays open.
Result<HashedFile> open_hashed(const std::string& path, size_t limit_bytes) {
  HashedFile file;
  file.fd.reset(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.fd) return errno_error("open " + path);
  TRY_ASSIGN(const std::string bytes, read_fd(file.fd.get(), limit_bytes, path));
  file.digest = BlobDigest::of(bytes).hex();
  if (bytes.compare(0, 4, "\177ELF") != 0) return Error{Code::kInvalid, path + ": not an ELF file", 0};
  return file;
}

Result<Fd> open_read(const std::string& path) {
  Fd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return errno_error("open " + path);
  return fd;
}

Result<Fd> sealed_memory(const std::string& bytes) {
  Fd fd(static_cast<int>(syscall(SYS_memfd_create, "hpcc-initramfs", 3u /* CLOEXEC, ALLOW_SEALING */)));
  if (!fd) return errno_error("memfd_create");
  TRY(write_fd(fd.get(), bytes, "initramfs"));
  // Opened by QEMU under another uid.
  if (fchmod(fd.get(), 0444) != 0 || fcntl(fd.get(), F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW) != 0) {
    return errno_error("seal initramfs");
  }
  return fd;
}

class QemuSandbox final : public Sandbox {
 public:
  QemuSandbox(SandboxInfo info, std::string state_dir, Child supervisor, Fd control)
      : info_(std::move(info)),
        state_dir_(std::move(state_dir)),
        supervisor_(std::move(supervisor)),
        control_(std::move(control)) {}

  ~QemuSandbox() override { static_cast<void>(stop(Deadline::after_ms(kCleanupMs))); }

  Status wait_started(Deadline deadline) {
    struct pollfd wait = {control_.get(), POLLIN, 0};
    while (poll(&wait, 1, deadline.remaining_ms()) <= 0) {
      if (deadline.passed()) return Error{Code::kTimeout, "the microVM was not started in time", 0};
    }
    TRY_ASSIGN(started_, next_report());
    qemu_.reset(static_cast<int>(syscall(SYS_pidfd_open, started_.qemu, 0)));
    vsock_.reset(static_cast<int>(syscall(SYS_pidfd_open, started_.vsock, 0)));
    return {};
  }

  Result<Fd> connect(Deadline deadline) override {
    for (;;) {
      Result<Fd> stream = try_connect(Deadline::earlier(deadline, Deadline::after_ms(kHandshakeMs)));
      if (stream.ok()) return stream;
      if (deadline.passed()) return about("the agent did not answer", stream.error());
      struct pollfd ended = {supervisor_.pidfd(), POLLIN, 0};
      if (poll(&ended, 1, kRetryMs) > 0) return why_ended();
    }
  }

  const SandboxInfo& info() const override { return info_; }
  int ended_fd() const override { return supervisor_.pidfd(); }

  std::string last_words() override {
    struct pollfd ended = {supervisor_.pidfd(), POLLIN, 0};
    return !stopped_ && poll(&ended, 1, 0) > 0 ? why_ended().message : "";
  }

  Status stop(Deadline deadline) override {
    if (stopped_) return {};
    control_.reset();
    if (!supervisor_.wait(deadline).ok()) supervisor_.kill();
    TRY(wait_gone(qemu_.get(), "QEMU", deadline));
    TRY(wait_gone(vsock_.get(), "the vsock backend", deadline));
    TRY(remove_tree(state_dir_));  // the supervisor's task, unless it was killed
    stopped_ = true;
    return {};
  }

  QemuProcesses processes() const { return {supervisor_.pid(), started_.qemu, started_.vsock}; }

 private:
  Result<VmStarted> next_report() {
    char text[4096];
    const ssize_t got = recv(control_.get(), text, sizeof text, MSG_DONTWAIT);
    return decode_vm_report({text, got > 0 ? static_cast<size_t>(got) : 0});
  }

  Error why_ended() {
    const Result<VmStarted> last = next_report();
    return last.ok() ? Error{Code::kIo, "the microVM has ended", 0} : last.error();
  }

  static Status wait_gone(int pidfd, const char* what, Deadline deadline) {
    if (pidfd < 0) return {};  // never started, or already reaped
    struct pollfd ended = {pidfd, POLLIN, 0};
    while (poll(&ended, 1, deadline.remaining_ms()) <= 0) {
      if (deadline.passed()) return Error{Code::kTimeout, std::string(what) + " still runs", 0};
    }
    return {};
  }

  Result<Fd> try_connect(Deadline deadline) {
    Fd directory(open(state_dir_.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!directory) return errno_error("open " + state_dir_);
    struct sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/%s", directory.get(), kVsockName);
    Fd stream(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!stream) return errno_error("socket");
    if (::connect(stream.get(), reinterpret_cast<const struct sockaddr*>(&address), sizeof address) != 0) {
      return errno_error("connect to the microVM");
    }
    // One write: Firecracker drops a line that comes in pieces.
    const std::string line = encode_connect(kAgentVsockPort);
    if (send(stream.get(), line.data(), line.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(line.size())) {
      return errno_error("vsock handshake");
    }
    TRY(read_connected(stream.get(), deadline));
    return stream;
  }

  // Byte by byte: what follows the line belongs to the stream.
  static Status read_connected(int stream, Deadline deadline) {
    std::string answer;
    while (answer.empty() || answer.back() != '\n') {
      struct pollfd wait = {stream, POLLIN, 0};
      if (poll(&wait, 1, deadline.remaining_ms()) <= 0) {
        if (deadline.passed()) return Error{Code::kTimeout, "vsock handshake: no answer", 0};
        continue;
      }
      char byte;
      const ssize_t got = recv(stream, &byte, 1, MSG_DONTWAIT);
      if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
      if (got <= 0) return Error{Code::kNotFound, "vsock handshake: nobody listens yet", 0};
      answer += byte;
      if (answer.size() > kConnectLineBytes) return Error{Code::kInvalid, "vsock handshake: line too long", 0};
    }
    const Result<uint32_t> port = decode_connected(answer);
    return port.ok() ? Status() : Status(port.error());
  }

  SandboxInfo info_;
  std::string state_dir_;
  Child supervisor_;
  Fd control_, qemu_, vsock_;
  VmStarted started_;
  bool stopped_ = false;
};

struct Parts {
  Fd kernel, initramfs, squashfs, verity;
};

Result<Parts> open_parts(const SandboxSpec& spec, SandboxInfo& info) {
  Parts parts;
  TRY_ASSIGN(HashedFile kernel, open_hashed(spec.kernel, kKernelBytes));
  TRY_ASSIGN(const std::string agent, read_file(spec.agent, kAgentBytes));
  TRY_ASSIGN(parts.initramfs, sealed_memory(make_initramfs(agent)));
  TRY_ASSIGN(parts.squashfs, open_read(spec.rootfs.squashfs));
  TRY_ASSIGN(parts.verity, open_read(spec.rootfs.verity));
  parts.kernel = std::move(kernel.fd);
  info.driver = spec.accelerator == Accelerator::kKvm ? "qemu-kvm" : "qemu-tcg";
  info.vm_id = new_uuid7();
  info.rootfs_hash = spec.rootfs.root_hash;
  info.kernel_digest = kernel.digest;
  info.agent_digest = BlobDigest::of(agent).hex();
  return parts;
}

QemuMachine machine_of(const SandboxSpec& spec) {
  QemuMachine machine;
  machine.accelerator = spec.accelerator;
  machine.memory_mib = spec.memory_mib;
  machine.vcpus = spec.vcpus;
  machine.root_hash = spec.rootfs.root_hash;
  machine.salt = spec.rootfs.salt;
  machine.data_blocks = spec.rootfs.data_blocks;
  return machine;
}

Result<std::unique_ptr<Sandbox>> start_in(const SandboxSpec& spec, const std::string& qemu, Deadline deadline) {
  SandboxInfo info;
  TRY_ASSIGN(const Parts parts, open_parts(spec, info));
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) return errno_error("socketpair");
  Fd ours(ends[0]);
  const Fd theirs(ends[1]);
  ChildSpec supervisor;
  supervisor.program = spec.role_program;
  supervisor.argv = {"hpcc-vm", "--role=vm"};
  for (std::string& word : encode_vm_arguments(machine_of(spec), spec.state_dir, qemu)) {
    supervisor.argv.push_back(std::move(word));
  }
  supervisor.environment = {"PATH=/usr/bin:/bin", "LC_ALL=C"};
  supervisor.descriptors = {
      -1, -1, -1, theirs.get(), parts.kernel.get(), parts.initramfs.get(), parts.squashfs.get(), parts.verity.get()};
  TRY_ASSIGN(Child child, Child::start(supervisor));
  auto sandbox = std::make_unique<QemuSandbox>(std::move(info), spec.state_dir, std::move(child), std::move(ours));
  TRY(sandbox->wait_started(deadline));
  return std::unique_ptr<Sandbox>(std::move(sandbox));
}

}  // namespace

Result<std::unique_ptr<Sandbox>> start_qemu(const SandboxSpec& spec, Deadline deadline) {
  TRY_ASSIGN(const std::string qemu, find_qemu());
  if (mkdir(spec.state_dir.c_str(), 0700) != 0) return errno_error("mkdir " + spec.state_dir);
  Result<std::unique_ptr<Sandbox>> sandbox = start_in(spec, qemu, deadline);
  if (!sandbox.ok()) static_cast<void>(remove_tree(spec.state_dir));
  return sandbox;
}

Result<std::string> find_qemu() {
  std::string found = first_executable({"/usr/bin/qemu-system-x86_64", "/usr/local/bin/qemu-system-x86_64"});
  if (!found.empty()) return found;
  return Error{Code::kNotFound, "qemu-system-x86_64 is missing: install qemu-system-x86", 0};
}

std::string find_guest_kernel(const std::string& bin_dir) {
  if (const char* named = getenv("HPCC_GUEST_KERNEL"); named && *named) return named;
  for (const char* place : {"hpcc-vmlinux", "../lib/hpcc/vmlinux", "../../guest/vmlinux"}) {
    const std::string path = join_path(bin_dir, place);
    if (access(path.c_str(), R_OK) == 0) return path;
  }
  return "";
}

QemuProcesses qemu_processes(const Sandbox& sandbox) { return static_cast<const QemuSandbox&>(sandbox).processes(); }

int run_vm_role(int argc, char** argv) {
  if (argc < 2) return -1;
  if (strcmp(argv[1], "--role=vsock") == 0) return run_vsock_backend();
  if (strcmp(argv[1], "--role=vm") == 0) return run_supervisor({argv + 2, argv + argc});
  return -1;
}

}  // namespace hpcc
