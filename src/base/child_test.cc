#include "base/child.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sstream>

#include "base/fs.h"

namespace hpcc {
namespace {

struct Ran {
  int code = -1;
  std::string output;
};

// Runs `script` by /bin/sh with its output caught.
Ran run_shell(const std::string& script, std::optional<Confinement> confinement) {
  int ends[2];
  EXPECT_EQ(pipe2(ends, O_CLOEXEC), 0);
  Fd reader(ends[0]), writer(ends[1]);
  ChildSpec spec;
  spec.program = "/bin/sh";
  spec.argv = {"sh", "-c", script};
  spec.environment = {"PATH=/usr/bin:/bin"};
  spec.descriptors = {-1, writer.get(), writer.get()};
  spec.confinement = std::move(confinement);
  Result<Child> child = Child::start(spec);
  EXPECT_TRUE(child.ok()) << child.error().to_string();
  if (!child.ok()) return {};
  writer.reset();
  Ran ran;
  Result<std::string> output = read_fd(reader.get(), 1 << 20, "pipe");
  if (output.ok()) ran.output = *output;
  Result<int> code = child->wait(Deadline::after_ms(20000));
  EXPECT_TRUE(code.ok());
  if (code.ok()) ran.code = *code;
  return ran;
}

std::string field(const std::string& status, const std::string& name) {
  const size_t at = status.find(name + ":");
  if (at == std::string::npos) return "missing";
  std::istringstream words(status.substr(at + name.size() + 1));
  std::string word;
  words >> word;
  return word;
}

TEST(Child, GivesTheExitCodeAndTheOutput) {
  const Ran ran = run_shell("echo hello; exit 3", std::nullopt);
  EXPECT_EQ(ran.code, 3);
  EXPECT_EQ(ran.output, "hello\n");
}

TEST(Child, HasNoDescriptorsButThoseItWasGiven) {
  Fd extra(open("/dev/null", O_RDONLY));
  EXPECT_EQ(run_shell("ls /proc/self/fd | wc -l", std::nullopt).output, "4\n");  // 0, 1, 2 and that of ls itself
}

TEST(Child, ThatCannotBeExecutedIsAnErrorThatNamesIt) {
  ChildSpec spec;
  spec.program = "/nonexistent/program";
  spec.argv = {"program"};
  Result<Child> child = Child::start(spec);
  ASSERT_FALSE(child.ok());
  EXPECT_EQ(child.error().code, Code::kNotFound);
  EXPECT_NE(child.error().message.find("/nonexistent/program"), std::string::npos);
}

TEST(Child, MayBeAScript) {
  char path[] = "/tmp/hpcc-child-test-XXXXXX";
  Fd file(mkstemp(path));
  constexpr char kScript[] = "#!/bin/sh\nexit 5\n";
  ASSERT_EQ(write(file.get(), kScript, sizeof kScript - 1), static_cast<ssize_t>(sizeof kScript - 1));
  ASSERT_EQ(fchmod(file.get(), 0700), 0);
  file.reset();
  ChildSpec spec;
  spec.program = path;
  spec.argv = {"script"};
  spec.descriptors = {-1, -1, -1};
  Result<Child> child = Child::start(spec);
  ASSERT_TRUE(child.ok()) << child.error().to_string();
  Result<int> code = child->wait(Deadline::after_ms(20000));
  unlink(path);
  ASSERT_TRUE(code.ok());
  EXPECT_EQ(*code, 5);
}

TEST(Child, ThatIsNotWaitedForIsKilledAndReaped) {
  pid_t pid = -1;
  {
    ChildSpec spec;
    spec.program = "/bin/sleep";
    spec.argv = {"sleep", "1000"};
    Result<Child> child = Child::start(spec);
    ASSERT_TRUE(child.ok());
    pid = child->pid();
    Result<int> still = child->wait(Deadline::after_ms(0));
    ASSERT_FALSE(still.ok());
    EXPECT_EQ(still.error().code, Code::kTimeout);
  }
  EXPECT_EQ(::kill(pid, 0), -1);
}

TEST(Confine, AConfinedProgramHasNoPrivilegesAndAFilter) {
  const Ran ran = run_shell("cat /proc/self/status", Confinement{});
  ASSERT_EQ(ran.code, 0);
  EXPECT_EQ(field(ran.output, "NoNewPrivs"), "1");
  EXPECT_EQ(field(ran.output, "Seccomp"), "2");
  EXPECT_EQ(field(ran.output, "CapEff"), "0000000000000000");
  if (geteuid() == 0) {
    EXPECT_GE(std::stoul(field(ran.output, "Uid")), kOwnUidBase);
    EXPECT_EQ(run_shell("sed -n 's/ *\\([^ ]*\\):.*/\\1/p' /proc/net/dev", Confinement{}).output, "lo\n");
  }
}

TEST(Confine, OnlyTheNamedTreesCanBeOpened) {
  Confinement only_system;
  only_system.readable = {"/bin", "/usr", "/lib", "/lib64", "/etc/ld.so.cache"};
  const Ran ran = run_shell("cat /etc/passwd", only_system);
  if (ran.code == 0) GTEST_SKIP() << "this kernel has no Landlock";
  EXPECT_NE(ran.output.find("/etc/passwd"), std::string::npos);
  only_system.readable.push_back("/etc/passwd");
  EXPECT_EQ(run_shell("cat /etc/passwd", only_system).code, 0);
}

TEST(Confine, ACallOutsideTheListEndsTheProcess) {
  EXPECT_EXIT(
      {
        if (!restrict_syscalls({}).ok()) _exit(1);
        [[maybe_unused]] const int made = socket(AF_UNIX, SOCK_STREAM, 0);
        _exit(2);
      },
      testing::KilledBySignal(SIGSYS), "");
}

TEST(Confine, AThreadThatWaitsForALockMayYieldAndAskForItsPriority) {
  EXPECT_EXIT(
      {
        if (!restrict_syscalls({}).ok()) _exit(1);
        int policy;
        struct sched_param priority;
        _exit(sched_yield() == 0 && pthread_getschedparam(pthread_self(), &policy, &priority) == 0 ? 0 : 2);
      },
      testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace hpcc
