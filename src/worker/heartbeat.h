// Heartbeat: tells the scheduler at short intervals that this worker is there and what it has warm, and learns from the
// answer whose grants to believe. A scheduler that is away is asked again for as long as the worker runs.
#pragma once

#include <hpcc/v1/scheduler.pb.h>

#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

#include "rpc/tls.h"
#include "trust/keys.h"

namespace hpcc {

class Heartbeat {
 public:
  using Describe = std::function<hpcc::v1::HeartbeatRequest()>;
  using Learn = std::function<void(const PublicKey&)>;
  Heartbeat(const std::string& scheduler_address, const TlsMaterial& tls, Describe describe, Learn learn);
  ~Heartbeat();
  Heartbeat(const Heartbeat&) = delete;
  Heartbeat& operator=(const Heartbeat&) = delete;

 private:
  void run(const std::string& scheduler_address, const TlsMaterial& tls);

  const Describe describe_;
  const Learn learn_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool ending_ = false;
  std::thread thread_;
};

}  // namespace hpcc
