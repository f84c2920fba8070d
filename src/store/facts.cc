#include "store/facts.h"

#include <fcntl.h>

#include <algorithm>
#include <cstring>

#include "model/codec.h"

namespace hpcc::store {
namespace {

constexpr std::string_view kMagic = "hpccfct1";
constexpr size_t kHeaderBytes = 24;  // magic, slots, check
constexpr uint64_t kUsedAt = 512;    // number of used slots; a hint, so it has no check
constexpr uint64_t kSetsAt = 4096;
constexpr size_t kSlotBytes = 128, kWays = 8, kSetBytes = kWays * kSlotBytes;
constexpr int64_t kLockTimeoutMs = 50;  // a fact not kept costs one more look at a file
constexpr size_t kFactBytes = 124;      // check, key, stamp, digest, facts; the rest is zero

struct RawFact {
  char bytes[kSlotBytes];
};
using RawSet = RawFact[kWays];
using FactKey = BlobDigest;

FactKey fact_key(std::string_view view, std::string_view path) {
  ByteWriter out;
  out.text32(view);
  out.raw(path);
  return FactKey::of(out.bytes());
}

RawFact encode_fact(const FactKey& key, const FileFact& fact) {
  ByteWriter rest;
  rest.raw(key.view());
  rest.u64(fact.stamp.dev);
  rest.u64(fact.stamp.ino);
  rest.u64(fact.stamp.size);
  rest.u64(static_cast<uint64_t>(fact.stamp.mtime_ns));
  rest.u64(static_cast<uint64_t>(fact.stamp.ctime_ns));
  rest.raw(fact.digest.view());
  rest.u32(fact.facts);
  ByteWriter out;
  out.u64(check64(rest.bytes()));
  out.raw(rest.bytes());
  RawFact raw{};
  memcpy(raw.bytes, out.bytes().data(), std::min(out.bytes().size(), kSlotBytes));
  return raw;
}

constexpr size_t kEncodedBytes = 8 + 32 + 40 + 32 + 4;
static_assert(kEncodedBytes <= kFactBytes);

bool is_whole(const RawFact& raw) {
  return ByteReader({raw.bytes, 8}).u64() == check64({raw.bytes + 8, kEncodedBytes - 8});
}
bool holds(const RawFact& raw, const FactKey& key) { return memcmp(raw.bytes + 8, key.bytes.data(), 32) == 0; }

std::optional<FileFact> decode_fact(const RawFact& raw) {
  if (!is_whole(raw)) return std::nullopt;
  ByteReader in({raw.bytes + 40, kSlotBytes - 40});
  FileFact fact;
  fact.stamp.dev = in.u64();
  fact.stamp.ino = in.u64();
  fact.stamp.size = in.u64();
  fact.stamp.mtime_ns = static_cast<int64_t>(in.u64());
  fact.stamp.ctime_ns = static_cast<int64_t>(in.u64());
  memcpy(fact.digest.bytes.data(), in.raw(32).data(), 32);
  fact.facts = in.u32();
  return fact;
}

uint64_t set_offset(const char* key, uint64_t slots) {
  return kSetsAt + ByteReader({key, 8}).u64() % (slots / kWays) * kSetBytes;
}
const char* chars(const FactKey& key) { return reinterpret_cast<const char*>(key.bytes.data()); }

std::string encode_header(uint64_t slots) {
  ByteWriter out;
  out.raw(kMagic);
  out.u64(slots);
  out.u64(check64(out.bytes()));
  return out.take();
}

// The slot of a set to write a key to: its own, else an unused or damaged one, else an arbitrary one.
size_t choose(const RawSet& set, const FactKey& key, bool& is_new) {
  size_t chosen = kWays;
  for (size_t i = 0; i < kWays; ++i) {
    if (holds(set[i], key)) return i;
    if (chosen == kWays && !is_whole(set[i])) chosen = i;
  }
  is_new = chosen != kWays;
  return is_new ? chosen : key.bytes[31] % kWays;
}

}  // namespace

std::optional<FileFact> Facts::get(std::string_view view, std::string_view path) {
  const FilePtr file = held();
  if (!file) return std::nullopt;
  const FactKey key = fact_key(view, path);
  RawSet set = {};
  if (pread_some(file->fd.get(), set, sizeof set, set_offset(chars(key), file->slots)) < 0) return std::nullopt;
  for (const RawFact& raw : set) {
    if (holds(raw, key)) return decode_fact(raw);
  }
  return std::nullopt;
}

void Facts::put(std::string_view view, const std::vector<std::pair<std::string, FileFact>>& facts) {
  if (facts.empty()) return;
  std::lock_guard threads(write_mutex_);
  auto opened = writable_file();
  if (!opened.ok()) return;
  FilePtr file = *opened;
  auto processes = FileLock::acquire(file->fd.get(), kLockTimeoutMs);
  if (!processes.ok()) return;
  uint64_t used = 0;
  if (pread_some(file->fd.get(), &used, sizeof used, kUsedAt) != sizeof used) used = 0;
  for (const auto& [path, fact] : facts) {
    const FactKey key = fact_key(view, path);
    const uint64_t offset = set_offset(chars(key), file->slots);
    RawSet set = {};
    if (pread_some(file->fd.get(), set, sizeof set, offset) < 0) return;
    bool is_new = false;
    const size_t slot = choose(set, key, is_new);
    const RawFact raw = encode_fact(key, fact);
    if (!pwrite_all(file->fd.get(), {raw.bytes, sizeof raw.bytes}, offset + slot * kSlotBytes).ok()) return;
    if (is_new) ++used;
  }
  if (!pwrite_all(file->fd.get(), {reinterpret_cast<const char*>(&used), sizeof used}, kUsedAt).ok()) return;
  if (used * 3 > file->slots && file->slots < kMaxSlots) make_file(std::min(file->slots * 4, kMaxSlots), file.get());
}

Facts::FilePtr Facts::held() {
  std::lock_guard lock(mutex_);
  if (!file_) file_ = open_file(O_RDONLY);
  return file_;
}

Facts::FilePtr Facts::open_file(int mode) {
  auto fd = open_at(AT_FDCWD, path_.c_str(), mode | O_NOFOLLOW | O_NONBLOCK);
  struct stat st;
  char bytes[kHeaderBytes];
  if (!fd.ok() || ::fstat(fd->get(), &st) != 0 || !S_ISREG(st.st_mode)) return nullptr;
  if (pread_some(fd->get(), bytes, sizeof bytes, 0) != sizeof bytes) return nullptr;
  const uint64_t slots = ByteReader({bytes + kMagic.size(), 8}).u64();
  if (std::string_view(bytes, sizeof bytes) != encode_header(slots)) return nullptr;
  if (slots < kMinSlots || slots > kMaxSlots || slots % kWays != 0) return nullptr;
  if (static_cast<uint64_t>(st.st_size) != kSetsAt + slots * kSlotBytes) return nullptr;
  return FilePtr(new File{std::move(*fd), slots, identity_of(st)});
}

// The file under its name, open for writing: another process may have replaced it, or it is missing or damaged.
Result<Facts::FilePtr> Facts::writable_file() {
  FilePtr file = open_file(O_RDWR);
  if (!file) {
    struct stat st;
    if (::lstat(path_.c_str(), &st) == 0 && ::access(path_.c_str(), W_OK) != 0)
      return errno_error("cannot write " + path_);
    return FilePtr(make_file(kMinSlots, nullptr)) ? FilePtr(held()) : Result<FilePtr>(Error{Code::kIo, path_});
  }
  std::lock_guard lock(mutex_);
  file_ = file;
  return file;
}

// A new file in the place of the old one, with the old one's facts as far as they find room.
Facts::FilePtr Facts::make_file(uint64_t slots, const File* content_of) {
  const std::string temporary = path_ + "." + std::to_string(::getpid()) + ".tmp";
  auto fd = open_at(AT_FDCWD, temporary.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW);
  if (!fd.ok()) return nullptr;
  uint64_t used = 0;
  bool written = ::ftruncate(fd->get(), static_cast<off_t>(kSetsAt + slots * kSlotBytes)) == 0;
  RawSet from;
  for (uint64_t at = 0; written && content_of != nullptr && at < content_of->slots; at += kWays) {
    if (pread_some(content_of->fd.get(), from, sizeof from, kSetsAt + at * kSlotBytes) != sizeof from) break;
    for (const RawFact& raw : from) {
      if (!is_whole(raw)) continue;
      const uint64_t offset = set_offset(raw.bytes + 8, slots);
      RawSet to;
      FactKey key;
      memcpy(key.bytes.data(), raw.bytes + 8, 32);
      bool is_new = false;
      if (pread_some(fd->get(), to, sizeof to, offset) != sizeof to) continue;
      const size_t slot = choose(to, key, is_new);
      written = written && pwrite_all(fd->get(), {raw.bytes, sizeof raw.bytes}, offset + slot * kSlotBytes).ok();
      used += is_new ? 1 : 0;
    }
  }
  written = written && pwrite_all(fd->get(), {reinterpret_cast<const char*>(&used), sizeof used}, kUsedAt).ok() &&
            pwrite_all(fd->get(), encode_header(slots), 0).ok() && ::rename(temporary.c_str(), path_.c_str()) == 0;
  if (!written) {
    ::unlink(temporary.c_str());
    return nullptr;
  }
  FilePtr file = open_file(O_RDWR);
  std::lock_guard lock(mutex_);
  file_ = file;
  return file;
}

}  // namespace hpcc::store
