// The `qemu` driver beside Sandbox (vm/sandbox.h): its helper processes, the KVM probe, and where QEMU is.
//
//   worker -- supervisor (--role=vm) --+-- qemu-system-x86_64             own uid, no files, no network
//                                      +-- vsock backend (--role=vsock)   own uid, the guest's memory, two sockets
//
// The supervisor is single-threaded and lives as long as the control socket to the worker: when the worker dies, even
// by SIGKILL, it ends both and removes the sandbox's directory; when it dies itself, the kernel ends both.
#pragma once

#include <sys/types.h>

#include <string>

#include "base/deadline.h"
#include "base/result.h"
#include "vm/sandbox.h"

namespace hpcc {

// For `--role=vm …` and `--role=vsock`, as argv of main. -1 when argv is none of these; else the exit code.
int run_vm_role(int argc, char** argv);

Result<std::string> find_qemu();
// The guest kernel: HPCC_GUEST_KERNEL, else beside the programs in `bin_dir`, installed or in a build tree; "" if none.
std::string find_guest_kernel(const std::string& bin_dir);

// Boots the kernel under KVM, until it has run to its end. An Error says why KVM is not usable here; there are machines
// where /dev/kvm opens and small programs run, but no kernel does.
Status probe_kvm(const std::string& kernel, Deadline deadline);

// For tests of a sandbox of start_qemu(): what it consists of.
struct QemuProcesses {
  pid_t supervisor = -1, qemu = -1, vsock = -1;
};
QemuProcesses qemu_processes(const Sandbox& sandbox);

}  // namespace hpcc
