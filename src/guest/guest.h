// GuestSession: the worker's side of one stream to a guest's agent. All bytes of the guest are read by a confined
// process (the proxy: own uid, no new privileges, system call filter, limits) which checks every frame and hashes every
// output; the worker gets small checked frames and sealed memory from it, never the guest's own bytes.
//
// Thread-safe: compile() may be called by many threads at once. A compile that is given up is ended in the guest; a
// guest that misbehaves ends its session, with an Error that says how, and nothing else.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/deadline.h"
#include "base/fd.h"
#include "base/limits.h"
#include "base/result.h"
#include "model/digest.h"
#include "model/probes.h"

namespace hpcc {

struct GuestInput {
  std::string path;  // relative to the logical root, normal: "src/a.c"
  BlobDigest digest;
  uint64_t size_bytes = 0;
  bool executable = false;
};

struct GuestLimits {
  uint32_t wall_ms = 120'000;
  uint32_t processes = 256;
  uint64_t memory_bytes = uint64_t{4} << 30;    // all processes together; of a microVM's no more than it has
  uint64_t disk_bytes = uint64_t{1} << 30;      // everything the compile writes
  uint64_t output_bytes = limits::kRemoteOutputBytes;  // all outputs together
  uint32_t stdio_bytes = 4u << 20;              // stdout and stderr, each; the compile is ended beyond it
};

struct GuestCompile {
  std::vector<std::string> argv;         // argv[0] without slash is looked up in PATH of the image
  std::vector<std::string> environment;  // "NAME=value"; all there is besides the agent's pinned ones
  std::string working_directory;         // relative to the logical root, "" is the root itself
  std::vector<GuestInput> inputs;
  std::vector<std::string> directories;  // empty directories of the input tree
  std::vector<std::string> outputs;      // files relative to the logical root; their directories are made
  GuestLimits limits;
};

struct GuestOutput {
  std::string path;  // as asked for
  bool executable = false;
  BlobDigest digest;  // computed on this side of the stream
  uint64_t size_bytes = 0;
  Fd file;  // sealed memory, at offset 0
};

enum class GuestEnd {
  kExited,
  kSignalled,  // by a signal of its own
  kTimeLimit,  // these were ended by the agent
  kMemoryLimit,
  kOutputLimit,    // stdio or outputs
  kRefusedOutput,  // an output is no regular file
};

struct GuestResult {
  GuestEnd end = GuestEnd::kExited;
  int exit_code = 0;                 // 128 + signal unless kExited
  std::vector<GuestOutput> outputs;  // those of the asked-for that are there, in that order; none after an end by limit
  std::string stdout_bytes, stderr_bytes;
  std::string message;  // said by the guest about an end that was not the compile's own; printable
  Probes probes;
  bool observed = true;       // false: the probes may miss some, because the compile escaped the observer
  uint64_t peak_rss_kib = 0;  // said by the guest, as are the next two
  uint64_t cpu_ms = 0;
  uint64_t wall_ms = 0;
};

// Where the worker's blobs are. open() gives a readable file with exactly the blob's bytes; the proxy hashes them.
class BlobSource {
 public:
  virtual ~BlobSource() = default;
  virtual Result<Fd> open(const BlobDigest& digest) = 0;
};

// Given up by whoever asked for the compile: readable (POLLIN) from then on. -1: never.
struct Cancel {
  int fd = -1;
};

struct GuestOptions {
  // What to execute as the proxy, argv[0] being the file: the worker itself and --role=guest. It must call
  // run_guest_proxy().
  std::vector<std::string> proxy_argv = {"/proc/self/exe", "--role=guest"};
  uint64_t blob_cache_bytes = uint64_t{256} << 20;  // what the agent keeps, so that only deltas travel
  uint32_t grace_ms = 30'000;                       // how long the guest may take beyond a compile's own limit of time
};

class GuestSession {
 public:
  // Starts the proxy on a connected stream; waits until the agent has reseeded its randomness and set its clock.
  static Result<std::unique_ptr<GuestSession>> start(Fd agent, const GuestOptions& options, Deadline deadline);
  virtual ~GuestSession() = default;  // ends the proxy at once

  // Errors: kTimeout (deadline, or the guest did not answer in time), kPermission (cancelled), kCorrupt (the guest
  // broke the protocol; the message says how), kIo (guest or proxy ended). healthy() then tells whether the session can
  // go on. An Error is never the compiler's: that is GuestResult::exit_code.
  virtual Result<GuestResult> compile(const GuestCompile& what, BlobSource& blobs, Cancel cancel,
                                      Deadline deadline) = 0;
  virtual bool healthy() const = 0;
  virtual pid_t proxy_pid() const = 0;
};

// The proxy's main, for `--role=guest`. Returns the exit code.
int run_guest_proxy();

}  // namespace hpcc
