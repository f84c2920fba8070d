#include <poll.h>
#include <sys/stat.h>

#include <thread>

#include "rpc/reapi.h"
#include "worker/results.h"
#include "worker/test_support.h"

namespace hpcc::test {
namespace {

Receipt to_receipt(const hpcc::v1::Receipt& from) {
  return {from.row(),
          from.leaf_index(),
          from.checkpoint(),
          {from.inclusion().begin(), from.inclusion().end()},
          from.probes()};
}

ExpectedReceipt expected_of(const Worker& worker, const SizedDigest& action, const std::string& source,
                            const reapi::ActionResult& result) {
  return {worker.server->public_key(),
          "w1",
          "acme",
          image().text(),
          source,
          action.digest.hex(),
          output_digest_of(result, ""),
          stdio_digest_of(result),
          result.exit_code()};
}

TEST(WorkerExecute, CompilesAndAnswersWithAReceiptThatHolds) {
  Worker worker;
  Client client(worker, "acme");
  const SizedDigest action = client.put_action({});
  const Answer answer = client.execute(action);
  ASSERT_EQ(answer.code(), 0) << answer.call.error_message() << answer.response.status().message();
  const reapi::ActionResult& result = answer.response.result();
  ASSERT_EQ(result.output_files_size(), 1);
  EXPECT_EQ(result.output_files(0).path(), "a.o");
  EXPECT_EQ(result.stderr_raw(), "warning: odd\n");
  std::string bytes;
  EXPECT_EQ(client.read(std::move(decode_digest(result.output_files(0).digest())).value(), &bytes), 0);
  EXPECT_EQ(bytes, "gcc -c a.c -o a.o a.c=int a;\n;");

  const hpcc::v1::Receipt receipt = receipt_of(result);
  const AuditRow row = row_of(receipt);
  const auto checked = check_receipt(to_receipt(receipt), expected_of(worker, action, row.source_digest, result));
  ASSERT_TRUE(checked.ok()) << checked.error().to_string();
  EXPECT_EQ(row.disposition, Disposition::kCompiled);
  EXPECT_EQ(row.driver, "namespace");
  EXPECT_EQ(row.vm.size(), 36u);
  EXPECT_EQ(row.name, "/hpcc/w/a.c");
  EXPECT_EQ(row.grant_digest, grant_digest(client.grant));
  ASSERT_EQ(worker.rows().size(), 1u);
  EXPECT_EQ(worker.rows()[0], row);
}

TEST(WorkerExecute, AReceiptDoesNotCoverAnotherOutputOrAnotherKey) {
  Worker worker;
  Client client(worker, "acme");
  const SizedDigest action = client.put_action({});
  const Answer answer = client.execute(action);
  ASSERT_EQ(answer.code(), 0);
  const hpcc::v1::Receipt receipt = receipt_of(answer.response.result());
  const std::string source = row_of(receipt).source_digest;

  reapi::ActionResult lie = answer.response.result();
  *lie.mutable_output_files(0)->mutable_digest() = encode_digest(SizedDigest::of("a backdoor"));
  EXPECT_FALSE(check_receipt(to_receipt(receipt), expected_of(worker, action, source, lie)).ok());

  ExpectedReceipt other = expected_of(worker, action, source, answer.response.result());
  other.worker_key = worker.scheduler_key.public_key();
  EXPECT_FALSE(check_receipt(to_receipt(receipt), other).ok());
}

TEST(WorkerExecute, TheSameActionAgainIsAHitWithARowOfItsOwn) {
  Worker worker;
  Client client(worker, "acme");
  const SizedDigest action = client.put_action({});
  const Answer first = client.execute(action), second = client.execute(action);
  ASSERT_EQ(second.code(), 0);
  EXPECT_TRUE(second.response.cached_result());
  reapi::ActionResult looked_up;
  ASSERT_TRUE(client.lookup(action, &looked_up).ok());
  const std::vector<AuditRow> rows = worker.rows();
  ASSERT_EQ(rows.size(), 3u);
  for (size_t i : {1u, 2u}) {
    EXPECT_EQ(rows[i].disposition, Disposition::kHit);
    EXPECT_EQ(rows[i].compiled_row_id, rows[0].row_id);
    EXPECT_NE(rows[i].row_id, rows[0].row_id);
    EXPECT_EQ(rows[i].output_digest, rows[0].output_digest);
  }
  EXPECT_EQ(row_of(receipt_of(looked_up)), rows[2]);
  EXPECT_EQ(worker.guests.boots, 1);
}

TEST(WorkerExecute, OutputsBesideTheWorkingDirectoryAreNamedFromTheRoot) {
  Worker worker;
  Client client(worker, "acme");
  Project project;
  project.working_directory = "build/x";
  project.outputs = {"../../lib/a.o"};
  const SizedDigest action = client.put_action(project);
  const Answer answer = client.execute(action);
  ASSERT_EQ(answer.code(), 0) << answer.call.error_message();
  EXPECT_EQ(answer.response.result().output_files(0).path(), "../../lib/a.o");
  const std::string digest = answer.response.result().output_files(0).digest().hash();
  EXPECT_EQ(worker.rows()[0].output_digest, outputs_digest({{"lib/a.o", digest, false}}));
  EXPECT_TRUE(client.execute(action).response.cached_result());
}

TEST(WorkerExecute, TheRowHasTheObjectsDigestAndNotThatOfItsListOfDependencies) {
  Worker worker;
  worker.guests.compiler = [](const GuestCompile&, BlobSource&, Cancel, Deadline) -> Result<GuestResult> {
    GuestResult result;
    result.outputs.push_back(output_of("a.d", "a.o: a.c\n"));
    result.outputs.push_back(output_of("a.o", "object"));
    return result;
  };
  Client client(worker, "acme");
  Project project;
  project.arguments = {"gcc", "-MD", "-c", "a.c"};
  project.outputs = {"a.d", "a.o"};
  ASSERT_EQ(client.execute(client.put_action(project)).code(), 0);
  EXPECT_EQ(worker.rows()[0].object_digest, BlobDigest::of("object").hex());
}

TEST(WorkerExecute, AFailedCompileIsAnsweredAndRowedButNotKept) {
  Worker worker;
  worker.guests.compiler = [](const GuestCompile&, BlobSource&, Cancel, Deadline) -> Result<GuestResult> {
    GuestResult result;
    result.exit_code = 1;
    result.stderr_bytes = "error\n";
    return result;
  };
  Client client(worker, "acme");
  const SizedDigest action = client.put_action({});
  for (int i = 0; i < 2; ++i) {
    const Answer answer = client.execute(action);
    ASSERT_EQ(answer.code(), 0);
    EXPECT_EQ(answer.response.result().exit_code(), 1);
    EXPECT_FALSE(answer.response.cached_result());
  }
  EXPECT_EQ(worker.rows().size(), 2u);
  EXPECT_EQ(worker.rows()[1].exit, 1);
}

TEST(WorkerExecute, ACompileThatEscapedItsObserverIsNotKept) {
  Worker worker;
  worker.guests.compiler = [](const GuestCompile& what, BlobSource& blobs, Cancel cancel, Deadline deadline) {
    auto result = concatenate(what, blobs, cancel, deadline);
    result->observed = false;
    return result;
  };
  Client client(worker, "acme");
  const SizedDigest action = client.put_action({});
  ASSERT_EQ(client.execute(action).code(), 0);
  EXPECT_FALSE(client.execute(action).response.cached_result());
}

TEST(WorkerExecute, MissingBlobsAreNamedOneByOne) {
  Worker worker;
  Client client(worker, "acme");
  const SizedDigest action = client.put_action({}, Client::Upload::kNoFiles);
  const Answer answer = client.execute(action);
  ASSERT_EQ(answer.call.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  google::rpc::Status details;
  ASSERT_TRUE(details.ParseFromString(answer.call.error_details()));
  ASSERT_EQ(details.details_size(), 1);
  EXPECT_NE(details.details(0).value().find("blobs/" + BlobDigest::of("int a;\n").hex() + "/7"), std::string::npos);
  EXPECT_EQ(client.execute(SizedDigest::of("no such action")).code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(worker.guests.boots, 0);
}

TEST(WorkerExecute, AnOutputThatIsNotWhatTheProxyHashedIsRefused) {
  Worker worker;
  worker.guests.compiler = [](const GuestCompile&, BlobSource&, Cancel, Deadline) -> Result<GuestResult> {
    GuestResult result;
    result.outputs.push_back({"a.o", false, BlobDigest::of("honest"), 6, memory_file("lying!")});
    return result;
  };
  Client client(worker, "acme");
  const SizedDigest action = client.put_action({});
  EXPECT_NE(client.execute(action).code(), 0);
  EXPECT_EQ(worker.rows().back().disposition, Disposition::kLost);
  reapi::ActionResult result;
  EXPECT_EQ(client.lookup(action, &result).error_code(), grpc::StatusCode::NOT_FOUND);
}

TEST(WorkerExecute, AGuestThatDiesIsUnavailableAndTheNextCompileGetsANewOne) {
  Worker worker;
  std::atomic<bool> die = true;
  worker.guests.compiler = [&](const GuestCompile& what, BlobSource& blobs, Cancel cancel,
                               Deadline deadline) -> Result<GuestResult> {
    if (die.exchange(false)) return Error{Code::kIo, "the guest ended"};
    return concatenate(what, blobs, cancel, deadline);
  };
  Client client(worker, "acme");
  const SizedDigest action = client.put_action({});
  EXPECT_EQ(client.execute(action).code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(worker.rows().back().disposition, Disposition::kLost);
  EXPECT_EQ(client.execute(action).code(), 0);
  EXPECT_EQ(worker.guests.boots, 2);
  EXPECT_NE(worker.rows()[0].vm, worker.rows()[1].vm);
}

TEST(WorkerExecute, AClientThatGoesAwayEndsTheCompile) {
  Worker worker;
  std::atomic<bool> began = false, told = false;
  worker.guests.compiler = [&](const GuestCompile&, BlobSource&, Cancel cancel, Deadline) -> Result<GuestResult> {
    began = true;
    struct pollfd given_up = {cancel.fd, POLLIN, 0};
    told = ::poll(&given_up, 1, 20'000) == 1;
    return Error{Code::kPermission, "cancelled"};
  };
  Client client(worker, "acme");
  const SizedDigest action = client.put_action({});
  grpc::ClientContext context;
  client.begin(&context);
  reapi::ExecuteRequest request;
  *request.mutable_action_digest() = encode_digest(action);
  auto stream = client.execution->Execute(&context, request);
  google::longrunning::Operation operation;
  ASSERT_TRUE(stream->Read(&operation));
  // Nothing more need come before the compile's end: a read could wait for that.
  while (!began) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  context.TryCancel();
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::CANCELLED);
  worker.server.reset();  // waits for what runs
  EXPECT_TRUE(told);
  EXPECT_EQ(worker.rows().back().disposition, Disposition::kLost);
}

TEST(WorkerExecute, OneBootServesAllWhoAskAtOnceAndTenantsDoNotShare) {
  Worker worker;
  Client acme(worker, "acme"), zeta(worker, "zeta");
  std::vector<SizedDigest> actions;
  for (const char* flag : {"-O0", "-O1", "-O2", "-O3"}) {
    Project project;
    project.arguments.push_back(flag);
    actions.push_back(acme.put_action(project));
  }
  std::vector<std::thread> threads;
  for (const SizedDigest& action : actions) {
    threads.emplace_back([&acme, action] { EXPECT_EQ(acme.execute(action).code(), 0); });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(worker.guests.boots, 1);
  EXPECT_EQ(zeta.execute(zeta.put_action({})).code(), 0);
  EXPECT_EQ(worker.guests.boots, 2);
  EXPECT_NE(worker.rows().front().vm, worker.rows().back().vm);
}

// --- who may ---

TEST(WorkerAddress, IsOneThatOthersCanDial) {
  Worker worker;
  const auto start = [&](const std::string& advertise) -> std::string {
    worker.server.reset();
    WorkerOptions options = worker.options;
    options.listen = "0.0.0.0:0";
    options.advertise = advertise;
    auto started = WorkerServer::start(options, tls_for({Role::kWorker, "", "w1"}),
                                       std::move(SigningKey::load_or_create(worker.dir / "receipt.key")).value(),
                                       fake_boot(worker.guests));
    return started.ok() ? (*started)->address() : started.error().message;
  };
  EXPECT_NE(start("").find("--advertise"), std::string::npos);
  EXPECT_EQ(start("farm1.example:4000"), "farm1.example:4000");
}

TEST(WorkerGate, AGrantMustBeThereAndHold) {
  Worker worker;
  Client client(worker, "acme");
  const SizedDigest action = client.put_action({});
  const Grant good = worker.grant("acme");
  const auto with = [&](auto spoil) {
    Grant grant = good;
    spoil(grant);
    client.grant = worker.sign(grant);
    return client.execute(action).code();
  };
  const uint64_t now_s = good.not_before_s + 1;
  constexpr int kDenied = grpc::StatusCode::PERMISSION_DENIED;
  EXPECT_EQ(with([&](Grant& grant) { grant.expires_s = now_s - 10; }), kDenied);
  EXPECT_EQ(with([&](Grant& grant) { grant.not_before_s = now_s + 3600; }), kDenied);
  EXPECT_EQ(with([&](Grant& grant) { grant.tenant = "zeta"; }), kDenied);
  EXPECT_EQ(with([&](Grant& grant) { grant.image = "sha256:" + std::string(64, '0'); }), kDenied);
  EXPECT_EQ(with([&](Grant& grant) { grant.client = worker.grant("zeta").client; }), kDenied);
  EXPECT_EQ(with([&](Grant& grant) { grant.worker = "w2"; }), kDenied);
  EXPECT_EQ(with([&](Grant& grant) { grant.worker_key = worker.scheduler_key.public_key(); }), kDenied);
  const SigningKey stranger = std::move(SigningKey::create()).value();
  client.grant = std::move(sign_grant(good, stranger)).value();
  EXPECT_EQ(client.execute(action).code(), kDenied);
  client.grant = "nonsense";
  EXPECT_EQ(client.execute(action).code(), kDenied);
  client.grant.clear();
  EXPECT_EQ(client.execute(action).code(), kDenied);
  EXPECT_EQ(worker.guests.boots, 0);
  EXPECT_EQ(with([](Grant&) {}), 0);
}

TEST(WorkerGate, OnlyCertificatesOfTheAuthorityGetIn) {
  Worker worker;
  const auto code_with = [&](const TlsMaterial& tls) {
    Client client(worker, "acme", tls);
    std::string data;
    return client.read(SizedDigest::of("x"), &data);
  };
  EXPECT_EQ(code_with(client_tls("acme")), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(code_with({authority().pair().certificate_pem, "", ""}), grpc::StatusCode::UNAVAILABLE);
  const Authority stranger = std::move(Authority::create(3600)).value();
  const KeyPair pair = std::move(stranger.issue({Role::kClient, "acme", "laptop"}, 3600)).value();
  EXPECT_EQ(code_with({authority().pair().certificate_pem, pair.certificate_pem, pair.key_pem}),
            grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(code_with(tls_for({Role::kWorker, "", "w2"})), grpc::StatusCode::PERMISSION_DENIED);
  EXPECT_EQ(code_with(client_tls("zeta")), grpc::StatusCode::PERMISSION_DENIED) << "the instance is another tenant's";
}

TEST(WorkerGate, AClientRefusesAServerOfAnotherName) {
  Worker worker;
  const auto dial = [&](const std::string& name) {
    const auto channel = dial_tls(worker.server->address(), name, client_tls("acme"), 1 << 20);
    grpc::ClientContext context;
    context.set_deadline(soon());
    reapi::ServerCapabilities capabilities;
    return reapi::Capabilities::NewStub(channel)->GetCapabilities(&context, {}, &capabilities).error_code();
  };
  EXPECT_EQ(dial("w1.worker.hpcc"), grpc::StatusCode::OK);
  EXPECT_EQ(dial("w2.worker.hpcc"), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(dial("scheduler.hpcc"), grpc::StatusCode::UNAVAILABLE);
}

TEST(WorkerGate, NobodyWritesResults) {
  Worker worker;
  Client client(worker, "acme");
  grpc::ClientContext context;
  client.begin(&context);
  reapi::UpdateActionResultRequest request;
  *request.mutable_action_digest() = encode_digest(client.put_action({}));
  reapi::ActionResult result;
  EXPECT_EQ(client.cache->UpdateActionResult(&context, request, &result).error_code(),
            grpc::StatusCode::PERMISSION_DENIED);
}

TEST(WorkerGate, ATenantSeesNothingOfAnother) {
  Worker worker;
  Client acme(worker, "acme"), zeta(worker, "zeta");
  const SizedDigest secret = acme.put("secret source");
  const SizedDigest action = acme.put_action({});
  const Answer answer = acme.execute(action);
  ASSERT_EQ(answer.code(), 0);
  EXPECT_FALSE(acme.is_missing(secret));
  EXPECT_TRUE(zeta.is_missing(secret));
  std::string data;
  EXPECT_EQ(zeta.read(secret, &data), grpc::StatusCode::NOT_FOUND);
  reapi::ActionResult result;
  EXPECT_EQ(zeta.lookup(action, &result).error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(zeta.execute(action).code(), grpc::StatusCode::FAILED_PRECONDITION);
  grpc::ClientContext context;
  zeta.begin(&context);
  reapi::WaitExecutionRequest wait;
  wait.set_name(answer.operation);
  auto stream = zeta.execution->WaitExecution(&context, wait);
  google::longrunning::Operation operation;
  EXPECT_FALSE(stream->Read(&operation));
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::NOT_FOUND);
}

TEST(WorkerGate, AnOversizedMessageIsRefused) {
  Worker worker;
  Client client(worker, "acme");
  grpc::ClientContext context;
  client.begin(&context);
  reapi::BatchUpdateBlobsRequest request;
  request.add_requests()->set_data(std::string(17 << 20, 'x'));
  reapi::BatchUpdateBlobsResponse response;
  EXPECT_EQ(client.cas->BatchUpdateBlobs(&context, request, &response).error_code(),
            grpc::StatusCode::RESOURCE_EXHAUSTED);
}

// --- what is stored is not believed ---

TEST(WorkerResults, AStoredResultThatWasChangedIsNotServed) {
  Worker worker;
  Client client(worker, "acme");
  const SizedDigest action = client.put_action({});
  ASSERT_EQ(client.execute(action).code(), 0);
  const std::string hex = action.digest.hex();
  const std::string file = worker.options.cas_dir + "/acme/results/" + hex.substr(0, 2) + "/" + hex;
  const std::string stored = std::move(read_file(file, 1 << 20)).value();
  hpcc::v1::StoredResult lie;
  ASSERT_TRUE(lie.ParseFromString(stored));
  const SizedDigest backdoor = client.put("a backdoor");
  *lie.mutable_result()->mutable_output_files(0)->mutable_digest() = encode_digest(backdoor);
  std::ofstream(file, std::ios::trunc) << lie.SerializeAsString();
  reapi::ActionResult result;
  EXPECT_EQ(client.lookup(action, &result).error_code(), grpc::StatusCode::NOT_FOUND);

  // Another action's genuine entry, copied over.
  Project other;
  other.files["a.c"] = "int b;\n";
  const SizedDigest second = client.put_action(other);
  const std::string name = second.digest.hex();
  const std::string second_file = worker.options.cas_dir + "/acme/results/" + name.substr(0, 2) + "/" + name;
  std::filesystem::create_directories(std::filesystem::path(second_file).parent_path());
  std::ofstream(second_file) << stored;
  EXPECT_EQ(client.lookup(second, &result).error_code(), grpc::StatusCode::NOT_FOUND);
}

TEST(WorkerResults, AResultWhoseOutputIsGoneIsNotServed) {
  Worker worker;
  Client client(worker, "acme");
  const SizedDigest action = client.put_action({});
  const Answer answer = client.execute(action);
  const std::string hex = answer.response.result().output_files(0).digest().hash();
  const std::string blob = worker.options.cas_dir + "/acme/blobs/" + hex.substr(0, 2) + "/" + hex;
  ASSERT_TRUE(std::filesystem::exists(blob));
  std::ofstream(blob, std::ios::trunc) << "damaged";
  std::string data;
  EXPECT_EQ(client.read(std::move(decode_digest(answer.response.result().output_files(0).digest())).value(), &data),
            grpc::StatusCode::NOT_FOUND);
  reapi::ActionResult result;
  EXPECT_EQ(client.lookup(action, &result).error_code(), grpc::StatusCode::NOT_FOUND);
}

TEST(WorkerResults, AWorkerThatStartsAgainStillKnowsThem) {
  Worker worker;
  SizedDigest action;
  {
    Client client(worker, "acme");
    action = client.put_action({});
    ASSERT_EQ(client.execute(action).code(), 0);
  }
  worker.start();
  Client client(worker, "acme");
  EXPECT_TRUE(client.execute(action).response.cached_result());
}

// --- replay ---

TEST(WorkerReplay, RunsInANewGuestAndFindsTheSame) {
  Worker worker;
  Client client(worker, "acme");
  const SizedDigest action = client.put_action({});
  const std::string row = receipt_of(client.execute(action).response.result()).row();
  hpcc::v1::ReplayResponse response;
  const grpc::Status status = client.replay(row, &response);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_TRUE(response.equal()) << (response.differences_size() ? response.differences(0) : "");
  const AuditRow replayed = row_of(response.receipt());
  EXPECT_EQ(replayed.disposition, Disposition::kReplay);
  EXPECT_NE(replayed.vm, worker.rows()[0].vm);
  EXPECT_EQ(worker.guests.boots, 2);
}

// The store still has the first output: only a compile that really ran can tell that the compiler now does another.
TEST(WorkerReplay, IsNotAnsweredFromTheStore) {
  Worker worker;
  Client client(worker, "acme");
  const std::string row = receipt_of(client.execute(client.put_action({})).response.result()).row();
  worker.guests.compiler = [](const GuestCompile& what, BlobSource&, Cancel, Deadline) -> Result<GuestResult> {
    GuestResult result;
    result.outputs.push_back(output_of(what.outputs[0], "something else"));
    return result;
  };
  hpcc::v1::ReplayResponse response;
  ASSERT_TRUE(client.replay(row, &response).ok());
  EXPECT_FALSE(response.equal());
  EXPECT_EQ(response.differences_size(), 3) << "outputs, the first of them, and messages";
}

TEST(WorkerReplay, RefusesRowsThatAreNotThisWorkersAndInputsThatAreGone) {
  Worker worker, stranger;
  Client client(worker, "acme"), elsewhere(stranger, "acme");
  hpcc::v1::ReplayResponse response;
  const std::string foreign = receipt_of(elsewhere.execute(elsewhere.put_action({})).response.result()).row();
  EXPECT_EQ(client.replay(foreign, &response).error_code(), grpc::StatusCode::PERMISSION_DENIED);
  EXPECT_EQ(client.replay("no row", &response).error_code(), grpc::StatusCode::INVALID_ARGUMENT);

  Project secret;
  secret.arguments.push_back("-DAPI_TOKEN=hunter2");
  const std::string redacted = receipt_of(client.execute(client.put_action(secret)).response.result()).row();
  EXPECT_EQ(redacted.find("hunter2"), std::string::npos);
  EXPECT_EQ(client.replay(redacted, &response).error_code(), grpc::StatusCode::UNIMPLEMENTED);

  const std::string row = receipt_of(client.execute(client.put_action({})).response.result()).row();
  std::filesystem::remove_all(worker.options.cas_dir + "/acme/blobs");
  EXPECT_EQ(client.replay(row, &response).error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  Client zeta(worker, "zeta");
  EXPECT_EQ(zeta.replay(row, &response).error_code(), grpc::StatusCode::PERMISSION_DENIED);
}

}  // namespace
}  // namespace hpcc::test
