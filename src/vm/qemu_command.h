// The command lines of a microVM: QEMU's and the guest kernel's. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "vm/sandbox.h"

namespace hpcc {

// Descriptors QEMU is given; it opens no file of the guest by name.
inline constexpr int kQemuVsock = 3, kQemuKernel = 4, kQemuInitrd = 5, kQemuRoot = 6, kQemuHashes = 7;

struct QemuMachine {
  Accelerator accelerator = Accelerator::kTcg;
  uint32_t memory_mib = 0, vcpus = 0;
  std::string root_hash, salt;  // hex
  uint64_t data_blocks = 0;
  enum class Console { kNone, kStdout } console = Console::kNone;  // kStdout: for tests of the driver
};

std::string kernel_command_line(const QemuMachine& machine);
std::vector<std::string> qemu_command(const QemuMachine& machine);

// To find out whether an accelerator works: the kernel alone, on a console.
std::vector<std::string> qemu_probe_command(Accelerator accelerator);
// What the kernel says when it has come to its end without a root or /init.
inline constexpr char kProbeMarker[] = "Kernel panic - not syncing";

}  // namespace hpcc
