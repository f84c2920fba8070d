#include "client/files.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/fs.h"
#include "base/limits.h"
#include "client/elf.h"
#include "compiler/driver.h"
#include "compiler/source_facts.h"

namespace hpcc {
namespace {

constexpr size_t kFactBytes = size_t{4} << 30;
constexpr size_t kScanBytes = 64u << 20;  // larger files are no sources
constexpr size_t kDriverBytes = 8u << 20;
constexpr size_t kChunkBytes = 1u << 20;
constexpr size_t kBinaryProbeBytes = 4096;
constexpr size_t kUnsavedBatch = 512;

// A file that somebody has open for writing may change without a new timestamp (a page already dirty through mmap). A
// read lease is refused in that case. Others' files (EACCES) cannot be leased: those are system files.
bool has_writer(int fd) {
  if (fcntl(fd, F_SETLEASE, F_RDLCK) == 0) {
    fcntl(fd, F_SETLEASE, F_UNLCK);
    return false;
  }
  return errno == EAGAIN;
}

// Facts of sources; of programs what kind of driver they may be. Large binaries are neither.
uint32_t facts_of(std::string_view content) {
  const bool elf = is_elf(content);
  if (elf || content.starts_with("#!")) {
    uint32_t facts = driver_fact(identify_driver(content));
    return elf ? facts | kFactScanned : facts | scan_source_facts(content);
  }
  const bool binary = memchr(content.data(), 0, std::min(content.size(), kBinaryProbeBytes)) != nullptr;
  return scan_source_facts(content) | (binary ? kBinaryFact : 0);
}

// Digest and facts of an open file. Large programs and libraries are hashed in pieces: libLLVM alone is 100 MB.
Status read_content(int fd, uint64_t size, const std::string& name, FileFact* fact) {
  char head[4] = {};
  const bool elf = pread(fd, head, sizeof head, 0) == 4 && is_elf({head, sizeof head});
  if (size <= (elf ? kDriverBytes : kScanBytes)) {
    TRY_ASSIGN(std::string content, read_fd(fd, kFactBytes, name));
    fact->digest = BlobDigest::of(content);
    fact->facts = facts_of(content);
    return {};
  }
  Sha256 hash;
  std::string chunk(kChunkBytes, '\0');
  for (;;) {
    ssize_t got = read(fd, chunk.data(), chunk.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return errno_error("read " + name);
    if (got == 0) break;
    hash.update(chunk.data(), static_cast<size_t>(got));
  }
  hash.finish(fact->digest.bytes.data());
  fact->facts = elf ? kFactScanned : ~(kDriverMask | kBinaryFact);  // too large to scan: everything may be in it
  return {};
}

}  // namespace

FileStamp stamp_of(const struct stat& info) {
  FileStamp stamp;
  stamp.dev = info.st_dev;
  stamp.ino = info.st_ino;
  stamp.size = static_cast<uint64_t>(info.st_size);
  stamp.mtime_ns = int64_t{info.st_mtim.tv_sec} * 1000000000 + info.st_mtim.tv_nsec;
  stamp.ctime_ns = int64_t{info.st_ctim.tv_sec} * 1000000000 + info.st_ctim.tv_nsec;
  return stamp;
}

Files::Id Files::intern(std::string_view path) {
  {
    std::shared_lock lock(mutex_);
    auto found = ids_.find(path);
    if (found != ids_.end()) return found->second;
  }
  std::unique_lock lock(mutex_);
  auto found = ids_.find(path);
  if (found != ids_.end()) return found->second;
  Id id = static_cast<Id>(records_.size());
  records_.emplace_back().path = std::string(path);
  ids_.emplace(records_.back().path, id);
  return id;
}

Files::DigestId Files::intern(const BlobDigest& digest) {
  std::unique_lock lock(mutex_);
  auto [at, fresh] = digest_ids_.try_emplace(digest, static_cast<DigestId>(digests_.size()));
  if (fresh) digests_.push_back(digest);
  return at->second;
}

BlobDigest Files::digest(DigestId id) {
  std::shared_lock lock(mutex_);
  return digests_[id];
}

const std::string& Files::path(Id id) {
  std::shared_lock lock(mutex_);
  return records_[id].path;
}

bool Files::matches(Id id, const struct stat& info, DigestId wanted) {
  std::shared_lock lock(mutex_);
  const Record& record = records_[id];
  return record.digest == wanted && record.stamp == stamp_of(info);
}

Result<BlobDigest> Files::listing(Id id, const struct stat& info) {
  const FileStamp stamp = stamp_of(info);
  const std::string name = path(id);
  {
    std::shared_lock lock(mutex_);
    const Record& record = records_[id];
    if (record.digest != 0 && record.stamp == stamp) return digests_[record.digest];
  }
  Fd fd(open(name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return errno_error("open directory " + name);
  const int64_t before_ns = realtime_ns();
  TRY_ASSIGN(std::vector<std::string> names, list_directory(name));
  std::string text;
  for (const std::string& entry : names) text += entry + '\0';
  const BlobDigest digest = BlobDigest::of(text);
  struct stat last;
  if (fstat(fd.get(), &last) != 0) return errno_error("stat " + name);
  if (stamp != stamp_of(last) || stamp.ctime_ns >= before_ns - kTickNs || !has_trusted_stamps(fd.get())) return digest;
  const DigestId interned = intern(digest);
  std::unique_lock lock(mutex_);
  records_[id].stamp = stamp;
  records_[id].digest = interned;
  return digest;
}

Result<FileFact> Files::fact(const std::string& path) {
  struct stat info;
  if (stat(path.c_str(), &info) != 0) return errno_error("stat " + path);
  return fact(intern(path), info);
}

Result<FileFact> Files::fact(Id id, const struct stat& info) {
  const FileStamp stamp = stamp_of(info);
  if (!S_ISREG(info.st_mode)) return Error{Code::kInvalid, path(id) + ": not a regular file", 0};
  std::string name;
  bool ask_store = false;
  {
    std::shared_lock lock(mutex_);
    const Record& record = records_[id];
    if (record.digest != 0 && record.stamp == stamp) return FileFact{stamp, digests_[record.digest], record.facts};
    name = record.path;
    ask_store = !record.asked_store;
  }
  if (ask_store) {
    std::optional<FileFact> stored = store_.file_fact(view_, name);
    DigestId digest = stored ? intern(stored->digest) : 0;
    std::unique_lock lock(mutex_);
    Record& record = records_[id];
    record.asked_store = true;
    if (stored && record.digest == 0) {
      record.stamp = stored->stamp;
      record.digest = digest;
      record.facts = stored->facts;
    }
    if (stored && stored->stamp == stamp) return *stored;
  }
  return read_fact(id);
}

Result<FileFact> Files::read_fact(Id id) {
  const std::string name = path(id);
  Fd fd(open(name.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
  if (!fd) return errno_error("open " + name);
  const int64_t before_ns = realtime_ns();
  struct stat first, last;
  if (fstat(fd.get(), &first) != 0) return errno_error("stat " + name);
  if (!S_ISREG(first.st_mode)) return Error{Code::kInvalid, name + ": not a regular file", 0};
  const bool writer = has_writer(fd.get());
  FileFact fact;
  TRY(read_content(fd.get(), static_cast<uint64_t>(first.st_size), name, &fact));
  if (fstat(fd.get(), &last) != 0) return errno_error("stat " + name);
  fact.stamp = stamp_of(last);
  const bool settled = fact.stamp == stamp_of(first) && fact.stamp.ctime_ns < before_ns - kTickNs;
  if (!settled || writer || !has_trusted_stamps(fd.get())) return fact;
  DigestId digest = intern(fact.digest);
  bool save = false;
  {
    std::unique_lock lock(mutex_);
    Record& record = records_[id];
    record.stamp = fact.stamp;
    record.digest = digest;
    record.facts = fact.facts;
    unsaved_.push_back(id);
    save = unsaved_.size() >= kUnsavedBatch;
  }
  if (save) flush();
  return fact;
}

void Files::flush() {
  std::vector<std::pair<std::string, FileFact>> facts;
  {
    std::unique_lock lock(mutex_);
    for (Id id : unsaved_) {
      const Record& record = records_[id];
      facts.emplace_back(record.path, FileFact{record.stamp, digests_[record.digest], record.facts});
    }
    unsaved_.clear();
  }
  if (!facts.empty()) store_.put_file_facts(view_, facts);
}

}  // namespace hpcc
