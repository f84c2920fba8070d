#include "base/fs.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

namespace hpcc {
namespace {

class ReplaceFile : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/hpcc-fs-XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    dir_ = name;
    path_ = dir_ + "/file";
  }
  void TearDown() override { ASSERT_TRUE(remove_tree(dir_).ok()); }
  std::string content() const { return read_file(path_, 1 << 20).value_or("none"); }
  std::vector<std::string> names() const { return std::move(list_directory(dir_)).value(); }
  mode_t mode() const {
    struct stat info = {};
    return lstat(path_.c_str(), &info) == 0 ? info.st_mode : 0;
  }

  const std::vector<std::string> only_it_ = {"file"};
  std::string dir_, path_;
};

TEST_F(ReplaceFile, MakesItWithItsModeAndLeavesNothingElse) {
  for (Sync sync : {Sync::kNo, Sync::kYes}) {
    const std::string text = sync == Sync::kNo ? "one" : std::string(300'000, 'x');
    ASSERT_TRUE(replace_file(path_, text, 0640, sync).ok());
    EXPECT_EQ(content(), text);
    EXPECT_EQ(mode(), mode_t{S_IFREG | 0640});
    EXPECT_EQ(names(), only_it_);
  }
}

TEST_F(ReplaceFile, ThatFailsInTheMiddleLeavesTheOldOne) {
  ASSERT_TRUE(replace_file(path_, "old", 0600, Sync::kNo).ok());
  struct rlimit before, small;
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  small = before;
  small.rlim_cur = 4096;
  const auto handler = signal(SIGXFSZ, SIG_IGN);
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  const Status done = replace_file(path_, std::string(100'000, 'n'), 0600, Sync::kYes);
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
  signal(SIGXFSZ, handler);
  EXPECT_FALSE(done.ok());
  EXPECT_EQ(content(), "old");
  EXPECT_EQ(names(), only_it_);
}

TEST_F(ReplaceFile, ThatCannotTakeItsNameLeavesNothing) {
  ASSERT_EQ(mkdir(path_.c_str(), 0700), 0);
  EXPECT_FALSE(replace_file(path_, "new", 0600, Sync::kNo).ok());
  EXPECT_EQ(names(), only_it_);
}

TEST_F(ReplaceFile, ReplacesALinkAndNotWhatItNames) {
  const std::string other = dir_ + "/other";
  ASSERT_TRUE(replace_file(other, "other", 0600, Sync::kNo).ok());
  ASSERT_EQ(symlink("other", path_.c_str()), 0);
  ASSERT_TRUE(replace_file(path_, "new", 0600, Sync::kNo).ok());
  EXPECT_EQ(content(), "new");
  EXPECT_TRUE(S_ISREG(mode()));
  EXPECT_EQ(read_file(other, 100).value_or(""), "other");
}

TEST_F(ReplaceFile, AFileThatIsOnlyCreatedTakesNobodysPlace) {
  ASSERT_TRUE(create_file(path_, "first", 0600).ok());
  ASSERT_TRUE(create_file(path_, "second", 0600).ok());
  EXPECT_EQ(content(), "first");
  EXPECT_EQ(names(), only_it_);
  EXPECT_FALSE(create_file(dir_ + "/nowhere/file", "text", 0600).ok());
}

}  // namespace
}  // namespace hpcc
