#include "vm/supervisor.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>

#include "base/child.h"
#include "base/fs.h"

namespace hpcc {
namespace {

constexpr size_t kArguments = 9, kReportBytes = 4096;
constexpr uint64_t kMib = 1u << 20;
// QEMU's own needs beside the guest's memory, generously: code buffer, libraries, stacks. Address space, not use.
constexpr uint64_t kQemuOverheadBytes = 3072 * kMib, kVsockOverheadBytes = 256 * kMib;

struct Vm {
  QemuMachine machine;
  std::string state_dir, qemu;
};

template <typename T>
bool parse(const std::string& text, T& out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc() && end == text.data() + text.size();
}

Result<Vm> decode_vm_arguments(const std::vector<std::string>& words) {
  Vm vm;
  unsigned accelerator = 0, console = 0;
  if (words.size() != kArguments || !parse(words[2], accelerator) || !parse(words[3], vm.machine.memory_mib) ||
      !parse(words[4], vm.machine.vcpus) || !parse(words[5], vm.machine.data_blocks) || !parse(words[8], console)) {
    return Error{Code::kInvalid, "--role=vm: bad arguments", 0};
  }
  vm.state_dir = words[0];
  vm.qemu = words[1];
  vm.machine.accelerator = accelerator ? Accelerator::kKvm : Accelerator::kTcg;
  vm.machine.root_hash = words[6];
  vm.machine.salt = words[7];
  vm.machine.console = console ? QemuMachine::Console::kStdout : QemuMachine::Console::kNone;
  return vm;
}

// Through the directory's descriptor: the path of a socket has 107 bytes at most, and the sandbox's may be longer.
Result<Fd> listen_in(const std::string& dir) {
  Fd directory(open(dir.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!directory) return errno_error("open " + dir);
  struct sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/%s", directory.get(), kVsockName);
  Fd listener(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!listener || bind(listener.get(), reinterpret_cast<const struct sockaddr*>(&address), sizeof address) != 0 ||
      listen(listener.get(), 16) != 0) {
    return errno_error("listen in " + dir);
  }
  return listener;
}

Result<Child> start_vsock(const Vm& vm, int vmm, int listener, int errors) {
  ChildSpec spec;
  spec.program = "/proc/self/exe";
  spec.argv = {"hpcc-vsock", "--role=vsock"};
  spec.descriptors = {-1, -1, errors, vmm, listener};
  spec.dies_with_starter = true;
  Confinement& confinement = spec.confinement.emplace();
  confinement.memory_bytes = vm.machine.memory_mib * kMib * 2 + kVsockOverheadBytes;
  confinement.descriptors = 128;
  confinement.threads = 1;
  confinement.readable = program_libraries();
  return Child::start(spec);
}

// KVM's device belongs to a group where Debian's rules made it; our uid is nobody's member.
std::vector<gid_t> kvm_groups() {
  struct stat info;
  if (stat("/dev/kvm", &info) != 0 || !(info.st_mode & 0060)) return {};
  return {info.st_gid};
}

Result<Child> start_qemu_process(const Vm& vm, int vmm, int errors) {
  ChildSpec spec;
  spec.program = vm.qemu;
  spec.argv = qemu_command(vm.machine);
  spec.environment = {"PATH=/usr/bin:/bin", "LC_ALL=C"};
  const int out = vm.machine.console == QemuMachine::Console::kStdout ? STDERR_FILENO : -1;
  spec.descriptors = {-1, out, errors, vmm, kQemuKernel, kQemuInitrd, kQemuRoot, kQemuHashes};
  spec.dies_with_starter = true;
  Confinement& confinement = spec.confinement.emplace();
  confinement.memory_bytes = vm.machine.memory_mib * kMib + kQemuOverheadBytes;
  confinement.descriptors = 256;
  confinement.threads = 64 + vm.machine.vcpus;
  // The kernel is opened anew through its descriptor; the initramfs, being memory, is no file to Landlock.
  confinement.readable = {"/usr", "/lib", "/lib64", "/etc/ld.so.cache", "/proc", "/sys/devices/system", "/dev/urandom",
                          "/proc/self/fd/" + std::to_string(kQemuKernel)};
  confinement.writable = {"/dev/null"};
  if (vm.machine.accelerator == Accelerator::kKvm) {
    confinement.groups = kvm_groups();
    confinement.writable.push_back("/dev/kvm");
  }
  return Child::start(spec);
}

struct Running {
  Child vsock, qemu;
  Fd errors;  // what both say on stderr
};

Result<Running> start(const Vm& vm) {
  TRY_ASSIGN(const Fd listener, listen_in(vm.state_dir));
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return errno_error("socketpair");
  const Fd ours(ends[0]), theirs(ends[1]);
  // Neither end waits: who says more than a pipe holds loses the rest.
  int pipe_ends[2];
  if (pipe2(pipe_ends, O_CLOEXEC | O_NONBLOCK) != 0) return errno_error("pipe");
  Fd errors(pipe_ends[0]);
  const Fd writer(pipe_ends[1]);
  TRY_ASSIGN(Child vsock, start_vsock(vm, ours.get(), listener.get(), writer.get()));
  TRY_ASSIGN(Child qemu, start_qemu_process(vm, theirs.get(), writer.get()));
  return Running{std::move(vsock), std::move(qemu), std::move(errors)};
}

void tell(const Result<VmStarted>& report) {
  const std::string bytes = encode_vm_report(report);
  // The worker may be gone already; then nobody is to be told.
  [[maybe_unused]] const ssize_t told = send(kSupervisorControl, bytes.data(), bytes.size(), MSG_NOSIGNAL);
}

// Until the worker closes its end or one of the two processes ends.
void wait_for_end(const Running& running) {
  struct pollfd polls[] = {{kSupervisorControl, POLLIN, 0}, {running.vsock.pidfd(), POLLIN, 0},
                           {running.qemu.pidfd(), POLLIN, 0}};
  while (poll(polls, std::size(polls), -1) < 0 && errno == EINTR) continue;
}

// Why it ended by itself, in the words of QEMU and of the backend.
std::string last_words(Running& running) {
  char text[kReportBytes / 2];
  const ssize_t got = read(running.errors.get(), text, sizeof text);
  std::string out;
  for (ssize_t i = 0; i < got; ++i) out += static_cast<unsigned char>(text[i]) < 0x20 ? ' ' : text[i];
  // One of the two follows the other at once: which was first is told by which is left.
  constexpr int64_t kLastWordsMs = 500;
  const Deadline deadline = Deadline::after_ms(kLastWordsMs);
  const Result<int> qemu = running.qemu.wait(deadline), vsock = running.vsock.wait(deadline);
  out += "(exit codes: QEMU " + (qemu.ok() ? std::to_string(*qemu) : "none") + ", vsock backend " +
         (vsock.ok() ? std::to_string(*vsock) : "none") + ")";
  return "ended by itself: " + out;
}

}  // namespace

std::string encode_vm_report(const Result<VmStarted>& report) {
  if (!report.ok()) return "E" + report.error().to_string().substr(0, kReportBytes - 1);
  return "S" + std::to_string(report->qemu) + " " + std::to_string(report->vsock);
}

Result<VmStarted> decode_vm_report(std::string_view bytes) {
  const Error bad = {Code::kIo, "the microVM's supervisor ended without a report", 0};
  if (bytes.empty() || bytes.size() > kReportBytes) return bad;
  const std::string text(bytes.substr(1));
  if (bytes.front() == 'E') return Error{Code::kIo, "microVM: " + text, 0};
  VmStarted started;
  const size_t space = text.find(' ');
  if (bytes.front() != 'S' || space == std::string::npos || !parse(text.substr(0, space), started.qemu) ||
      !parse(text.substr(space + 1), started.vsock) || started.qemu <= 1 || started.vsock <= 1) {
    return bad;
  }
  return started;
}

std::vector<std::string> encode_vm_arguments(const QemuMachine& machine, const std::string& state_dir,
                                             const std::string& qemu) {
  return {state_dir, qemu, machine.accelerator == Accelerator::kKvm ? "1" : "0", std::to_string(machine.memory_mib),
          std::to_string(machine.vcpus), std::to_string(machine.data_blocks), machine.root_hash, machine.salt,
          machine.console == QemuMachine::Console::kStdout ? "1" : "0"};
}

int run_supervisor(const std::vector<std::string>& arguments) {
  Result<Vm> vm = decode_vm_arguments(arguments);
  if (!vm.ok()) {
    tell(vm.error());
    return 1;
  }
  {
    Result<Running> running = start(*vm);
    if (!running.ok()) {
      tell(running.error());
    } else {
      tell(VmStarted{running->qemu.pid(), running->vsock.pid()});
      wait_for_end(*running);
      tell(Error{Code::kIo, last_words(*running), 0});
    }
  }  // both are dead and reaped here
  const Status removed = remove_tree(vm->state_dir);
  return removed.ok() ? 0 : 1;
}

}  // namespace hpcc
