#include "worker/operations.h"

#include <gtest/gtest.h>
#include <poll.h>

#include <mutex>

namespace hpcc {
namespace {

const SizedDigest kAction = SizedDigest::of("an action");

bool is_cancelled(Cancel cancel, int timeout_ms) {
  struct pollfd given_up = {cancel.fd, POLLIN, 0};
  return ::poll(&given_up, 1, timeout_ms) == 1;
}

reapi::ExecuteResponse wait_for_the_end(Cancel cancel, Deadline, const std::function<void()>& running) {
  running();
  reapi::ExecuteResponse response;
  response.set_message(is_cancelled(cancel, 20'000) ? "cancelled" : "not cancelled");
  return response;
}

OperationOptions quick() {
  OperationOptions options;
  options.slots = 1;
  options.max_waiting = 2;
  options.grace_ms = 0;
  return options;
}

Operations::Snapshot wait_done(const Operations::Watch& watch) {
  Operations::Snapshot state;
  const Deadline deadline = Deadline::after_ms(20'000);
  while (state.stage != reapi::ExecutionStage::COMPLETED && !deadline.passed()) state = watch.wait(state.version, 1000);
  return state;
}

TEST(Operations, TellEveryStageAndTheAnswer) {
  Operations operations(quick());
  const auto watch = operations.start("acme", kAction, [](Cancel, Deadline, const std::function<void()>& running) {
    running();
    reapi::ExecuteResponse response;
    response.set_message("done");
    return response;
  });
  ASSERT_TRUE(watch.ok());
  const Operations::Snapshot state = wait_done(*watch);
  EXPECT_EQ(state.response.message(), "done");
  EXPECT_EQ(state.action, kAction);
  EXPECT_EQ(state.version, 3u) << "queued, executing, completed";
}

TEST(Operations, AreFoundByTheirTenantOnly) {
  Operations operations(quick());
  const auto watch = operations.start("acme", kAction, wait_for_the_end);
  const std::string name = watch->wait(0, 0).name;
  EXPECT_TRUE(operations.find("acme", name).ok());
  EXPECT_EQ(operations.find("zeta", name).error().code, Code::kNotFound);
  EXPECT_EQ(operations.find("acme", "operations/1").error().code, Code::kNotFound);
  watch->wait(1, 20'000);  // until it runs
  watch->cancel();
  EXPECT_EQ(wait_done(*watch).response.message(), "cancelled");
}

TEST(Operations, AreCancelledWhenNobodyWatches) {
  Operations operations(quick());
  auto first =
      std::make_unique<Operations::Watch>(std::move(operations.start("acme", kAction, wait_for_the_end)).value());
  auto second = operations.find("acme", first->wait(0, 0).name);
  first.reset();
  EXPECT_NE(second->wait(2, 600).stage, reapi::ExecutionStage::COMPLETED) << "one is still there";
  const auto queued = operations.start("acme", kAction, wait_for_the_end);
  { const Operations::Watch gone = std::move(*second); }
  queued->cancel();
  EXPECT_EQ(wait_done(*queued).response.status().code(), 1) << "its slot came free, and it never ran";
}

TEST(Operations, OnlySoManyWait) {
  Operations operations(quick());
  std::vector<Result<Operations::Watch>> watches;
  for (int i = 0; i < 10; ++i) watches.push_back(operations.start("acme", kAction, wait_for_the_end));
  EXPECT_TRUE(watches[0].ok());
  EXPECT_FALSE(watches[9].ok());
  EXPECT_EQ(watches[9].error().code, Code::kLimit);
}

TEST(Operations, OneTenantsQueueLeavesRoomAndTurnsToAnother) {
  OperationOptions options = quick();
  options.max_waiting = 40;
  options.grace_ms = 60'000;
  std::mutex mutex;
  std::string order;
  Operations operations(options);
  const auto work = [&](char who) {
    return [&, who](Cancel, Deadline, const std::function<void()>&) {
      std::lock_guard lock(mutex);
      order += who;
      return reapi::ExecuteResponse();
    };
  };
  const auto first = operations.start("acme", kAction, wait_for_the_end);  // holds the only slot meanwhile
  first->wait(1, 20'000);
  std::vector<Result<Operations::Watch>> greedy;
  for (int i = 0; i < 60; ++i) greedy.push_back(operations.start("acme", kAction, work('a')));
  EXPECT_FALSE(greedy.back().ok());
  const auto modest = operations.start("zeta", kAction, work('z'));
  const auto again = operations.start("zeta", kAction, work('z'));
  ASSERT_TRUE(modest.ok() && again.ok());
  first->cancel();
  wait_done(*modest);
  wait_done(*again);
  std::lock_guard lock(mutex);
  EXPECT_EQ(order.substr(0, 4), "azaz");
}

}  // namespace
}  // namespace hpcc
