#include "trust/audit_log.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <thread>

#include "base/fs.h"
#include "base/uuid.h"
#include "trust/seen.h"

namespace hpcc {
namespace {

struct Log : testing::Test {
  Log() {
    char name[] = "/tmp/hpcc-audit-XXXXXX";
    directory = mkdtemp(name);
    path = directory + "/audit.tsv";
  }
  ~Log() override { std::filesystem::remove_all(directory); }

  std::unique_ptr<AuditLog> open() {
    Result<std::unique_ptr<AuditLog>> log = AuditLog::open(path, "w1", key);
    EXPECT_TRUE(log.ok()) << (log.ok() ? "" : log.error().to_string());
    return log.ok() ? std::move(*log) : nullptr;
  }
  AuditRow row(const std::string& name) {
    AuditRow out;
    out.name = name;
    out.worker = "w1";
    out.row_id = new_uuid7();
    return out;
  }
  void append(int rows) {
    auto log = open();
    for (int i = 0; i < rows; ++i) ASSERT_TRUE(log->append(row(std::to_string(i)), Deadline::after_ms(60000)).ok());
  }
  std::vector<std::string> lines() {
    std::ifstream in(path);
    std::vector<std::string> out;
    for (std::string line; std::getline(in, line);) out.push_back(line);
    return out;
  }
  void write(const std::vector<std::string>& all) {
    std::ofstream out(path, std::ios::trunc);
    for (const std::string& line : all) out << line << "\n";
  }
  LogReport report() { return *verify_log(path, key.public_key(), {}); }
  LogReport report(const std::string& seen) { return *verify_log(path, key.public_key(), {seen}); }
  std::string note() { return *read_file(checkpoint_path_of(path), 4096); }

  SigningKey key = *SigningKey::create();
  std::string directory, path;
};

TEST_F(Log, IsForItsOwnerAlone) {
  append(1);
  for (const std::string& file : {path, checkpoint_path_of(path)}) {
    EXPECT_EQ(std::filesystem::status(file).permissions(), std::filesystem::perms(0600)) << file;
    std::filesystem::permissions(file, std::filesystem::perms(0644));  // an earlier version's
  }
  append(1);
  for (const std::string& file : {path, checkpoint_path_of(path)}) {
    EXPECT_EQ(std::filesystem::status(file).permissions(), std::filesystem::perms(0600)) << file;
  }
}

TEST_F(Log, HoldsWhatWasAppended) {
  append(5);
  append(3);
  LogReport found = report();
  EXPECT_TRUE(found.problems.empty()) << found.problems[0];
  EXPECT_EQ(found.rows, 8u);
  EXPECT_EQ(found.proved_rows, 8u);
}

TEST_F(Log, ProvesEachRowToAReceiptsReader) {
  auto log = open();
  for (int i = 0; i < 9; ++i) {
    AuditRow one = row("a.c");
    one.tenant = "t";
    one.image_digest = "sha256:i";
    one.probes_digest = BlobDigest::of("p").hex();
    AuditLog::Appended added = *log->append(one, Deadline::after_ms(60000));
    Receipt receipt{added.line, added.leaf_index, added.checkpoint, added.inclusion, "p"};
    ExpectedReceipt expected;
    expected.worker_key = key.public_key();
    expected.worker = "w1";
    expected.tenant = "t";
    expected.image = "sha256:i";
    Result<CheckedReceipt> checked = check_receipt(receipt, expected);
    ASSERT_TRUE(checked.ok()) << checked.error().to_string();
    EXPECT_EQ(checked->checkpoint.size, static_cast<uint64_t>(i + 1));
    ExpectedReceipt other = expected;
    other.tenant = "u";
    EXPECT_FALSE(check_receipt(receipt, other).ok());
    other = expected;
    other.worker_key = SigningKey::create()->public_key();
    EXPECT_FALSE(check_receipt(receipt, other).ok());
    other = expected;
    other.output_digest = "x";
    EXPECT_FALSE(check_receipt(receipt, other).ok());
    Receipt bare = receipt;
    bare.probes.clear();
    EXPECT_FALSE(check_receipt(bare, expected).ok());
    Receipt moved = receipt;
    moved.leaf_index ^= 1;
    EXPECT_FALSE(check_receipt(moved, expected).ok());
    moved = receipt;
    moved.probes = "x";
    EXPECT_FALSE(check_receipt(moved, expected).ok());
  }
}

TEST_F(Log, SharesOneCommitBetweenThreads) {
  auto log = open();
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 20; ++i) EXPECT_TRUE(log->append(row("x"), Deadline::after_ms(60000)).ok());
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(log->size(), 80u);
  EXPECT_TRUE(report().problems.empty());
}

TEST_F(Log, WithARowChangedIsFound) {
  append(4);
  auto all = lines();
  all[2].replace(all[2].find("\tw1\t"), 4, "\tw2\t");
  write(all);
  ASSERT_GE(report().problems.size(), 2u);
  EXPECT_NE(report().problems[0].find("row 2"), std::string::npos);
  EXPECT_FALSE(AuditLog::open(path, "w1", key).ok());
}

TEST_F(Log, WithARowMissingIsFound) {
  append(4);
  auto all = lines();
  all.erase(all.begin() + 2);
  write(all);
  EXPECT_EQ(report().problems.size(), 1u);
  EXPECT_FALSE(AuditLog::open(path, "w1", key).ok());
}

TEST_F(Log, WithTwoRowsExchangedIsFound) {
  append(4);
  auto all = lines();
  std::swap(all[1], all[2]);
  write(all);
  EXPECT_EQ(report().problems.size(), 1u);
}

TEST_F(Log, WithItsTailCutIsFoundByTheCheckpoint) {
  append(4);
  auto all = lines();
  all.pop_back();
  write(all);
  ASSERT_EQ(report().problems.size(), 1u);
  EXPECT_NE(report().problems[0].find("removed"), std::string::npos);
}

TEST_F(Log, WithTailAndCheckpointOfAnEarlierDayIsFoundByAClient) {
  append(3);
  const std::string old_note = note();
  const auto old_lines = lines();
  append(2);
  const std::string seen = note();
  write(old_lines);
  std::ofstream(checkpoint_path_of(path), std::ios::trunc) << old_note;
  EXPECT_TRUE(report().problems.empty());
  ASSERT_EQ(report(seen).problems.size(), 1u);
  EXPECT_NE(report(seen).problems[0].find("cut off"), std::string::npos);
}

TEST_F(Log, RewrittenByItsOwnWorkerIsFoundByAClient) {
  append(3);
  const std::string seen = note();
  std::filesystem::remove(path);
  std::filesystem::remove(checkpoint_path_of(path));
  append(4);
  EXPECT_TRUE(report().problems.empty());
  ASSERT_EQ(report(seen).problems.size(), 1u);
  EXPECT_NE(report(seen).problems[0].find("rewritten"), std::string::npos);
}

TEST_F(Log, WithoutCheckpointSaysThatTheTailIsUnproved) {
  append(2);
  std::filesystem::remove(checkpoint_path_of(path));
  EXPECT_TRUE(report().problems.empty());
  ASSERT_EQ(report().notes.size(), 1u);
  EXPECT_EQ(report().proved_rows, 0u);
}

// The verifier that shares no code with hpcc.
TEST_F(Log, IsJudgedAlikeByTheStandaloneVerifier) {
  append(6);
  const std::string command = "python3 " HPCC_SOURCE_DIR "/tools/audit-verify.py " + path + " " +
                              key.public_key().hex() + " > " + directory + "/out 2>&1";
  EXPECT_EQ(WEXITSTATUS(system(command.c_str())), 0) << *read_file(directory + "/out", 10000);
  auto all = lines();
  const auto good = all;
  all[3].replace(all[3].find("\tw1\t"), 4, "\tw2\t");
  write(all);
  EXPECT_EQ(WEXITSTATUS(system(command.c_str())), 1);
  write({good.begin(), good.end() - 1});
  EXPECT_EQ(WEXITSTATUS(system(command.c_str())), 1);
}

TEST_F(Log, KeepsATornLineAside) {
  append(2);
  std::ofstream(path, std::ios::app) << "half a row";
  auto log = open();
  EXPECT_TRUE(log->append(row("z"), Deadline::after_ms(60000)).ok());
  EXPECT_EQ(report().rows, 3u);
  EXPECT_EQ(*read_file(path + ".torn", 100), "half a row\n");
}

TEST_F(Log, TellsOfCompilesWhoseWorkerWasKilled) {
  AuditRow ended = row("ended.c"), written = row("written.c"), killed = row("killed.c");
  {
    auto log = open();
    for (const AuditRow& one : {ended, written, killed}) ASSERT_TRUE(log->begin(one).ok());
    ASSERT_TRUE(log->append(ended, Deadline::after_ms(60000)).ok());
    const std::string file = in_flight_path_of(path) + "/" + written.row_id;
    const std::string begun = *read_file(file, kRowBytes + 1);
    ASSERT_TRUE(log->append(written, Deadline::after_ms(60000)).ok());
    std::ofstream(file) << begun;  // killed after the row was written, before this was removed
    std::ofstream(in_flight_path_of(path) + "/torn") << "half a ro";
  }
  for (int i = 0; i < 2; ++i) open();
  std::vector<SignedRow> found;
  for (const std::string& line : lines()) {
    if (!line.starts_with("#")) found.push_back(*decode_row(line));
  }
  ASSERT_EQ(found.size(), 3u) << "told once";
  EXPECT_EQ(found[2].row.name, "killed.c");
  EXPECT_EQ(found[2].row.row_id, killed.row_id);
  EXPECT_EQ(found[2].row.disposition, Disposition::kLost);
  EXPECT_TRUE(report().problems.empty());
  EXPECT_TRUE(std::filesystem::is_empty(in_flight_path_of(path)));
}

TEST_F(Log, HasOneOwner) {
  auto log = open();
  EXPECT_FALSE(AuditLog::open(path, "w1", key).ok());
}

// A client beside the log, which asks for proof from what it knows.
struct Watched : Log {
  struct Asked {
    std::vector<SeenNote> seen;
    Receipt receipt;
  };
  // A compile, asked for with what the client has seen by then.
  Asked next() { return next(seen.all()); }
  Asked next(const std::vector<SeenNote>& asked) {
    auto log = open();
    std::vector<uint64_t> rows;
    for (const SeenNote& one : asked) rows.push_back(one.rows);
    AuditLog::Appended added = *log->append(row("x"), Deadline::after_ms(60000), rows);
    return {asked, {added.line, added.leaf_index, added.checkpoint, added.inclusion, "", added.consistency}};
  }
  void rewrite(int rows) {
    std::filesystem::remove(path);
    std::filesystem::remove(checkpoint_path_of(path));
    if (rows > 0) append(rows);
  }
  // The log as it was.
  void restore(const std::vector<std::string>& old_lines, const std::string& old_note) {
    write(old_lines);
    std::ofstream(checkpoint_path_of(path), std::ios::trunc) << old_note;
  }
  Status see(const Asked& asked) { return seen.see(asked.receipt, key.public_key(), asked.seen); }
  bool refuses(const Asked& asked) { return see(asked).error().code == Code::kPermission; }
  bool found_by_verify() { return !verify_log(path, key.public_key(), seen.kept("w1"))->problems.empty(); }

  SeenCheckpoints seen{directory + "/seen"};
};

TEST_F(Watched, GrowsInFrontOfAClient) {
  EXPECT_TRUE(seen.all().empty());
  for (uint64_t i = 1; i < 20; ++i) {
    Status saw = see(next());
    EXPECT_TRUE(saw.ok()) << saw.error().to_string();
    ASSERT_EQ(seen.all().size(), 1u);
    EXPECT_EQ(seen.all()[0].rows, i);
    EXPECT_EQ(seen.all()[0].worker, "w1");
  }
  EXPECT_EQ(seen.kept("w1"), std::vector<std::string>{note()});
  EXPECT_FALSE(found_by_verify());
}

TEST_F(Watched, OfOneSizeHasOneTree) {
  const Asked first = next();
  ASSERT_TRUE(see(first).ok());
  EXPECT_TRUE(see(first).ok()) << "two that were asked at once may come in one checkpoint";
  rewrite(0);
  EXPECT_TRUE(refuses(next({})));
}

TEST_F(Watched, CannotBeRewrittenAndGoOn) {
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(see(next()).ok());
  const std::vector<SeenNote> known = seen.all();
  rewrite(6);
  EXPECT_TRUE(refuses(next())) << "its proof does not hold";
  Asked mute = next();
  mute.receipt.consistency.clear();
  EXPECT_TRUE(refuses(mute)) << "no proof";
  mute = next();
  mute.receipt.consistency[0].from = 2;
  EXPECT_TRUE(refuses(mute)) << "a proof of something else";
  EXPECT_EQ(seen.kept("w1"), std::vector<std::string>{known[0].note});
  EXPECT_TRUE(found_by_verify());
}

TEST_F(Watched, IsNotServedFromASideLog) {
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(see(next()).ok());
  const auto good = lines();
  const std::string good_note = note();
  for (int rows : {0, 1, 2}) {
    rewrite(rows);
    EXPECT_TRUE(refuses(next())) << "a log of " << rows + 1 << " rows";
  }
  restore(good, good_note);
  EXPECT_FALSE(found_by_verify());
  EXPECT_TRUE(see(next()).ok());
}

TEST_F(Watched, AnswersWithANewRow) {
  const Asked first = next();
  ASSERT_TRUE(see(first).ok());
  Asked old = next();
  old.receipt.row = first.receipt.row;
  old.receipt.leaf_index = first.receipt.leaf_index;
  EXPECT_TRUE(refuses(old));
}

TEST_F(Watched, ProvesAnswersThatOvertakeEachOther) {
  ASSERT_TRUE(see(next()).ok());
  const Asked a = next(), b = next(), c = next();
  ASSERT_TRUE(see(c).ok());
  ASSERT_TRUE(see(a).ok());
  EXPECT_EQ(seen.all().size(), 2u) << "neither proves anything of the other";
  const Asked d = next();
  ASSERT_TRUE(see(b).ok());
  EXPECT_EQ(seen.all().size(), 3u);
  ASSERT_TRUE(see(d).ok());
  EXPECT_EQ(seen.all().size(), 2u) << "it was asked before the last was seen";
  ASSERT_TRUE(see(next()).ok());
  EXPECT_EQ(seen.kept("w1"), std::vector<std::string>{note()});
}

// The worker shows two histories to two compiles that it was asked for at once. Each proves what it was asked.
TEST_F(Watched, ForkedBetweenTwoAnswersIsFoundByTheNext) {
  ASSERT_TRUE(see(next()).ok());
  const auto before = lines();
  const std::string before_note = note();
  const std::vector<SeenNote> known = seen.all();
  const Asked aside = next();
  restore(before, before_note);
  append(1);
  const Asked open_row = next(known);
  ASSERT_TRUE(see(aside).ok());
  ASSERT_TRUE(see(open_row).ok());
  EXPECT_TRUE(found_by_verify());
  EXPECT_TRUE(refuses(next()));
  EXPECT_TRUE(found_by_verify());
}

TEST_F(Watched, OfANewKeyIsAnotherLog) {
  ASSERT_TRUE(see(next()).ok());
  key = *SigningKey::create();
  rewrite(0);
  ASSERT_TRUE(see(next()).ok());
  EXPECT_EQ(seen.kept("w1"), std::vector<std::string>{note()}) << "of the same size, and in the other's place";
}

TEST_F(Watched, ByTwoClientsThatShareWhatTheySaw) {
  SeenCheckpoints other{directory + "/seen"};
  ASSERT_TRUE(see(next()).ok());
  const Asked ours = next(), theirs = next(other.all());
  ASSERT_TRUE(other.see(theirs.receipt, key.public_key(), theirs.seen).ok());
  ASSERT_TRUE(see(ours).ok());
  EXPECT_EQ(other.kept("w1").size(), 2u);
  ASSERT_TRUE(see(next()).ok());
  EXPECT_EQ(other.kept("w1"), std::vector<std::string>{note()});
}

TEST_F(Watched, ByAMalformedNoteAsksForNoProof) {
  ASSERT_TRUE(see(next()).ok());
  for (const auto& file : std::filesystem::directory_iterator(directory + "/seen")) {
    std::ofstream(file.path(), std::ios::trunc) << "hpcc/w1\n99999999999999999999999\n";
  }
  EXPECT_TRUE(seen.all().empty());
  EXPECT_TRUE(see(next()).ok());
  EXPECT_EQ(seen.kept("w1"), std::vector<std::string>{note()});
}

TEST(SeenRows, ComeBackAsTheyWere) {
  for (const std::vector<uint64_t>& rows : {std::vector<uint64_t>{}, {7}, {1, ~uint64_t{0}, 3}}) {
    EXPECT_EQ(parse_seen_rows(seen_rows_text(rows)), rows);
  }
  for (const char* bad : {"x", "1,", ",1", "1 2", "1,,2", "-1", "99999999999999999999999"}) {
    EXPECT_TRUE(parse_seen_rows(bad).empty()) << bad;
  }
  EXPECT_TRUE(parse_seen_rows(seen_rows_text(std::vector<uint64_t>(10'000, 1))).empty());
}

}  // namespace
}  // namespace hpcc
