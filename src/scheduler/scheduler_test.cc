#include <grpcpp/client_context.h>
#include <gtest/gtest.h>
#include <hpcc/v1/scheduler.grpc.pb.h>

#include <chrono>

#include "base/fs.h"
#include "base/limits.h"
#include "rpc/authority.h"
#include "scheduler/registry.h"
#include "scheduler/server.h"
#include "trust/grant.h"

namespace hpcc {
namespace {

const std::string kImage = ImageDigest::of("a toolchain").text();

hpcc::v1::HeartbeatRequest beat(const std::string& address, const std::vector<std::string>& warm_tenants = {},
                                uint32_t busy = 0) {
  hpcc::v1::HeartbeatRequest request;
  request.set_address(address);
  request.set_receipt_public_key(std::string(32, 'k'));
  request.set_driver("namespace");
  request.set_slots(2);
  request.set_busy(busy);
  request.add_images(kImage);
  for (const std::string& tenant : warm_tenants) {
    auto* session = request.add_sessions();
    session->set_tenant(tenant);
    session->set_image(kImage);
  }
  return request;
}

TEST(Registry, PrefersAWarmWorkerThenTheLeastLoaded) {
  Registry registry;
  ASSERT_TRUE(registry.hear("a", beat("a:1", {}, 1), 0).ok());
  ASSERT_TRUE(registry.hear("b", beat("b:1", {"acme"}, 2), 0).ok());
  ASSERT_TRUE(registry.hear("c", beat("c:1"), 0).ok());
  const auto acme = registry.choose("acme", {kImage, {}, ""}, 1);
  ASSERT_TRUE(acme.ok());
  EXPECT_EQ(acme->worker.name, "b");
  EXPECT_TRUE(acme->warm);
  const auto zeta = registry.choose("zeta", {kImage, {}, ""}, 1);
  EXPECT_EQ(zeta->worker.name, "c");
  EXPECT_FALSE(zeta->warm) << "another tenant's session is not warm for this one";
  EXPECT_EQ(registry.choose("acme", {kImage, {"b"}, ""}, 1)->worker.name, "a") << "c has been leased since";
  EXPECT_EQ(registry.choose("acme", {kImage, {"a", "b", "c"}, ""}, 1)->worker.name, "b") << "better than none";
}

TEST(Registry, AnOverloadedWorkerIsNotPreferredForBeingWarm) {
  Registry registry;
  ASSERT_TRUE(registry.hear("a", beat("a:1"), 0).ok());
  ASSERT_TRUE(registry.hear("b", beat("b:1", {"acme"}, 8), 0).ok());
  EXPECT_EQ(registry.choose("acme", {kImage, {}, ""}, 1)->worker.name, "a");
}

TEST(Registry, GivesTheWorkerThatIsAskedForOrNone) {
  Registry registry;
  ASSERT_TRUE(registry.hear("a", beat("a:1"), 0).ok());
  ASSERT_TRUE(registry.hear("b", beat("b:1", {"acme"}, 8), 0).ok());
  EXPECT_EQ(registry.choose("acme", {kImage, {}, "b"}, 1)->worker.name, "b") << "however busy";
  EXPECT_NE(registry.choose("acme", {kImage, {}, "c"}, 1).error().message.find("worker c"), std::string::npos);
  EXPECT_FALSE(registry.choose("acme", {"sha256:" + std::string(64, '0'), {}, "a"}, 1).ok());
}

TEST(Registry, ForgetsWhoIsSilentAndSaysWhatIsMissing) {
  Registry registry;
  EXPECT_EQ(registry.choose("acme", {kImage, {}, ""}, 0).error().code, Code::kNotFound);
  ASSERT_TRUE(registry.hear("a", beat("a:1"), 0).ok());
  EXPECT_TRUE(registry.choose("acme", {kImage, {}, ""}, kForgetMs).ok());
  EXPECT_NE(registry.choose("acme", {"sha256:" + std::string(64, '0'), {}, ""}, 0).error().message.find("image"),
            std::string::npos);
  EXPECT_FALSE(registry.choose("acme", {kImage, {}, ""}, kForgetMs + 1).ok());
}

TEST(Registry, ANameIsNotTakenOverByAnotherKeyWhileItsOwnerLives) {
  Registry registry;
  ASSERT_TRUE(registry.hear("a", beat("a:1"), 0).ok());
  auto other = beat("evil:1");
  other.set_receipt_public_key(std::string(32, 'x'));
  EXPECT_EQ(registry.hear("a", other, 1).error().code, Code::kPermission);
  EXPECT_TRUE(registry.hear("a", other, kForgetMs + 1).ok());
}

TEST(Registry, TellsOneLifeOfAWorkerFromTheNext) {
  Registry registry;
  const auto life = [&](uint64_t started, int64_t now_ms) {
    auto request = beat("a:1");
    request.set_started(started);
    EXPECT_TRUE(registry.hear("a", request, now_ms).ok());
    return registry.choose("acme", {kImage, {}, ""}, now_ms)->worker.registration;
  };
  const uint64_t first = life(7, 100);
  EXPECT_EQ(life(7, 101), first);
  const uint64_t second = life(8, 101);
  EXPECT_NE(second, first) << "started anew before it was forgotten";
  EXPECT_EQ(life(8, 102), second);
  const uint64_t third = life(8, 103 + kForgetMs);
  EXPECT_NE(third, second) << "it was away";
  Registry anew;
  ASSERT_TRUE(anew.hear("a", beat("a:1"), 104 + kForgetMs).ok());
  EXPECT_GT(anew.choose("acme", {kImage, {}, ""}, 104 + kForgetMs)->worker.registration, third);
}

TEST(Registry, AMalformedHeartbeatIsRefused) {
  const auto with = [](auto spoil) {
    auto request = beat("a:1");
    spoil(request);
    return check_heartbeat(request).ok();
  };
  EXPECT_TRUE(with([](auto&) {}));
  EXPECT_FALSE(with([](auto& request) { request.clear_address(); }));
  EXPECT_FALSE(with([](auto& request) { request.set_receipt_public_key("short"); }));
  EXPECT_FALSE(with([](auto& request) { request.add_images("latest"); }));
  EXPECT_FALSE(with([](auto& request) { request.add_sessions()->set_tenant("../x"); }));
  EXPECT_FALSE(with([](auto& request) {
    for (int i = 0; i < 300; ++i) request.add_images(kImage);
  }));
}

// The protocol cannot carry a payload: the only bytes in it are keys and grants.
TEST(SchedulerProtocol, HasNoFieldForAPayload) {
  const auto* file = hpcc::v1::Lease::descriptor()->file();
  std::vector<std::string> found;
  for (int i = 0; i < file->message_type_count(); ++i) {
    const auto* message = file->message_type(i);
    for (int j = 0; j < message->field_count(); ++j) {
      const auto* field = message->field(j);
      if (field->type() == google::protobuf::FieldDescriptor::TYPE_BYTES) found.push_back(field->name());
      EXPECT_TRUE(field->message_type() == nullptr || field->message_type()->file() == file) << field->full_name();
    }
  }
  EXPECT_EQ(found, (std::vector<std::string>{"receipt_public_key", "grant_public_key", "receipt_public_key", "grant"}));
}

// --- over the wire ---

class SchedulerTest : public testing::Test {
 protected:
  static const Authority& authority() {
    static const Authority made = std::move(Authority::create(3600)).value();
    return made;
  }
  static TlsMaterial tls(const Identity& identity) {
    const KeyPair pair = std::move(authority().issue(identity, 3600)).value();
    return {authority().pair().certificate_pem, pair.certificate_pem, pair.key_pem};
  }
  void SetUp() override {
    auto started =
        SchedulerServer::start({}, tls({Role::kScheduler, "", "scheduler"}), std::move(SigningKey::create()).value());
    ASSERT_TRUE(started.ok()) << started.error().to_string();
    server_ = std::move(started).value();
  }
  std::shared_ptr<grpc::Channel> dial(const TlsMaterial& material) {
    return dial_tls(server_->address(), "scheduler.hpcc", material, 1 << 20);
  }
  grpc::Status heartbeat(const TlsMaterial& material, const hpcc::v1::HeartbeatRequest& request) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
    return hpcc::v1::WorkerRegistry::NewStub(dial(material))->Heartbeat(&context, request, &beaten_);
  }
  grpc::Status lookup(const TlsMaterial& material, const std::string& image) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
    hpcc::v1::LookupRequest request;
    request.set_image(image);
    return hpcc::v1::Scheduler::NewStub(dial(material))->Lookup(&context, request, &lease_);
  }
  std::unique_ptr<SchedulerServer> server_;
  hpcc::v1::HeartbeatResponse beaten_;
  hpcc::v1::Lease lease_;
};

TEST_F(SchedulerTest, ALeaseHoldsAGrantForThisClientAndWorker) {
  const TlsMaterial client = tls({Role::kClient, "acme", "laptop"});
  EXPECT_EQ(lookup(client, kImage).error_code(), grpc::StatusCode::NOT_FOUND);
  ASSERT_TRUE(heartbeat(tls({Role::kWorker, "", "w1"}), beat("127.0.0.1:4711", {"acme"})).ok());
  EXPECT_EQ(beaten_.grant_public_key(), server_->public_key().view());
  const grpc::Status status = lookup(client, kImage);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(lease_.worker(), "w1");
  EXPECT_EQ(lease_.address(), "127.0.0.1:4711");
  EXPECT_EQ(lease_.ca_pem(), authority().pair().certificate_pem);
  EXPECT_TRUE(lease_.warm());
  const auto grant = decode_grant(lease_.grant(), server_->public_key());
  ASSERT_TRUE(grant.ok());
  const uint64_t now_s = static_cast<uint64_t>(realtime_ns() / 1'000'000'000);
  const Peer peer = std::move(decode_peer(client.certificate_pem)).value();
  EXPECT_TRUE(check_grant(*grant, {"acme", kImage, peer.certificate.hex(), "w1", now_s}).ok());
  EXPECT_EQ(grant->worker_key.view(), lease_.receipt_public_key());
  EXPECT_LE(grant->expires_s, now_s + 601);
}

TEST_F(SchedulerTest, RolesCannotActForEachOther) {
  EXPECT_EQ(heartbeat(tls({Role::kClient, "acme", "laptop"}), beat("a:1")).error_code(),
            grpc::StatusCode::PERMISSION_DENIED);
  EXPECT_EQ(lookup(tls({Role::kWorker, "", "w1"}), kImage).error_code(), grpc::StatusCode::PERMISSION_DENIED);
  EXPECT_EQ(lookup({authority().pair().certificate_pem, "", ""}, kImage).error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(SchedulerTest, AClientsCertificateCannotServe) {
  SchedulerOptions options;
  EXPECT_FALSE(
      SchedulerServer::start(options, tls({Role::kClient, "acme", "laptop"}), std::move(SigningKey::create()).value())
          .ok());
}

TEST_F(SchedulerTest, ItsAddressIsOneThatOthersCanDial) {
  const auto start = [](const std::string& advertise) -> std::string {
    SchedulerOptions options;
    options.listen = "0.0.0.0:0";
    options.advertise = advertise;
    auto started = SchedulerServer::start(options, tls({Role::kScheduler, "", "scheduler"}),
                                          std::move(SigningKey::create()).value());
    return started.ok() ? (*started)->address() : started.error().message;
  };
  EXPECT_NE(start("").find("--advertise"), std::string::npos);
  EXPECT_EQ(start("farm1.example:4000"), "farm1.example:4000");
}

TEST_F(SchedulerTest, AMessageBeyondItsLimitIsRefused) {
  hpcc::v1::HeartbeatRequest request = beat("a:1");
  request.set_build(std::string(limits::kSchedulerMessageBytes, 'x'));
  EXPECT_EQ(heartbeat(tls({Role::kWorker, "", "w1"}), request).error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
}

TEST_F(SchedulerTest, StatusShowsSessionsOfTheOwnTenantOnly) {
  ASSERT_TRUE(heartbeat(tls({Role::kWorker, "", "w1"}), beat("a:1", {"acme", "zeta"})).ok());
  grpc::ClientContext context;
  hpcc::v1::StatusResponse response;
  const auto stub = hpcc::v1::Scheduler::NewStub(dial(tls({Role::kClient, "acme", "laptop"})));
  ASSERT_TRUE(stub->GetStatus(&context, {}, &response).ok());
  ASSERT_EQ(response.workers_size(), 1);
  EXPECT_EQ(response.workers(0).sessions_total(), 2u);
  ASSERT_EQ(response.workers(0).sessions_size(), 1);
  EXPECT_EQ(response.workers(0).sessions(0).tenant(), "acme");
}

}  // namespace
}  // namespace hpcc
