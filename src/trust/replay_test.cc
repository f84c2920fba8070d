#include "trust/replay.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "base/fs.h"
#include "trust/audit_log.h"

namespace hpcc {
namespace {

struct Replays : testing::Test {
  Replays() {
    char name[] = "/tmp/hpcc-replay-XXXXXX";
    directory = mkdtemp(name);
    log = std::move(*AuditLog::open(directory + "/audit.tsv", "w1", key));
    AuditRow row;
    row.worker = "w1";
    row.tenant = "acme";
    row.vm = "vm 1";
    row.exit = 0;
    row.row_id = "the compile";
    row.output_digest = "an output";
    old = *decode_row(append(row).row);
    again = row;
    again.vm = "vm 2";
    again.row_id = "the replay";
    again.disposition = Disposition::kReplay;
    again.compiled_row_id = row.row_id;
  }
  ~Replays() override { std::filesystem::remove_all(directory); }
  Receipt append(const AuditRow& row) {
    AuditLog::Appended added = *log->append(row, Deadline::after_ms(60000));
    return {added.line, added.leaf_index, added.checkpoint, added.inclusion, ""};
  }
  Result<CheckedReplay> check(const AuditRow& row) { return check_replay(append(row), old, key.public_key()); }

  SigningKey key = *SigningKey::create();
  std::string directory;
  std::unique_ptr<AuditLog> log;
  SignedRow old;
  AuditRow again;
};

TEST_F(Replays, AreEqualWhenAllThatCountsIs) {
  again.duration_ms = 77;
  again.start = "later";
  Result<CheckedReplay> checked = check(again);
  ASSERT_TRUE(checked.ok()) << checked.error().to_string();
  EXPECT_TRUE(checked->differences.empty());
}

TEST_F(Replays, SayWhatDiffers) {
  for (auto change : std::vector<void (*)(AuditRow&)>{
           [](AuditRow& row) { row.output_digest = "another"; }, [](AuditRow& row) { row.exit = 1; },
           [](AuditRow& row) { row.stdio_digest = "another"; }, [](AuditRow& row) { row.probes_digest = "another"; },
           [](AuditRow& row) { row.source_digest = "another"; }, [](AuditRow& row) { row.flags = "-O3"; },
           [](AuditRow& row) { row.image_digest = "sha256:another"; },
           [](AuditRow& row) { row.action_digest = "another"; }}) {
    AuditRow row = again;
    change(row);
    Result<CheckedReplay> checked = check(row);
    ASSERT_TRUE(checked.ok()) << checked.error().to_string();
    EXPECT_EQ(checked->differences.size(), 1u);
  }
}

// A worker that looks its answer up, or gives that of another, cannot give a row that holds.
TEST_F(Replays, AreBelievedOnlyOfAnotherSandboxAndOfThisRow) {
  for (auto lie : std::vector<void (*)(AuditRow&)>{
           [](AuditRow& row) { row.vm = "vm 1"; }, [](AuditRow& row) { row.vm.clear(); },
           [](AuditRow& row) { row.disposition = Disposition::kCompiled; },
           [](AuditRow& row) { row.disposition = Disposition::kHit; },
           [](AuditRow& row) { row.compiled_row_id = "another"; }, [](AuditRow& row) { row.tenant = "zeta"; },
           [](AuditRow& row) { row.worker = "w2"; }}) {
    AuditRow row = again;
    lie(row);
    EXPECT_EQ(check(row).error().code, Code::kPermission);
  }
  EXPECT_FALSE(check_replay(append(again), old, SigningKey::create()->public_key()).ok());
  Receipt elsewhere = append(again);
  elsewhere.leaf_index = 0;
  EXPECT_FALSE(check_replay(elsewhere, old, key.public_key()).ok());
}

TEST_F(Replays, OfAHitRepeatTheCompileItServed) {
  AuditRow hit = old.row;
  hit.disposition = Disposition::kHit;
  hit.row_id = "the hit";
  hit.compiled_row_id = old.row.row_id;
  old = *decode_row(append(hit).row);
  EXPECT_TRUE(check(again).ok());
}

TEST_F(Replays, AreNotForRowsThatNothingCanBeComparedWith) {
  EXPECT_TRUE(check_replayable(old).ok());
  SignedRow bare = old;
  bare.signature.clear();
  EXPECT_FALSE(check_replayable(bare).ok());
  SignedRow redacted = old;
  redacted.row.replayable = Replayable::kRedacted;
  EXPECT_FALSE(check_replayable(redacted).ok());
  for (Disposition kind : {Disposition::kLost, Disposition::kFallback, Disposition::kBypass}) {
    SignedRow row = old;
    row.row.disposition = kind;
    EXPECT_FALSE(check_replayable(row).ok());
  }
}

}  // namespace
}  // namespace hpcc
