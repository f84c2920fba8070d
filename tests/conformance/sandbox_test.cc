// What a sandbox leaves behind, after every way it can end: nothing. And what its processes may do.
#include <signal.h>
#include <sys/wait.h>

#include <thread>

#include "fixture.h"

namespace hpcc::test {
namespace {

std::string field(const std::string& status, const std::string& name) {
  const size_t at = status.find("\n" + name + ":\t");
  return at == std::string::npos
             ? ""
             : status.substr(at + name.size() + 3, status.find('\n', at + 1) - at - name.size() - 3);
}

// Processes of a sandbox that was given up are reaped by this process.
bool same_soon(const Leavings& before) {
  for (int i = 0; i < 200; ++i) {
    while (waitpid(-1, nullptr, WNOHANG) > 0) continue;
    if (Leavings::count() == before) return true;
    poll(nullptr, 0, 50);
  }
  return false;
}

class Leftovers : public testing::TestWithParam<Driver> {
 protected:
  void SetUp() override {
    char place[] = "/tmp/hpcc-conformance-XXXXXX";
    ASSERT_NE(mkdtemp(place), nullptr);
    place_ = place;
    spec_ = GetParam().spec;
    spec_.state_dir = place_ + "/state";
    before_ = Leavings::settled();
    ASSERT_EQ(before_.descendants, 0u);
  }
  void TearDown() override {
    EXPECT_TRUE(same_soon(before_)) << "before: " << before_ << "; after: " << Leavings::count();
    EXPECT_EQ(rmdir(place_.c_str()), 0) << "something was left in " << place_;
  }
  static Deadline soon() { return Deadline::after_ms(120'000); }
  std::unique_ptr<Sandbox> start() {
    auto sandbox = GetParam().start(spec_, soon());
    EXPECT_TRUE(sandbox.ok()) << sandbox.error().to_string();
    return sandbox.ok() ? std::move(*sandbox) : nullptr;
  }
  static std::unique_ptr<GuestSession> connect(Sandbox& sandbox) {
    auto stream = sandbox.connect(soon());
    EXPECT_TRUE(stream.ok()) << stream.error().to_string();
    auto session = GuestSession::start(std::move(*stream), guest_options(), soon());
    EXPECT_TRUE(session.ok()) << session.error().to_string();
    return session.ok() ? std::move(*session) : nullptr;
  }

  std::string place_;
  SandboxSpec spec_;
  Leavings before_{};
};

TEST_P(Leftovers, AfterAnOrderlyStop) {
  auto sandbox = start();
  auto session = connect(*sandbox);
  session.reset();
  EXPECT_TRUE(sandbox->stop(soon()).ok());
}

TEST_P(Leftovers, AfterBeingDroppedWithoutAStop) {
  auto sandbox = start();
  auto session = connect(*sandbox);
}

TEST_P(Leftovers, AfterBeingDroppedBeforeAnyConnection) { start(); }

TEST_P(Leftovers, AfterTheMonitorWasKilled) {
  auto sandbox = start();
  auto session = connect(*sandbox);
  // What the sandbox consists of on this side, but not this session's proxy.
  for (const std::string& name : list_directory("/proc").value_or({})) {
    const std::string stat = read_file("/proc/" + name + "/stat", 4096).value_or("");
    const size_t at = stat.rfind(')');
    if (at == std::string::npos || std::atoi(stat.c_str() + at + 4) != getpid()) continue;
    if (std::atoi(name.c_str()) != session->proxy_pid()) kill(std::atoi(name.c_str()), SIGKILL);
  }
  EXPECT_TRUE(wait_readable(sandbox->ended_fd(), soon()).ok());
  MemoryBlobs blobs;
  GuestCompile what;
  what.argv = {"true"};
  Result<GuestResult> result = session->compile(what, blobs, Cancel{}, soon());
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code, Code::kIo) << result.error().to_string();
  EXPECT_FALSE(session->healthy());
  EXPECT_FALSE(sandbox->connect(Deadline::after_ms(1000)).ok());
}

TEST_P(Leftovers, AfterAStopInTheMiddleOfACompile) {
  auto sandbox = start();
  auto session = connect(*sandbox);
  MemoryBlobs blobs;
  GuestCompile what;
  what.argv = {"/bin/sh", "-c", "echo begun; sleep 86451"};
  std::thread stopper([&] {
    poll(nullptr, 0, 500 * GetParam().slowness / 2);
    EXPECT_TRUE(sandbox->stop(soon()).ok());
  });
  Result<GuestResult> result = session->compile(what, blobs, Cancel{}, soon());
  stopper.join();
  EXPECT_FALSE(result.ok());
  EXPECT_EQ(processes_with("86451"), 0);
}

TEST_P(Leftovers, AfterAnAgentThatCannotBeStarted) {
  spec_.agent = "/etc/passwd";
  auto sandbox = GetParam().start(spec_, soon());
  if (!sandbox.ok()) return;
  auto stream = (*sandbox)->connect(Deadline::after_ms(3000));
  if (!stream.ok()) return;
  EXPECT_FALSE(GuestSession::start(std::move(*stream), guest_options(), Deadline::after_ms(3000)).ok());
}

TEST_P(Leftovers, AfterAnAgentThatIsNotThere) {
  spec_.agent = "/nowhere/hpcc-agent";
  auto sandbox = GetParam().start(spec_, soon());
  ASSERT_FALSE(sandbox.ok());
  EXPECT_NE(sandbox.error().message.find("/nowhere/hpcc-agent"), std::string::npos);
}

TEST_P(Leftovers, AnotherSessionFollowsOneWhoseProxyDied) {
  auto sandbox = start();
  auto session = connect(*sandbox);
  kill(session->proxy_pid(), SIGKILL);
  MemoryBlobs blobs;
  GuestCompile what;
  what.argv = {"true"};
  EXPECT_FALSE(session->compile(what, blobs, Cancel{}, soon()).ok());
  EXPECT_FALSE(session->healthy());
  session.reset();
  Result<GuestResult> result = Error{Code::kIo, "", 0};
  // The agent learns of the end by the connection's: a moment later it serves the next.
  for (int i = 0; i < 100 && !result.ok(); ++i) {
    auto stream = sandbox->connect(soon());
    ASSERT_TRUE(stream.ok());
    auto next = GuestSession::start(std::move(*stream), guest_options(), soon());
    if (next.ok()) result = (*next)->compile(what, blobs, Cancel{}, soon());
    if (!result.ok()) poll(nullptr, 0, 50);
  }
  EXPECT_TRUE(result.ok()) << result.error().to_string();
}

TEST_P(Leftovers, TheProxyIsConfined) {
  auto sandbox = start();
  auto session = connect(*sandbox);
  const std::string status =
      read_file("/proc/" + std::to_string(session->proxy_pid()) + "/status", 1u << 16).value_or("");
  EXPECT_EQ(field(status, "NoNewPrivs"), "1") << status;
  EXPECT_EQ(field(status, "Seccomp"), "2") << status;
  EXPECT_EQ(field(status, "CapEff"), "0000000000000000") << status;
  if (geteuid() == 0) {
    EXPECT_NE(field(status, "Uid").substr(0, 2), "0\t") << status;
  }
}

TEST_P(Leftovers, EverySandboxHasAnIdOfItsOwn) {
  auto one = start();
  spec_.state_dir += "2";
  auto two = start();
  EXPECT_NE(one->info().vm_id, two->info().vm_id);
  EXPECT_EQ(one->info().agent_digest.size(), 64u);
  EXPECT_NE(one->info().driver, "");
}

TEST_P(Leftovers, NoTwoSandboxesShareIdsOfTheHost) {
  if (GetParam().name != "namespace" || geteuid() != 0) GTEST_SKIP() << "its guests have no ids of this host's";
  std::set<std::string> maps;
  std::vector<std::unique_ptr<Sandbox>> all;
  const std::string place = spec_.state_dir;
  for (int i = 0; i < 6; ++i) {
    spec_.state_dir = place + std::to_string(i);
    all.push_back(start());
    auto session = connect(*all.back());
    MemoryBlobs blobs;
    GuestCompile what;
    what.argv = {"cat", "/proc/self/uid_map"};
    Result<GuestResult> result = session->compile(what, blobs, Cancel{}, soon());
    ASSERT_TRUE(result.ok()) << result.error().to_string();
    EXPECT_NE(result->stdout_bytes, "");
    EXPECT_TRUE(maps.insert(result->stdout_bytes).second) << result->stdout_bytes;
  }
}

INSTANTIATE_TEST_SUITE_P(Drivers, Leftovers, testing::ValuesIn(drivers()),
                         [](const testing::TestParamInfo<Driver>& info) { return info.param.name; });

}  // namespace
}  // namespace hpcc::test
