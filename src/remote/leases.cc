#include "remote/leases.h"

#include <grpcpp/client_context.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "rpc/status.h"

namespace hpcc {
namespace {

constexpr int64_t kFailureStandsNs = 2'000'000'000;
constexpr int64_t kAvoidNs = 10'000'000'000;
constexpr int64_t kRenewS = 5;  // before its end
constexpr int kLookupMs = 5000;
constexpr int kMessageBytes = 1 << 20;
constexpr char kSchedulerName[] = "scheduler.hpcc";

// Tells one writing of a file from the next; "" when there is none.
std::string stamp_of(const std::string& path) {
  struct stat info;
  if (stat(path.c_str(), &info) != 0) return "";
  return std::to_string(info.st_ino) + " " + std::to_string(info.st_mtim.tv_sec) + "." +
         std::to_string(info.st_mtim.tv_nsec) + " " + std::to_string(info.st_size);
}

}  // namespace

Status Leases::connect_locked() {
  if (scheduler_) return {};
  Result<ClientConfig> config = load_client_config(config_path_);
  if (!config.ok() && config.error().code == Code::kNotFound) {
    return Error{Code::kNotFound, "no worker is up: `hpcc up` starts one", 0};
  }
  if (!config.ok()) return config.error();
  config_ = std::move(config).value();
  TRY_ASSIGN(tls_, read_tls(std::string(directory_of(config_path_))));
  scheduler_ = v1::Scheduler::NewStub(dial_tls(config_.scheduler, kSchedulerName, tls_, kMessageBytes));
  return {};
}

Result<ClientConfig> Leases::config() {
  std::lock_guard lock(mutex_);
  TRY(connect_locked());
  return config_;
}

Result<TlsMaterial> Leases::tls() {
  std::lock_guard lock(mutex_);
  TRY(connect_locked());
  return tls_;
}

Result<v1::Lease> Leases::look_up(const std::string& image, const std::string& avoided) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(kLookupMs));
  v1::LookupRequest request;
  request.set_image(image);
  if (!avoided.empty()) request.add_avoid(avoided);
  v1::Lease lease;
  const grpc::Status status = scheduler_->Lookup(&context, request, &lease);
  if (status.error_code() == grpc::StatusCode::NOT_FOUND) {
    const std::string where = " (`hpcc status` tells who is up, `hpcc image list` which images are here)";
    return Error{Code::kNotFound, status.error_message() + where, 0};
  }
  if (!status.ok()) return from_grpc(status, "scheduler " + config_.scheduler);
  return lease;
}

Result<v1::Lease> Leases::get(const std::string& image) {
  std::lock_guard lock(mutex_);  // one look-up serves all who wait for it
  const int64_t now_s = realtime_ns() / 1'000'000'000;
  auto found = leases_.find(image);
  if (found != leases_.end() && found->second.expires_unix_s() - kRenewS > now_s) return found->second;
  const std::string config = stamp_of(config_path_);
  if (monotonic_ns() < failed_until_ns_ && config == failed_config_) return failure_;
  // What a file or the scheduler says at once is asked again: an image may have come meanwhile.
  auto fail = [&](Error error) {
    failure_ = error;
    failed_until_ns_ = error.code == Code::kNotFound ? 0 : monotonic_ns() + kFailureStandsNs;
    failed_config_ = config;
    return error;
  };
  if (Status connected = connect_locked(); !connected.ok()) return fail(connected.error());
  const Avoided bad = avoided_[image].until_ns > monotonic_ns() ? avoided_[image] : Avoided();
  Result<v1::Lease> lease = look_up(image, bad.worker);
  if (!lease.ok()) {
    // Its address or certificate may be new in client.toml: after `hpcc down` and `hpcc up` they are.
    const std::string before = config_.scheduler;
    scheduler_.reset();
    if (connect_locked().ok() && config_.scheduler != before) lease = look_up(image, bad.worker);
  }
  if (!lease.ok()) {
    scheduler_.reset();
    return fail(lease.error());
  }
  // The scheduler takes some seconds to forget a worker that has gone. It is asked again for the next file.
  if (lease->worker() == bad.worker && lease->registration() == bad.registration) {
    return Error{Code::kIo, "worker " + bad.worker + " failed just now: " + bad.why, 0};
  }
  leases_[image] = *lease;
  return lease;
}

void Leases::avoid(const v1::Lease& lease, const std::string& image, const Error& why) {
  std::lock_guard lock(mutex_);
  leases_.erase(image);
  avoided_[image] = {lease.worker(), why.message, lease.registration(), monotonic_ns() + kAvoidNs};
}

void Leases::drop(const std::string& image) {
  std::lock_guard lock(mutex_);
  leases_.erase(image);
}

}  // namespace hpcc
