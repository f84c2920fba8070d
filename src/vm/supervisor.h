// The supervisor of one microVM, a process of its own (see vm/qemu.h). On the control socket it says "S" with two pids,
// or "E" with a text, and it ends when the other end closes. Descriptors of the role: 3 control, 4 kernel, 5
// initramfs, 6 squashfs, 7 hash tree.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "vm/qemu_command.h"

namespace hpcc {

inline constexpr int kSupervisorControl = 3;
inline constexpr char kVsockName[] = "vsock";  // the host's socket, in the sandbox's directory

struct VmStarted {
  pid_t qemu = -1, vsock = -1;
};

std::string encode_vm_report(const Result<VmStarted>& report);
Result<VmStarted> decode_vm_report(std::string_view bytes);

// Arguments after --role=vm.
std::vector<std::string> encode_vm_arguments(const QemuMachine& machine, const std::string& state_dir,
                                             const std::string& qemu);

int run_supervisor(const std::vector<std::string>& arguments);

}  // namespace hpcc
