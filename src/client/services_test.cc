#include "client/services.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include "base/fs.h"
#include "store/test_support.h"

namespace hpcc {
namespace {

class ServicesTest : public ::testing::Test {
 protected:
  ServicesTest() : services_(dir_.path()) {
    for (const char* part : {"/run", "/log"}) EXPECT_TRUE(make_directories(dir_.path() + part, 0700).ok());
  }
  ~ServicesTest() override { EXPECT_TRUE(services_.stop("one").ok()); }

  // A shell script; $2 is the number of the descriptor that waits for a line.
  Result<std::string> start(const std::string& script) {
    return services_.start("one", {"/bin/sh", "-c", script, "sh"});
  }

  store::TempDir dir_;
  Services services_;
};

TEST_F(ServicesTest, OneThatSaysItIsReadyRunsUntilItIsStopped) {
  Result<std::string> said = start("echo here 1 >&$2; exec 3>&-; exec sleep 60");
  ASSERT_TRUE(said.ok()) << said.error().to_string();
  EXPECT_EQ(*said, "here 1");
  const pid_t pid = services_.running("one");
  ASSERT_GT(pid, 0);
  EXPECT_EQ(getsid(pid), pid) << "it would end with the terminal";
  EXPECT_EQ(Services(dir_.path()).running("one"), pid);
  ASSERT_TRUE(services_.stop("one").ok());
  EXPECT_EQ(services_.running("one"), -1);
  EXPECT_NE(access(services_.pid_file("one").c_str(), F_OK), 0);
}

TEST_F(ServicesTest, OneThatEndsAtOnceIsToldByItsLastLine) {
  Result<std::string> said = start("echo first; echo no such port >&2; exit 1");
  ASSERT_FALSE(said.ok());
  EXPECT_NE(said.error().message.find("no such port"), std::string::npos) << said.error().message;
  EXPECT_EQ(services_.running("one"), -1);
}

TEST_F(ServicesTest, APidThatIsSomebodyElsesIsNotEnded) {
  ASSERT_TRUE(replace_file(services_.pid_file("one"), std::to_string(getpid()) + " 1\n", 0600, Sync::kNo).ok());
  EXPECT_EQ(services_.running("one"), -1);
  ASSERT_TRUE(services_.stop("one").ok());  // and here we are
  for (const char* text : {"", "1 1\n", "-1 1\n", "x", "99999999999999999999 1\n"}) {
    ASSERT_TRUE(replace_file(services_.pid_file("one"), text, 0600, Sync::kNo).ok());
    EXPECT_EQ(services_.running("one"), -1) << text;
  }
}

}  // namespace
}  // namespace hpcc
