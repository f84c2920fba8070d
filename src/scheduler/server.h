// The scheduler as a whole: registry and services on one mutually authenticated port. Payload-free by construction: no
// message of its protocol holds one, and none beyond 64 KiB is taken.
#pragma once

#include <memory>
#include <string>

#include "rpc/tls.h"
#include "trust/keys.h"

namespace hpcc {

struct SchedulerOptions {
  std::string listen = "127.0.0.1:0";
  std::string advertise;  // host:port that clients and workers dial; "": `listen`, which then is no wildcard address
  int64_t grant_s = 600;  // how long a lease is good for
};

class SchedulerServer {
 public:
  // Listens when it returns. `key` signs grants.
  static Result<std::unique_ptr<SchedulerServer>> start(const SchedulerOptions& options, const TlsMaterial& tls,
                                                        SigningKey key);
  virtual ~SchedulerServer() = default;
  virtual std::string address() const = 0;  // host:port that others dial
  virtual const PublicKey& public_key() const = 0;
};

}  // namespace hpcc
