// Index: the entries, blob records and history of a store, in one directory: `index/table` (slots) and `index/log-<n>`
// (records). Readers take no lock and see each slot whole or not at all; writers hold the lock file. A damaged index is
// set aside whole and started anew; a damaged record is a miss and is removed. Nothing is mapped and nothing is synced:
// what a machine crash leaves behind fails its checks.
//
// Thread rule: every method from any thread; also from any number of processes. Not across fork: open after it.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_set>
#include <vector>

#include "store/pack.h"
#include "store/table.h"

namespace hpcc::store {

using Clock = std::function<uint64_t()>;  // nanoseconds since 1970

struct BlobRecord {
  BlobDigest digest;
  uint64_t size_bytes = 0, disk_bytes = 0, stamp = 0;
};

Slot blob_slot(const BlobRecord& blob);

// What the index needs from the store around it.
struct IndexHooks {
  Clock now_ns;
  std::function<void(uint64_t)> on_corrupt;                               // damage met
  std::function<void(const std::function<void(BlobRecord)>&)> each_blob;  // blob files, for an index started anew
};

class Index {
 public:
  static constexpr uint64_t kFreshNs = uint64_t{600} * 1000000000;  // uses this recent are not recorded again

  // `place` holds `index/` and `lock`. A place that cannot be written opens for reading.
  static Result<std::unique_ptr<Index>> open(const std::string& place, IndexHooks hooks, Zstd& zstd);

  bool read_only() const { return read_only_; }
  Result<std::vector<Entry>> find(const DirectKey& key);
  uint64_t version(const DirectKey& key);
  // Returns the size of the store afterwards.
  Result<uint64_t> put(const DirectKey& key, Entry& entry);
  Status remove(const DirectKey& key, uint64_t sequence);
  Status touch(const std::vector<std::pair<DirectKey, uint64_t>>& uses);

  std::optional<BlobRecord> blob(const BlobDigest& digest);
  // Runs `place_file` under the lock, then records the blob. Returns the size of the store afterwards.
  Result<uint64_t> put_blob(const BlobRecord& blob, const std::function<Status()>& place_file);
  // Runs `remove_file` under the lock; forgets the blob when it says true.
  Status forget_blob(const BlobDigest& digest, const std::function<bool()>& remove_file);

  std::optional<std::string> history(std::string_view name);
  Status put_history(std::string_view name, std::string_view value);

  // Removes the least recently used entries and blobs until the size is at most `target_bytes`; none when it is at most
  // `limit_bytes` already. Returns the number of entries removed.
  Result<uint64_t> evict(uint64_t limit_bytes, uint64_t target_bytes,
                         const std::function<void(const BlobDigest&)>& remove_file);
  // Drops records of blobs whose file is gone, takes up files without a record, removes blobs no entry names that are
  // older than `orphan_age_ns`, counts everything again.
  Status reconcile(uint64_t orphan_age_ns, const std::function<bool(const BlobDigest&)>& file_exists,
                   const std::function<void(const BlobDigest&)>& remove_file);
  Status compact();
  Status clear(const std::function<void()>& remove_files);
  TableStats stats();
  void each_entry(const std::function<void(const EntryFront&, const Entry&)>& visit);
  void each_blob(const std::function<void(const BlobRecord&)>& visit);

 private:
  struct Files {
    Table table;
    Log log;
    Interner interner;
  };
  // Shared, because readers go on with the files they have while another thread replaces them.
  using FilesPtr = std::shared_ptr<Files>;

  // A writer's hold on the index: both locks, files that are the current ones, and the numbers to commit.
  struct Write {
    std::unique_lock<std::timed_mutex> threads;
    FileLock processes;
    FilesPtr files;
    TableStats stats;
  };

  Index(std::string place, IndexHooks hooks, Zstd& zstd)
      : place_(std::move(place)), hooks_(std::move(hooks)), zstd_(zstd) {}

  // index_files.cc
  std::string path(std::string_view name) const { return place_ + "/" + std::string(name); }
  Result<FilesPtr> open_files() const;
  Result<FilesPtr> create_files(uint64_t capacity) const;
  Status publish(const FilesPtr& files);
  void discard(uint64_t generation) const;
  bool is_current(const FilesPtr& files) const;
  FilesPtr held() const;
  FilesPtr current();
  Status start_anew();
  Result<FileLock> lock_processes();
  Result<Write> begin_write(size_t new_slots = 4);
  Status commit(Write& write) { return write.files->table.write_stats(write.stats); }
  Status grow(Write& write, size_t new_slots);

  // index_write.cc, index_evict.cc
  uint64_t next_stamp(TableStats& stats) const;
  Status freshen_blobs(Write& write, const std::vector<BlobDigest>& blobs, uint64_t stamp);
  Status drop_entry(Write& write, uint64_t position, const Slot& slot);
  Result<uint64_t> drop_older_entries(Write& write, const DirectKey& key, const ManifestDigest& manifest,
                                      uint64_t variant);
  static void uncount_entry(Write& write, const Slot& slot);
  Status touch_some(const std::pair<DirectKey, uint64_t>* uses, size_t count);
  Status insert_blob(Write& write, const BlobRecord& blob);
  Status trim_history(Write& write);
  void compact_if_useful(Write& write);
  Status compact_now(Write& write);
  static std::unordered_set<BlobDigest, DigestHash> blobs_in_use(const Files& files);
  Status compact_into(Write& write, Files& to, TableStats& stats);
  void remove_damaged(const DirectKey& key, uint64_t sequence, uint32_t interned);

  const std::string place_;
  const IndexHooks hooks_;
  Zstd& zstd_;
  bool read_only_ = false;

  std::timed_mutex write_mutex_;  // taken before the lock file
  Fd lock_fd_;                    // guarded by write_mutex_
  int lock_pid_ = 0;
  std::atomic<int64_t> given_up_ns_ = 0;  // when somebody here last waited in vain for another process
  mutable std::mutex files_mutex_;  // innermost
  FilesPtr files_;
};

}  // namespace hpcc::store
