#include <fcntl.h>
#include <linux/kvm.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>

#include "base/child.h"
#include "vm/qemu.h"
#include "vm/qemu_command.h"

namespace hpcc {
namespace {

constexpr size_t kConsoleBytes = 1u << 20;

Status check_device() {
  const Fd kvm(open("/dev/kvm", O_RDWR | O_CLOEXEC));
  if (!kvm) return errno_error("cannot open /dev/kvm");
  if (ioctl(kvm.get(), KVM_GET_API_VERSION, 0) != KVM_API_VERSION) {
    return Error{Code::kUnsupported, "/dev/kvm has another API version", 0};
  }
  return {};
}

// Whether the kernel came to its end, by what it said on its console.
Status watch_console(int console, Deadline deadline) {
  std::string said;
  for (;;) {
    struct pollfd wait = {console, POLLIN, 0};
    if (poll(&wait, 1, deadline.remaining_ms()) <= 0) {
      if (deadline.passed()) return Error{Code::kUnsupported, "a kernel under KVM does not get to its end in time", 0};
      continue;
    }
    char bytes[4096];
    const ssize_t got = read(console, bytes, sizeof bytes);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return Error{Code::kUnsupported, "QEMU with KVM ended before the kernel did", 0};
    said.append(bytes, static_cast<size_t>(got));
    if (said.find(kProbeMarker) != std::string::npos) return {};
    if (said.find("KVM internal error") != std::string::npos || said.size() > kConsoleBytes) {
      return Error{Code::kUnsupported, "KVM does not run a kernel here (internal error)", 0};
    }
  }
}

}  // namespace

Status probe_kvm(const std::string& kernel, Deadline deadline) {
  TRY(check_device());
  TRY_ASSIGN(const std::string qemu, find_qemu());
  const Fd image(open(kernel.c_str(), O_RDONLY | O_CLOEXEC));
  if (!image) return errno_error("open " + kernel);
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return errno_error("pipe");
  const Fd console(ends[0]);
  Fd writer(ends[1]);
  ChildSpec spec;
  spec.program = qemu;
  spec.argv = qemu_probe_command(Accelerator::kKvm);
  spec.environment = {"PATH=/usr/bin:/bin", "LC_ALL=C"};
  spec.descriptors = {-1, writer.get(), writer.get(), -1, image.get()};
  TRY_ASSIGN(Child child, Child::start(spec));
  writer.reset();
  return watch_console(console.get(), deadline);
}

}  // namespace hpcc
