// The fixture of the tests that run for every driver.
#pragma once

#include <poll.h>

#include <memory>
#include <set>
#include <sstream>

#include "harness.h"

namespace hpcc::test {

class Conformance : public testing::TestWithParam<Driver> {
 protected:
  void SetUp() override {
    char place[] = "/tmp/hpcc-conformance-XXXXXX";
    ASSERT_NE(mkdtemp(place), nullptr);
    place_ = place;
    start();
  }
  void TearDown() override {
    stop();
    EXPECT_EQ(rmdir(place_.c_str()), 0) << "something was left in " << place_;
  }

  void start() {
    SandboxSpec spec = GetParam().spec;
    spec.state_dir = place_ + "/state";
    Result<std::unique_ptr<Sandbox>> sandbox = GetParam().start(spec, soon());
    ASSERT_TRUE(sandbox.ok()) << sandbox.error().to_string();
    sandbox_ = std::move(*sandbox);
    Result<std::unique_ptr<GuestSession>> session = connect();
    ASSERT_TRUE(session.ok()) << session.error().to_string();
    session_ = std::move(*session);
  }
  void stop() {
    session_.reset();
    if (!sandbox_) return;
    const Status stopped = sandbox_->stop(soon());
    EXPECT_TRUE(stopped.ok()) << stopped.error().to_string();
    sandbox_.reset();
  }
  void restart() {
    stop();
    start();
  }
  Result<std::unique_ptr<GuestSession>> connect() {
    TRY_ASSIGN(Fd stream, sandbox_->connect(soon()));
    return GuestSession::start(std::move(stream), guest_options(), soon());
  }

  static Deadline soon() { return Deadline::after_ms(120'000); }
  const Driver& driver() const { return GetParam(); }
  GuestSession& session() { return *session_; }
  Sandbox& sandbox() { return *sandbox_; }

  static GuestCompile command(std::vector<std::string> argv, std::vector<std::string> outputs) {
    GuestCompile what;
    what.argv = std::move(argv);
    what.outputs = std::move(outputs);
    return what;
  }
  static GuestCompile shell(const std::string& script, std::vector<std::string> outputs) {
    return command({"/bin/sh", "-c", script}, std::move(outputs));
  }
  Result<GuestResult> run(const GuestCompile& what) { return session().compile(what, blobs_, Cancel{}, soon()); }

  // Whether no process with this word is left, soon: the kernel's own ending of a namespace takes a moment.
  static bool goes_away(const std::string& word) {
    for (int i = 0; i < 200; ++i) {
      if (processes_with(word) == 0) return true;
      poll(nullptr, 0, 50);
    }
    return false;
  }

  MemoryBlobs blobs_;
  std::string place_;
  std::unique_ptr<Sandbox> sandbox_;
  std::unique_ptr<GuestSession> session_;
};

}  // namespace hpcc::test
