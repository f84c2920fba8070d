// Files: what the engine knows of the file system. Digests of regular files, remembered by stat; nothing is believed
// that a stat cannot prove (a file changed within the last timestamp tick, one that is open for writing, or one on a
// file system whose stamps are not trusted is read again each time).
//
// Thread rule: every method may be called from any thread.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "compiler/driver.h"
#include "model/digest.h"
#include "store/store.h"

namespace hpcc {

// Timestamps of the kernel may lag the clock by one tick (at most 10 ms, CONFIG_HZ=100); a stamp younger than this
// proves nothing, because a later edit may get the same one.
inline constexpr int64_t kTickNs = 12'000'000;

FileStamp stamp_of(const struct stat& info);

// Set in FileFact::facts for content with a NUL byte near its start: a locale catalogue or a library, hardly a source.
inline constexpr uint32_t kBinaryFact = 1u << 20;

// FileFact::facts of a program says what driver it is in these bits; 0 = not looked at.
inline constexpr uint32_t kDriverShift = 16, kDriverMask = 7u << kDriverShift;
inline constexpr uint32_t driver_fact(DriverKind kind) { return (static_cast<uint32_t>(kind) + 1) << kDriverShift; }

class Files {
 public:
  using Id = uint32_t;        // an interned absolute path
  using DigestId = uint32_t;  // an interned digest; 0 = none

  // `view` names the file system view (launcher/view.h); persisted digests are kept apart by it.
  Files(Store& store, std::string view) : store_(store), view_(std::move(view)) {}

  Id intern(std::string_view path);
  DigestId intern(const BlobDigest& digest);
  BlobDigest digest(DigestId id);
  const std::string& path(Id id);

  // Digest and facts of a regular file as it is now. Reads it only when the remembered stamp does not match.
  // kNotFound when absent, kInvalid when not a regular file.
  Result<FileFact> fact(const std::string& path);
  // The same when the caller has just done the stat.
  Result<FileFact> fact(Id id, const struct stat& info);

  // Digest of a directory's names (see observation.h), remembered by the directory's stamp.
  Result<BlobDigest> listing(Id id, const struct stat& info);

  // Fast check for a hit: true when the file's remembered stamp equals `info` and its digest is `wanted`.
  bool matches(Id id, const struct stat& info, DigestId wanted);

  // Writes newly learnt digests to the store's cache.
  void flush();

 private:
  struct Record {
    std::string path;
    FileStamp stamp;
    DigestId digest = 0;  // 0: nothing valid remembered
    uint32_t facts = 0;
    bool asked_store = false;
  };
  Result<FileFact> read_fact(Id id);

  Store& store_;
  const std::string view_;
  std::shared_mutex mutex_;  // guards everything below
  std::deque<Record> records_;
  std::unordered_map<std::string_view, Id> ids_;  // keys point into records_
  std::vector<BlobDigest> digests_{1};
  std::unordered_map<BlobDigest, DigestId, DigestHash> digest_ids_;
  std::vector<Id> unsaved_;
};

}  // namespace hpcc
