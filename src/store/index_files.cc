// Index, part 1: opening, locking, replacing and setting aside its files.
#include <dirent.h>
#include <fcntl.h>

#include <cerrno>
#include <chrono>

#include "base/fs.h"
#include "store/files.h"
#include "store/index.h"

namespace hpcc::store {
namespace {

constexpr int64_t kLockTimeoutMs = 5000;
constexpr int64_t kStuckTimeoutMs = 50;
constexpr int64_t kGivenUpNs = 1'000'000'000;  // who has waited in vain does not wait again for so long
constexpr size_t kKeptBytes = 64u << 20;  // a larger damaged table is not kept

std::string log_name(uint64_t generation) { return "index/log-" + std::to_string(generation); }

// Renames a damaged index to index.damaged-1 or -2; the older one goes when both are there.
void set_aside(const std::string& place) {
  const std::string first = place + "/index.damaged-1", second = place + "/index.damaged-2";
  struct stat st;
  if (::lstat(first.c_str(), &st) == 0 && ::lstat(second.c_str(), &st) == 0) {
    remove_tree(first);
    ::rename(second.c_str(), first.c_str());
  }
  const std::string& name = ::lstat(first.c_str(), &st) == 0 ? second : first;
  if (::rename((place + "/index").c_str(), name.c_str()) != 0) return remove_tree(place + "/index");
  // Who has the table open learns from its link count that it is no more: so what is kept is a copy.
  auto table = read_small_file(AT_FDCWD, (name + "/table").c_str(), kKeptBytes);
  if (!table.ok() || !replace_file(name + "/table", *table, 0600, Sync::kNo).ok()) ::unlink((name + "/table").c_str());
}

// Whatever a killed process left while it made new files.
void remove_strays(const std::string& dir, uint64_t generation) {
  const std::string log = log_name(generation).substr(sizeof "index/" - 1);
  for (const std::string& name : list_directory(dir)) {
    if (name != "table" && name != log) ::unlink((dir + "/" + name).c_str());
  }
}

// The lock file is empty, unless somebody has waited in vain for who holds the lock (a stopped process, or one that
// evicts much): then nobody else waits long, or a build would for each of its files. Who gets the lock empties the
// file.
void mark_stuck(int lock_fd, bool stuck) {
  [[maybe_unused]] const int marked = ::ftruncate(lock_fd, stuck ? 1 : 0);  // without the mark it only takes longer
}

}  // namespace

Result<std::unique_ptr<Index>> Index::open(const std::string& place, IndexHooks hooks, Zstd& zstd) {
  std::unique_ptr<Index> index(new Index(place, std::move(hooks), zstd));
  auto files = index->open_files();
  if (files.ok()) index->files_ = *files;
  auto lock = open_at(AT_FDCWD, index->path("lock").c_str(), O_RDWR | O_CREAT | O_NOFOLLOW);
  if (lock.ok()) {
    index->lock_fd_ = std::move(*lock);
    index->lock_pid_ = ::getpid();
  } else if (lock.error().code == Code::kPermission || lock.error().code == Code::kNotFound) {
    index->read_only_ = true;  // nothing there and nothing can be made: an empty store to look up in
    return index;
  } else {
    return std::move(lock).error();
  }
  if (!files.ok()) {
    TRY_ASSIGN(Write write, index->begin_write());
    TRY(index->commit(write));
  }
  return index;
}

Result<Index::FilesPtr> Index::open_files() const {
  // Another process may replace table and log between the two opens: then the log is gone, and the next look finds
  // both.
  for (int attempt = 0;; ++attempt) {
    const int mode = read_only_ ? O_RDONLY : O_RDWR;
    auto table_fd = open_at(AT_FDCWD, path("index/table").c_str(), mode | O_NOFOLLOW | O_NONBLOCK);
    if (!table_fd.ok() && table_fd.error().code == Code::kPermission) {
      table_fd = open_at(AT_FDCWD, path("index/table").c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    }
    if (!table_fd.ok()) {
      const int why = table_fd.error().sys_errno;
      if (why == EISDIR || why == ELOOP || why == ENOTDIR || why == ENXIO) {
        return Error{Code::kCorrupt, path("index/table") + " is not a file"};
      }
      return std::move(table_fd).error();
    }
    TRY_ASSIGN(Table table, Table::open(std::move(*table_fd), path("index/table")));
    const uint64_t generation = table.header().log_generation;
    auto log_fd = open_at(AT_FDCWD, path(log_name(generation)).c_str(), mode | O_NOFOLLOW | O_NONBLOCK);
    if (!log_fd.ok() && log_fd.error().code == Code::kPermission) {
      log_fd = open_at(AT_FDCWD, path(log_name(generation)).c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    }
    if (!log_fd.ok()) {
      if (attempt < 5 && log_fd.error().code == Code::kNotFound) continue;
      return Error{Code::kCorrupt, "the index has no log", log_fd.error().sys_errno};
    }
    TRY_ASSIGN(Log log, Log::open(std::move(*log_fd), generation));
    return FilesPtr(new Files{std::move(table), std::move(log), {}});
  }
}

// A table of the given capacity without slots, as index/table.new, and an empty log.
Result<Index::FilesPtr> Index::create_files(uint64_t capacity) const {
  if (::mkdir(path("index").c_str(), 0700) != 0 && errno != EEXIST) return errno_error("cannot make " + path("index"));
  // Never a generation that was there before: a reader that opens table and log one after the other must not mix two.
  const uint64_t generation = realtime_ns();
  constexpr int kFlags = O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW;
  TRY_ASSIGN(Fd log_fd, open_at(AT_FDCWD, path(log_name(generation)).c_str(), kFlags | O_EXCL));
  auto log = Log::create(std::move(log_fd), generation);
  auto table_fd = open_at(AT_FDCWD, path("index/table.new").c_str(), kFlags);
  TableStats stats;
  const TableHeader header{.capacity = capacity, .log_generation = generation};
  auto table = table_fd.ok() ? Table::create(std::move(*table_fd), header, {}, stats) : Result<Table>(table_fd.error());
  if (log.ok() && table.ok()) return FilesPtr(new Files{std::move(*table), std::move(*log), {}});
  discard(generation);
  return log.ok() ? std::move(table).error() : std::move(log).error();
}

// Takes away new files that are not to be used: a full disk needs the room.
void Index::discard(uint64_t generation) const {
  ::unlink(path("index/table.new").c_str());
  ::unlink(path(log_name(generation)).c_str());
}

// Makes index/table.new the index.
Status Index::publish(const FilesPtr& files) {
  if (::rename(path("index/table.new").c_str(), path("index/table").c_str()) != 0) {
    return errno_error("cannot replace the index table");
  }
  remove_strays(path("index"), files->log.generation());
  std::lock_guard lock(files_mutex_);
  files_ = files;
  return {};
}

bool Index::is_current(const FilesPtr& files) const {
  struct stat st;
  return files && ::stat(path("index/table").c_str(), &st) == 0 && identity_of(st) == files->table.identity();
}

Index::FilesPtr Index::held() const {
  std::lock_guard lock(files_mutex_);
  return files_;
}

// The files as they are now, for a reader; null when there are none and none can be made.
Index::FilesPtr Index::current() {
  FilesPtr files = held();
  if (files && files->table.is_linked()) return files;
  auto opened = open_files();
  if (!opened.ok()) {
    if (read_only_) return nullptr;
    auto write = begin_write();
    return write.ok() && commit(*write).ok() ? write->files : nullptr;
  }
  std::lock_guard lock(files_mutex_);
  files_ = *opened;
  return files_;
}

Result<FileLock> Index::lock_processes() {
  for (int attempt = 0; attempt < 3; ++attempt) {
    // A lock taken on an inherited descriptor would be shared with the parent.
    if (!lock_fd_ || lock_pid_ != ::getpid()) {
      TRY(make_directories(place_));
      TRY_ASSIGN(lock_fd_, open_at(AT_FDCWD, path("lock").c_str(), O_RDWR | O_CREAT | O_NOFOLLOW));
      lock_pid_ = ::getpid();
    }
    struct stat here, there;
    const bool stuck = ::fstat(lock_fd_.get(), &here) == 0 && here.st_size != 0;
    auto lock = FileLock::acquire(lock_fd_.get(), stuck ? kStuckTimeoutMs : kLockTimeoutMs);
    if (!lock.ok() && lock.error().code != Code::kTimeout) return std::move(lock).error();
    if (::fstat(lock_fd_.get(), &here) == 0 && ::stat(path("lock").c_str(), &there) == 0 &&
        identity_of(here) == identity_of(there)) {
      if (lock.ok() == (here.st_size != 0)) mark_stuck(lock_fd_.get(), !lock.ok());
      if (!lock.ok()) given_up_ns_ = monotonic_ns();
      return lock;
    }
    lock_fd_.reset();  // somebody removed the directory; make it anew
  }
  return Error{Code::kIo, "the store's lock file keeps changing: " + path("lock")};
}

Result<Index::Write> Index::begin_write(size_t new_slots) {
  if (read_only_) return Error{Code::kPermission, place_ + " cannot be written"};
  const auto given_up = [this] { return given_up_ns_ != 0 && monotonic_ns() - given_up_ns_ < kGivenUpNs; };
  if (given_up()) return Error{Code::kTimeout, "the store stays locked by another process"};
  // By the system clock, because the thread sanitizer of GCC 12 does not know the lock call of the steady one.
  const auto deadline = std::chrono::system_clock::now() + std::chrono::milliseconds(kLockTimeoutMs);
  std::unique_lock<std::timed_mutex> threads(write_mutex_, deadline);
  if (!threads.owns_lock()) return Error{Code::kTimeout, "the store stays locked by another thread"};
  if (given_up()) return Error{Code::kTimeout, "the store stays locked by another process"};
  TRY_ASSIGN(FileLock processes, lock_processes());
  FilesPtr files = held();
  if (!is_current(files)) {
    auto opened = open_files();
    if (opened.ok()) {
      std::lock_guard lock(files_mutex_);
      files_ = *opened;
    } else if (opened.error().code == Code::kCorrupt || opened.error().code == Code::kNotFound) {
      if (opened.error().code == Code::kCorrupt) {
        set_aside(place_);
        hooks_.on_corrupt(1);
      }
      TRY(start_anew());
    } else {
      return std::move(opened).error();
    }
    files = held();
  }
  Write write{std::move(threads), std::move(processes), files, files->table.read_stats()};
  if (files->table.is_marked()) {
    const TableStats counted = files->table.count_all();
    write.stats = {.used_slots = std::max(counted.used_slots, write.stats.used_slots),
                   .entry_count = counted.entry_count,
                   .blob_count = counted.blob_count,
                   .history_count = counted.history_count,
                   .size_bytes = counted.size_bytes,
                   .last_stamp = std::max(counted.last_stamp, write.stats.last_stamp),
                   .dead_bytes = write.stats.dead_bytes};
  }
  TRY(files->table.mark_writing());
  if (write.files->table.is_crowded(write.stats.used_slots + new_slots)) TRY(grow(write, new_slots));
  return write;
}

// An index without entries that knows the blobs that are there, so that they count and age. Needs the lock.
Status Index::start_anew() {
  std::vector<BlobRecord> blobs;
  hooks_.each_blob([&](const BlobRecord& blob) { blobs.push_back(blob); });
  TRY_ASSIGN(FilesPtr files, create_files(Table::capacity_for(blobs.size())));
  TableStats stats = files->table.read_stats();
  Status status;
  for (const BlobRecord& blob : blobs) {
    const Slot slot = blob_slot(blob);
    if (status.ok()) status = files->table.insert(slot, stats);
    Table::count(slot, stats);
  }
  stats.last_stamp = std::min(stats.last_stamp, hooks_.now_ns());
  if (status.ok()) status = files->table.write_stats(stats);
  if (status.ok()) status = publish(files);
  if (!status.ok()) discard(files->log.generation());
  return status;
}

// Another table with the same slots and more room. The log stays.
Status Index::grow(Write& write, size_t new_slots) {
  std::vector<Slot> slots;
  write.files->table.scan([&](uint64_t, const Slot& slot) { slots.push_back(slot); });
  TableHeader header = write.files->table.header();
  header.capacity = Table::capacity_for(slots.size() + new_slots);
  if ((slots.size() + new_slots) * 10 >= header.capacity * 9) return Error{Code::kLimit, "the index table is full"};
  constexpr int kFlags = O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW;
  TRY_ASSIGN(Fd table_fd, open_at(AT_FDCWD, path("index/table.new").c_str(), kFlags));
  auto made = Table::create(std::move(table_fd), header, slots, write.stats);
  if (made.ok()) TRY(made->mark_writing());
  if (!made.ok()) {
    ::unlink(path("index/table.new").c_str());
    return std::move(made).error();
  }
  Table table = std::move(*made);
  TRY_ASSIGN(Fd log_fd, open_at(AT_FDCWD, path(log_name(header.log_generation)).c_str(), O_RDWR | O_NOFOLLOW));
  TRY_ASSIGN(Log log, Log::open(std::move(log_fd), header.log_generation));
  write.files = FilesPtr(new Files{std::move(table), std::move(log), {}});
  return publish(write.files);
}

}  // namespace hpcc::store
