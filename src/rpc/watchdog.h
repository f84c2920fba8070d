// Watchdog: ends calls that outlive their time, so that a peer that stops in the middle of a stream cannot hold a
// thread. A call is watched from its CallTimer's birth to its death. One thread; thread-safe.
#pragma once

#include <grpcpp/server_context.h>

#include <condition_variable>
#include <map>
#include <mutex>
#include <thread>

namespace hpcc {

class Watchdog {
 public:
  Watchdog();
  ~Watchdog();
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

 private:
  friend class CallTimer;
  using Calls = std::multimap<int64_t, grpc::ServerContext*>;  // by the monotonic time they end at
  void run();
  Calls::iterator add(grpc::ServerContext* context, int64_t at_ns);
  void remove(Calls::iterator call);

  std::mutex mutex_;
  std::condition_variable changed_;
  Calls calls_;
  bool ending_ = false;
  std::thread thread_;
};

class CallTimer {
 public:
  CallTimer(Watchdog& watchdog, grpc::ServerContext& context, int64_t limit_ms);
  ~CallTimer() { watchdog_.remove(call_); }
  CallTimer(const CallTimer&) = delete;
  CallTimer& operator=(const CallTimer&) = delete;

 private:
  Watchdog& watchdog_;
  Watchdog::Calls::iterator call_;
};

}  // namespace hpcc
