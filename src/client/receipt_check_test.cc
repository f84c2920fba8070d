#include "client/receipt_check.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "base/fs.h"
#include "trust/audit_log.h"
#include "trust/grant.h"

namespace hpcc {
namespace {

// An honest answer, for each test to spoil. The e2e tests have more lies, over the wire.
struct Receipts : testing::Test {
  Receipts() {
    char name[] = "/tmp/hpcc-receipts-XXXXXX";
    directory = mkdtemp(name);
    std::ofstream(directory + "/client.toml") << "scheduler = \"127.0.0.1:1\"\ntenant = \"acme\"\nscheduler_key = \""
                                              << scheduler.public_key().hex() << "\"\n";
    log = std::move(*AuditLog::open(directory + "/audit.tsv", "w1", key));
    asked.image = "sha256:image";
    asked.input_root = SizedDigest::of("inputs");
    asked.action = ActionDigest::of("action");
    asked.asked_s = now_s;
    grant = {"id", "acme", asked.image, "client", "w1", key.public_key(), now_s, now_s + 600};
    answer_anew();
  }
  ~Receipts() override { std::filesystem::remove_all(directory); }
  // A row more in the log, and what the worker says of it to one who asked as in `asked`.
  void answer_anew() {
    AuditRow row;
    row.worker = "w1";
    row.tenant = "acme";
    row.image_digest = asked.image;
    row.source_digest = asked.input_root.digest.hex();
    row.action_digest = asked.action.hex();
    row.output_digest = outputs_digest({{"a.o", SizedDigest::of("object").digest.hex(), false}});
    const BlobDigest none = BlobDigest::of("");
    row.stdio_digest = BlobDigest::of(std::string(none.view()) + std::string(none.view())).hex();
    std::vector<uint64_t> seen;
    for (const SeenNote& one : asked.seen) seen.push_back(one.rows);
    AuditLog::Appended added = *log->append(row, Deadline::after_ms(60000), seen);
    answer.worker = "w1";
    answer.outputs = {{"a.o", SizedDigest::of("object"), false}};
    answer.row = added.line;
    answer.leaf_index = added.leaf_index;
    answer.checkpoint = added.checkpoint;
    answer.inclusion = added.inclusion;
    answer.consistency = added.consistency;
    answer.grant = *sign_grant(grant, scheduler);
  }
  // "" when the answer is believed, else why not.
  std::string why_not() {
    Result<AuditRow> row = ReceiptCheck(directory).check(answer, asked);
    return row.ok() ? "" : row.error().message;
  }
  std::string with_grant(Grant changed) {
    answer.grant = *sign_grant(changed, scheduler);
    return why_not();
  }

  const uint64_t now_s = static_cast<uint64_t>(realtime_ns() / 1'000'000'000);
  SigningKey key = *SigningKey::create(), scheduler = *SigningKey::create();
  std::string directory;
  std::unique_ptr<AuditLog> log;
  AskedFor asked;
  Grant grant;
  remote::RemoteResult answer;
};

TEST_F(Receipts, OfAnHonestWorkerAreBelieved) { EXPECT_EQ(why_not(), ""); }

TEST_F(Receipts, NeedAGrantThatHeldWhenTheWorkerWasAsked) {
  Grant other = grant;
  other.not_before_s = now_s - 4000;
  other.expires_s = now_s - 3000;
  EXPECT_NE(with_grant(other).find("not valid"), std::string::npos);
  asked.asked_s = now_s - 3100;  // a long compile outlives its grant
  EXPECT_EQ(with_grant(other), "");
  other.not_before_s = now_s + 4000;
  EXPECT_NE(with_grant(other).find("not valid"), std::string::npos);
}

TEST_F(Receipts, NeedAGrantOfTheSchedulerForThisTenantImageAndWorker) {
  Grant other = grant;
  other.tenant = "zeta";
  EXPECT_NE(with_grant(other).find("tenant"), std::string::npos);
  other = grant;
  other.image = "sha256:another";
  EXPECT_NE(with_grant(other).find("image"), std::string::npos);
  other = grant;
  other.worker = "w2";
  EXPECT_NE(with_grant(other).find("worker"), std::string::npos);
  other = grant;
  other.worker_key = scheduler.public_key();
  EXPECT_NE(with_grant(other).find("not signed by"), std::string::npos);
  answer.grant = *sign_grant(grant, key);
  EXPECT_NE(why_not().find("not signed by"), std::string::npos);
}

TEST_F(Receipts, CoverEveryOutputMessageAndExitCode) {
  const remote::RemoteResult honest = answer;
  for (auto lie : std::vector<void (*)(remote::RemoteResult&)>{
           [](auto& a) { a.outputs[0].content = SizedDigest::of("a backdoor"); },
           [](auto& a) { a.outputs[0].path = "b.o"; },
           [](auto& a) { a.outputs[0].executable = true; },
           [](auto& a) { a.outputs.push_back(a.outputs[0]); },
           [](auto& a) { a.outputs.clear(); },
           [](auto& a) { a.exit_code = 1; },
           [](auto& a) { a.stdout_text = "x"; },
           [](auto& a) { a.stderr_text = "x"; },
           [](auto& a) { a.probes = "x"; },
           [](auto& a) { a.leaf_index = 1; },
           [](auto& a) { a.checkpoint.clear(); },
           [](auto& a) { a.row.clear(); },
       }) {
    answer = honest;
    lie(answer);
    EXPECT_NE(why_not(), "");
  }
}

TEST_F(Receipts, ProveThatTheLogExtendsWhatWasSeen) {
  ASSERT_EQ(why_not(), "");
  asked.seen = ReceiptCheck(directory).seen();
  ASSERT_EQ(asked.seen.size(), 1u);
  answer_anew();
  const remote::RemoteResult honest = answer;
  answer.consistency.clear();
  EXPECT_NE(why_not().find("rewritten"), std::string::npos);
  answer = honest;
  answer.consistency[0].from = 0;
  EXPECT_NE(why_not().find("rewritten"), std::string::npos);
  answer = honest;
  // A log of one row beside the other: signed by the worker, and about this compile.
  log.reset();
  std::filesystem::remove(directory + "/audit.tsv");
  std::filesystem::remove(checkpoint_path_of(directory + "/audit.tsv"));
  log = std::move(*AuditLog::open(directory + "/audit.tsv", "w1", key));
  answer_anew();
  EXPECT_NE(why_not().find("rewritten"), std::string::npos);
  answer = honest;
  EXPECT_EQ(why_not(), "");
}

TEST_F(Receipts, AreForOneActionAndInputTree) {
  asked.action = ActionDigest::of("another");
  EXPECT_NE(why_not().find("another action"), std::string::npos);
  asked.action = ActionDigest::of("action");
  asked.input_root = SizedDigest::of("others");
  EXPECT_NE(why_not().find("another input tree"), std::string::npos);
}

}  // namespace
}  // namespace hpcc
