// Scheduler, worker and client together: what a lease gives is enough to compile, and nothing else is.
#include <hpcc/v1/scheduler.grpc.pb.h>

#include <thread>

#include "scheduler/server.h"
#include "worker/test_support.h"

namespace hpcc::test {
namespace {

class FarmTest : public testing::Test {
 protected:
  void SetUp() override {
    auto started = SchedulerServer::start({}, tls_for({Role::kScheduler, "", "scheduler"}),
                                          std::move(SigningKey::create()).value());
    ASSERT_TRUE(started.ok()) << started.error().to_string();
    scheduler_ = std::move(started).value();
    worker_ = std::make_unique<Worker>();
    worker_->options.scheduler_address = scheduler_->address();
    worker_->options.images = [] { return std::vector<std::string>{image().text()}; };
    worker_->start();
  }

  // Asks until the worker's first heartbeat has arrived.
  grpc::Status lookup(const std::string& tenant, hpcc::v1::Lease* lease) {
    const auto stub =
        hpcc::v1::Scheduler::NewStub(dial_tls(scheduler_->address(), "scheduler.hpcc", client_tls(tenant), 1 << 20));
    const Deadline deadline = Deadline::after_ms(20'000);
    for (;;) {
      grpc::ClientContext context;
      context.set_deadline(soon());
      hpcc::v1::LookupRequest request;
      request.set_image(image().text());
      const grpc::Status status = stub->Lookup(&context, request, lease);
      if (status.error_code() != grpc::StatusCode::NOT_FOUND || deadline.passed()) return status;
      std::this_thread::yield();
    }
  }

  std::unique_ptr<SchedulerServer> scheduler_;
  std::unique_ptr<Worker> worker_;
};

TEST_F(FarmTest, ALeaseIsEnoughToCompile) {
  hpcc::v1::Lease lease;
  const grpc::Status status = lookup("acme", &lease);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(lease.worker(), "w1");
  EXPECT_EQ(lease.address(), worker_->server->address());
  EXPECT_EQ(lease.receipt_public_key(), worker_->server->public_key().view());
  worker_->server->set_scheduler_key(scheduler_->public_key());
  Client client(*worker_, "acme");
  client.grant = lease.grant();
  const Answer answer = client.execute(client.put_action({}));
  ASSERT_EQ(answer.code(), 0) << answer.call.error_message();
  EXPECT_EQ(row_of(receipt_of(answer.response.result())).grant_digest, grant_digest(lease.grant()));
}

TEST_F(FarmTest, TheWorkerLearnsTheSchedulersKeyFromItAlone) {
  hpcc::v1::Lease acme, zeta;
  ASSERT_TRUE(lookup("acme", &acme).ok());
  ASSERT_TRUE(lookup("zeta", &zeta).ok());
  Client client(*worker_, "acme");
  client.grant.clear();
  const SizedDigest action = client.put_action({});
  client.grant = worker_->sign(worker_->grant("acme"));  // by the key that the heartbeat has replaced
  const Deadline deadline = Deadline::after_ms(20'000);
  while (client.execute(action).code() == 0 && !deadline.passed()) std::this_thread::yield();
  EXPECT_EQ(client.execute(action).code(), grpc::StatusCode::PERMISSION_DENIED);
  client.grant = zeta.grant();
  EXPECT_EQ(client.execute(action).code(), grpc::StatusCode::PERMISSION_DENIED) << "another client's lease";
  client.grant = acme.grant();
  EXPECT_EQ(client.execute(action).code(), 0);
}

}  // namespace
}  // namespace hpcc::test
