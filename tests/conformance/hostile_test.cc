// Hostile sources: whatever a compile does, it ends within its limits, leaves nothing, and another session does not
// notice. Shell scripts stand for what a compiler could be brought to do by its input.
#include "fixture.h"

namespace hpcc::test {
namespace {

class Hostile : public Conformance {};

GuestCompile small(GuestCompile what, int slowness) {
  what.limits.wall_ms = 3000 * static_cast<uint32_t>(slowness);
  what.limits.processes = 40;
  what.limits.memory_bytes = 128u << 20;
  what.limits.disk_bytes = 16u << 20;
  what.limits.output_bytes = 8u << 20;
  what.limits.stdio_bytes = 64u << 10;
  return what;
}

// The other session: of another tenant, on a sandbox of its own.
class OtherSession {
 public:
  explicit OtherSession(const Driver& driver) {
    SandboxSpec spec = driver.spec;
    char place[] = "/tmp/hpcc-conformance-XXXXXX";
    EXPECT_NE(mkdtemp(place), nullptr);
    place_ = place;
    spec.state_dir = place_ + "/state";
    const Deadline soon = Deadline::after_ms(120'000);
    auto sandbox = driver.start(spec, soon);
    EXPECT_TRUE(sandbox.ok());
    if (!sandbox.ok()) return;
    sandbox_ = std::move(*sandbox);
    auto stream = sandbox_->connect(soon);
    EXPECT_TRUE(stream.ok());
    auto session = GuestSession::start(std::move(*stream), guest_options(), soon);
    EXPECT_TRUE(session.ok());
    if (session.ok()) session_ = std::move(*session);
  }
  ~OtherSession() {
    session_.reset();
    sandbox_.reset();
    rmdir(place_.c_str());
  }
  bool compiles() {
    GuestCompile what;
    what.argv = {"gcc", "-c", "a.c", "-o", "a.o"};
    what.inputs = {blobs_.add("a.c", "int x;\n")};
    what.outputs = {"a.o"};
    auto result = session_->compile(what, blobs_, Cancel{}, Deadline::after_ms(120'000));
    EXPECT_TRUE(result.ok()) << result.error().to_string();
    return result.ok() && result->exit_code == 0 && result->outputs.size() == 1;
  }

 private:
  std::string place_;
  std::unique_ptr<Sandbox> sandbox_;
  std::unique_ptr<GuestSession> session_;
  MemoryBlobs blobs_;
};

TEST_P(Hostile, AForkBombEndsWithItsCompile) {
  OtherSession other(driver());
  GuestCompile what = small(shell("bomb() { bomb 86441 | bomb 86441 & }; bomb; sleep 86441", {}), driver().slowness);
  Result<GuestResult> result = run(what);
  ASSERT_TRUE(result.ok()) << result.error().to_string();
  EXPECT_FALSE(result->end == GuestEnd::kExited && result->exit_code == 0);
  EXPECT_TRUE(goes_away("86441"));
  EXPECT_TRUE(other.compiles());
  result = run(shell("echo fine", {}));
  ASSERT_TRUE(result.ok()) << result.error().to_string();
  EXPECT_EQ(result->stdout_bytes, "fine\n");
}

TEST_P(Hostile, MemoryIsLimited) {
  OtherSession other(driver());
  Result<GuestResult> result = run(small(shell("tail /dev/zero; exit 7", {}), driver().slowness));
  ASSERT_TRUE(result.ok()) << result.error().to_string();
  EXPECT_EQ(result->end, GuestEnd::kMemoryLimit) << result->exit_code;
  EXPECT_TRUE(result->stdout_bytes.empty());
  EXPECT_TRUE(other.compiles());
  EXPECT_TRUE(run(shell("true", {})).ok());
}

TEST_P(Hostile, DiskIsLimited) {
  GuestCompile what =
      small(shell("dd if=/dev/zero of=a bs=1M count=15 2>&1; dd if=/dev/zero of=/tmp/b bs=1M count=15 2>&1", {}),
            driver().slowness);
  Result<GuestResult> result = run(what);
  ASSERT_TRUE(result.ok()) << result.error().to_string();
  EXPECT_EQ(result->end, GuestEnd::kOutputLimit) << result->exit_code;
  EXPECT_TRUE(run(shell("true", {})).ok());
}

TEST_P(Hostile, ACallForMoreMemoryThanThereMayBeIsNotRefused) {
  Result<GuestResult> result = run(small(shell("ulimit -v", {}), driver().slowness));
  ASSERT_TRUE(result.ok()) << result.error().to_string();
  EXPECT_EQ(result->stdout_bytes, "unlimited\n");
}

TEST_P(Hostile, EndlessOutputEndsTheCompile) {
  for (const char* script : {"yes", "yes >&2"}) {
    Result<GuestResult> result = run(small(shell(script, {}), driver().slowness));
    ASSERT_TRUE(result.ok()) << result.error().to_string();
    EXPECT_EQ(result->end, GuestEnd::kOutputLimit) << script;
    EXPECT_EQ(result->stdout_bytes.size() + result->stderr_bytes.size(), 64u << 10);
  }
  EXPECT_TRUE(run(shell("true", {})).ok());
}

TEST_P(Hostile, LargeOutputsEndTheCompile) {
  for (const char* script : {"truncate -s 1T big 2>/dev/null || truncate -s 15M big", "head -c 9M /dev/zero > big"}) {
    Result<GuestResult> result = run(small(shell(script, {"big"}), driver().slowness));
    ASSERT_TRUE(result.ok()) << result.error().to_string();
    EXPECT_EQ(result->end, GuestEnd::kOutputLimit) << script;
    EXPECT_TRUE(result->outputs.empty());
  }
}

TEST_P(Hostile, AProcessThatWouldOutliveItsCompileIsEnded) {
  Result<GuestResult> result =
      run(shell("setsid sleep 86442 & (sleep 86442 >/dev/null 2>&1 &); sleep 0.2; echo done", {}));
  ASSERT_TRUE(result.ok()) << result.error().to_string();
  EXPECT_EQ(result->stdout_bytes, "done\n");
  EXPECT_LT(result->wall_ms, 60'000u);
  EXPECT_TRUE(goes_away("86442"));
}

TEST_P(Hostile, OutputsThatAreNoFilesAreRefused) {
  for (const char* script : {"ln -s /etc/passwd out", "ln -s out2 out; echo x > out2", "mkdir out", "mkfifo out"}) {
    Result<GuestResult> result = run(shell(script, {"out"}));
    ASSERT_TRUE(result.ok()) << result.error().to_string();
    EXPECT_EQ(result->end, GuestEnd::kRefusedOutput) << script;
    EXPECT_TRUE(result->outputs.empty()) << script;
    EXPECT_NE(result->message.find("output out"), std::string::npos) << result->message;
  }
  Result<GuestResult> result = run(shell("rmdir d; ln -s /etc d", {"d/passwd"}));
  ASSERT_TRUE(result.ok()) << result.error().to_string();
  EXPECT_EQ(result->end, GuestEnd::kRefusedOutput);
}

TEST_P(Hostile, OutputsOutsideTheProjectCannotBeAskedFor) {
  for (const char* path : {"../x", "/etc/passwd", "a/../../x", "", "a//b", "./a"}) {
    Result<GuestResult> result = run(shell("true", {path}));
    EXPECT_FALSE(result.ok()) << path;
  }
  EXPECT_TRUE(session().healthy());
}

TEST_P(Hostile, NothingOfOneCompileIsThereInTheNext) {
  Result<GuestResult> result = run(shell("echo secret | tee /tmp/t x /hpcc/w/y >/dev/null; ls -A /tmp /hpcc/w", {}));
  ASSERT_TRUE(result.ok());
  EXPECT_NE(result->stdout_bytes.find("y"), std::string::npos);
  result = run(shell("ls -A /tmp /hpcc/w; ipcs 2>/dev/null | grep -c 0x; ls /run", {}));
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->stdout_bytes.find("secret"), std::string::npos);
  EXPECT_EQ(result->stdout_bytes.substr(0, 17), "/hpcc/w:\n\n/tmp:\n0");
}

TEST_P(Hostile, TheRootCannotBeWritten) {
  Result<GuestResult> result =
      run(shell("for d in / /usr /usr/bin /etc /dev /hpcc /run /var/tmp /proc/sys/kernel; do "
                "touch $d/hpcc-x 2>/dev/null && echo $d; done; "
                "for f in /usr/bin/gcc /etc/passwd; do (echo x >> $f) 2>/dev/null && echo $f; done; "
                "mount -t tmpfs x /usr 2>/dev/null && echo mounted; "
                "unshare -r true 2>/dev/null && echo namespace; exit 0",
                {}));
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->stdout_bytes, "");
}

TEST_P(Hostile, ACompileHasNoRightsAndNoNetwork) {
  Result<GuestResult> result =
      run(shell("grep -E '^(Uid|CapEff|CapBnd|NoNewPrivs|Seccomp):' /proc/self/status; "
                "grep -c : /proc/net/dev; ls /sys/class/net 2>/dev/null",
                {}));
  ASSERT_TRUE(result.ok());
  const std::string& out = result->stdout_bytes;
  EXPECT_EQ(out.find("Uid:\t0"), std::string::npos) << out;
  EXPECT_NE(out.find("CapEff:\t0000000000000000\nCapBnd:\t0000000000000000\nNoNewPrivs:\t1\nSeccomp:\t2\n"),
            std::string::npos)
      << out;
  // Only the loopback interface, or (a kernel without INET) none; and /sys is empty.
  EXPECT_TRUE(out.ends_with("Seccomp:\t2\n1\n") || out.ends_with("Seccomp:\t2\n0\n")) << out;
  result =
      run(shell("python3 -c 'import socket; socket.socket()' 2>&1 || perl -MSocket -e "
                "'socket(S,PF_INET,SOCK_STREAM,0) or die $!' 2>&1 || true",
                {}));
  ASSERT_TRUE(result.ok());
  EXPECT_NE(result->stdout_bytes, "");
}

TEST_P(Hostile, ACompileHasNoDescriptorsOfTheAgents) {
  Result<GuestResult> result = run(command({"ls", "/proc/self/fd"}, {}));
  ASSERT_TRUE(result.ok()) << result.error().to_string();
  EXPECT_EQ(result->stdout_bytes, "0\n1\n2\n3\n") << "3 is the listing's own";
}

TEST_P(Hostile, OtherProcessesAreOutOfSight) {
  Result<GuestResult> result = run(shell("ls /proc | grep -c '^[0-9]'; kill -9 1 2>/dev/null; echo alive", {}));
  ASSERT_TRUE(result.ok());
  std::istringstream lines(result->stdout_bytes);
  int processes = 99;
  lines >> processes;
  EXPECT_LE(processes, 6);
  EXPECT_NE(result->stdout_bytes.find("alive"), std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(Drivers, Hostile, testing::ValuesIn(drivers()),
                         [](const testing::TestParamInfo<Driver>& info) { return info.param.name; });

}  // namespace
}  // namespace hpcc::test
