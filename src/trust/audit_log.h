// AuditLog: a worker's rows in a file (TSV, one row a line, after a header line), and beside it the signed checkpoint
// of the Merkle tree over them. A row is on disk, and a checkpoint that holds it, before append() returns: nothing is
// published that the log does not have.
//
// Thread-safe: concurrent appends share one write, one fdatasync and one checkpoint (group commit). One process owns a
// log, by a file lock.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/deadline.h"
#include "base/fd.h"
#include "base/result.h"
#include "trust/in_flight.h"
#include "trust/receipt.h"

namespace hpcc {

class AuditLog {
 public:
  struct Appended {
    std::string line;
    uint64_t leaf_index = 0;
    std::string checkpoint;
    std::vector<std::string> inclusion;
    std::vector<Consistency> consistency;  // that the checkpoint's tree extends those of `seen_rows`
  };

  // Opens or makes the log at `path` (checkpoint: `path` without ".tsv" plus ".checkpoint"). Every row is checked
  // against key and checkpoint; kCorrupt names the first that does not hold, and nothing is changed. A torn last line
  // (the machine stopped in the middle of a write) is moved to `path`.torn and was never answered.
  static Result<std::unique_ptr<AuditLog>> open(const std::string& path, const std::string& worker,
                                                const SigningKey& key);
  ~AuditLog() = default;

  // Before a compile begins, with what is known of its row; append() of that row_id ends it. A row that was begun and
  // never appended, because the worker was killed, is appended by the next open(), as lost.
  Status begin(const AuditRow& row) const { return in_flight_.begin(row); }

  // Signs, writes, syncs. After an I/O error the log refuses every later append: its end is not known any more.
  // `seen_rows`: of which sizes the asking client has a checkpoint; of 0 and beyond the end there is no proof.
  Result<Appended> append(const AuditRow& row, Deadline deadline, const std::vector<uint64_t>& seen_rows = {});
  uint64_t size() const;

 private:
  AuditLog(std::string path, const std::string& worker, const SigningKey& key);
  Status load(std::vector<AuditRow>* left);
  Status append_left(std::vector<AuditRow> left);
  Status set_torn_aside(std::string_view torn, uint64_t whole_bytes);
  Status commit(std::string lines, uint64_t new_size);
  void lead(std::unique_lock<std::mutex>& lock);

  const std::string path_, checkpoint_path_, origin_;
  const SigningKey& key_;
  const InFlight in_flight_;
  Fd file_;

  mutable std::mutex mutex_;
  std::condition_variable done_;
  MerkleTree tree_;         // rows on disk and rows waiting, in the order of leaf indices
  std::string waiting_;     // lines not yet written
  uint64_t committed_ = 0;  // rows that a checkpoint holds
  std::string checkpoint_;  // the last one
  bool leading_ = false;    // some thread is writing
  std::optional<Error> broken_;
};

// Where a log's checkpoint is: "x/audit.tsv" → "x/audit.checkpoint". What is in flight: "x/audit.inflight/".
std::string checkpoint_path_of(const std::string& log_path);
std::string in_flight_path_of(const std::string& log_path);

// What `hpcc audit verify` finds out about a log file. Nothing is repaired.
struct LogReport {
  uint64_t rows = 0;
  uint64_t proved_rows = 0;           // those that the checkpoint holds
  uint64_t unsigned_rows = 0;         // of a client's own record; each is a problem, too
  std::vector<std::string> problems;  // empty: the tree and all signatures hold
  std::vector<std::string> notes;     // "the tail of 3 rows is unproved: no checkpoint"
};
// `seen`: the checkpoints a client kept of this worker. Errors only when the log cannot be read.
Result<LogReport> verify_log(const std::string& path, const PublicKey& key, const std::vector<std::string>& seen);

// Calls `each` with every row's line, in order, until it returns false. Lines that are no rows are passed as they are.
Status read_log(const std::string& path, const std::function<bool(std::string_view line)>& each);

}  // namespace hpcc
