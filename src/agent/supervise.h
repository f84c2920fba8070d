// The supervisor of one compile: a process of its own outside the compile's PID namespace. It makes the compile's
// mounts, starts it, observes it, ends everything it started, and hands back results as descriptors.
//
// Meets the server over a SOCK_SEQPACKET channel: it sends kStagedMessage once the blobs are no longer needed, then
// kResultMessage with descriptors: the encoded v1::Result, stdout, stderr, probes, and each output. Anything it
// receives, and the end of the channel, cancels the compile.
#pragma once

#include "agent/site.h"
#include "base/fd.h"

namespace hpcc {

inline constexpr char kStagedMessage[] = "S", kResultMessage[] = "R";
inline constexpr size_t kResultFds = 4;  // before the outputs

// `job` is the sealed, encoded v1::Compile. `slot` tells this compile's uid and cgroup from those of others running.
[[noreturn]] void supervise(const Site& site, Fd channel, Fd job, unsigned slot);

}  // namespace hpcc
