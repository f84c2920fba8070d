#include "client/remote_link.h"

#include <gtest/gtest.h>

#include <condition_variable>

#include "store/test_support.h"

namespace hpcc {
namespace {

TEST(RemoteLink, AProcessThatDiesLeavesNoCompileWaiting) {
  store::TempDir dir;
  Result<std::unique_ptr<Store>> store = Store::open(dir.path());
  ASSERT_TRUE(store.ok());
  RemoteLink link(**store, {"/bin/true"});
  std::mutex mutex;
  std::condition_variable changed;
  std::optional<remote::RemoteResult> got;
  remote::Submit submit;
  submit.timeout_ms = 60'000;
  Result<uint64_t> id = link.submit(submit, [&](remote::RemoteResult result, const HeldBlobs&) {
    std::lock_guard lock(mutex);
    got = std::move(result);
    changed.notify_one();
  });
  if (!id.ok()) return;  // it was gone before the frame was sent: told at once
  std::unique_lock lock(mutex);
  ASSERT_TRUE(changed.wait_for(lock, std::chrono::seconds(20), [&] { return got.has_value(); }));
  EXPECT_EQ(got->outcome, remote::Outcome::kNoWorker);
}

TEST(RemoteLink, AProgramThatIsNotThereIsAnError) {
  store::TempDir dir;
  Result<std::unique_ptr<Store>> store = Store::open(dir.path());
  ASSERT_TRUE(store.ok());
  RemoteLink link(**store, {"/nonexistent/hpcc-remote"});
  EXPECT_FALSE(link.submit({}, [](const remote::RemoteResult&, const HeldBlobs&) { FAIL(); }).ok());
}

}  // namespace
}  // namespace hpcc
