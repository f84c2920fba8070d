// Sandbox: one running guest for one tenant session, with hpcc-agent as its first process. Drivers: `qemu` (a microVM)
// and `namespace` (bubblewrap; for development: the host's kernel is the only wall).
//
// A Sandbox is used by one thread at a time. Destroying it ends the guest at once; whatever way it ends, no process,
// mount, socket or file of it is left behind.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/deadline.h"
#include "base/fd.h"
#include "base/result.h"
#include "model/rootfs.h"

namespace hpcc {

enum class Accelerator { kTcg, kKvm };

struct SandboxSpec {
  Rootfs rootfs;
  std::string kernel;     // qemu: uncompressed ELF vmlinux
  std::string agent;      // the hpcc-agent file
  std::string state_dir;  // made by the driver (mode 0700, must not exist), removed when the sandbox ends
  uint32_t memory_mib = 1024;
  uint32_t vcpus = 1;
  Accelerator accelerator = Accelerator::kTcg;  // qemu: kKvm only where probe_kvm() says that it works
  // qemu: what to execute for its helper processes. Must call run_vm_role() for --role=vm and --role=vsock.
  std::string role_program = "/proc/self/exe";
};

struct SandboxInfo {
  std::string driver;         // "qemu-tcg", "qemu-kvm", "namespace"
  std::string vm_id;          // UUIDv7, new for each start
  std::string rootfs_hash;    // dm-verity root hash; "" where the driver verifies nothing (namespace)
  std::string kernel_digest;  // sha256 hex of the kernel file; "" for namespace
  std::string agent_digest;   // sha256 hex of the agent file
};

class Sandbox {
 public:
  virtual ~Sandbox() = default;
  Sandbox() = default;
  Sandbox(const Sandbox&) = delete;
  Sandbox& operator=(const Sandbox&) = delete;

  // A new stream to the agent: connected, non-blocking. The guest can still be booting: waits for it.
  virtual Result<Fd> connect(Deadline deadline) = 0;
  virtual const SandboxInfo& info() const = 0;
  // Readable (POLLIN) once the guest has ended, by itself or not.
  virtual int ended_fd() const = 0;
  // Why it ended by itself, as far as is known, for people; "" while it has not.
  virtual std::string last_words() = 0;
  // Ends the guest and proves that nothing is left; an Error names what is. After it only info() may be called.
  virtual Status stop(Deadline deadline) = 0;
};

// Both return once the guest's first process has been started; connect() waits for the agent.
Result<std::unique_ptr<Sandbox>> start_namespace(const SandboxSpec& spec, Deadline deadline);
Result<std::unique_ptr<Sandbox>> start_qemu(const SandboxSpec& spec, Deadline deadline);

}  // namespace hpcc
