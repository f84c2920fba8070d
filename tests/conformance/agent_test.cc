// A misbehaving agent: in place of a guest, this process answers the proxy with forged, misplaced, endless or missing
// frames. The proxy ends the session and says why; the caller gets an Error in time, and nothing else happens.
#include <grpcpp/grpcpp.h>
#include <grpcpp/server_posix.h>
#include <hpcc/v1/agent.grpc.pb.h>
#include <sys/socket.h>

#include <functional>
#include <thread>

#include "harness.h"

namespace hpcc::test {
namespace {

using Stream = grpc::ServerReaderWriter<v1::AgentFrame, v1::HostFrame>;
using Script = std::function<void(Stream&)>;

class ForgedAgent final : public v1::Agent::Service {
 public:
  explicit ForgedAgent(Script script) : script_(std::move(script)) {
    grpc::ServerBuilder builder;
    builder.SetMaxReceiveMessageSize(-1);
    builder.RegisterService(this);
    server_ = builder.BuildAndStart();
  }
  ~ForgedAgent() override { server_->Shutdown(std::chrono::system_clock::now() + std::chrono::seconds(1)); }
  Fd connect() {
    int ends[2];
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0);
    grpc::AddInsecureChannelFromFd(server_.get(), ends[0]);
    return Fd(ends[1]);
  }
  grpc::Status Session(grpc::ServerContext*, Stream* stream) override {
    script_(*stream);
    return grpc::Status::OK;
  }

 private:
  Script script_;
  std::unique_ptr<grpc::Server> server_;
};

v1::AgentFrame ready() {
  v1::AgentFrame frame;
  frame.mutable_ready()->set_version(1);
  return frame;
}
v1::AgentFrame started(uint64_t id) {
  v1::AgentFrame frame;
  frame.mutable_started()->set_id(id);
  return frame;
}
v1::AgentFrame data(uint64_t id, v1::Stream stream, const std::string& bytes, uint32_t output = 0) {
  v1::AgentFrame frame;
  frame.mutable_data()->set_id(id);
  frame.mutable_data()->set_stream(stream);
  frame.mutable_data()->set_bytes(bytes);
  frame.mutable_data()->set_output(output);
  return frame;
}
v1::AgentFrame exited(uint64_t id) {
  v1::AgentFrame frame;
  frame.mutable_result()->set_id(id);
  frame.mutable_result()->set_end(v1::END_EXITED);
  return frame;
}

// Greets as an agent does and waits for the compile, whose id is 1.
void until_compile(Stream& stream) {
  v1::HostFrame frame;
  stream.Read(&frame);
  stream.Write(ready());
  while (stream.Read(&frame) && frame.frame_case() != v1::HostFrame::kCompile) continue;
}

void wait_for_end(Stream& stream) {
  for (v1::HostFrame frame; stream.Read(&frame);) continue;
}

GuestOptions hasty() {
  GuestOptions options = guest_options();
  options.grace_ms = 500;
  return options;
}

GuestCompile small() {
  GuestCompile what;
  what.argv = {"cc"};
  what.outputs = {"a.o", "b.o"};
  what.limits.wall_ms = 500;
  what.limits.output_bytes = 1000;
  what.limits.stdio_bytes = 1000;
  return what;
}

// One compile against an agent that follows `script` after the compile was asked for.
Result<GuestResult> against(const Script& script, bool* healthy = nullptr) {
  ForgedAgent agent([&](Stream& stream) {
    until_compile(stream);
    script(stream);
    wait_for_end(stream);
  });
  auto session = GuestSession::start(agent.connect(), hasty(), Deadline::after_ms(30'000));
  EXPECT_TRUE(session.ok()) << session.error().to_string();
  if (!session.ok()) return session.error();
  MemoryBlobs blobs;
  Result<GuestResult> result = (*session)->compile(small(), blobs, Cancel{}, Deadline::after_ms(60'000));
  if (healthy) *healthy = (*session)->healthy();
  return result;
}

void expect_breach(const char* what, const Script& script) {
  bool healthy = true;
  Result<GuestResult> result = against(script, &healthy);
  ASSERT_FALSE(result.ok()) << what;
  EXPECT_EQ(result.error().code, Code::kCorrupt) << what << ": " << result.error().to_string();
  EXPECT_NE(result.error().message.find(what), std::string::npos) << result.error().to_string();
  EXPECT_FALSE(healthy) << what;
}

TEST(ForgedAgent, WellFormedFramesAreAResult) {
  Result<GuestResult> result = against([](Stream& stream) {
    stream.Write(started(1));
    stream.Write(data(1, v1::STREAM_STDERR, "warning"));
    stream.Write(data(1, v1::STREAM_OUTPUT, "abc", 1));
    v1::AgentFrame frame = exited(1);
    frame.mutable_result()->set_stderr_size(7);
    v1::Output* row = frame.mutable_result()->add_outputs();
    row->set_output(1);
    row->set_size(3);
    stream.Write(frame);
  });
  ASSERT_TRUE(result.ok()) << result.error().to_string();
  ASSERT_EQ(result->outputs.size(), 1u);
  EXPECT_EQ(result->outputs[0].path, "b.o");
  EXPECT_EQ(result->outputs[0].digest, BlobDigest::of("abc"));
  EXPECT_EQ(output_text(*result, "b.o"), "abc");
  EXPECT_EQ(result->stderr_bytes, "warning");
}

TEST(ForgedAgent, FramesOutOfOrderEndTheSession) {
  expect_breach("data before start", [](Stream& s) { s.Write(data(1, v1::STREAM_STDOUT, "x")); });
  expect_breach("result before start", [](Stream& s) { s.Write(exited(1)); });
  expect_breach("started twice", [](Stream& s) { s.Write(started(1)), s.Write(started(1)); });
  expect_breach("order of streams", [](Stream& s) {
    s.Write(started(1));
    s.Write(data(1, v1::STREAM_STDERR, "x"));
    s.Write(data(1, v1::STREAM_STDOUT, "x"));
  });
  expect_breach("order of outputs", [](Stream& s) {
    s.Write(started(1));
    s.Write(data(1, v1::STREAM_OUTPUT, "x", 1));
    s.Write(data(1, v1::STREAM_OUTPUT, "x", 0));
  });
}

TEST(ForgedAgent, FramesOfUnknownIdsEndTheSession) {
  expect_breach("unknown id", [](Stream& s) { s.Write(started(2)); });
  expect_breach("unknown id", [](Stream& s) { s.Write(exited(0)); });
  expect_breach("unknown frame", [](Stream& s) { s.Write(ready()); });
  expect_breach("unknown frame", [](Stream& s) { s.Write(v1::AgentFrame()); });
  expect_breach("an output nobody asked for", [](Stream& s) {
    s.Write(started(1));
    s.Write(data(1, v1::STREAM_OUTPUT, "x", 2));
  });
}

TEST(ForgedAgent, EndlessFramesEndTheSession) {
  for (v1::Stream kind : {v1::STREAM_STDOUT, v1::STREAM_STDERR, v1::STREAM_PROBES, v1::STREAM_OUTPUT}) {
    Result<GuestResult> result = against([kind](Stream& s) {
      s.Write(started(1));
      const v1::AgentFrame frame = data(1, kind, std::string(200'000, 'x'));
      while (s.Write(frame)) continue;
    });
    ASSERT_FALSE(result.ok());
    EXPECT_EQ(result.error().code, Code::kCorrupt) << result.error().to_string();
  }
  expect_breach("empty data", [](Stream& s) {
    s.Write(started(1));
    while (s.Write(data(1, v1::STREAM_STDOUT, ""))) continue;
  });
}

TEST(ForgedAgent, OneByteFramesEndWithTheCompilesTime) {
  GuestCompile what = small();
  Result<GuestResult> result = against([](Stream& s) {
    s.Write(started(1));
    for (int i = 0; i < 900 && s.Write(data(1, v1::STREAM_STDOUT, "x")); ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  });
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code, Code::kTimeout) << result.error().to_string();
}

TEST(ForgedAgent, SizesThatAreNotTrueEndTheSession) {
  auto finish = [](Stream& s, const std::function<void(v1::Result*)>& change) {
    s.Write(started(1));
    s.Write(data(1, v1::STREAM_STDOUT, "out"));
    s.Write(data(1, v1::STREAM_OUTPUT, "abc", 0));
    v1::AgentFrame frame = exited(1);
    frame.mutable_result()->set_stdout_size(3);
    v1::Output* row = frame.mutable_result()->add_outputs();
    row->set_size(3);
    change(frame.mutable_result());
    s.Write(frame);
  };
  EXPECT_TRUE(against([&](Stream& s) { finish(s, [](v1::Result*) {}); }).ok());
  expect_breach("size of stdio", [&](Stream& s) { finish(s, [](v1::Result* r) { r->set_stdout_size(4); }); });
  expect_breach("size of stdio", [&](Stream& s) { finish(s, [](v1::Result* r) { r->set_probes_size(1); }); });
  expect_breach("size of an output",
                [&](Stream& s) { finish(s, [](v1::Result* r) { r->mutable_outputs(0)->set_size(2); }); });
  expect_breach("not listed", [&](Stream& s) { finish(s, [](v1::Result* r) { r->clear_outputs(); }); });
  expect_breach("list of outputs",
                [&](Stream& s) { finish(s, [](v1::Result* r) { *r->add_outputs() = r->outputs(0); }); });
  expect_breach("list of outputs",
                [&](Stream& s) { finish(s, [](v1::Result* r) { r->add_outputs()->set_output(9); }); });
  expect_breach("exit code", [&](Stream& s) { finish(s, [](v1::Result* r) { r->set_code(256); }); });
  expect_breach("signal",
                [&](Stream& s) { finish(s, [](v1::Result* r) { r->set_end(v1::END_SIGNALLED), r->set_code(0); }); });
  expect_breach("end", [&](Stream& s) { finish(s, [](v1::Result* r) { r->set_end(v1::END_UNSPECIFIED); }); });
  expect_breach("end", [&](Stream& s) { finish(s, [](v1::Result* r) { r->set_end(static_cast<v1::End>(99)); }); });
  expect_breach("cancelled by itself",
                [&](Stream& s) { finish(s, [](v1::Result* r) { r->set_end(v1::END_CANCELLED); }); });
  expect_breach("outputs of a compile that was ended",
                [&](Stream& s) { finish(s, [](v1::Result* r) { r->set_end(v1::END_TIME_LIMIT); }); });
}

TEST(ForgedAgent, ForgedProbesEndTheSession) {
  expect_breach("probes", [](Stream& s) {
    s.Write(started(1));
    s.Write(data(1, v1::STREAM_PROBES, "nonsense"));
    v1::AgentFrame frame = exited(1);
    frame.mutable_result()->set_probes_size(8);
    s.Write(frame);
  });
}

TEST(ForgedAgent, AFailureOfTheAgentIsAnErrorAndTheSessionGoesOn) {
  bool healthy = false;
  Result<GuestResult> result = against(
      [](Stream& s) {
        v1::AgentFrame frame = exited(1);
        frame.mutable_result()->set_end(v1::END_FAILED);
        frame.mutable_result()->set_message("no memory\x1b[2J");
        s.Write(frame);
      },
      &healthy);
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code, Code::kIo);
  EXPECT_NE(result.error().message.find("no memory?[2J"), std::string::npos) << result.error().message;
  EXPECT_TRUE(healthy);
}

TEST(ForgedAgent, ATooLargeFrameEndsTheSession) {
  Result<GuestResult> result = against([](Stream& s) {
    s.Write(started(1));
    s.Write(data(1, v1::STREAM_STDOUT, std::string(8u << 20, 'x')));
  });
  ASSERT_FALSE(result.ok());
  EXPECT_NE(result.error().message.find("larger than max"), std::string::npos) << result.error().to_string();
}

TEST(ForgedAgent, SilenceEndsWithTheCompilesTime) {
  bool healthy = true;
  Result<GuestResult> result = against([](Stream&) {}, &healthy);
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code, Code::kTimeout) << result.error().to_string();
  EXPECT_FALSE(healthy);
}

TEST(ForgedAgent, AStreamThatEndsIsAnError) {
  ForgedAgent agent([](Stream& stream) { until_compile(stream); });
  auto session = GuestSession::start(agent.connect(), hasty(), Deadline::after_ms(30'000));
  ASSERT_TRUE(session.ok());
  MemoryBlobs blobs;
  Result<GuestResult> result = (*session)->compile(small(), blobs, Cancel{}, Deadline::after_ms(60'000));
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code, Code::kIo);
  EXPECT_FALSE((*session)->healthy());
}

TEST(ForgedAgent, WithoutAGreetingThereIsNoSession) {
  for (uint32_t version : {0u, 2u}) {
    ForgedAgent agent([version](Stream& stream) {
      v1::AgentFrame frame = ready();
      frame.mutable_ready()->set_version(version);
      stream.Write(frame);
      wait_for_end(stream);
    });
    auto session = GuestSession::start(agent.connect(), hasty(), Deadline::after_ms(30'000));
    ASSERT_FALSE(session.ok());
    EXPECT_EQ(session.error().code, Code::kCorrupt) << session.error().to_string();
  }
  ForgedAgent silent([](Stream& stream) { wait_for_end(stream); });
  auto session = GuestSession::start(silent.connect(), hasty(), Deadline::after_ms(1000));
  ASSERT_FALSE(session.ok());
  EXPECT_EQ(session.error().code, Code::kTimeout);
}

TEST(ForgedAgent, BytesThatAreNoStreamAtAllEndTheSession) {
  int ends[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  Fd ours(ends[0]), theirs(ends[1]);
  std::thread writer([&] {
    const std::string noise(65536, '\xff');
    while (send(ours.get(), noise.data(), noise.size(), MSG_NOSIGNAL) > 0) continue;
  });
  auto session = GuestSession::start(std::move(theirs), hasty(), Deadline::after_ms(10'000));
  EXPECT_FALSE(session.ok());
  shutdown(ours.get(), SHUT_RDWR);
  writer.join();
}

TEST(ForgedAgent, AnAgentThatTakesNothingDoesNotHoldItsCallerForever) {
  ForgedAgent agent([](Stream& stream) {
    v1::HostFrame frame;
    stream.Read(&frame);
    stream.Write(ready());
    std::this_thread::sleep_for(std::chrono::seconds(3));
  });
  auto session = GuestSession::start(agent.connect(), hasty(), Deadline::after_ms(30'000));
  ASSERT_TRUE(session.ok());
  MemoryBlobs blobs;
  GuestCompile what = small();
  what.inputs = {blobs.add("big", std::string(32u << 20, 'x'))};
  Result<GuestResult> result = (*session)->compile(what, blobs, Cancel{}, Deadline::after_ms(1000));
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code, Code::kTimeout) << result.error().to_string();
}

}  // namespace
}  // namespace hpcc::test
