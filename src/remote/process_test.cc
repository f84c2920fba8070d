// hpcc-remote's whole path, over real TLS, against a scheduler and a worker that are fakes.
#include "remote/process.h"

#include <google/longrunning/operations.pb.h>
#include <grpcpp/server.h>
#include <gtest/gtest.h>
#include <hpcc/v1/receipt.pb.h>
#include <poll.h>
#include <sys/socket.h>
#include <zstd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>

#include "base/limits.h"
#include "rpc/authority.h"

namespace hpcc {
namespace {

namespace re = build::bazel::remote::execution::v2;

// Stores blobs, and "compiles" by answering with the number of the compile.
class FakeWorker : public re::ActionCache::Service,
                   public re::ContentAddressableStorage::Service,
                   public re::Execution::Service {
 public:
  grpc::Status GetActionResult(grpc::ServerContext* context, const re::GetActionResultRequest* request,
                               re::ActionResult* result) override {
    std::lock_guard lock(mutex_);
    grants_.push_back(std::string(context->client_metadata().find("hpcc-grant-bin")->second.data(), 5));
    const auto seen = context->client_metadata().find("hpcc-seen-rows");
    if (seen != context->client_metadata().end()) seen_.assign(seen->second.data(), seen->second.size());
    auto found = results_.find(request->action_digest().hash());
    if (found == results_.end()) return {grpc::StatusCode::NOT_FOUND, "no result"};
    *result = found->second;
    return grpc::Status::OK;
  }

  grpc::Status FindMissingBlobs(grpc::ServerContext*, const re::FindMissingBlobsRequest* request,
                                re::FindMissingBlobsResponse* response) override {
    std::lock_guard lock(mutex_);
    for (const re::Digest& digest : request->blob_digests()) {
      ++asked_;
      if (blobs_.count(digest.hash()) == 0) *response->add_missing_blob_digests() = digest;
    }
    return grpc::Status::OK;
  }

  grpc::Status BatchUpdateBlobs(grpc::ServerContext*, const re::BatchUpdateBlobsRequest* request,
                                re::BatchUpdateBlobsResponse* response) override {
    std::lock_guard lock(mutex_);
    for (const auto& part : request->requests()) {
      std::string bytes = part.data();
      if (part.compressor() == re::Compressor::ZSTD) {
        bytes.resize(static_cast<size_t>(part.digest().size_bytes()));
        ZSTD_decompress(bytes.data(), bytes.size(), part.data().data(), part.data().size());
      }
      EXPECT_EQ(BlobDigest::of(bytes).hex(), part.digest().hash());
      blobs_[part.digest().hash()] = bytes;
      *response->add_responses()->mutable_digest() = part.digest();
    }
    return grpc::Status::OK;
  }

  grpc::Status Execute(grpc::ServerContext* context, const re::ExecuteRequest* request,
                       grpc::ServerWriter<google::longrunning::Operation>* writer) override {
    if (hang_) {
      while (!context->IsCancelled()) poll(nullptr, 0, 10);
      cancelled_ = true;
      return {grpc::StatusCode::CANCELLED, "gone"};
    }
    re::ExecuteResponse response;
    {
      std::lock_guard lock(mutex_);
      if (forget_) {
        forget_ = false;
        blobs_.clear();
        return {grpc::StatusCode::FAILED_PRECONDITION, "blobs are missing"};
      }
      if (lose_guests_ > 0) {
        --lose_guests_;
        response.mutable_status()->set_code(grpc::StatusCode::UNAVAILABLE);
        return finish(response, writer);
      }
      if (end_ != grpc::StatusCode::OK) {
        ++ended_;
        response.mutable_status()->set_code(end_);
        response.mutable_status()->set_message("a.o");
        return finish(response, writer);
      }
      re::ActionResult& result = *response.mutable_result();
      const std::string object = "object " + std::to_string(++compiles_);
      auto* file = result.add_output_files();
      file->set_path("a.o");
      file->mutable_digest()->set_hash(BlobDigest::of(object).hex());
      file->mutable_digest()->set_size_bytes(static_cast<int64_t>(object.size()));
      file->set_contents(object);
      result.set_stderr_raw("a warning");
      if (boast_) boast_(result);
      v1::Receipt receipt;
      receipt.set_row("row");
      receipt.set_probes("probes");
      result.mutable_execution_metadata()->add_auxiliary_metadata()->PackFrom(receipt);
      results_[request->action_digest().hash()] = result;
    }
    return finish(response, writer);
  }

  static grpc::Status finish(const re::ExecuteResponse& response,
                             grpc::ServerWriter<google::longrunning::Operation>* writer) {
    google::longrunning::Operation operation;
    operation.set_done(true);
    operation.mutable_response()->PackFrom(response);
    writer->Write(operation);
    return grpc::Status::OK;
  }

  std::mutex mutex_;
  std::map<std::string, std::string> blobs_;
  std::map<std::string, re::ActionResult> results_;
  std::vector<std::string> grants_;
  std::string seen_;  // what the client knows of the log
  int compiles_ = 0, asked_ = 0, lose_guests_ = 0;
  grpc::StatusCode end_ = grpc::StatusCode::OK;  // of each compile
  int ended_ = 0;
  bool forget_ = false;
  std::function<void(re::ActionResult&)> boast_;
  std::atomic<bool> hang_{false}, cancelled_{false};
};

class FakeScheduler : public v1::Scheduler::Service {
 public:
  grpc::Status Lookup(grpc::ServerContext*, const v1::LookupRequest* request, v1::Lease* lease) override {
    ++lookups_;
    if (request->image() != image_) return {grpc::StatusCode::NOT_FOUND, "no worker has the image"};
    lease->set_worker("local");
    lease->set_address(worker_address_);
    lease->set_grant("grant");
    lease->set_registration(registration_);
    lease->set_expires_unix_s(realtime_ns() / 1'000'000'000 + 600);
    return grpc::Status::OK;
  }
  std::string worker_address_, image_ = "sha256:known";
  std::atomic<int> lookups_{0};
  std::atomic<uint64_t> registration_{1};
};

class RemoteTest : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/hpcc-remote-XXXXXX";
    dir_ = mkdtemp(name);
    ASSERT_TRUE(init_certificates(dir_, CertificateNames()).ok());
    worker_server_ = serve("worker",
                           {static_cast<re::ActionCache::Service*>(&worker_),
                            static_cast<re::ContentAddressableStorage::Service*>(&worker_),
                            static_cast<re::Execution::Service*>(&worker_)},
                           &scheduler_.worker_address_);
    std::string address;
    scheduler_server_ = serve("scheduler", {&scheduler_}, &address);
    std::ofstream(dir_ + "/client/client.toml")
        << "scheduler = \"" << address << "\"\ntenant = \"local\"\nscheduler_key = \"00\"\n";
    std::filesystem::create_directories(dir_ + "/p/src");
    std::ofstream(dir_ + "/p/src/a.c") << "int a;";
    int ends[2];
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    ours_.reset(ends[0]);
    process_ = std::make_unique<RemoteProcess>(Fd(ends[1]), dir_ + "/client");
    runner_ = std::thread([this] { EXPECT_TRUE(process_->run().ok()); });
  }
  void TearDown() override {
    ours_.reset();
    runner_.join();
    process_.reset();
    scheduler_server_->Shutdown();
    worker_server_->Shutdown(std::chrono::system_clock::now());
    std::filesystem::remove_all(dir_);
  }

  std::unique_ptr<grpc::Server> serve(const std::string& who, const std::vector<grpc::Service*>& services,
                                      std::string* address) {
    grpc::ServerBuilder builder;
    int port = 0;
    ServerLimits limits;
    limits.message_bytes = 16 << 20;
    listen_tls(builder, "127.0.0.1:0", *read_tls(dir_ + "/" + who), limits, &port);
    for (grpc::Service* service : services) builder.RegisterService(service);
    auto server = builder.BuildAndStart();
    *address = "127.0.0.1:" + std::to_string(port);
    return server;
  }

  remote::Submit submit(uint64_t id) {
    ReapiCommand command;
    command.arguments = {"gcc"};
    command.output_paths = {"a.o"};
    const std::vector<TreeFile> files = {{"src/a.c", SizedDigest::of("int a;"), false}};
    InputTree tree = build_input_tree(files, {});
    remote::Submit submit;
    submit.id = id;
    submit.image = "sha256:known";
    submit.root = dir_ + "/p";
    submit.command = encode_reapi_command(command);
    ReapiAction action;
    action.command = SizedDigest::of(submit.command);
    action.input_root = tree.root;
    submit.action = encode_reapi_action(action);
    for (auto& [digest, bytes] : tree.directories) submit.directories.push_back(bytes);
    submit.files = files;
    submit.timeout_ms = 30'000;
    return submit;
  }

  // Sends, and reads until the result; blobs on the way are kept.
  remote::RemoteResult ask(const remote::Submit& what) {
    EXPECT_TRUE(remote::send_frame(ours_.get(), remote::Type::kSubmit, remote::encode_submit(what)).ok());
    return result();
  }
  remote::RemoteResult result() {
    for (;;) {
      Result<remote::Frame> frame = remote::receive_frame(ours_.get());
      if (!frame.ok()) return ADD_FAILURE() << frame.error().to_string(), remote::RemoteResult();
      if (frame->type == remote::Type::kResult) return *remote::decode_remote_result(frame->payload);
      blob_ = std::string(remote::decode_blob_part(frame->payload)->bytes);
    }
  }

  std::string dir_, blob_;
  FakeWorker worker_;
  FakeScheduler scheduler_;
  std::unique_ptr<grpc::Server> worker_server_, scheduler_server_;
  std::unique_ptr<RemoteProcess> process_;
  std::thread runner_;
  Fd ours_;
};

TEST_F(RemoteTest, ACompileIsSentRunAndAnsweredAndThenFound) {
  remote::RemoteResult first = ask(submit(1));
  EXPECT_EQ(first.outcome, remote::Outcome::kDone) << first.message;
  EXPECT_EQ(first.stderr_text, "a warning");
  EXPECT_EQ(first.row, "row");
  EXPECT_EQ(first.probes, "probes");
  EXPECT_EQ(first.grant, "grant");
  EXPECT_EQ(first.worker, "local");
  EXPECT_EQ(blob_, "object 1");
  ASSERT_EQ(first.outputs.size(), 1u);
  EXPECT_EQ(first.outputs[0].content, SizedDigest::of("object 1"));
  EXPECT_EQ(worker_.blobs_.size(), 5u) << "action, command, two directories, source";
  EXPECT_EQ(worker_.grants_.at(0), "grant");
  EXPECT_GT(first.bytes_sent, 0u);

  remote::RemoteResult second = ask(submit(2));
  EXPECT_EQ(second.outcome, remote::Outcome::kDone) << second.message;
  EXPECT_EQ(worker_.compiles_, 1);
  EXPECT_EQ(scheduler_.lookups_, 1) << "the lease is kept";
}

TEST_F(RemoteTest, BlobsThatTheWorkerHadAreNotAskedForAgain) {
  ask(submit(1));
  const int asked = worker_.asked_;
  remote::Submit again = submit(2);
  again.flags = remote::kSkipCache;
  EXPECT_EQ(ask(again).outcome, remote::Outcome::kDone);
  EXPECT_EQ(worker_.compiles_, 2);
  EXPECT_EQ(worker_.asked_, asked);
}

TEST_F(RemoteTest, BlobsThatTheWorkerLostAreSentAgain) {
  worker_.forget_ = true;
  remote::RemoteResult result = ask(submit(1));
  EXPECT_EQ(result.outcome, remote::Outcome::kDone) << result.message;
  EXPECT_EQ(worker_.compiles_, 1);
}

TEST_F(RemoteTest, ALostGuestIsNotALostWorker) {
  worker_.lose_guests_ = 1;
  EXPECT_EQ(ask(submit(1)).outcome, remote::Outcome::kDone);
  worker_.results_.clear();
  worker_.lose_guests_ = 100;
  EXPECT_EQ(ask(submit(2)).outcome, remote::Outcome::kNoWorker) << "a source that ends every guest";
  EXPECT_EQ(worker_.lose_guests_, 98);
}

TEST_F(RemoteTest, AWorkerThatCameBackIsAskedAtOnce) {
  worker_.lose_guests_ = 100;
  EXPECT_EQ(ask(submit(1)).outcome, remote::Outcome::kNoWorker);
  worker_.lose_guests_ = 0;
  const remote::RemoteResult avoided = ask(submit(2));
  EXPECT_EQ(avoided.outcome, remote::Outcome::kNoWorker);
  EXPECT_NE(avoided.message.find("failed just now"), std::string::npos) << avoided.message;
  scheduler_.registration_ = 2;
  EXPECT_EQ(ask(submit(3)).outcome, remote::Outcome::kDone);
}

TEST_F(RemoteTest, WhatWasSeenOfTheWorkersLogIsTold) {
  remote::Submit what = submit(1);
  what.seen = {{"local", 5}, {"elsewhere", 6}, {"local", 7}};
  EXPECT_EQ(ask(what).outcome, remote::Outcome::kDone);
  EXPECT_EQ(worker_.seen_, "5,7");
}

TEST_F(RemoteTest, ACompileThatCameToABadEndIsNoFailureOfItsWorker) {
  uint64_t id = 0;
  for (const grpc::StatusCode end : {grpc::StatusCode::DEADLINE_EXCEEDED, grpc::StatusCode::RESOURCE_EXHAUSTED,
                                     grpc::StatusCode::INVALID_ARGUMENT}) {
    worker_.end_ = end;
    worker_.ended_ = 0;
    const remote::RemoteResult ended = ask(submit(++id));
    EXPECT_EQ(ended.outcome, remote::Outcome::kFailed) << end;
    EXPECT_NE(ended.message.find("worker local: a.o"), std::string::npos) << ended.message;
    EXPECT_EQ(worker_.ended_, 1) << end;
    worker_.end_ = grpc::StatusCode::OK;
    EXPECT_EQ(ask(submit(++id)).outcome, remote::Outcome::kDone) << "the worker is asked again at once";
    worker_.results_.clear();
  }
}

TEST_F(RemoteTest, AFileThatChangedIsNotSent) {
  std::ofstream(dir_ + "/p/src/a.c") << "int b;";
  EXPECT_EQ(ask(submit(1)).outcome, remote::Outcome::kInputChanged);
  EXPECT_EQ(worker_.compiles_, 0);
}

TEST_F(RemoteTest, WithoutAWorkerTheReasonIsTold) {
  remote::Submit unknown = submit(1);
  unknown.image = "sha256:unknown";
  remote::RemoteResult result = ask(unknown);
  EXPECT_EQ(result.outcome, remote::Outcome::kNoWorker);
  EXPECT_NE(result.message.find("no worker has the image"), std::string::npos) << result.message;
  EXPECT_NE(result.message.find("hpcc image list"), std::string::npos) << result.message;
}

TEST_F(RemoteTest, AnImageThatCameMeanwhileIsFoundAtOnce) {
  remote::Submit late = submit(1);
  late.image = "sha256:late";
  EXPECT_EQ(ask(late).outcome, remote::Outcome::kNoWorker);
  scheduler_.image_ = "sha256:late";
  EXPECT_EQ(ask(late).outcome, remote::Outcome::kDone);
}

TEST_F(RemoteTest, AFailureEndsWhenAnotherSchedulerIsNamed) {
  const std::string path = dir_ + "/client/client.toml";
  const std::string good = read_file(path, 4096).value();
  std::ofstream(path) << "scheduler = \"127.0.0.1:1\"\ntenant = \"local\"\nscheduler_key = \"00\"\n";
  EXPECT_EQ(ask(submit(1)).outcome, remote::Outcome::kNoWorker);
  std::ofstream(path) << good;
  EXPECT_EQ(ask(submit(2)).outcome, remote::Outcome::kDone);
}

// Every answer ends its own compile, and only that.
TEST_F(RemoteTest, AnswersOutOfBoundsAreFailures) {
  const std::vector<std::function<void(re::ActionResult&)>> boasts = {
      [](re::ActionResult& result) {
        result.mutable_output_files(0)->mutable_digest()->set_size_bytes(int64_t{1} << 40);
      },
      [](re::ActionResult& result) {
        result.mutable_output_files(0)->mutable_digest()->set_size_bytes(limits::kRemoteOutputBytes / 2 + 1);
        *result.add_output_files() = result.output_files(0);
      },
      [](re::ActionResult& result) { result.mutable_output_files(0)->set_path(std::string(1 << 17, 'x')); },
      [](re::ActionResult& result) { result.set_stdout_raw(std::string(limits::kStdioBytes + 1, 'x')); },
      [](re::ActionResult& result) {
        for (size_t i = 0; i <= limits::kRemoteOutputs; ++i) *result.add_output_files() = result.output_files(0);
      },
  };
  uint64_t id = 0;
  for (const auto& boast : boasts) {
    worker_.boast_ = boast;
    worker_.results_.clear();
    const remote::RemoteResult result = ask(submit(++id));
    EXPECT_EQ(result.id, id);
    EXPECT_EQ(result.outcome, remote::Outcome::kFailed) << id;
  }
  worker_.boast_ = nullptr;
  worker_.results_.clear();
  EXPECT_EQ(ask(submit(++id)).outcome, remote::Outcome::kDone);
}

TEST_F(RemoteTest, ACancelReachesTheWorker) {
  worker_.hang_ = true;
  EXPECT_TRUE(remote::send_frame(ours_.get(), remote::Type::kSubmit, remote::encode_submit(submit(1))).ok());
  EXPECT_TRUE(remote::send_frame(ours_.get(), remote::Type::kCancel, remote::encode_cancel(1)).ok());
  EXPECT_EQ(result().outcome, remote::Outcome::kCancelled);
}

}  // namespace
}  // namespace hpcc
