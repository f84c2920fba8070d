#include "trust/audit_log.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>

#include "base/fs.h"

namespace hpcc {

namespace {

constexpr size_t kReadBytes = 1 << 20;
constexpr size_t kWaitingBytes = 64u << 20;
constexpr int kAppendMs = 60'000;

// Reads lines of at most kRowBytes. `torn` gets what follows the last newline.
Status read_lines(int fd, const std::string& path, const std::function<bool(std::string_view)>& each,
                  std::string* torn) {
  std::string buffer;
  uint64_t offset = 0;
  for (;;) {
    const size_t had = buffer.size();
    buffer.resize(had + kReadBytes);
    const ssize_t got = pread(fd, buffer.data() + had, kReadBytes, static_cast<off_t>(offset));
    if (got < 0) return errno_error("read " + path);
    buffer.resize(had + static_cast<size_t>(got));
    offset += static_cast<uint64_t>(got);
    size_t start = 0;
    for (size_t end; (end = buffer.find('\n', start)) != buffer.npos; start = end + 1) {
      if (!each(std::string_view(buffer).substr(start, end - start))) return {};
    }
    buffer.erase(0, start);
    if (got == 0) break;
    if (buffer.size() > kRowBytes + 1) return Error{Code::kCorrupt, path + ": a line longer than a row can be"};
  }
  *torn = std::move(buffer);
  return {};
}

std::string row_number(uint64_t index) { return "row " + std::to_string(index + 1); }

}  // namespace

namespace {

std::string stem_of(const std::string& log_path) {
  return log_path.substr(0, log_path.size() - (log_path.ends_with(".tsv") ? 4 : 0));
}

}  // namespace

std::string checkpoint_path_of(const std::string& log_path) { return stem_of(log_path) + ".checkpoint"; }
std::string in_flight_path_of(const std::string& log_path) { return stem_of(log_path) + ".inflight"; }

AuditLog::AuditLog(std::string path, const std::string& worker, const SigningKey& key)
    : path_(std::move(path)),
      checkpoint_path_(checkpoint_path_of(path_)),
      origin_(checkpoint_origin(worker)),
      key_(key),
      in_flight_(in_flight_path_of(path_)) {}

Result<std::unique_ptr<AuditLog>> AuditLog::open(const std::string& path, const std::string& worker,
                                                 const SigningKey& key) {
  std::unique_ptr<AuditLog> log(new AuditLog(path, worker, key));
  log->file_.reset(::open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600));
  // Names and habits of its tenants; earlier versions made it for everyone to read.
  if (!log->file_ || fchmod(log->file_.get(), 0600) != 0) return errno_error("open audit log " + path);
  if (flock(log->file_.get(), LOCK_EX | LOCK_NB) != 0) {
    return Error{Code::kPermission, "audit log " + path + " is in use by another worker"};
  }
  TRY(log->in_flight_.open());
  TRY_ASSIGN(std::vector<AuditRow> left, log->in_flight_.left());
  struct stat info;
  if (fstat(log->file_.get(), &info) != 0) return errno_error("stat " + path);
  if (info.st_size == 0) {
    TRY(write_fd(log->file_.get(), row_header() + "\n", path));
    TRY(log->commit("", 0));  // with the directory, and so the log's name
  } else {
    TRY(log->load(&left));
  }
  TRY(log->append_left(std::move(left)));
  return log;
}

// Compiles whose worker was killed. When they ended nobody knows.
Status AuditLog::append_left(std::vector<AuditRow> left) {
  std::sort(left.begin(), left.end(), [](const AuditRow& a, const AuditRow& b) { return a.row_id < b.row_id; });
  for (AuditRow& row : left) {
    row.disposition = Disposition::kLost;
    TRY_ASSIGN([[maybe_unused]] const Appended appended, append(row, Deadline::after_ms(kAppendMs)));
  }
  return {};
}

// Rows that it finds are taken out of `left`: the worker was killed after it had written them.
Status AuditLog::load(std::vector<AuditRow>* left) {
  std::string torn;
  uint64_t whole_bytes = 0;
  std::optional<Error> wrong;
  bool header = true;
  TRY(read_lines(
      file_.get(), path_,
      [&](std::string_view line) {
        whole_bytes += line.size() + 1;
        if (std::exchange(header, false)) {
          if (line != row_header()) wrong = Error{Code::kCorrupt, path_ + ": not an audit log of this version"};
          return !wrong;
        }
        Result<SignedRow> row = decode_row(line);
        if (!row.ok() || !row_signature_ok(*row, key_.public_key())) {
          wrong =
              Error{Code::kCorrupt, path_ + ": " + row_number(tree_.size()) + " was changed (run `hpcc audit verify`)"};
          return false;
        }
        tree_.append(leaf_hash(line));
        if (std::erase_if(*left, [&](const AuditRow& one) { return one.row_id == row->row.row_id; }) != 0) {
          in_flight_.end(row->row.row_id);
        }
        return true;
      },
      &torn));
  if (wrong) return *wrong;
  TRY_ASSIGN(std::string note, read_file(checkpoint_path_, kCheckpointBytes));
  TRY_ASSIGN(Checkpoint checkpoint, decode_checkpoint(note, key_.public_key()));
  if (checkpoint.origin != origin_ || checkpoint.size > tree_.size() ||
      checkpoint.root != tree_.root(checkpoint.size)) {
    return Error{Code::kCorrupt, path_ + " is not what its checkpoint signs: rows are missing, reordered or changed"};
  }
  if (!torn.empty()) TRY(set_torn_aside(torn, whole_bytes));
  // Rows after the checkpoint were written but never answered; they are whole and signed, so they stay.
  return commit("", tree_.size());
}

Status AuditLog::set_torn_aside(std::string_view torn, uint64_t whole_bytes) {
  Fd aside(::open((path_ + ".torn").c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!aside) return errno_error("create " + path_ + ".torn");
  TRY(write_fd(aside.get(), std::string(torn) + "\n", path_ + ".torn"));
  if (ftruncate(file_.get(), static_cast<off_t>(whole_bytes)) != 0) return errno_error("truncate " + path_);
  return {};
}

// Called without the lock by the one thread that leads, or before there are others.
Status AuditLog::commit(std::string lines, uint64_t new_size) {
  if (!lines.empty()) TRY(write_fd(file_.get(), lines, path_));
  if (fdatasync(file_.get()) != 0) return errno_error("sync " + path_);
  Checkpoint checkpoint{origin_, new_size, {}};
  {
    std::unique_lock<std::mutex> lock(mutex_);
    checkpoint.root = tree_.root(new_size);
  }
  std::string note = sign_checkpoint(checkpoint, key_);
  TRY(replace_file(checkpoint_path_, note, 0600, Sync::kYes));
  std::unique_lock<std::mutex> lock(mutex_);
  checkpoint_ = std::move(note);
  committed_ = new_size;
  return {};
}

void AuditLog::lead(std::unique_lock<std::mutex>& lock) {
  leading_ = true;
  std::string lines = std::exchange(waiting_, {});
  const uint64_t new_size = tree_.size();
  lock.unlock();
  Status written = commit(std::move(lines), new_size);
  lock.lock();
  if (!written.ok()) broken_ = written.error();
  leading_ = false;
  done_.notify_all();
}

Result<AuditLog::Appended> AuditLog::append(const AuditRow& row, Deadline deadline,
                                            const std::vector<uint64_t>& seen_rows) {
  Appended out;
  TRY_ASSIGN(out.line, sign_row(row, key_));
  std::unique_lock<std::mutex> lock(mutex_);
  if (broken_) return *broken_;
  if (waiting_.size() > kWaitingBytes)
    return Error{Code::kLimit, "audit log " + path_ + ": too many rows wait for the disk"};
  out.leaf_index = tree_.size();
  tree_.append(leaf_hash(out.line));
  waiting_ += out.line + "\n";
  while (committed_ <= out.leaf_index && !broken_) {
    if (!leading_) {
      lead(lock);
      continue;
    }
    if (deadline.passed()) return Error{Code::kTimeout, "audit log " + path_ + ": the disk did not answer in time"};
    done_.wait_for(lock, std::chrono::milliseconds(std::max(1, deadline.remaining_ms())));
  }
  if (broken_) return *broken_;
  out.checkpoint = checkpoint_;
  for (const TreeHash& step : tree_.inclusion(out.leaf_index, committed_)) out.inclusion.emplace_back(step.view());
  for (const uint64_t rows : seen_rows) {
    if (rows == 0 || rows > committed_) continue;
    Consistency& proof = out.consistency.emplace_back(Consistency{rows, {}});
    for (const TreeHash& step : tree_.consistency(rows, committed_)) proof.steps.emplace_back(step.view());
  }
  lock.unlock();
  in_flight_.end(row.row_id);
  return out;
}

uint64_t AuditLog::size() const {
  std::unique_lock<std::mutex> lock(mutex_);
  return committed_;
}

Status read_log(const std::string& path, const std::function<bool(std::string_view line)>& each) {
  Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return errno_error("open audit log " + path);
  std::string torn;
  bool header = true;
  return read_lines(
      fd.get(), path, [&](std::string_view line) { return std::exchange(header, false) || each(line); }, &torn);
}

namespace {

void check_seen(const MerkleTree& tree, const std::string& note, const PublicKey& key, LogReport& report) {
  Result<Checkpoint> seen = decode_checkpoint(note, key);
  if (!seen.ok()) {
    report.notes.push_back("the checkpoint a client kept is of another key and proves nothing here");
  } else if (seen->size > tree.size()) {
    report.problems.push_back("a client saw " + std::to_string(seen->size) + " rows: the tail of " +
                              std::to_string(seen->size - tree.size()) + " was cut off");
  } else if (tree.root(seen->size) != seen->root) {
    report.problems.push_back("the first " + std::to_string(seen->size) +
                              " rows are not those a client saw: the history was rewritten");
  }
}

void check_checkpoint(const MerkleTree& tree, const Result<std::string>& note, const PublicKey& key,
                      LogReport& report) {
  if (!note.ok()) {
    report.notes.push_back("no checkpoint (" + note.error().to_string() + "): that no row is missing is unproved");
    return;
  }
  Result<Checkpoint> checkpoint = decode_checkpoint(*note, key);
  if (!checkpoint.ok()) {
    report.problems.push_back(checkpoint.error().message);
  } else if (checkpoint->size > tree.size()) {
    report.problems.push_back("the checkpoint signs " + std::to_string(checkpoint->size) + " rows, the log has " +
                              std::to_string(tree.size()) + ": rows were removed");
  } else if (tree.root(checkpoint->size) != checkpoint->root) {
    report.problems.push_back("the rows are not those the checkpoint signs: some were changed, removed or reordered");
  } else {
    report.proved_rows = checkpoint->size;
    if (tree.size() > checkpoint->size) {
      report.notes.push_back("the last " + std::to_string(tree.size() - checkpoint->size) +
                             " rows came after the checkpoint: that none is missing there is unproved");
    }
  }
}

}  // namespace

Result<LogReport> verify_log(const std::string& path, const PublicKey& key, const std::vector<std::string>& seen) {
  Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return errno_error("open audit log " + path);
  // Before the rows: a worker that goes on meanwhile adds rows and then signs them.
  const Result<std::string> note = read_file(checkpoint_path_of(path), kCheckpointBytes);
  LogReport report;
  MerkleTree tree;
  std::string torn;
  bool header = true;
  TRY(read_lines(
      fd.get(), path,
      [&](std::string_view line) {
        if (std::exchange(header, false)) {
          if (line != row_header())
            report.problems.push_back("the first line is not the header of this version's rows");
          return true;
        }
        Result<SignedRow> row = decode_row(line);
        if (!row.ok()) {
          report.problems.push_back(row_number(tree.size()) + ": " + row.error().message);
        } else if (row->signature.empty()) {
          ++report.unsigned_rows;
          report.problems.push_back(row_number(tree.size()) + ": not signed: a client's own assertion");
        } else if (!row_signature_ok(*row, key)) {
          report.problems.push_back(row_number(tree.size()) + " (" + row->row.row_id +
                                    "): the signature does not hold");
        }
        tree.append(leaf_hash(line));
        return report.problems.size() < 100;
      },
      &torn));
  if (header) report.problems.push_back("the log is empty: not even a header");
  const bool in_use = !torn.empty() && flock(fd.get(), LOCK_SH | LOCK_NB) != 0;
  if (in_use) report.notes.push_back("the last line is just being written");
  if (!torn.empty() && !in_use) report.problems.push_back("the last line is torn");
  report.rows = tree.size();
  check_checkpoint(tree, note, key, report);
  for (const std::string& one : seen) check_seen(tree, one, key, report);
  return report;
}

}  // namespace hpcc
