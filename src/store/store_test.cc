// What callers see of a store that nothing has happened to: entries, blobs, facts, history, counters, eviction.
#include "store/store.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>

#include "base/fs.h"
#include "base/limits.h"
#include "store/counters.h"
#include "store/facts.h"
#include "store/io.h"
#include "store/test_support.h"

namespace hpcc::store {
namespace {

constexpr uint64_t kSecond = 1000000000;

// A store in a directory of its own, with a clock that the test moves.
class StoreTest : public testing::Test {
 protected:
  void SetUp() override { open(); }
  void open() {
    store_.reset();
    StoreOptions options;
    options.now_ns = [this] { return now_ns_.load(); };
    auto opened = open_store(dir_.path(), options);
    ASSERT_TRUE(opened.ok()) << opened.error().to_string();
    store_ = std::move(*opened);
  }
  BlobDigest put_blob(const std::string& text) {
    const BlobDigest digest = BlobDigest::of(text);
    const Status status = store_->put_blob(digest, text);
    EXPECT_TRUE(status.ok()) << status.error().to_string();
    return digest;
  }
  void put(std::string_view name, const Entry& entry) {
    const Status status = store_->put(key_of(name), entry);
    EXPECT_TRUE(status.ok()) << status.error().to_string();
  }
  size_t found(std::string_view name) { return store_->find(key_of(name))->size(); }
  std::string copied(const BlobDigest& digest, uint64_t size, bool& ok) {
    const std::string path = dir_ / "copy";
    const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC, 0600);
    ok = store_->copy_blob_to(digest, size, fd).ok();
    ::close(fd);
    return read_file(path);
  }

  TempDir dir_;
  std::atomic<uint64_t> now_ns_{1700000000 * kSecond};
  std::unique_ptr<Store> store_;
};

// --- another process that keeps the lock ---

TEST_F(StoreTest, WaitsOnlyOnceForWhoeverKeepsTheLock) {
  put("a", sample_entry({}, 3));
  const Fd other(::open((dir_ / "v1/lock").c_str(), O_RDWR));
  auto held = FileLock::acquire(other.get(), 0);
  ASSERT_TRUE(held.ok());
  ASSERT_EQ(::ftruncate(other.get(), 1), 0);  // as somebody left it who has waited longer
  int refused = 0;
  const int64_t begun_ns = monotonic_ns();
  for (int i = 0; i < 100; ++i) refused += !store_->put(key_of("b" + std::to_string(i)), sample_entry({}, 3)).ok();
  EXPECT_EQ(refused, 100);
  EXPECT_LT(monotonic_ns() - begun_ns, 2500000000) << "each of them waited";
  EXPECT_EQ(found("a"), 1u);
}

TEST_F(StoreTest, LeavesTheLockOfAStoreThatIsGone) {
  put("a", sample_entry({}, 3));
  const Fd other(::open((dir_ / "v1/lock").c_str(), O_RDWR));
  auto held = FileLock::acquire(other.get(), 0);
  ASSERT_TRUE(held.ok());
  ASSERT_EQ(::ftruncate(other.get(), 1), 0);
  ASSERT_EQ(::rename((dir_ / "v1").c_str(), (dir_ / "old").c_str()), 0);
  put("b", sample_entry({}, 3));
  EXPECT_EQ(found("b"), 1u);
}

// --- entries ---

TEST_F(StoreTest, FindsWhatWasPut) {
  const BlobDigest blob = put_blob("object");
  const Entry entry = sample_entry({blob}, 600);
  put("a", entry);
  auto entries = store_->find(key_of("a"));
  ASSERT_EQ(entries->size(), 1u);
  EXPECT_EQ(encode_manifest((*entries)[0].manifest), encode_manifest(entry.manifest));
  EXPECT_EQ(encode_result((*entries)[0].result), encode_result(entry.result));
  EXPECT_EQ((*entries)[0].sequence, store_->version(key_of("a")));
}

TEST_F(StoreTest, FindsNothingUnderOtherKeys) {
  put("a", sample_entry({}, 3));
  EXPECT_EQ(found("b"), 0u);
  EXPECT_EQ(store_->version(key_of("b")), 0u);
}

TEST_F(StoreTest, FindsWhatWasPutBeforeItWasOpenedAgain) {
  const Entry entry = sample_entry({put_blob("object")}, 600);
  put("a", entry);
  open();
  auto entries = store_->find(key_of("a"));
  ASSERT_EQ(entries->size(), 1u);
  EXPECT_EQ(encode_manifest((*entries)[0].manifest), encode_manifest(entry.manifest));
  EXPECT_EQ(*store_->get_blob(BlobDigest::of("object")), "object");
}

TEST_F(StoreTest, GivesTheNewestEntryFirst) {
  put("a", sample_entry({}, 3, "old"));
  const uint64_t old_version = store_->version(key_of("a"));
  put("a", sample_entry({}, 3, "new"));
  auto entries = store_->find(key_of("a"));
  ASSERT_EQ(entries->size(), 2u);
  EXPECT_EQ((*entries)[0].result.stderr_text, "warning: new");
  EXPECT_GT(store_->version(key_of("a")), old_version);
}

TEST_F(StoreTest, KeepsTheNewestEntriesOfAKeyWithinTheBound) {
  for (size_t i = 0; i < limits::kManifestsPerKey + 3; ++i) put("a", sample_entry({}, 3, std::to_string(i)));
  auto entries = store_->find(key_of("a"));
  ASSERT_EQ(entries->size(), limits::kManifestsPerKey);
  EXPECT_EQ(entries->front().result.stderr_text, "warning: " + std::to_string(limits::kManifestsPerKey + 2));
  EXPECT_EQ(entries->back().result.stderr_text, "warning: 3");
  EXPECT_EQ(store_->info().entry_count, limits::kManifestsPerKey);
}

TEST_F(StoreTest, ReplacesAnEntryWithTheSameManifestThatServesTheSameRequests) {
  Entry entry = sample_entry({}, 3);
  put("a", entry);
  entry.result.compile_ns += 1;
  put("a", entry);
  EXPECT_EQ(found("a"), 1u);
  entry.result.bound_place = "/elsewhere";
  put("a", entry);
  EXPECT_EQ(found("a"), 2u);
}

TEST_F(StoreTest, RefusesAnEntryWhoseBlobIsMissing) {
  const Status status = store_->put(key_of("a"), sample_entry({BlobDigest::of("never put")}, 3));
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code, Code::kNotFound);
  EXPECT_EQ(found("a"), 0u);
}

TEST_F(StoreTest, RefusesAnEntryThatCouldNotBeRead) {
  Entry entry = sample_entry({}, 3);
  entry.manifest.inputs[0].path.path = "not absolute";
  EXPECT_FALSE(store_->put(key_of("a"), entry).ok());
  EXPECT_EQ(store_->info().entry_count, 0u);
}

TEST_F(StoreTest, RemovesOneEntryAndLeavesTheOthers) {
  put("a", sample_entry({}, 3, "1"));
  const uint64_t first = store_->version(key_of("a"));
  put("a", sample_entry({}, 3, "2"));
  ASSERT_TRUE(store_->remove(key_of("a"), first).ok());
  auto entries = store_->find(key_of("a"));
  ASSERT_EQ(entries->size(), 1u);
  EXPECT_EQ((*entries)[0].result.stderr_text, "warning: 2");
}

TEST_F(StoreTest, KeepsAManifestOfThousandsOfInputs) {
  const Entry entry = sample_entry({}, 20000);
  put("a", entry);
  open();
  auto entries = store_->find(key_of("a"));
  ASSERT_EQ(entries->size(), 1u);
  EXPECT_EQ(encode_manifest((*entries)[0].manifest), encode_manifest(entry.manifest));
}

TEST_F(StoreTest, KeepsSharedInputsOnce) {
  put("a", sample_entry({}, 600));
  const uint64_t one = store_->info().size_bytes;
  for (int i = 0; i < 20; ++i) put("k" + std::to_string(i), sample_entry({}, 600));
  uint64_t log_bytes = 0;
  for (const std::string& file : files_below(dir_ / "v1/index")) {
    if (file.find("log-") != file.npos) log_bytes = read_file(file).size();
  }
  EXPECT_LT(one, 4000u);
  EXPECT_LT(log_bytes, 200000u);
}

TEST_F(StoreTest, GrowsWithItsEntries) {
  for (int i = 0; i < 3000; ++i) {
    Entry entry = sample_entry({}, 2, std::to_string(i));
    ASSERT_TRUE(store_->put(key_of(std::to_string(i)), entry).ok());
  }
  for (int i = 0; i < 3000; i += 97) EXPECT_EQ(found(std::to_string(i)), 1u) << i;
  EXPECT_EQ(store_->info().entry_count, 3000u);
}

// --- blobs ---

TEST_F(StoreTest, GivesBlobsBackByteForByte) {
  std::string noise;
  for (uint64_t x = 1; noise.size() < 300000; x = x * 6364136223846793005u + 1442695040888963407u) {
    noise.push_back(static_cast<char>(x >> 56));
  }
  for (const std::string& text : {std::string(), std::string("x"), std::string(16000, 'a'), std::string(300000, 'a'),
                                  std::string(5000000, 'b'), noise}) {
    const BlobDigest digest = put_blob(text);
    EXPECT_EQ(*store_->get_blob(digest), text);
    bool ok = false;
    EXPECT_EQ(copied(digest, text.size(), ok), text);
    EXPECT_TRUE(ok);
  }
}

TEST_F(StoreTest, CompressesABlobOnlyWhenThatSavesAQuarter) {
  std::string noise;
  for (uint64_t x = 1; noise.size() < 100000; x = x * 6364136223846793005u + 1)
    noise.push_back(static_cast<char>(x >> 56));
  const std::string hex = put_blob(noise).hex(), text_hex = put_blob(std::string(100000, 'a')).hex();
  EXPECT_EQ(::access((dir_ / "v1/blobs/" + hex.substr(0, 2) + "/" + hex).c_str(), F_OK), 0);
  EXPECT_EQ(::access((dir_ / "v1/blobs/" + text_hex.substr(0, 2) + "/" + text_hex + ".zst").c_str(), F_OK), 0);
}

TEST_F(StoreTest, AnOverridingLimitIsNotKept) {
  ASSERT_TRUE(store_->set_max_size(123456789).ok());
  store_->override_max_size(5000000);
  EXPECT_EQ(store_->info().max_size_bytes, 5000000u);
  open();
  EXPECT_EQ(store_->info().max_size_bytes, 123456789u);
  store_->override_max_size(0);
  EXPECT_EQ(store_->info().max_size_bytes, 0u);
  store_->override_max_size(std::nullopt);
  EXPECT_EQ(store_->info().max_size_bytes, 123456789u);
}

TEST_F(StoreTest, DoesNotWriteABlobAgainThatIsThere) {
  const std::string hex = put_blob("object").hex();
  const std::string path = dir_ / "v1/blobs/" + hex.substr(0, 2) + "/" + hex;
  struct stat before, after;
  ASSERT_EQ(::stat(path.c_str(), &before), 0);
  put_blob("object");
  ASSERT_EQ(::stat(path.c_str(), &after), 0);
  EXPECT_EQ(before.st_ino, after.st_ino);
}

TEST_F(StoreTest, SaysNotFoundForABlobThatIsNotThere) {
  EXPECT_EQ(store_->get_blob(BlobDigest::of("no")).error().code, Code::kNotFound);
  bool ok = true;
  copied(BlobDigest::of("no"), 2, ok);
  EXPECT_FALSE(ok);
}

TEST_F(StoreTest, RefusesToCopyABlobOfAnotherSizeThanTheEntrySays) {
  for (const std::string& text : {std::string("object"), std::string(100000, 'a')}) {
    bool ok = true;
    copied(put_blob(text), text.size() + 1, ok);
    EXPECT_FALSE(ok);
  }
}

// --- size, use and eviction ---

TEST_F(StoreTest, CountsTheSizeOfItsBlobsInBlocks) {
  put_blob(std::string(1, 'a'));
  EXPECT_EQ(store_->info().size_bytes, 4096u);
  put_blob(std::string(5000, 'b'));
  EXPECT_EQ(store_->info().size_bytes, 4096u * 3);
  put_blob(std::string(5000, 'b'));
  EXPECT_EQ(store_->info().size_bytes, 4096u * 3);
  EXPECT_EQ(store_->info().blob_count, 2u);
}

TEST_F(StoreTest, EvictsTheLeastRecentlyUsedEntriesWithTheirBlobs) {
  for (int i = 0; i < 10; ++i) {
    now_ns_ += kSecond;
    put(std::to_string(i), sample_entry({put_blob(std::string(4000, static_cast<char>('a' + i)))}, 2));
  }
  const uint64_t one = store_->info().size_bytes / 10;
  now_ns_ += 3600 * kSecond;
  store_->touch(key_of("0"), store_->version(key_of("0")));
  ASSERT_TRUE(store_->set_max_size(one * 5 + one / 2).ok());
  ASSERT_TRUE(store_->evict().ok());
  EXPECT_LE(store_->info().size_bytes, (one * 5 + one / 2) / 10 * 9);
  EXPECT_EQ(found("0"), 1u);
  EXPECT_TRUE(store_->get_blob(BlobDigest::of(std::string(4000, 'a'))).ok());
  for (const char* gone : {"1", "2", "3", "4", "5"}) EXPECT_EQ(found(gone), 0u);
  EXPECT_EQ(store_->get_blob(BlobDigest::of(std::string(4000, 'b'))).error().code, Code::kNotFound);
  for (const char* kept : {"7", "8", "9"}) EXPECT_EQ(found(kept), 1u);
  EXPECT_GE(store_->totals().counters[static_cast<size_t>(Counter::kEvicted)], 5u);
}

TEST_F(StoreTest, EvictsByItselfWhenAPutGoesBeyondTheLimit) {
  ASSERT_TRUE(store_->set_max_size(100000).ok());
  for (int i = 0; i < 100; ++i) put(std::to_string(i), sample_entry({put_blob("object " + std::to_string(i))}, 2));
  EXPECT_LE(store_->info().size_bytes, 100000u);
  EXPECT_EQ(found("99"), 1u);
  EXPECT_EQ(found("0"), 0u);
  uint64_t blobs = 0;
  for (const std::string& file : files_below(dir_ / "v1/blobs")) blobs += file.empty() ? 0 : 1;
  EXPECT_EQ(blobs, store_->info().blob_count);
}

TEST_F(StoreTest, KeepsABlobThatAYoungerEntryShares) {
  const BlobDigest shared = put_blob("shared");
  put("old", sample_entry({shared}, 2, "old"));
  for (int i = 0; i < 10; ++i) put(std::to_string(i), sample_entry({put_blob("object " + std::to_string(i))}, 2));
  put("young", sample_entry({shared}, 2, "young"));
  ASSERT_TRUE(store_->set_max_size(store_->info().size_bytes / 2).ok());
  ASSERT_TRUE(store_->evict().ok());
  EXPECT_EQ(found("old"), 0u);
  EXPECT_EQ(found("young"), 1u);
  EXPECT_TRUE(store_->get_blob(shared).ok());
}

TEST_F(StoreTest, DoesNotRecordAUseAgainWithinTenMinutes) {
  put("a", sample_entry({put_blob("a")}, 2));
  now_ns_ += kSecond;
  put("b", sample_entry({put_blob("b")}, 2));
  now_ns_ += 60 * kSecond;
  store_->touch(key_of("a"), store_->version(key_of("a")));
  ASSERT_TRUE(store_->flush().ok());
  ASSERT_TRUE(store_->set_max_size(store_->info().size_bytes * 10 / 9 - 4096).ok());
  ASSERT_TRUE(store_->evict().ok());
  EXPECT_EQ(found("a"), 0u);
  EXPECT_EQ(found("b"), 1u);
}

TEST_F(StoreTest, RemembersItsLimit) {
  EXPECT_EQ(store_->info().max_size_bytes, limits::kDefaultCacheBytes);
  ASSERT_TRUE(store_->set_max_size(123456789).ok());
  open();
  EXPECT_EQ(store_->info().max_size_bytes, 123456789u);
}

TEST_F(StoreTest, RemovesOrphansThatAreOldAndKeepsYoungOnes) {
  now_ns_ = realtime_ns();
  put_blob("named by nothing");
  ASSERT_TRUE(store_->evict().ok());
  EXPECT_TRUE(store_->get_blob(BlobDigest::of("named by nothing")).ok());
  now_ns_ += 2 * 3600 * kSecond;
  put("a", sample_entry({put_blob("named")}, 2));
  ASSERT_TRUE(store_->evict().ok());
  EXPECT_FALSE(store_->get_blob(BlobDigest::of("named by nothing")).ok());
  EXPECT_TRUE(store_->get_blob(BlobDigest::of("named")).ok());
}

TEST_F(StoreTest, TakesUpFilesWithoutARecordWhenItEvicts) {
  now_ns_ = realtime_ns();
  const std::string hex = BlobDigest::of("found").hex();
  ASSERT_TRUE(make_directories(dir_ / "v1/blobs/" + hex.substr(0, 2)).ok());
  write_file(dir_ / "v1/blobs/" + hex.substr(0, 2) + "/" + hex, "found");
  EXPECT_EQ(store_->info().blob_count, 0u);
  ASSERT_TRUE(store_->evict().ok());
  EXPECT_EQ(store_->info().blob_count, 1u);
}

TEST_F(StoreTest, IsEmptyAfterClear) {
  put("a", sample_entry({put_blob("a")}, 2));
  ASSERT_TRUE(store_->clear().ok());
  EXPECT_EQ(found("a"), 0u);
  EXPECT_EQ(store_->info().size_bytes, 0u);
  EXPECT_TRUE(files_below(dir_ / "v1/blobs").empty());
  put("a", sample_entry({put_blob("a")}, 2));
  EXPECT_EQ(found("a"), 1u);
}

TEST_F(StoreTest, LeavesOtherFormatsAlone) {
  ASSERT_TRUE(make_directories(dir_ / "v2/blobs").ok());
  write_file(dir_ / "v2/blobs/file", "newer");
  write_file(dir_ / "log", "of the daemon");
  ASSERT_TRUE(store_->clear().ok());
  EXPECT_EQ(read_file(dir_ / "v2/blobs/file"), "newer");
  EXPECT_EQ(read_file(dir_ / "log"), "of the daemon");
}

TEST_F(StoreTest, WritesItsLogAnewWhenMostOfItIsDead) {
  const std::string value(100000, 'v');
  for (int i = 0; i < 400; ++i) ASSERT_TRUE(store_->put_history("name", value + std::to_string(i)).ok());
  put("a", sample_entry({put_blob("a")}, 600));
  for (int i = 0; i < 400; ++i) ASSERT_TRUE(store_->put_history("name", value + std::to_string(i)).ok());
  uint64_t log_bytes = 0;
  for (const std::string& file : files_below(dir_ / "v1/index")) {
    struct stat st;
    if (::stat(file.c_str(), &st) == 0) log_bytes += static_cast<uint64_t>(st.st_size);
  }
  EXPECT_LT(log_bytes, 20u << 20);
  EXPECT_EQ(*store_->history("name"), value + "399");
  auto entries = store_->find(key_of("a"));
  ASSERT_EQ(entries->size(), 1u);
  EXPECT_EQ(encode_manifest((*entries)[0].manifest), encode_manifest(sample_entry({}, 600).manifest));
}

// --- file facts and history ---

TEST_F(StoreTest, RemembersFileFactsByViewAndPath) {
  const FileFact fact{{1, 2, 3, -4, 5}, BlobDigest::of("content"), 7};
  store_->put_file_facts("view", {{"/a", fact}, {"/b", {}}});
  open();
  auto got = store_->file_fact("view", "/a");
  ASSERT_TRUE(got.has_value());
  EXPECT_EQ(got->stamp, fact.stamp);
  EXPECT_EQ(got->digest, fact.digest);
  EXPECT_EQ(got->facts, 7u);
  EXPECT_FALSE(store_->file_fact("other view", "/a").has_value());
  EXPECT_FALSE(store_->file_fact("view", "/c").has_value());
}

TEST_F(StoreTest, ReplacesAFileFact) {
  store_->put_file_facts("view", {{"/a", FileFact{{}, BlobDigest::of("1"), 0}}});
  store_->put_file_facts("view", {{"/a", FileFact{{}, BlobDigest::of("2"), 0}}});
  EXPECT_EQ(store_->file_fact("view", "/a")->digest, BlobDigest::of("2"));
}

TEST_F(StoreTest, KeepsNearlyAllOfManyFileFacts) {
  std::vector<std::pair<std::string, FileFact>> facts;
  for (int i = 0; i < 10000; ++i) facts.emplace_back("/file" + std::to_string(i), FileFact{});
  for (int at = 0; at < 10000; at += 500) {
    store_->put_file_facts("view", {facts.begin() + at, facts.begin() + at + 500});
  }
  int kept = 0;
  for (const auto& [path, fact] : facts) kept += store_->file_fact("view", path).has_value() ? 1 : 0;
  EXPECT_GT(kept, 9800);
}

TEST_F(StoreTest, RemembersHistoryByName) {
  EXPECT_FALSE(store_->history("a").has_value());
  ASSERT_TRUE(store_->put_history("a", "1").ok());
  ASSERT_TRUE(store_->put_history("a", "2").ok());
  ASSERT_TRUE(store_->put_history("b", "").ok());
  open();
  EXPECT_EQ(*store_->history("a"), "2");
  EXPECT_EQ(*store_->history("b"), "");
  EXPECT_FALSE(store_->history("").has_value());
}

TEST_F(StoreTest, RefusesAHugeHistoryValue) { EXPECT_FALSE(store_->put_history("a", std::string(2u << 20, 'x')).ok()); }

// --- counters ---

TEST_F(StoreTest, CountsTotalsAndTheLastBuild) {
  const auto value = [](const CounterValues& values, Counter counter) {
    return values.counters[static_cast<size_t>(counter)];
  };
  store_->count(Counter::kLocalHit);
  store_->count(Counter::kTimeSavedMs, 250);
  now_ns_ += 200 * kSecond;
  store_->count(Counter::kLocalHit);
  EXPECT_EQ(value(store_->last_build(), Counter::kLocalHit), 2u);
  now_ns_ += 301 * kSecond;
  store_->count_bypass(Bypass::kLink);
  EXPECT_EQ(value(store_->last_build(), Counter::kLocalHit), 0u);
  EXPECT_EQ(value(store_->last_build(), Counter::kBypass), 1u);
  EXPECT_EQ(store_->last_build().since_s, 1700000501u);
  EXPECT_EQ(value(store_->totals(), Counter::kLocalHit), 2u);
  EXPECT_EQ(value(store_->totals(), Counter::kTimeSavedMs), 250u);
  EXPECT_EQ(store_->totals().bypass[static_cast<size_t>(Bypass::kLink)], 1u);
  EXPECT_EQ(store_->totals().since_s, 1700000000u);
}

TEST_F(StoreTest, KeepsCountersUntilTheyAreZeroed) {
  store_->count(Counter::kLocalHit, 5);
  open();
  EXPECT_EQ(store_->totals().counters[static_cast<size_t>(Counter::kLocalHit)], 5u);
  store_->zero_counters();
  EXPECT_EQ(store_->totals().counters[static_cast<size_t>(Counter::kLocalHit)], 0u);
  EXPECT_EQ(store_->last_build().counters[static_cast<size_t>(Counter::kLocalHit)], 0u);
}

TEST(Counters, CountTheSameWhereTheyCannotBeMapped) {
  TempDir dir;
  Counters locked(dir / "counters", CounterAccess::kLocked, realtime_ns);
  Counters mapped(dir / "counters", CounterAccess::kMapped, realtime_ns);
  locked.count(Counter::kLocalHit, 3);
  mapped.count(Counter::kLocalHit, 4);
  EXPECT_EQ(locked.totals().counters[0], 7u);
  EXPECT_EQ(mapped.totals().counters[0], 7u);
}

TEST(Counters, GoOnFromZeroWhenTheirFileIsCut) {
  for (CounterAccess access : {CounterAccess::kMapped, CounterAccess::kLocked}) {
    TempDir dir;
    Counters counters(dir / "counters", access, realtime_ns);
    counters.count(Counter::kLocalHit, 3);
    ASSERT_EQ(::truncate((dir / "counters").c_str(), 0), 0);
    counters.count(Counter::kLocalHit, 4);
    EXPECT_EQ(counters.totals().counters[static_cast<size_t>(Counter::kLocalHit)], 4u);
    EXPECT_EQ(counters.totals().counters[static_cast<size_t>(Counter::kCorrupt)], 1u);
  }
}

TEST(CounterNames, AreAllDifferent) {
  std::vector<std::string_view> names;
  for (size_t i = 0; i < static_cast<size_t>(Counter::kCount); ++i)
    names.push_back(counter_name(static_cast<Counter>(i)));
  std::sort(names.begin(), names.end());
  EXPECT_EQ(std::unique(names.begin(), names.end()), names.end());
}

// --- inspect, placement ---

TEST_F(StoreTest, ShowsItemsByTheStartOfTheirDigest) {
  const BlobDigest blob = put_blob("object");
  put("a", sample_entry({blob}, 2));
  std::vector<std::string> kinds;
  auto note = [&](std::string_view kind, std::string_view hex, std::string_view summary) {
    EXPECT_EQ(hex.size(), 64u);
    EXPECT_FALSE(summary.empty());
    kinds.emplace_back(kind);
  };
  ASSERT_TRUE(store_->inspect("", note).ok());
  EXPECT_EQ(kinds, (std::vector<std::string>{"key", "manifest", "result", "blob"}));
  kinds.clear();
  ASSERT_TRUE(store_->inspect(blob.hex().substr(0, 12), note).ok());
  EXPECT_EQ(kinds, std::vector<std::string>{"blob"});
}

TEST(StorePlacement, KeepsTheIndexOnThisMachineWhereLocksAreUnreliable) {
  TempDir dir, root;
  StoreOptions options{.placement = Placement::kPrivate, .private_root = root.path()};
  {
    auto store = open_store(dir / "cache", options);
    ASSERT_TRUE(store.ok()) << store.error().to_string();
    ASSERT_TRUE((*store)->put_blob(BlobDigest::of("x"), "x").ok());
    ASSERT_TRUE((*store)->put(key_of("a"), sample_entry({BlobDigest::of("x")}, 2)).ok());
  }
  EXPECT_EQ(::access((dir / "cache/v1/index").c_str(), F_OK), -1);
  auto again = open_store(dir / "cache", options);
  EXPECT_EQ((*again)->find(key_of("a"))->size(), 1u);
}

TEST(StorePlacement, RefusesAPrivateDirectoryThatSomebodyPlanted) {
  TempDir dir, root;
  const std::string user_dir = root / "hpcc-" + std::to_string(::geteuid());
  ASSERT_EQ(::symlink(dir.path().c_str(), user_dir.c_str()), 0);
  EXPECT_FALSE(open_store(dir / "cache", {.placement = Placement::kPrivate, .private_root = root.path()}).ok());
  ::unlink(user_dir.c_str());
  if (::geteuid() != 0) return;
  ASSERT_EQ(::mkdir(user_dir.c_str(), 0777), 0);
  ASSERT_EQ(::chown(user_dir.c_str(), 12345, 12345), 0);
  EXPECT_FALSE(open_store(dir / "cache", {.placement = Placement::kPrivate, .private_root = root.path()}).ok());
}

TEST(StorePlacement, MarksItsDirectoryAsACache) {
  TempDir dir;
  ASSERT_TRUE(Store::open(dir / "deep/cache").ok());
  EXPECT_EQ(read_file(dir / "deep/cache/CACHEDIR.TAG").substr(0, 43), "Signature: 8a477f597d28d172789f06886806bc55");
}

}  // namespace
}  // namespace hpcc::store
