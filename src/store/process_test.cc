// Many processes and threads on one store, and processes that are killed at any instant.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#include <set>
#include <thread>

#include "store/test_support.h"

namespace hpcc::store {
namespace {

std::string object_of(int i) {
  return "object " + std::to_string(i) + std::string(static_cast<size_t>(i % 7) * 3000, 'x');
}

bool put_one(Store& store, int i) {
  const std::string object = object_of(i);
  const BlobDigest digest = BlobDigest::of(object);
  return store.put_blob(digest, object).ok() &&
         store.put(key_of(std::to_string(i)), sample_entry({digest}, 40, std::to_string(i % 5))).ok();
}

pid_t in_background(const std::function<int()>& body) {
  ::fflush(nullptr);
  const pid_t pid = ::fork();
  if (pid == 0) ::_exit(body());
  return pid;
}

int exit_of(pid_t pid) {
  int status = 0;
  ::waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

// Every entry is whole, all its blobs are there and right, and the numbers are those of a full count.
void expect_consistent(const std::string& dir) {
  auto opened = Store::open(dir);
  ASSERT_TRUE(opened.ok()) << opened.error().to_string();
  Store& store = **opened;
  ASSERT_TRUE(put_one(store, 0));  // a writer that died half-way is noticed by the next one
  uint64_t entries = 0, blobs = 0;
  std::set<std::string> keys;
  auto note = [&](std::string_view kind, std::string_view hex, std::string_view) {
    entries += kind == "key" ? 1 : 0;
    blobs += kind == "blob" ? 1 : 0;
    if (kind == "key") keys.emplace(hex);
  };
  ASSERT_TRUE(store.inspect("", note).ok());
  EXPECT_EQ(store.info().entry_count, entries);
  EXPECT_EQ(store.info().blob_count, blobs);
  for (const std::string& key : keys) {
    auto found = store.find(*DirectKey::from_hex(key));
    ASSERT_TRUE(found.ok());
    ASSERT_FALSE(found->empty());
    for (const Entry& entry : *found) {
      EXPECT_EQ(entry.manifest.inputs.size(), 40u);
      for (const StoredOutput& output : entry.result.outputs) EXPECT_TRUE(store.get_blob(output.digest).ok());
    }
  }
  EXPECT_EQ(store.totals().counters[static_cast<size_t>(Counter::kCorrupt)], 0u);
}

TEST(StoreProcesses, PutAndFindAtOnceWithoutLosingAnything) {
  TempDir dir;
  constexpr int kProcesses = 4, kEntries = 40;
  std::vector<pid_t> children;
  for (int p = 0; p < kProcesses; ++p) {
    children.push_back(in_background([&, p] {
      auto store = Store::open(dir.path());
      if (!store.ok()) return 1;
      for (int i = 0; i < kEntries; ++i) {
        const int mine = (i + p * 10) % kEntries;  // all put the same, in other orders
        if (!put_one(**store, mine)) return 2;
        (*store)->count(Counter::kLocalHit);
        auto found = (*store)->find(key_of(std::to_string(mine)));
        if (!found.ok() || found->empty()) return 3;
        if (!(*store)->get_blob(BlobDigest::of(object_of(mine))).ok()) return 4;
      }
      return 0;
    }));
  }
  for (pid_t child : children) EXPECT_EQ(exit_of(child), 0);
  expect_consistent(dir.path());
  auto store = Store::open(dir.path());
  EXPECT_EQ((*store)->info().entry_count, static_cast<uint64_t>(kEntries));
  EXPECT_EQ((*store)->totals().counters[0], static_cast<uint64_t>(kProcesses * kEntries));
}

TEST(StoreProcesses, SeeWhatOthersStoredAtOnce) {
  TempDir dir;
  auto here = Store::open(dir.path());
  EXPECT_EQ((*here)->version(key_of("7")), 0u);
  EXPECT_EQ(exit_of(in_background([&] { return put_one(**Store::open(dir.path()), 7) ? 0 : 1; })), 0);
  const uint64_t version = (*here)->version(key_of("7"));
  EXPECT_NE(version, 0u);
  EXPECT_EQ((*here)->find(key_of("7"))->size(), 1u);
  EXPECT_EQ(exit_of(in_background([&] { return (*Store::open(dir.path()))->clear().ok() ? 0 : 1; })), 0);
  EXPECT_EQ((*here)->version(key_of("7")), 0u);
}

TEST(StoreProcesses, OpenOneFreshDirectoryTogether) {
  for (int round = 0; round < 10; ++round) {
    TempDir dir;
    std::vector<pid_t> children;
    for (int p = 0; p < 4; ++p) {
      children.push_back(in_background([&, p] {
        auto store = Store::open(dir / "cache");
        return store.ok() && put_one(**store, p) ? 0 : 1;
      }));
    }
    for (pid_t child : children) EXPECT_EQ(exit_of(child), 0);
    auto store = Store::open(dir / "cache");
    EXPECT_EQ((*store)->info().entry_count, 4u);
  }
}

TEST(StoreProcesses, CountInOneFreshDirectoryTogether) {
  for (int round = 0; round < 50; ++round) {
    TempDir dir;
    ASSERT_TRUE(make_directories(dir.path() + "/v1").ok());
    int start[2];
    ASSERT_EQ(::pipe(start), 0);
    std::vector<pid_t> children;
    for (int p = 0; p < 4; ++p) {
      children.push_back(in_background([&] {
        char byte;
        ::close(start[1]);
        (void)!::read(start[0], &byte, 1);  // until all are there
        store::Counters counters(dir.path() + "/v1/counters", store::CounterAccess::kMapped, [] { return 1u; });
        counters.count(Counter::kLocalHit, 1);
        return 0;
      }));
    }
    ::close(start[0]);
    ::close(start[1]);
    for (pid_t child : children) EXPECT_EQ(exit_of(child), 0);
    store::Counters counters(dir.path() + "/v1/counters", store::CounterAccess::kMapped, [] { return 1u; });
    EXPECT_EQ(counters.totals().counters[0], 4u) << round;
  }
}

// The killed process puts, evicts, grows, compacts and clears.
int write_for_ever(const std::string& dir, int seed) {
  auto store = Store::open(dir);
  if (!store.ok()) return 1;
  const std::string large(200000, 'h');
  for (int i = seed * 1000 + 1;; ++i) {
    if (!put_one(**store, i)) return 2;
    (*store)->put_file_facts("view", {{std::to_string(i), FileFact{}}});
    if (!(*store)->put_history("name", large + std::to_string(i)).ok()) return 3;
    (*store)->touch(key_of(std::to_string(i)), (*store)->version(key_of(std::to_string(i))));
    if (i % 16 == 0 && !(*store)->evict().ok()) return 4;
  }
}

TEST(StoreProcesses, LeaveAConsistentStoreWhenTheyAreKilledAtAnyInstant) {
  TempDir dir;
  { EXPECT_TRUE((*Store::open(dir.path()))->set_max_size(400000).ok()); }
  unsigned seed = 1;
  const char* rounds = ::getenv("HPCC_TEST_KILLS");  // for a long run by hand
  for (int round = 0; round < (rounds != nullptr ? atoi(rounds) : 25); ++round) {
    SCOPED_TRACE(round);
    const pid_t child = in_background([&] { return write_for_ever(dir.path(), round); });
    seed = seed * 1103515245 + 12345;
    struct timespec some_time = {0, static_cast<long>(seed / 65536 % 12000) * 1000};  // up to 12 ms
    ::nanosleep(&some_time, nullptr);
    ::kill(child, SIGKILL);
    ASSERT_EQ(exit_of(child), 128 + SIGKILL);
    expect_consistent(dir.path());
    if (HasFailure()) return;
  }
}

TEST(StoreProcesses, MayForkWhileTheStoreIsOpen) {
  TempDir dir;
  auto store = Store::open(dir.path());
  const pid_t child = in_background([&] {
    for (int i = 0; i < 50; ++i) {
      if (!put_one(**store, i)) return 1;
    }
    return 0;
  });
  for (int i = 50; i < 100; ++i) EXPECT_TRUE(put_one(**store, i));
  EXPECT_EQ(exit_of(child), 0);
  EXPECT_EQ((*store)->info().entry_count, 100u);
  store->reset();
  expect_consistent(dir.path());
}

TEST(StoreThreads, ShareOneStore) {
  TempDir dir;
  auto opened = Store::open(dir.path());
  Store& store = **opened;
  std::vector<std::thread> threads;
  std::atomic<int> not_put{0}, not_found{0}, no_fact{0}, not_flushed{0};
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 30; ++i) {
        const int mine = (i + t * 7) % 30;
        if (!put_one(store, mine)) ++not_put;
        auto found = store.find(key_of(std::to_string(mine)));
        if (!found.ok() || found->empty()) ++not_found;
        store.touch(key_of(std::to_string(mine)), store.version(key_of(std::to_string(mine))));
        store.put_file_facts("view", {{std::to_string(i), FileFact{}}});
        if (!store.file_fact("view", std::to_string(i))) ++no_fact;
        if (i % 10 == 0 && !store.flush().ok()) ++not_flushed;
        store.count(Counter::kLocalHit);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(not_put, 0);
  EXPECT_EQ(not_found, 0);
  EXPECT_EQ(no_fact, 0);
  EXPECT_EQ(not_flushed, 0);
  EXPECT_EQ(store.info().entry_count, 30u);
  EXPECT_EQ(store.totals().counters[0], 120u);
}

}  // namespace
}  // namespace hpcc::store
