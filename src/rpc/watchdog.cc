#include "rpc/watchdog.h"

#include <chrono>
#include <limits>

#include "base/fs.h"

namespace hpcc {
namespace {

constexpr int64_t kNever = std::numeric_limits<int64_t>::max();

}  // namespace

Watchdog::Watchdog() : thread_([this] { run(); }) {}

Watchdog::~Watchdog() {
  {
    std::lock_guard lock(mutex_);
    CHECK(calls_.empty());  // a server outlives its calls
    ending_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

void Watchdog::run() {
  std::unique_lock lock(mutex_);
  while (!ending_) {
    const int64_t now_ns = monotonic_ns();
    for (auto call = calls_.begin(); call != calls_.end() && call->first <= now_ns;) {
      call->second->TryCancel();
      // Still watched: the handler removes it when it returns.
      auto node = calls_.extract(call++);
      node.key() = kNever;
      calls_.insert(std::move(node));
    }
    const bool idle = calls_.empty() || calls_.begin()->first == kNever;
    const int64_t wait_ns = idle ? int64_t{60'000'000'000} : calls_.begin()->first - now_ns;
    changed_.wait_for(lock, std::chrono::nanoseconds(wait_ns));
  }
}

Watchdog::Calls::iterator Watchdog::add(grpc::ServerContext* context, int64_t at_ns) {
  std::lock_guard lock(mutex_);
  auto call = calls_.emplace(at_ns, context);
  if (call == calls_.begin()) changed_.notify_one();
  return call;
}

void Watchdog::remove(Calls::iterator call) {
  std::lock_guard lock(mutex_);
  calls_.erase(call);
}

CallTimer::CallTimer(Watchdog& watchdog, grpc::ServerContext& context, int64_t limit_ms)
    : watchdog_(watchdog), call_(watchdog.add(&context, monotonic_ns() + limit_ms * 1'000'000)) {}

}  // namespace hpcc
