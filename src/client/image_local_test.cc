#include "client/image_local.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "base/fs.h"

namespace hpcc {
namespace {

using Words = std::vector<std::string>;

// A project and a directory of somebody's beside it, in a directory of /tmp.
class ImageLocal : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/hpcc-image-local-XXXXXX";
    top_ = mkdtemp(name);
    for (const char* directory : {"/tree/usr", "/p/build/.git", "/p/.hg", "/other/inc"}) {
      ASSERT_TRUE(make_directories(top_ + directory, 0755).ok());
    }
    ASSERT_GE(Fd(open((top_ + "/p/.hpcc").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644)).get(), 0);
    run_.tree = top_ + "/tree";
    run_.root = top_ + "/p";
    run_.cwd = "build";
  }
  void TearDown() override { EXPECT_TRUE(remove_tree(top_).ok()); }

  // What is bound, after the word that says how.
  Words bound(const std::string& how) {
    Result<Words> words = image_command(run_);
    Words out;
    if (!words.ok()) return {words.error().message};
    for (size_t i = 0; i + 1 < words->size(); ++i) {
      if ((*words)[i] == how) out.push_back((*words)[i + 1]);
    }
    return out;
  }

  std::string top_;
  ImageRun run_;
};

TEST_F(ImageLocal, OfTmpThereIsOnlyWhatTheCommandNames) {
  if (!image_command(run_).ok()) GTEST_SKIP() << "bubblewrap is not installed";
  EXPECT_EQ(bound("--bind"), Words{run_.root});
  run_.argv = {"gcc",    "-I" + top_ + "/other/inc", "-Wl,-Map=" + top_ + "/p/map", "/tmp/../etc/passwd", "/tmp",
               "/tmp/./"};
  EXPECT_EQ(bound("--bind"), (Words{top_ + "/other/inc", run_.root})) << "the project is in the same directory of /tmp";
  run_.root = "/usr/p";
  run_.argv = {"gcc", "-Wl,-rpath," + top_ + "/other", "/opt" + top_ + "/p"};
  EXPECT_EQ(bound("--bind"), (Words{top_, run_.root})) << "a build's temporary directory is its own";
}

TEST_F(ImageLocal, WhatRunsProgramsOrNamesTheImageCannotBeWritten) {
  if (!image_command(run_).ok()) GTEST_SKIP() << "bubblewrap is not installed";
  const std::string p = top_ + "/p";
  EXPECT_EQ(bound("--ro-bind"), (Words{top_ + "/tree/usr", p + "/.hg", p + "/.hpcc", p + "/build/.git"}));
}

TEST_F(ImageLocal, AProjectMayStandWhereTheImageHasADirectory) {
  if (!image_command(run_).ok()) GTEST_SKIP() << "bubblewrap is not installed";
  ASSERT_TRUE(make_directories(top_ + "/tree/usr/lib", 0755).ok());
  ASSERT_GE(Fd(open((top_ + "/tree/file").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644)).get(), 0);
  run_.root = "/usr/src/p";
  run_.places = {"/usr/src/p"};
  EXPECT_EQ(bound("--dir"), (Words{"/usr", "/sys"}));
  EXPECT_EQ(bound("--ro-bind"), (Words{top_ + "/tree/file", top_ + "/tree/usr/lib"}));
  EXPECT_EQ(bound("--bind"), Words{run_.root});
  EXPECT_EQ(bound("--chdir"), Words{"/usr/src/p/build"});
  run_.places = {"/file/p"};
  EXPECT_NE(image_command(run_).error().message.find("/file"), std::string::npos);
}

TEST_F(ImageLocal, AnOutputWithoutADirectoryOfItsOwnIsMadeFirst) {
  if (!image_command(run_).ok()) GTEST_SKIP() << "bubblewrap is not installed";
  const std::string lone = top_ + "/lone.o";  // beside the project, which must not be bound twice
  run_.argv = {"gcc", "-o", lone};
  run_.outputs = {lone, top_ + "/other/x.o", top_ + "/p/y.o", "/usr/nowhere"};
  run_.umask = 027;
  EXPECT_EQ(make_lone_outputs(run_), Words{lone});
  struct stat info;
  ASSERT_EQ(stat(lone.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0640u);
  EXPECT_EQ(bound("--bind"), (Words{lone, run_.root}));
  EXPECT_EQ(make_lone_outputs(run_), Words{}) << "what was there is not made, nor removed";
  run_.outputs.clear();
  const Words read_only = bound("--ro-bind");
  EXPECT_EQ(std::count(read_only.begin(), read_only.end(), lone), 1) << "an input";
}

TEST_F(ImageLocal, StandardInputIsForThoseWhoReadIt) {
  EXPECT_TRUE(reads_stdin({"gcc", "-E", "-"}));
  EXPECT_TRUE(reads_stdin({"gcc", "-x", "c", "/dev/stdin"}));
  EXPECT_FALSE(reads_stdin({"gcc", "-c", "a.c", "-o", "a.o"}));
}

}  // namespace
}  // namespace hpcc
