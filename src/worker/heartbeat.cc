#include "worker/heartbeat.h"

#include <hpcc/v1/scheduler.grpc.pb.h>

#include <algorithm>
#include <chrono>

#include "base/limits.h"
#include "rpc/identity.h"

namespace hpcc {
namespace {

constexpr auto kCall = std::chrono::seconds(2);
constexpr uint32_t kRetryMs = 500;
constexpr uint32_t kLongestMs = 30'000;

}  // namespace

Heartbeat::Heartbeat(const std::string& scheduler_address, const TlsMaterial& tls, Describe describe, Learn learn)
    : describe_(std::move(describe)),
      learn_(std::move(learn)),
      thread_([this, scheduler_address, tls] { run(scheduler_address, tls); }) {}

Heartbeat::~Heartbeat() {
  {
    std::lock_guard lock(mutex_);
    ending_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

void Heartbeat::run(const std::string& scheduler_address, const TlsMaterial& tls) {
  const std::string expected = server_name({Role::kScheduler, "", "scheduler"});
  const auto stub =
      hpcc::v1::WorkerRegistry::NewStub(dial_tls(scheduler_address, expected, tls, limits::kSchedulerMessageBytes));
  std::string last_trouble;
  for (;;) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + kCall);
    hpcc::v1::HeartbeatResponse response;
    const grpc::Status status = stub->Heartbeat(&context, describe_(), &response);
    uint32_t wait_ms = kRetryMs;
    if (status.ok() && response.grant_public_key().size() == 32) {
      PublicKey key;
      std::copy_n(response.grant_public_key().begin(), 32, key.bytes.begin());
      learn_(key);
      wait_ms = std::clamp(response.interval_ms(), kRetryMs, kLongestMs);
      last_trouble.clear();
    } else if (status.error_message() != last_trouble) {
      last_trouble = status.error_message();
      fprintf(stderr, "hpcc-worker: scheduler %s: %s\n", scheduler_address.c_str(), last_trouble.c_str());
    }
    std::unique_lock lock(mutex_);
    if (changed_.wait_for(lock, std::chrono::milliseconds(wait_ms), [this] { return ending_; })) return;
  }
}

}  // namespace hpcc
