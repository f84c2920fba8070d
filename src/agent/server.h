// The agent's half that speaks to the host: one session at a time over connected streams, by gRPC. It keeps blobs, has
// compiles started by the first process, and sends their results on. Threads: one per session for receiving, one per
// compile for sending; they share a Session under its mutex.
#pragma once

#include "agent/site.h"
#include "base/fd.h"

namespace hpcc {

// `first`: a SOCK_SEQPACKET socket to the first process; each message on it starts a supervisor and carries the
// supervisor's end of a channel and the job. Returns when no connection can come any more.
Status run_server(const Site& site, Fd first);

}  // namespace hpcc
