// hpcc-worker: wiring only.
//   --up DIR --driver qemu|namespace --scheduler HOST:PORT   serves with DIR/worker, DIR/images and DIR/cas
//   --role=NAME   one of the processes that the worker starts from its own file, each confined
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <string>
#include <thread>

#include "base/fs.h"
#include "base/uuid.h"
#include "build_id.h"
#include "cmd/arguments.h"
#include "guest/guest.h"
#include "image/image_store.h"
#include "vm/preflight.h"
#include "vm/qemu.h"
#include "vm/sandbox.h"
#include "worker/server.h"

namespace hpcc {
namespace {

constexpr int64_t kBootMs = 60'000;   // under emulation on a busy machine
constexpr int64_t kProbeMs = 20'000;  // whether KVM boots a kernel

struct Arguments {
  std::string up, scheduler;
  std::string listen = "127.0.0.1:0";
  std::string advertise;
  std::string driver = "namespace";
  std::string kernel, agent;
  int slots = 0;
  int guests = 8;
  int memory_mib = 2048;
  int ready_fd = -1;
};

Status parse_arguments(int argc, char** argv, Arguments* out) {
  const NamedArgument known[] = {{"--up", &out->up},
                                 {"--scheduler", &out->scheduler},
                                 {"--listen", &out->listen},
                                 {"--advertise", &out->advertise},
                                 {"--driver", &out->driver},
                                 {"--kernel", &out->kernel},
                                 {"--agent", &out->agent},
                                 {"--slots", nullptr, &out->slots},
                                 {"--guests", nullptr, &out->guests, 1},
                                 {"--memory-mib", nullptr, &out->memory_mib, 1},
                                 {"--ready-fd", nullptr, &out->ready_fd}};
  TRY(decode_arguments(argc, argv, known));
  if (out->up.empty()) return Error{Code::kInvalid, "no --up"};
  if (out->scheduler.empty()) return Error{Code::kInvalid, "no --scheduler"};
  if (out->driver == "qemu" || out->driver == "namespace") return {};
  return Error{Code::kInvalid, "--driver wants qemu or namespace, not \"" + out->driver + "\""};
}

// What every guest is made of. `isolation`: what holds it, as rows say.
Status find_guest_files(const Arguments& arguments, SandboxSpec* spec, std::string* isolation) {
  const std::string here = program_directory();
  spec->agent = arguments.agent.empty() ? here + "/hpcc-agent" : arguments.agent;
  spec->memory_mib = static_cast<uint32_t>(arguments.memory_mib);
  spec->vcpus = std::max(1u, std::thread::hardware_concurrency());
  *isolation = arguments.driver;
  if (arguments.driver == "namespace") return {};
  spec->kernel = arguments.kernel.empty() ? find_guest_kernel(here) : arguments.kernel;
  const std::string unbootable = guest_kernel_problem(spec->kernel);
  if (!unbootable.empty()) {
    return Error{Code::kNotFound, unbootable + ": build it with ./dev guest, or name one in HPCC_GUEST_KERNEL"};
  }
  const Status kvm = probe_kvm(spec->kernel, Deadline::after_ms(kProbeMs));
  spec->accelerator = kvm.ok() ? Accelerator::kKvm : Accelerator::kTcg;
  *isolation = kvm.ok() ? "qemu-kvm" : "qemu-tcg";
  return {};
}

// A guest with this image, booted and greeted.
BootGuest boot_with(const SandboxSpec& common, const std::string& run_dir, bool is_qemu, const ImageStore& images) {
  return [=, &images](const ImageDigest& image, Deadline deadline) -> Result<Guest> {
    const Deadline own = Deadline::earlier(deadline, Deadline::after_ms(kBootMs));
    SandboxSpec spec = common;
    TRY_ASSIGN(spec.rootfs, images.find(image));
    spec.state_dir = run_dir + "/vm-" + new_uuid7();
    Guest guest;
    TRY_ASSIGN(guest.sandbox, is_qemu ? start_qemu(spec, own) : start_namespace(spec, own));
    TRY_ASSIGN(Fd stream, guest.sandbox->connect(own));
    auto session = GuestSession::start(std::move(stream), GuestOptions(), own);
    if (!session.ok()) {
      // A sandbox that has ended says more of the reason than the end of its stream does.
      const auto again = guest.sandbox->connect(own);
      return again.ok() ? std::move(session).error() : again.error();
    }
    guest.session = std::move(*session);
    return guest;
  };
}

Status serve(const Arguments& arguments, const sigset_t& signals) {
  SandboxSpec guests;
  WorkerOptions options;
  TRY(find_guest_files(arguments, &guests, &options.driver));
  TRY_ASSIGN(const TlsMaterial tls, read_tls(arguments.up + "/worker"));
  TRY_ASSIGN(SigningKey key, SigningKey::load(arguments.up + "/worker/receipt.key"));
  TRY_ASSIGN(const ImageStore images, ImageStore::open(arguments.up + "/images"));
  TRY(make_directories(arguments.up + "/run", 0700));
  options.cas_dir = arguments.up + "/cas";
  options.audit_log = arguments.up + "/audit.tsv";
  options.listen = arguments.listen;
  options.advertise = arguments.advertise;
  options.scheduler_address = arguments.scheduler;
  options.build = HPCC_BUILD_ID;
  options.images = [&images] {
    std::vector<std::string> names;
    const auto digests = images.list();
    if (!digests.ok()) return names;
    for (const ImageDigest& digest : *digests) names.push_back(digest.text());
    return names;
  };
  const unsigned processors = std::max(1u, std::thread::hardware_concurrency());
  options.operations.slots = arguments.slots > 0 ? static_cast<size_t>(arguments.slots) : processors;
  options.sessions.max_guests = static_cast<size_t>(arguments.guests);
  TRY_ASSIGN(const std::unique_ptr<WorkerServer> server,
             WorkerServer::start(options, tls, std::move(key),
                                 boot_with(guests, arguments.up + "/run", arguments.driver == "qemu", images)));
  if (arguments.ready_fd >= 0) {
    TRY(write_fd(arguments.ready_fd, server->address() + " " + options.driver + "\n", "the ready descriptor"));
    ::close(arguments.ready_fd);
  }
  int signal_number = 0;
  sigwait(&signals, &signal_number);
  return {};
}

}  // namespace
}  // namespace hpcc

int main(int argc, char** argv) {
  // The processes that read what guests wrote: each confines itself before it reads the first byte.
  if (argc >= 2 && strcmp(argv[1], "--role=guest") == 0) return hpcc::run_guest_proxy();
  if (const int code = hpcc::run_vm_role(argc, argv); code >= 0) return code;
  hpcc::Arguments arguments;
  if (const hpcc::Status wrong = hpcc::parse_arguments(argc, argv, &arguments); !wrong.ok()) {
    fprintf(stderr,
            "hpcc-worker: %s\n"
            "usage: hpcc-worker --up DIR --scheduler HOST:PORT [--driver qemu|namespace] [--listen HOST:PORT]\n"
            "                   [--advertise HOST:PORT] [--slots N] [--guests N] [--memory-mib N] [--kernel FILE]\n"
            "                   [--agent FILE] [--ready-fd N]\n"
            "  --advertise: where clients reach it, when --listen is an address that nobody can dial (0.0.0.0)\n",
            wrong.error().message.c_str());
    return 2;
  }
  // Before any thread, so that all of them leave these to sigwait().
  sigset_t signals;
  sigemptyset(&signals);
  for (int number : {SIGINT, SIGTERM}) sigaddset(&signals, number);
  sigprocmask(SIG_BLOCK, &signals, nullptr);
  signal(SIGPIPE, SIG_IGN);
  const hpcc::Status done = hpcc::serve(arguments, signals);
  if (done.ok()) return 0;
  fprintf(stderr, "hpcc-worker: %s\n", done.error().to_string().c_str());
  return 1;
}
