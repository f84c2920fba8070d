// What a store does when its files have been flipped, cut, removed, replaced or filled the disk: a miss, never a crash
// and never a wrong answer; and it works on.
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>

#include <functional>
#include <map>

#include "store/test_support.h"

namespace hpcc::store {
namespace {

uint64_t corrupt_count(Store& store) { return store.totals().counters[static_cast<size_t>(Counter::kCorrupt)]; }

// A store with one of everything, and its files as they were when it was closed.
class DamageTest : public testing::Test {
 protected:
  void SetUp() override {
    {
      auto store = open();
      ASSERT_TRUE(store);
      fill(*store);
    }
    for (const std::string& file : files_below(dir_.path())) files_[file] = read_file(file);
  }
  std::unique_ptr<Store> open() {
    auto opened = Store::open(dir_.path());
    EXPECT_TRUE(opened.ok()) << opened.error().to_string();
    return opened.ok() ? std::move(*opened) : nullptr;
  }
  void fill(Store& store) {
    for (int i = 0; i < 3; ++i) {
      EXPECT_TRUE(store.put_blob(BlobDigest::of(blob(i)), blob(i)).ok());
      EXPECT_TRUE(store.put(key_of(name(i)), entry(i)).ok());
      store.put_file_facts("view", {{name(i), fact(i)}});
      EXPECT_TRUE(store.put_history(name(i), name(i) + " value").ok());
    }
    EXPECT_TRUE(store.set_max_size(123456789).ok());
    if (store.totals().counters[static_cast<size_t>(Counter::kLinksRecorded)] == 0)
      store.count(Counter::kLinksRecorded, 5);
  }
  static std::string name(int i) { return "item " + std::to_string(i); }
  static std::string blob(int i) { return i == 1 ? std::string(40000, 'z') : "raw blob " + std::to_string(i); }
  static Entry entry(int i) { return sample_entry({BlobDigest::of(blob(i))}, 5, name(i)); }
  static FileFact fact(int i) { return {{1, static_cast<uint64_t>(i), 3, 4, 5}, BlobDigest::of(name(i)), 7}; }

  void restore() {
    for (const std::string& file : files_below(dir_.path())) {
      if (files_.count(file) == 0) ::unlink(file.c_str());
    }
    for (const auto& [file, bytes] : files_) {
      make_directories(file.substr(0, file.rfind('/'))).ok();
      write_file(file, bytes);
    }
  }

  // Whatever the store still answers is what was put. Returns how many of the items it has lost.
  int check(Store& store) {
    int lost = 0;
    for (int i = 0; i < 3; ++i) {
      auto entries = store.find(key_of(name(i)));
      lost += entries.ok() && !entries->empty() ? 0 : 1;
      if (entries.ok()) {
        for (const Entry& found : *entries) {
          EXPECT_EQ(encode_manifest(found.manifest), encode_manifest(entry(i).manifest));
          EXPECT_EQ(encode_result(found.result), encode_result(entry(i).result));
        }
      }
      auto bytes = store.get_blob(BlobDigest::of(blob(i)));
      lost += bytes.ok() ? 0 : 1;
      EXPECT_TRUE(!bytes.ok() || *bytes == blob(i));
      const auto known = store.file_fact("view", name(i));
      lost += known ? 0 : 1;
      EXPECT_TRUE(!known || (known->stamp == fact(i).stamp && known->digest == fact(i).digest && known->facts == 7));
      const auto value = store.history(name(i));
      lost += value ? 0 : 1;
      EXPECT_EQ(value.value_or(name(i) + " value"), name(i) + " value");
    }
    const uint64_t limit = store.info().max_size_bytes;
    EXPECT_TRUE(limit == 123456789 || limit == uint64_t{10} << 30) << limit;
    return lost;
  }

  // Opens the damaged store, checks it, fills it again and checks that nothing is missing then.
  void check_and_refill() {
    auto store = open();
    ASSERT_TRUE(store);
    check(*store);
    fill(*store);
    EXPECT_EQ(check(*store), 0);
  }

  std::string file_named(const std::string& part) {
    for (const auto& [file, bytes] : files_) {
      if (file.find(part) != file.npos) return file;
    }
    ADD_FAILURE() << "no file " << part;
    return "";
  }

  TempDir dir_;
  std::map<std::string, std::string> files_;
};

// Offsets worth a flip: what is not zero, thinned out, and some of the zeros.
std::vector<size_t> offsets_of(const std::string& bytes, size_t wanted) {
  std::vector<size_t> set, zero, out;
  for (size_t i = 0; i < bytes.size(); ++i) (bytes[i] != 0 ? set : zero).push_back(i);
  const size_t set_step = std::max<size_t>(1, set.size() / wanted), zero_step = std::max<size_t>(1, zero.size() / 16);
  for (size_t i = 0; i < set.size(); i += set_step) out.push_back(set[i]);
  for (size_t i = 0; i < zero.size(); i += zero_step) out.push_back(zero[i]);
  return out;
}

TEST_F(DamageTest, SurvivesAFlippedByteAnywhereInAnyFile) {
  const char* wanted = ::getenv("HPCC_TEST_FLIPS");  // for a long run by hand
  for (const auto& [file, bytes] : files_) {
    for (size_t offset : offsets_of(bytes, wanted != nullptr ? strtoul(wanted, nullptr, 10) : 24)) {
      SCOPED_TRACE(file + " at " + std::to_string(offset));
      restore();
      std::string flipped = bytes;
      flipped[offset] = static_cast<char>(flipped[offset] ^ (1 << offset % 8));
      write_file(file, flipped);
      check_and_refill();
    }
  }
}

TEST_F(DamageTest, SurvivesEveryFileBeingCut) {
  for (const auto& [file, bytes] : files_) {
    for (size_t size : {size_t{0}, size_t{1}, bytes.size() / 3, bytes.size() / 2, bytes.size() - 1}) {
      if (size >= bytes.size()) continue;
      SCOPED_TRACE(file + " cut to " + std::to_string(size));
      restore();
      write_file(file, bytes.substr(0, size));
      check_and_refill();
    }
  }
}

TEST_F(DamageTest, SurvivesEveryFileBeingNoiseOrMissingOrLonger) {
  for (const auto& [file, bytes] : files_) {
    std::string noise = bytes;
    uint64_t x = 88172645463325252u;
    for (char& c : noise) c = static_cast<char>((x = x * 6364136223846793005u + 1442695040888963407u) >> 56);
    for (const std::string& other : {noise, bytes + std::string(5000, 'x')}) {
      SCOPED_TRACE(file);
      restore();
      write_file(file, other);
      check_and_refill();
    }
    restore();
    ::unlink(file.c_str());
    check_and_refill();
  }
}

TEST_F(DamageTest, SurvivesTheFilesOfAnotherMomentSideBySide) {
  const std::string table = file_named("/table"), log = file_named("/log-");
  {
    auto store = open();
    for (int i = 0; i < 50; ++i) EXPECT_TRUE(store->put(key_of("more"), sample_entry({}, 50, std::to_string(i))).ok());
  }
  const std::string newer_table = read_file(table), newer_log = read_file(log);
  write_file(table, newer_table);
  write_file(log, files_[log]);  // a new table with an old log
  check_and_refill();
  restore();
  write_file(log, newer_log);  // an old table with a new log
  check_and_refill();
}

TEST_F(DamageTest, SurvivesBeingCutWhileItIsOpen) {
  for (const auto& [file, bytes] : files_) {
    SCOPED_TRACE(file);
    restore();
    auto store = open();
    EXPECT_EQ(check(*store), 0);
    write_file(file, "");
    check(*store);
    check(*store);
    store.reset();
    check_and_refill();
  }
}

TEST_F(DamageTest, GoesOnWhenItsDirectoryIsRemovedWhileItIsOpen) {
  auto store = open();
  remove_tree(dir_ / "v1");
  EXPECT_EQ(check(*store), 12);
  fill(*store);
  EXPECT_EQ(check(*store), 0);
  EXPECT_EQ(check(*open()), 0);
}

TEST_F(DamageTest, CountsAndRemovesACorruptBlob) {
  const std::string hex = BlobDigest::of(blob(0)).hex();
  write_file(file_named(hex), "bad blob 0");
  auto store = open();
  EXPECT_EQ(store->get_blob(BlobDigest::of(blob(0))).error().code, Code::kCorrupt);
  EXPECT_EQ(corrupt_count(*store), 1u);
  EXPECT_EQ(store->get_blob(BlobDigest::of(blob(0))).error().code, Code::kNotFound);
  EXPECT_EQ(store->info().blob_count, 2u);
}

TEST_F(DamageTest, NeverCopiesACorruptBlobAndSaysOk) {
  for (int i : {0, 1}) {
    const std::string file = file_named(BlobDigest::of(blob(i)).hex());
    for (size_t offset = 0; offset < files_[file].size(); ++offset) {
      std::string flipped = files_[file];
      flipped[offset] ^= 0x10;
      restore();
      write_file(file, flipped);
      auto store = open();
      const int fd = ::open((dir_ / "copy").c_str(), O_RDWR | O_CREAT | O_TRUNC, 0600);
      const Status copied = store->copy_blob_to(BlobDigest::of(blob(i)), blob(i).size(), fd);
      ::close(fd);
      // zstd ignores some bits of its frame; what counts is the content.
      EXPECT_TRUE(!copied.ok() || (i == 1 && read_file(dir_ / "copy") == blob(i)));
    }
  }
}

TEST_F(DamageTest, SetsADamagedIndexAsideAndKeepsAtMostTwo) {
  const std::string table = file_named("/table");
  for (int round = 0; round < 4; ++round) {
    std::string bytes = read_file(table);
    bytes[3] ^= 1;
    write_file(table, bytes);
    auto store = open();
    EXPECT_EQ(corrupt_count(*store), static_cast<uint64_t>(round + 1));
    EXPECT_EQ(store->info().entry_count, 0u);
    EXPECT_EQ(store->info().blob_count, 3u) << "blobs that are there still count";
  }
  int aside = 0;
  for (const std::string& name : list_directory(dir_ / "v1")) aside += name.starts_with("index.damaged-") ? 1 : 0;
  EXPECT_EQ(aside, 2);
}

TEST_F(DamageTest, IgnoresDirectoriesLinksAndFifosInPlaceOfItsFiles) {
  for (const auto& [file, bytes] : files_) {
    if (file.ends_with("/lock") || file.ends_with("CACHEDIR.TAG")) continue;
    const std::function<void()> plants[] = {[&] { ::mkdir(file.c_str(), 0700); },
                                            [&] { EXPECT_EQ(::symlink("/etc/passwd", file.c_str()), 0); },
                                            [&] { ::mkfifo(file.c_str(), 0600); }};
    for (const auto& plant : plants) {
      SCOPED_TRACE(file);
      restore();
      ::unlink(file.c_str());
      plant();
      auto store = open();
      ASSERT_TRUE(store);
      check(*store);
      store.reset();
      remove_tree(file);
    }
  }
}

// Runs `body` in a child that may change user or mounts. 0: passed, 77: skipped.
int in_child(const std::function<int()>& body) {
  ::fflush(nullptr);
  const pid_t pid = ::fork();
  if (pid == 0) ::_exit(body());
  int status = 0;
  ::waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

#define IN_CHILD_CHECK(condition)                                           \
  if (!(condition)) {                                                       \
    fprintf(stderr, "%s:%d: failed: %s\n", __FILE__, __LINE__, #condition); \
    return 1;                                                               \
  }

TEST_F(DamageTest, OpensReadOnlyWhereItCannotWrite) {
  const int status = in_child([&]() -> int {
    ::chmod(dir_.path().c_str(), 0755);
    for (const std::string& file : files_below(dir_.path())) ::chmod(file.c_str(), 0444);
    for (const std::string& dir : {std::string("v1"), std::string("v1/blobs"), std::string("v1/index")}) {
      ::chmod((dir_ / dir).c_str(), 0555);
    }
    for (const std::string& sub : list_directory(dir_ / "v1/blobs")) ::chmod((dir_ / "v1/blobs/" + sub).c_str(), 0555);
    if (::geteuid() == 0 && ::setuid(65534) != 0) return 77;
    auto opened = Store::open(dir_.path());
    IN_CHILD_CHECK(opened.ok());
    Store& store = **opened;
    IN_CHILD_CHECK(check(store) == 0);
    const Status blob = store.put_blob(BlobDigest::of("new"), "new");
    IN_CHILD_CHECK(!blob.ok() && blob.error().code == Code::kPermission);
    const Status put = store.put(key_of("new"), sample_entry({}, 2));
    IN_CHILD_CHECK(!put.ok() && put.error().code == Code::kPermission);
    IN_CHILD_CHECK(!store.put_history("a", "b").ok() && !store.set_max_size(1).ok() && !store.clear().ok());
    IN_CHILD_CHECK(!store.remove(key_of(name(0)), store.version(key_of(name(0)))).ok());
    store.put_file_facts("view", {{"new", {}}});
    store.touch(key_of(name(0)), 1);
    IN_CHILD_CHECK(store.flush().ok());
    store.count(Counter::kLocalHit);
    IN_CHILD_CHECK(store.totals().counters[static_cast<size_t>(Counter::kLinksRecorded)] == 5);
    IN_CHILD_CHECK(check(store) == 0);
    return 0;
  });
  if (status == 77) GTEST_SKIP() << "cannot become another user";
  EXPECT_EQ(status, 0);
}

TEST(ReadOnlyStore, IsEmptyWhereNothingIsAndNothingCanBeMade) {
  TempDir dir;
  const int status = in_child([&]() -> int {
    ::chmod(dir.path().c_str(), 0555);
    if (::geteuid() == 0 && ::setuid(65534) != 0) return 77;
    auto store = Store::open(dir.path());
    IN_CHILD_CHECK(store.ok());
    IN_CHILD_CHECK((*store)->find(key_of("a"))->empty() && (*store)->version(key_of("a")) == 0);
    IN_CHILD_CHECK((*store)->put_blob(BlobDigest::of("x"), "x").error().code == Code::kPermission);
    (*store)->count(Counter::kLocalHit);
    return 0;
  });
  if (status == 77) GTEST_SKIP() << "cannot become another user";
  EXPECT_EQ(status, 0);
}

TEST(FullDisk, FailsAPutAndLeavesAUsableStore) {
  TempDir dir;
  const int status = in_child([&]() -> int {
    if (::unshare(CLONE_NEWNS) != 0 || ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return 77;
    if (::mount("none", dir.path().c_str(), "tmpfs", 0, "size=2m") != 0) return 77;
    auto opened = Store::open(dir.path());
    IN_CHILD_CHECK(opened.ok());
    Store& store = **opened;
    int stored = 0, refused = 0;
    for (int i = 0; i < 400; ++i) {
      // Noise does not compress; sizes vary so that the end comes at different places.
      std::string text(static_cast<size_t>(3000 + i * 97 % 9000), '\0');
      uint64_t x = static_cast<uint64_t>(i) + 1;
      for (char& c : text) c = static_cast<char>((x = x * 6364136223846793005u + 1442695040888963407u) >> 56);
      const BlobDigest digest = BlobDigest::of(text);
      const bool put = store.put_blob(digest, text).ok() &&
                       store.put(key_of(std::to_string(i)), sample_entry({digest}, 30, std::to_string(i))).ok();
      put ? ++stored : ++refused;
      auto found = store.find(key_of(std::to_string(i)));
      IN_CHILD_CHECK(found.ok() && found->size() == (put ? 1u : 0u));
      store.put_file_facts("view", {{std::to_string(i), {}}});
      store.count(Counter::kLocalHit);
    }
    IN_CHILD_CHECK(stored > 50 && refused > 50);
    for (const std::string& file : files_below(dir.path())) {
      IN_CHILD_CHECK(file.find("tmp") == file.npos && file.find(".new") == file.npos);
    }
    IN_CHILD_CHECK(store.set_max_size(500000).ok() || store.clear().ok());
    IN_CHILD_CHECK(store.evict().ok());
    IN_CHILD_CHECK(store.put_blob(BlobDigest::of("again"), "again").ok());
    IN_CHILD_CHECK(store.put(key_of("again"), sample_entry({BlobDigest::of("again")}, 2)).ok());
    IN_CHILD_CHECK(store.find(key_of("again"))->size() == 1);
    return 0;
  });
  if (status == 77) GTEST_SKIP() << "cannot mount a small tmpfs here (needs root)";
  EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace hpcc::store
