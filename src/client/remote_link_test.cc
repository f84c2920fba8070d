#include "client/remote_link.h"

#include <gtest/gtest.h>

#include <condition_variable>
#include <filesystem>
#include <future>

#include "store/test_support.h"

namespace hpcc {
namespace {

constexpr size_t kLarge = 9u << 20;  // two of them are more than is held for one compile

std::string large(char fill) { return std::string(kLarge, fill); }

class FakeRemote {
 public:
  // Answers each request as its image's name says.
  int run() {
    for (;;) {
      Result<remote::Frame> frame = remote::receive_frame(3);
      if (!frame.ok()) return 0;
      if (frame->type != remote::Type::kSubmit) continue;
      Result<remote::Submit> submit = remote::decode_submit(frame->payload);
      if (!submit.ok()) return 1;
      answer(*submit);
    }
  }

 private:
  void blob(uint64_t id, const BlobDigest& digest, const std::string& bytes) {
    for (size_t at = 0; at < bytes.size(); at += remote::kPartBytes) {
      const std::string_view part = std::string_view(bytes).substr(at, remote::kPartBytes);
      send(remote::Type::kBlob, remote::encode_blob_part(id, {digest, bytes.size()}, part));
    }
  }
  void send(remote::Type type, const std::string& payload) { EXPECT_TRUE(remote::send_frame(3, type, payload).ok()); }

  void answer(const remote::Submit& submit) {
    const std::string text = "object";
    const BlobDigest digest = BlobDigest::of(text);
    if (submit.image == "good" || submit.image == "twice") blob(submit.id, digest, text);
    if (submit.image == "twice") blob(submit.id, digest, text);
    if (submit.image == "wrong") blob(submit.id, BlobDigest::of("another"), text);
    if (submit.image == "unasked") blob(submit.id + 1, digest, text);
    if (submit.image == "half") {
      send(remote::Type::kBlob, remote::encode_blob_part(submit.id, {digest, text.size()}, "obj"));
    }
    if (submit.image == "large") {
      for (char fill : {'a', 'b'}) blob(submit.id, BlobDigest::of(large(fill)), large(fill));
    }
    remote::RemoteResult result;
    result.id = submit.id;
    send(remote::Type::kResult, remote::encode_remote_result(result));
  }
};

class RemoteLinkTest : public ::testing::Test {
 protected:
  RemoteLinkTest()
      : store_(std::move(Store::open(dir_.path())).value()), link_(*store_, {self(), "--role=fake-remote"}) {}

  static std::string self() { return std::filesystem::read_symlink("/proc/self/exe"); }

  HeldBlobs blobs_of(const std::string& image) {
    remote::Submit submit;
    submit.image = image;
    submit.timeout_ms = 60'000;
    std::promise<HeldBlobs> arrived;
    Result<uint64_t> id = link_.submit(submit, [&](const remote::RemoteResult& result, HeldBlobs blobs) {
      EXPECT_EQ(result.outcome, remote::Outcome::kDone) << result.message;
      arrived.set_value(std::move(blobs));
    });
    EXPECT_TRUE(id.ok());
    return arrived.get_future().get();
  }
  bool is_stored(const std::string& bytes) { return store_->get_blob(BlobDigest::of(bytes)).ok(); }

  store::TempDir dir_;
  std::unique_ptr<Store> store_;
  RemoteLink link_;
};

TEST_F(RemoteLinkTest, BlobsComeWithTheirResultAndNotInTheStore) {
  EXPECT_EQ(blobs_of("good"), (HeldBlobs{{BlobDigest::of("object"), "object"}}));
  EXPECT_EQ(blobs_of("twice").size(), 1u);
  EXPECT_FALSE(is_stored("object"));
}

TEST_F(RemoteLinkTest, WhatIsNotWholeOrNotWhatItSaysDoesNotCome) {
  for (const char* how : {"wrong", "half", "unasked", "none"}) EXPECT_TRUE(blobs_of(how).empty()) << how;
  EXPECT_FALSE(is_stored("object"));
  EXPECT_EQ(blobs_of("good").size(), 1u) << "the link still works";
}

TEST_F(RemoteLinkTest, WhatIsTooMuchToBeHeldIsInTheStore) {
  const HeldBlobs blobs = blobs_of("large");
  ASSERT_EQ(blobs.size(), 1u);
  EXPECT_EQ(blobs.begin()->second, large('a'));
  EXPECT_FALSE(is_stored(large('a')));
  EXPECT_TRUE(is_stored(large('b')));
}

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

int run_fake_remote() { return FakeRemote().run(); }

}  // namespace hpcc
