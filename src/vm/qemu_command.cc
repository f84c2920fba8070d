#include "vm/qemu_command.h"

#include "vm/agent_contract.h"

namespace hpcc {
namespace {

// no_timer_check: the check counts the timer's ticks against a busy loop, and panics where a loaded host delays them.
constexpr char kBasics[] = "reboot=t panic=-1 no_timer_check random.trust_cpu=on";
constexpr uint64_t kSectorsPerBlock = 8;  // 4096 / 512

// acpi=off: with ACPI some boots hang in the APIC timer's set-up under TCG; pit=on: without it all do.
std::string machine_option(const QemuMachine& machine) {
  const bool console = machine.console == QemuMachine::Console::kStdout;
  return std::string("microvm,acpi=off,pit=on,pic=on,rtc=on,auto-kernel-cmdline=on,memory-backend=mem,isa-serial=") +
         (console ? "on" : "off");
}

// One thread for all CPUs of TCG. With one each, QEMU 7.2 now and then goes on with code that another CPU has replaced,
// and the kernel, which patches itself when the first memory cgroup is made, dies of an int3 that is there no more.
std::string accelerator_option(Accelerator accelerator) {
  return accelerator == Accelerator::kKvm ? "kvm" : "tcg,thread=single,tb-size=256";
}

std::string fd_path(int fd) { return "/proc/self/fd/" + std::to_string(fd); }

// Read-only for the guest, and read-only for QEMU. The first is /dev/vda.
void add_drive(std::vector<std::string>& argv, const std::string& name, int fd, int set) {
  const std::string number = std::to_string(set);
  argv.insert(argv.end(), {"-add-fd", "fd=" + std::to_string(fd) + ",set=" + number, "-drive",
                           "if=none,id=" + name + ",format=raw,readonly=on,file=/dev/fdset/" + number, "-device",
                           "virtio-blk-device,drive=" + name});
}

std::vector<std::string> common(const std::string& machine, Accelerator accelerator, uint32_t memory_mib) {
  return {"qemu-system-x86_64", "-M", machine, "-accel", accelerator_option(accelerator), "-cpu", "max", "-m",
          std::to_string(memory_mib), "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-sandbox",
          "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"};
}

}  // namespace

std::string kernel_command_line(const QemuMachine& machine) {
  const std::string blocks = std::to_string(machine.data_blocks);
  std::string line = std::string(kBasics) + " ";
  line += machine.console == QemuMachine::Console::kStdout ? "console=ttyS0 " : "quiet loglevel=0 8250.nr_uarts=0 ";
  line += "dm-mod.create=\"root,,0,ro,0 " + std::to_string(machine.data_blocks * kSectorsPerBlock) +
          " verity 1 /dev/vda /dev/vdb 4096 4096 " + blocks + " 1 sha256 " + machine.root_hash + " " + machine.salt +
          " 1 panic_on_corruption\" ";
  return line + kAgentRootArgument + "/dev/dm-0";
}

std::vector<std::string> qemu_command(const QemuMachine& machine) {
  const std::string memory = std::to_string(machine.memory_mib);
  std::vector<std::string> argv = common(machine_option(machine), machine.accelerator, machine.memory_mib);
  argv.insert(argv.end(),
              {"-smp", std::to_string(machine.vcpus), "-object",
               "memory-backend-memfd,id=mem,size=" + memory + "M,share=on", "-kernel", fd_path(kQemuKernel), "-initrd",
               fd_path(kQemuInitrd), "-append", kernel_command_line(machine), "-chardev",
               "socket,id=vsock,fd=" + std::to_string(kQemuVsock), "-device", "vhost-user-vsock-device,chardev=vsock",
               "-device", "virtio-rng-device"});
  add_drive(argv, "root", kQemuRoot, 1);
  add_drive(argv, "hashes", kQemuHashes, 2);
  if (machine.console == QemuMachine::Console::kStdout) argv.insert(argv.end(), {"-serial", "stdio"});
  return argv;
}

std::vector<std::string> qemu_probe_command(Accelerator accelerator) {
  constexpr uint32_t kProbeMib = 128;
  std::vector<std::string> argv =
      common("microvm,acpi=off,pit=on,pic=on,rtc=on,isa-serial=on", accelerator, kProbeMib);
  argv.insert(argv.end(), {"-smp", "1", "-kernel", fd_path(kQemuKernel), "-append",
                           std::string("console=ttyS0 ") + kBasics, "-serial", "stdio"});
  return argv;
}

}  // namespace hpcc
