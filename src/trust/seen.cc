#include "trust/seen.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>

#include "base/deadline.h"
#include "base/fs.h"
#include "base/limits.h"

namespace hpcc {
namespace {

constexpr std::string_view kSuffix = ".checkpoint";
constexpr std::string_view kOrigin = "hpcc/";
constexpr int kLockMs = 5000;
constexpr useconds_t kLockPauseUs = 2000;

std::string prefix_of(std::string_view origin) { return BlobDigest::of(origin).hex().substr(0, 32) + "."; }

Error rewritten(const Checkpoint& fresh, const Checkpoint& old, const std::string& how) {
  return Error{Code::kPermission, fresh.origin + " signed a tree of " + std::to_string(fresh.size) + " rows " + how +
                                      " the one of " + std::to_string(old.size) +
                                      " that this client saw: its history was rewritten"};
}

Status check_extends(const Receipt& receipt, const Checkpoint& fresh, const Checkpoint& old) {
  // A worker adds a row for every answer.
  if (receipt.leaf_index < old.size || fresh.size <= old.size) return rewritten(fresh, old, "whose row is not after");
  const auto of = std::find_if(receipt.consistency.begin(), receipt.consistency.end(),
                               [&](const Consistency& one) { return one.from == old.size; });
  if (of == receipt.consistency.end()) return rewritten(fresh, old, "without proof that it extends");
  TRY_ASSIGN(const std::vector<TreeHash> proof, decode_proof(of->steps));
  if (!verify_consistency(old.size, fresh.size, old.root, fresh.root, proof)) {
    return rewritten(fresh, old, "that does not extend");
  }
  return {};
}

// "hpcc/<worker>\n<rows>\n…"; false when it is no note.
bool describe(SeenNote* note) {
  const std::string_view text = note->note;
  const size_t line = text.find('\n');
  if (!text.starts_with(kOrigin) || line == std::string_view::npos) return false;
  note->worker = text.substr(kOrigin.size(), line - kOrigin.size());
  const auto [end, error] = std::from_chars(text.data() + line + 1, text.data() + text.size(), note->rows);
  return error == std::errc() && note->rows > 0 && end != text.data() + text.size() && *end == '\n';
}

}  // namespace

Result<Fd> SeenCheckpoints::lock(int how) const {
  Fd directory(open(directory_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory) return errno_error("open " + directory_);
  const Deadline deadline = Deadline::after_ms(kLockMs);
  while (flock(directory.get(), how | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK && errno != EINTR) return errno_error("lock " + directory_);
    if (deadline.passed()) return Error{Code::kTimeout, directory_ + " is locked by another process", 0};
    usleep(kLockPauseUs);
  }
  return directory;
}

std::vector<std::string> SeenCheckpoints::files(std::string_view prefix) const {
  Result<std::vector<std::string>> names = list_directory(directory_);
  if (!names.ok()) return {};
  std::vector<std::string> out;
  for (const std::string& name : *names) {
    if (name.starts_with(prefix) && name.ends_with(kSuffix)) out.push_back(join_path(directory_, name));
  }
  if (out.size() > limits::kSeenNotes) out.resize(limits::kSeenNotes);
  return out;
}

std::vector<SeenNote> SeenCheckpoints::all() const {
  const Result<Fd> locked = lock(LOCK_SH);  // without it a note may be missed: proved a compile later
  std::vector<SeenNote> out;
  for (const std::string& path : files("")) {
    Result<std::string> note = read_file(path, kCheckpointBytes);
    SeenNote one;
    if (note.ok()) one.note = std::move(*note);
    if (describe(&one)) out.push_back(std::move(one));
  }
  return out;
}

std::vector<std::string> SeenCheckpoints::kept(std::string_view worker) const {
  const Result<Fd> locked = lock(LOCK_SH);
  std::vector<std::string> out;
  for (const std::string& path : files(prefix_of(checkpoint_origin(worker)))) {
    Result<std::string> note = read_file(path, kCheckpointBytes);
    if (note.ok()) out.push_back(std::move(*note));
  }
  return out;
}

Status SeenCheckpoints::see(const Receipt& receipt, const PublicKey& key, const std::vector<SeenNote>& asked) const {
  TRY_ASSIGN(const Checkpoint fresh, decode_checkpoint(receipt.checkpoint, key));
  std::vector<Checkpoint> proved;
  for (const SeenNote& one : asked) {
    Result<Checkpoint> old = decode_checkpoint(one.note, key);
    if (!old.ok() || old->origin != fresh.origin) continue;
    TRY(check_extends(receipt, fresh, *old));
    proved.push_back(std::move(*old));
  }
  return keep(fresh, receipt.checkpoint, key, proved);
}

// The fresh one in place of those that it extends. A note of an earlier key (the worker was set up anew) goes, too.
Status SeenCheckpoints::keep(const Checkpoint& fresh, const std::string& note, const PublicKey& key,
                             const std::vector<Checkpoint>& proved) const {
  TRY(make_directories(directory_, 0700));
  TRY_ASSIGN(const Fd locked, lock(LOCK_EX));
  const std::string prefix = prefix_of(fresh.origin);
  const std::string own = join_path(directory_, prefix + std::to_string(fresh.size) + std::string(kSuffix));
  std::vector<std::string> done;
  size_t others = 0;
  bool there = false;
  for (const std::string& path : files(prefix)) {
    TRY_ASSIGN(const std::string old, read_file(path, kCheckpointBytes));
    const Result<Checkpoint> one = decode_checkpoint(old, key);
    if (!one.ok() || std::find(proved.begin(), proved.end(), *one) != proved.end()) {
      done.push_back(path);
    } else if (one->size != fresh.size) {
      ++others;
    } else {
      if (one->root != fresh.root) return rewritten(fresh, *one, "that is not");
      there = true;
    }
  }
  if (others >= limits::kSeenOfWorker) return Error{Code::kLimit, fresh.origin + ": too many unproved notes", 0};
  if (!there) TRY(replace_file(own, note, 0600, Sync::kNo));
  for (const std::string& path : done) {
    if (path != own) unlink(path.c_str());
  }
  return {};
}

std::string seen_rows_text(const std::vector<uint64_t>& rows) {
  std::string text;
  for (uint64_t one : rows) text += (text.empty() ? "" : ",") + std::to_string(one);
  return text;
}

std::vector<uint64_t> parse_seen_rows(std::string_view text) {
  std::vector<uint64_t> rows;
  const char* at = text.data();
  const char* const end = at + text.size();
  while (at != end) {
    uint64_t one = 0;
    const auto [stop, error] = std::from_chars(at, end, one);
    const bool more = stop != end && *stop == ',' && stop + 1 != end;
    if (error != std::errc() || (stop != end && !more) || rows.size() >= limits::kSeenOfWorker) return {};
    rows.push_back(one);
    at = more ? stop + 1 : stop;
  }
  return rows;
}

}  // namespace hpcc
