#include "worker/server.h"

#include <chrono>

#include "rpc/address.h"
#include "worker/heartbeat.h"
#include "worker/services.h"

namespace hpcc {
namespace {

constexpr auto kStop = std::chrono::seconds(2);  // for calls in flight when the worker ends

hpcc::v1::Session encode(const SessionInfo& session) {
  hpcc::v1::Session out;
  out.set_tenant(session.tenant);
  out.set_image(session.image.text());
  out.set_vm(session.sandbox.vm_id);
  out.set_driver(session.sandbox.driver);
  out.set_busy(session.busy);
  out.set_compiles(session.compiles);
  out.set_age_ms(static_cast<uint64_t>(session.age_ms));
  out.set_idle_ms(static_cast<uint64_t>(session.idle_ms));
  return out;
}

// Members in the order in which they need each other; they go in the reverse.
class Server final : public WorkerServer {
 public:
  Server(const WorkerOptions& options, std::string name, SigningKey key, std::unique_ptr<Cas> cas, BootGuest boot)
      : options_(options),
        name_(std::move(name)),
        key_(std::move(key)),
        cas_(std::move(cas)),
        results_(*cas_, key_.public_key()),
        sessions_(std::move(boot), options_.sessions),
        gate_(name_, key_.public_key()) {}

  ~Server() override {
    heartbeat_.reset();
    // First what the calls wait for, then the calls.
    if (server_ != nullptr) server_->Shutdown(std::chrono::system_clock::now() + kStop);
    server_.reset();
    operations_.reset();
  }

  Status open_log() {
    TRY_ASSIGN(log_, AuditLog::open(options_.audit_log, name_, key_));
    return {};
  }

  Status listen(const TlsMaterial& tls) {
    executor_ = std::make_unique<Executor>(Executor::Parts{name_, *cas_, results_, sessions_, *log_, key_});
    operations_ = std::make_unique<Operations>(options_.operations);
    const ServiceParts parts{gate_, *cas_, *executor_, *operations_, watchdog_, key_.public_key()};
    services_.push_back(std::make_unique<CasService>(parts));
    services_.push_back(std::make_unique<ByteStreamService>(parts));
    services_.push_back(std::make_unique<CacheService>(parts));
    services_.push_back(std::make_unique<CapabilitiesService>(parts));
    services_.push_back(std::make_unique<ExecutionService>(parts));
    services_.push_back(std::make_unique<OperationsService>(parts));
    services_.push_back(std::make_unique<ReplayService>(parts));
    grpc::ServerBuilder builder;
    ServerLimits bounds;
    bounds.message_bytes = limits::kRpcMessageBytes;
    listen_tls(builder, options_.listen, tls, bounds, &port_);
    for (const auto& service : services_) builder.RegisterService(service.get());
    server_ = builder.BuildAndStart();
    if (server_ == nullptr || port_ == 0) return Error{Code::kIo, "cannot listen on " + options_.listen};
    if (!options_.scheduler_address.empty()) {
      heartbeat_ = std::make_unique<Heartbeat>(
          options_.scheduler_address, tls, [this] { return describe(); },
          [this](const PublicKey& key) { gate_.set_scheduler_key(key); });
    }
    return {};
  }

  const std::string& name() const override { return name_; }
  std::string address() const override { return dialled_address(options_.listen, options_.advertise, port_); }
  const PublicKey& public_key() const override { return key_.public_key(); }
  void set_scheduler_key(const PublicKey& key) override { gate_.set_scheduler_key(key); }
  Sessions& sessions() override { return sessions_; }
  AuditLog& log() override { return *log_; }

 private:
  hpcc::v1::HeartbeatRequest describe() const {
    hpcc::v1::HeartbeatRequest request;
    request.set_address(address());
    request.set_receipt_public_key(std::string(key_.public_key().view()));
    request.set_driver(options_.driver);
    request.set_slots(static_cast<uint32_t>(options_.operations.slots));
    request.set_busy(static_cast<uint32_t>(operations_->busy()));
    request.set_build(options_.build);
    request.set_started(started_);
    if (options_.images) {
      for (std::string& image : options_.images()) request.add_images(std::move(image));
    }
    for (const SessionInfo& session : sessions_.list()) *request.add_sessions() = encode(session);
    return request;
  }

  const WorkerOptions options_;
  const uint64_t started_ = static_cast<uint64_t>(realtime_ns());
  const std::string name_;
  const SigningKey key_;
  const std::unique_ptr<Cas> cas_;
  std::unique_ptr<AuditLog> log_;
  Results results_;
  Sessions sessions_;
  Gate gate_;
  Watchdog watchdog_;
  std::unique_ptr<Executor> executor_;
  std::unique_ptr<Operations> operations_;
  std::vector<std::unique_ptr<grpc::Service>> services_;
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<Heartbeat> heartbeat_;
};

}  // namespace

Result<std::unique_ptr<WorkerServer>> WorkerServer::start(const WorkerOptions& options, const TlsMaterial& tls,
                                                          SigningKey key, BootGuest boot) {
  TRY(check_addresses(options.listen, options.advertise));
  TRY_ASSIGN(const Peer self, decode_peer(tls.certificate_pem));
  if (self.identity.role != Role::kWorker) return Error{Code::kPermission, "the certificate is not a worker's"};
  TRY_ASSIGN(std::unique_ptr<Cas> cas, Cas::open(options.cas_dir, options.cas_bytes));
  auto server = std::make_unique<Server>(options, self.identity.name, std::move(key), std::move(cas), std::move(boot));
  TRY(server->open_log());
  TRY(server->listen(tls));
  return std::unique_ptr<WorkerServer>(std::move(server));
}

}  // namespace hpcc
