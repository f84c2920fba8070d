// A worker in a test: real TLS on a loopback port, a real store and log in a temporary directory, and a guest whose
// compiler is the test's own function.
#pragma once

#include <build/bazel/remote/execution/v2/remote_execution.grpc.pb.h>
#include <google/bytestream/bytestream.grpc.pb.h>
#include <grpcpp/client_context.h>
#include <gtest/gtest.h>
#include <hpcc/v1/worker.grpc.pb.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <map>

#include "base/fs.h"
#include "base/uuid.h"
#include "rpc/authority.h"
#include "rpc/status.h"
#include "trust/grant.h"
#include "worker/server.h"

namespace hpcc::test {

class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    char name[] = "/tmp/hpcc-worker-test.XXXXXX";
    path_ = mkdtemp(name);
  }
  ~TemporaryDirectory() { std::filesystem::remove_all(path_); }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

// Making keys is the slow part, so each identity's are made once for all tests of the program.
inline const Authority& authority() {
  static const Authority made = std::move(Authority::create(3600)).value();
  return made;
}
inline TlsMaterial tls_for(const Identity& identity) {
  static std::map<std::string, KeyPair> made;
  auto& pair = made[encode_identity(identity)];
  if (pair.key_pem.empty()) pair = std::move(authority().issue(identity, 3600)).value();
  return {authority().pair().certificate_pem, pair.certificate_pem, pair.key_pem};
}
inline TlsMaterial client_tls(const std::string& tenant, const std::string& name = "laptop") {
  return tls_for({Role::kClient, tenant, name});
}

inline std::chrono::system_clock::time_point soon(int ms = 20'000) {
  return std::chrono::system_clock::now() + std::chrono::milliseconds(ms);
}

inline Fd memory_file(const std::string& bytes) {
  Fd fd(::memfd_create("output", MFD_CLOEXEC));
  EXPECT_TRUE(write_fd(fd.get(), bytes, "output").ok());
  ::lseek(fd.get(), 0, SEEK_SET);
  return fd;
}

using FakeCompiler =
    std::function<Result<GuestResult>(const GuestCompile& what, BlobSource& blobs, Cancel cancel, Deadline deadline)>;

inline GuestOutput output_of(const std::string& path, const std::string& bytes) {
  return {path, false, BlobDigest::of(bytes), bytes.size(), memory_file(bytes)};
}

// Every output is the text of all inputs after the arguments.
inline Result<GuestResult> concatenate(const GuestCompile& what, BlobSource& blobs, Cancel, Deadline) {
  std::string text;
  for (const std::string& argument : what.argv) text += argument + " ";
  for (const GuestInput& input : what.inputs) {
    TRY_ASSIGN(const Fd fd, blobs.open(input.digest));
    TRY_ASSIGN(const std::string bytes, read_fd(fd.get(), 1 << 20, input.path));
    text += input.path + "=" + bytes + ";";
  }
  GuestResult result;
  for (const std::string& output : what.outputs) result.outputs.push_back(output_of(output, text));
  result.stderr_bytes = "warning: odd\n";
  return result;
}

// What the guests of a test do, and how many there were.
struct Guests {
  FakeCompiler compiler = concatenate;
  std::atomic<int> boots{0}, alive{0};
};

class FakeSandbox final : public Sandbox {
 public:
  explicit FakeSandbox(Guests& guests) : guests_(guests), ended_(::eventfd(0, EFD_CLOEXEC)) {
    info_ = {"namespace", new_uuid7(), "", "", std::string(64, 'a')};
    ++guests_.alive;
    ++guests_.boots;
  }
  ~FakeSandbox() override { --guests_.alive; }
  Result<Fd> connect(Deadline) override { return Error{Code::kUnsupported, "no stream"}; }
  const SandboxInfo& info() const override { return info_; }
  int ended_fd() const override { return ended_.get(); }
  std::string last_words() override { return ""; }
  Status stop(Deadline) override { return {}; }

 private:
  Guests& guests_;
  SandboxInfo info_;
  Fd ended_;
};

class FakeSession final : public GuestSession {
 public:
  explicit FakeSession(Guests& guests) : guests_(guests) {}
  Result<GuestResult> compile(const GuestCompile& what, BlobSource& blobs, Cancel cancel, Deadline deadline) override {
    auto result = guests_.compiler(what, blobs, cancel, deadline);
    if (!result.ok() && result.error().code != Code::kPermission) healthy_ = false;
    return result;
  }
  bool healthy() const override { return healthy_; }
  pid_t proxy_pid() const override { return -1; }

 private:
  Guests& guests_;
  std::atomic<bool> healthy_{true};
};

inline BootGuest fake_boot(Guests& guests) {
  return [&guests](const ImageDigest&, Deadline) -> Result<Guest> {
    Guest guest;
    guest.sandbox = std::make_unique<FakeSandbox>(guests);
    guest.session = std::make_unique<FakeSession>(guests);
    return guest;
  };
}

inline const ImageDigest& image() {
  static const ImageDigest digest = ImageDigest::of("a toolchain");
  return digest;
}

class Worker {
 public:
  explicit Worker(const std::string& name = "w1") : scheduler_key(std::move(SigningKey::create()).value()) {
    options.cas_dir = dir / "cas";
    options.audit_log = dir / "audit.tsv";
    options.driver = "namespace";
    options.operations.grace_ms = 50;
    name_ = name;
    start();
  }
  void start() {
    server.reset();
    auto started =
        WorkerServer::start(options, tls_for({Role::kWorker, "", name_}),
                            std::move(SigningKey::load_or_create(dir / "receipt.key")).value(), fake_boot(guests));
    ASSERT_TRUE(started.ok()) << started.error().to_string();
    server = std::move(started).value();
    server->set_scheduler_key(scheduler_key.public_key());
  }
  // A grant that holds, for a test to spoil.
  Grant grant(const std::string& tenant) const {
    const uint64_t now_s = static_cast<uint64_t>(realtime_ns() / 1'000'000'000);
    const Peer client = std::move(decode_peer(client_tls(tenant).certificate_pem)).value();
    return {new_uuid7(),          tenant,    image().text(), client.certificate.hex(), name_,
            server->public_key(), now_s - 1, now_s + 600};
  }
  std::string sign(const Grant& grant) const { return std::move(sign_grant(grant, scheduler_key)).value(); }
  std::vector<AuditRow> rows() const {
    std::vector<AuditRow> out;
    const Status read = read_log(options.audit_log, [&](std::string_view line) {
      auto row = decode_row(line);
      if (row.ok()) out.push_back(row->row);
      return true;
    });
    EXPECT_TRUE(read.ok());
    return out;
  }

  TemporaryDirectory dir;
  SigningKey scheduler_key;
  Guests guests;
  WorkerOptions options;
  std::unique_ptr<WorkerServer> server;

 private:
  std::string name_;
};

struct Answer {
  grpc::Status call;
  reapi::ExecuteResponse response;
  std::string operation;
  int code() const { return call.ok() ? response.status().code() : call.error_code(); }
};

// A project with one file and the command that compiles it.
struct Project {
  std::map<std::string, std::string> files = {{"a.c", "int a;\n"}};
  std::vector<std::string> arguments = {"gcc", "-c", "a.c", "-o", "a.o"};
  std::vector<std::string> outputs = {"a.o"};
  std::string working_directory;
  bool do_not_cache = false;
};

class Client {
 public:
  Client(const Worker& worker, const std::string& tenant) : Client(worker, tenant, client_tls(tenant)) {
    grant = worker.sign(worker.grant(tenant));
  }
  Client(const Worker& worker, const std::string& tenant, const TlsMaterial& tls)
      : channel(dial_tls(worker.server->address(), worker.server->name() + ".worker.hpcc", tls, 32 << 20)),
        instance(tenant),
        cas(reapi::ContentAddressableStorage::NewStub(channel)),
        cache(reapi::ActionCache::NewStub(channel)),
        execution(reapi::Execution::NewStub(channel)),
        bytes(google::bytestream::ByteStream::NewStub(channel)),
        replays(hpcc::v1::Replay::NewStub(channel)) {}

  void begin(grpc::ClientContext* context) const {
    context->set_deadline(soon());
    if (!grant.empty()) context->AddMetadata("hpcc-grant-bin", grant);
  }

  SizedDigest put(const std::string& data) {
    grpc::ClientContext context;
    begin(&context);
    reapi::BatchUpdateBlobsRequest request;
    request.set_instance_name(instance);
    const SizedDigest digest = SizedDigest::of(data);
    *request.add_requests()->mutable_digest() = encode_digest(digest);
    request.mutable_requests(0)->set_data(data);
    reapi::BatchUpdateBlobsResponse response;
    const grpc::Status status = cas->BatchUpdateBlobs(&context, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    EXPECT_TRUE(status.ok() && response.responses(0).status().code() == 0);
    return digest;
  }

  // Everything but the files' contents is uploaded when `with_files` says no.
  enum class Upload { kAll, kNoFiles };
  SizedDigest put_action(const Project& project, Upload upload = Upload::kAll) {
    reapi::Directory root;
    for (const auto& [name, content] : project.files) {
      auto* file = root.add_files();
      file->set_name(name);
      *file->mutable_digest() = encode_digest(upload == Upload::kAll ? put(content) : SizedDigest::of(content));
    }
    reapi::Command command;
    for (const std::string& argument : project.arguments) command.add_arguments(argument);
    for (const std::string& output : project.outputs) command.add_output_paths(output);
    command.set_working_directory(project.working_directory);
    reapi::Action action;
    *action.mutable_command_digest() = encode_digest(put(command.SerializeAsString()));
    *action.mutable_input_root_digest() = encode_digest(put(root.SerializeAsString()));
    action.set_do_not_cache(project.do_not_cache);
    auto* property = action.mutable_platform()->add_properties();
    property->set_name("container-image");
    property->set_value("docker://gcc@sha256:" + image().hex());
    return put(action.SerializeAsString());
  }

  Answer execute(const SizedDigest& action) {
    grpc::ClientContext context;
    begin(&context);
    reapi::ExecuteRequest request;
    request.set_instance_name(instance);
    *request.mutable_action_digest() = encode_digest(action);
    Answer answer;
    auto stream = execution->Execute(&context, request);
    for (google::longrunning::Operation operation; stream->Read(&operation);) {
      answer.operation = operation.name();
      if (operation.done()) operation.response().UnpackTo(&answer.response);
    }
    answer.call = stream->Finish();
    return answer;
  }

  grpc::Status lookup(const SizedDigest& action, reapi::ActionResult* result) {
    grpc::ClientContext context;
    begin(&context);
    reapi::GetActionResultRequest request;
    request.set_instance_name(instance);
    *request.mutable_action_digest() = encode_digest(action);
    return cache->GetActionResult(&context, request, result);
  }

  // One read of a blob; the code tells how it went.
  int read(const SizedDigest& digest, std::string* data) {
    grpc::ClientContext context;
    begin(&context);
    reapi::BatchReadBlobsRequest request;
    request.set_instance_name(instance);
    *request.add_digests() = encode_digest(digest);
    reapi::BatchReadBlobsResponse response;
    const grpc::Status status = cas->BatchReadBlobs(&context, request, &response);
    if (!status.ok()) return status.error_code();
    *data = response.responses(0).data();
    return response.responses(0).status().code();
  }

  bool is_missing(const SizedDigest& digest) {
    grpc::ClientContext context;
    begin(&context);
    reapi::FindMissingBlobsRequest request;
    request.set_instance_name(instance);
    *request.add_blob_digests() = encode_digest(digest);
    reapi::FindMissingBlobsResponse response;
    EXPECT_TRUE(cas->FindMissingBlobs(&context, request, &response).ok());
    return response.missing_blob_digests_size() != 0;
  }

  grpc::Status replay(const std::string& row, hpcc::v1::ReplayResponse* response) {
    grpc::ClientContext context;
    begin(&context);
    hpcc::v1::ReplayRequest request;
    request.set_row(row);
    return replays->Replay(&context, request, response);
  }

  std::shared_ptr<grpc::Channel> channel;
  std::string instance, grant;
  std::unique_ptr<reapi::ContentAddressableStorage::Stub> cas;
  std::unique_ptr<reapi::ActionCache::Stub> cache;
  std::unique_ptr<reapi::Execution::Stub> execution;
  std::unique_ptr<google::bytestream::ByteStream::Stub> bytes;
  std::unique_ptr<hpcc::v1::Replay::Stub> replays;
};

inline hpcc::v1::Receipt receipt_of(const reapi::ActionResult& result) {
  hpcc::v1::Receipt receipt;
  EXPECT_EQ(result.execution_metadata().auxiliary_metadata_size(), 1);
  if (result.execution_metadata().auxiliary_metadata_size() == 1) {
    EXPECT_TRUE(result.execution_metadata().auxiliary_metadata(0).UnpackTo(&receipt));
  }
  return receipt;
}

inline AuditRow row_of(const hpcc::v1::Receipt& receipt) { return std::move(decode_row(receipt.row())).value().row; }

}  // namespace hpcc::test
