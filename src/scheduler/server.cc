#include "scheduler/server.h"

#include <hpcc/v1/scheduler.grpc.pb.h>

#include <chrono>
#include <mutex>

#include "base/fs.h"
#include "base/limits.h"
#include "base/uuid.h"
#include "rpc/address.h"
#include "rpc/status.h"
#include "rpc/watchdog.h"
#include "scheduler/registry.h"
#include "trust/grant.h"
#include "trust/row.h"

namespace hpcc {
namespace {

constexpr int64_t kCallMs = 10'000;
constexpr auto kStop = std::chrono::seconds(1);
constexpr int kMaxAvoid = 64;

struct Shared {
  Shared(const SchedulerOptions& given, std::string ca, SigningKey signing)
      : options(given), ca_pem(std::move(ca)), key(std::move(signing)), started_ms(monotonic_ms()) {}
  const SchedulerOptions options;
  const std::string ca_pem;
  const SigningKey key;
  const int64_t started_ms;
  Watchdog watchdog;
  std::mutex mutex;
  Registry registry;    // guarded
  uint64_t leases = 0;  // guarded
};

Result<Peer> enter(const grpc::ServerContext& context, Role role) {
  TRY_ASSIGN(const Peer peer, peer_of(*context.auth_context()));
  if (peer.identity.role != role) {
    return Error{Code::kPermission, "only a " + std::string(role_name(role)) + " may ask for this"};
  }
  return peer;
}

class RegistryService final : public hpcc::v1::WorkerRegistry::Service {
 public:
  explicit RegistryService(Shared& shared) : shared_(shared) {}

  grpc::Status Heartbeat(grpc::ServerContext* context, const hpcc::v1::HeartbeatRequest* request,
                         hpcc::v1::HeartbeatResponse* response) override {
    const CallTimer timer(shared_.watchdog, *context, kCallMs);
    const auto peer = enter(*context, Role::kWorker);
    if (!peer.ok()) return to_grpc(peer.error());
    std::lock_guard lock(shared_.mutex);
    const Status heard = shared_.registry.hear(peer->identity.name, *request, monotonic_ms());
    if (!heard.ok()) return to_grpc(heard.error());
    response->set_interval_ms(kHeartbeatMs);
    response->set_grant_public_key(std::string(shared_.key.public_key().view()));
    return grpc::Status::OK;
  }

 private:
  Shared& shared_;
};

class LookupService final : public hpcc::v1::Scheduler::Service {
 public:
  explicit LookupService(Shared& shared) : shared_(shared) {}

  grpc::Status Lookup(grpc::ServerContext* context, const hpcc::v1::LookupRequest* request,
                      hpcc::v1::Lease* response) override {
    const CallTimer timer(shared_.watchdog, *context, kCallMs);
    const auto peer = enter(*context, Role::kClient);
    if (!peer.ok()) return to_grpc(peer.error());
    if (request->avoid_size() > kMaxAvoid) return to_grpc({Code::kInvalid, "too many workers to avoid"});
    const auto choice = choose(*peer, *request);
    if (!choice.ok()) return to_grpc(choice.error());
    const Status leased = lease(*peer, request->image(), *choice, response);
    return leased.ok() ? grpc::Status::OK : to_grpc(leased.error());
  }

  grpc::Status GetStatus(grpc::ServerContext* context, const hpcc::v1::GetStatusRequest*,
                         hpcc::v1::StatusResponse* response) override {
    const CallTimer timer(shared_.watchdog, *context, kCallMs);
    const auto peer = peer_of(*context->auth_context());
    if (!peer.ok()) return to_grpc(peer.error());
    const int64_t now = monotonic_ms();
    std::lock_guard lock(shared_.mutex);
    response->set_leases(shared_.leases);
    response->set_uptime_ms(static_cast<uint64_t>(now - shared_.started_ms));
    for (const WorkerEntry& worker : shared_.registry.list(now)) {
      auto* out = response->add_workers();
      out->set_name(worker.name);
      out->set_address(worker.state.address());
      out->set_driver(worker.state.driver());
      out->set_slots(worker.state.slots());
      out->set_busy(worker.state.busy());
      out->set_heard_ms_ago(static_cast<uint64_t>(now - worker.heard_ms));
      out->set_build(worker.state.build());
      *out->mutable_images() = worker.state.images();
      out->set_sessions_total(static_cast<uint32_t>(worker.state.sessions_size()));
      for (const auto& session : worker.state.sessions()) {
        const bool hidden = peer->identity.role == Role::kClient && session.tenant() != peer->identity.tenant;
        if (!hidden) *out->add_sessions() = session;
      }
    }
    return grpc::Status::OK;
  }

 private:
  Result<Registry::Choice> choose(const Peer& peer, const hpcc::v1::LookupRequest& request) {
    std::lock_guard lock(shared_.mutex);
    TRY_ASSIGN(
        Registry::Choice choice,
        shared_.registry.choose(peer.identity.tenant,
                                {request.image(), {request.avoid().begin(), request.avoid().end()}, request.worker()},
                                monotonic_ms()));
    ++shared_.leases;
    return choice;
  }

  Status lease(const Peer& peer, const std::string& image, const Registry::Choice& choice, hpcc::v1::Lease* out) {
    Grant grant;
    grant.id = new_uuid7();
    grant.tenant = peer.identity.tenant;
    grant.image = image;
    grant.client = peer.certificate.hex();
    grant.worker = choice.worker.name;
    grant.worker_key = choice.worker.receipt_key;
    grant.not_before_s = static_cast<uint64_t>(realtime_ns() / 1'000'000'000);
    grant.expires_s = grant.not_before_s + static_cast<uint64_t>(shared_.options.grant_s);
    TRY_ASSIGN(*out->mutable_grant(), sign_grant(grant, shared_.key));
    out->set_worker(choice.worker.name);
    out->set_address(choice.worker.state.address());
    out->set_ca_pem(shared_.ca_pem);
    out->set_receipt_public_key(std::string(choice.worker.receipt_key.view()));
    out->set_expires_unix_s(static_cast<int64_t>(grant.expires_s));
    out->set_driver(choice.worker.state.driver());
    out->set_warm(choice.warm);
    out->set_registration(choice.worker.registration);
    return {};
  }

  Shared& shared_;
};

class Server final : public SchedulerServer {
 public:
  Server(const SchedulerOptions& options, const TlsMaterial& tls, SigningKey key)
      : shared_(options, tls.ca_pem, std::move(key)), registry_(shared_), lookup_(shared_) {}

  ~Server() override {
    if (server_ != nullptr) server_->Shutdown(std::chrono::system_clock::now() + kStop);
  }

  Status listen(const TlsMaterial& tls) {
    grpc::ServerBuilder builder;
    ServerLimits bounds;
    bounds.message_bytes = limits::kSchedulerMessageBytes;
    listen_tls(builder, shared_.options.listen, tls, bounds, &port_);
    builder.RegisterService(&registry_);
    builder.RegisterService(&lookup_);
    server_ = builder.BuildAndStart();
    if (server_ == nullptr || port_ == 0) return Error{Code::kIo, "cannot listen on " + shared_.options.listen};
    return {};
  }

  std::string address() const override {
    return dialled_address(shared_.options.listen, shared_.options.advertise, port_);
  }
  const PublicKey& public_key() const override { return shared_.key.public_key(); }

 private:
  Shared shared_;
  RegistryService registry_;
  LookupService lookup_;
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace

Result<std::unique_ptr<SchedulerServer>> SchedulerServer::start(const SchedulerOptions& options, const TlsMaterial& tls,
                                                                SigningKey key) {
  TRY_ASSIGN(const Peer self, decode_peer(tls.certificate_pem));
  if (self.identity.role != Role::kScheduler) return Error{Code::kPermission, "the certificate is not a scheduler's"};
  TRY(check_addresses(options.listen, options.advertise));
  auto server = std::make_unique<Server>(options, tls, std::move(key));
  TRY(server->listen(tls));
  return std::unique_ptr<SchedulerServer>(std::move(server));
}

}  // namespace hpcc
