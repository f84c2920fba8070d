// Store: everything hpcc keeps on disk under one directory. Blobs are files named by digest; entries and history are in
// the index, a checksummed table and log; file digests and counters have a file each. Safe under many threads and many
// processes, kill -9 at any instant, a full disk, and corrupt, truncated, foreign, older or newer files: those are
// misses that are counted and repaired, never an answer. Every read of a blob checks its digest. Layout in
// docs/formats.md.
//
// Thread rule: every method may be called from any thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "model/digest.h"
#include "model/manifest.h"

namespace hpcc {

// One cache entry: a Manifest and the result it leads to, under a DirectKey.
struct Entry {
  uint64_t sequence = 0;  // given by the store; newer entries have greater numbers
  Manifest manifest;
  CompileResult result;
};

// What the digest cache remembers of a file: valid while the file's stat is unchanged.
struct FileStamp {
  uint64_t dev = 0, ino = 0, size = 0;
  int64_t mtime_ns = 0, ctime_ns = 0;
  bool operator==(const FileStamp&) const = default;
};
struct FileFact {
  FileStamp stamp;
  BlobDigest digest;
  uint32_t facts = 0;  // bits of compiler/source_facts.h
};

struct StoreInfo {
  uint64_t blob_count = 0, entry_count = 0;
  uint64_t size_bytes = 0, max_size_bytes = 0;
};

enum class Counter : uint8_t {
  kLocalHit, kRemoteHit, kLocalCompiled, kRemoteCompiled, kBypass,
  kError,            // hpcc's own trouble: the store or an output cannot be read or written, a peer misspoke, a mistake
                     // in the configuration; whoever finds no engine at all cannot count
  kMissNoKey,        // nothing known under this DirectKey
  kMissInputs,       // entries known, no Manifest matches
  kMissBlob,         // entry matched, a blob was gone or corrupt
  kMissRecache,      // HPCC_RECACHE=1
  kNotStored,        // compiled, then not stored (the reason is counted among the bypass reasons)
  kCorrupt,          // corrupt, truncated or foreign stored bytes met
  kEvicted,          // entries removed by the size limit
  kTimeSavedMs,      // compile time of hits minus time of serving them
  kHitTimeUs,        // total time of serving hits
  kCompileTimeMs,    // total wall time of misses
  kBytesStored, kBytesServed,
  kLinksRecorded,
  kVerified,         // hits compiled again with an equal result (HPCC_VERIFY); counted among kLocalHit, too
  kVerifyDiffered,   // hits compiled again with another result: quarantined
  kFallbackImage,    // compiled here by the image's own compiler
  kFallbackHost,     // compiled here by the host's compiler (fallback = "host")
  kBytesSent,        // to workers and schedulers
  kCount
};
std::string_view counter_name(Counter counter);

struct CounterValues {
  uint64_t counters[static_cast<size_t>(Counter::kCount)] = {};
  uint64_t bypass[static_cast<size_t>(Bypass::kCount)] = {};
  uint64_t since_s = 0;  // Unix seconds of the first count
};

class Store {
 public:
  // Creates what is missing; sets a damaged or foreign index aside (never deletes it silently: counted kCorrupt). On a
  // file system without reliable mmap and locks (NFS, FUSE, 9p, CIFS ...) the index lives in a private directory of
  // this machine, /var/tmp/hpcc-<uid>/<hash of dir>. An unwritable directory opens read-only: lookups work, puts fail.
  // `dir` is absolute.
  static Result<std::unique_ptr<Store>> open(const std::string& dir);
  virtual ~Store() = default;

  // --- entries ---
  // Newest first, at most limits::kManifestsPerKey. An undecodable entry is removed, counted and skipped.
  virtual Result<std::vector<Entry>> find(const DirectKey& key) = 0;
  // Sequence of the newest change under `key`, 0 when nothing is known: lets callers keep decoded entries in memory and
  // notice what other processes stored. Cheap (one index lookup).
  virtual uint64_t version(const DirectKey& key) = 0;
  // All blobs named by entry.result must have been put, else kNotFound. Drops the oldest beyond the bound, evicts
  // beyond the size limit. An entry of the same manifest that serves the same requests is replaced.
  virtual Status put(const DirectKey& key, Entry entry) = 0;
  virtual Status remove(const DirectKey& key, uint64_t sequence) = 0;
  // Remembers that an entry was used, for LRU. Batched: in memory until flush(); a recently used entry costs nothing.
  virtual void touch(const DirectKey& key, uint64_t sequence) = 0;
  virtual Status flush() = 0;

  // --- blobs ---
  virtual Status put_blob(const BlobDigest& digest, std::string_view data) = 0;
  // Whole blob in memory, digest checked. kNotFound or kCorrupt (counted, removed).
  virtual Result<std::string> get_blob(const BlobDigest& digest) = 0;
  // Streams a blob into an open empty file, digest checked before it returns ok; on error the file holds garbage.
  virtual Status copy_blob_to(const BlobDigest& digest, uint64_t size_bytes, int fd) = 0;

  // --- digest cache, keyed by absolute path and the view of the file system it was seen in ---
  virtual std::optional<FileFact> file_fact(std::string_view view, std::string_view path) = 0;
  virtual void put_file_facts(std::string_view view, const std::vector<std::pair<std::string, FileFact>>& facts) = 0;

  // --- history for `hpcc explain`: small values under text names; LRU-bounded in number ---
  virtual std::optional<std::string> history(std::string_view name) = 0;
  virtual Status put_history(std::string_view name, std::string_view value) = 0;

  // --- counters: all time, and the last build (a gap of 5 minutes without a compile starts a new one) ---
  virtual void count(Counter counter, uint64_t n = 1) = 0;
  virtual void count_bypass(Bypass reason) = 0;  // adds to kBypass and to the reason
  // Adds to the reason only: a compile that was not stored.
  virtual void count_reason(Bypass reason) = 0;
  virtual CounterValues totals() = 0;
  virtual CounterValues last_build() = 0;
  virtual void zero_counters() = 0;

  // --- upkeep ---
  virtual StoreInfo info() = 0;
  virtual Status set_max_size(uint64_t bytes) = 0;  // kept; 0: no limit
  // A limit that stands before the kept one, for this process; nullopt takes it away.
  virtual void override_max_size(std::optional<uint64_t> bytes) = 0;
  virtual Status evict() = 0;   // down to the limit; also removes blobs nothing refers to
  virtual Status clear() = 0;   // all entries and blobs
  // Calls `visit` with ("key"|"manifest"|"result"|"blob", full hex, printable summary) for each item whose hex starts
  // with `prefix`. For `hpcc inspect`; slow.
  virtual Status inspect(std::string_view prefix,
                         const std::function<void(std::string_view, std::string_view, std::string_view)>& visit) = 0;
};

}  // namespace hpcc
