#include "store/store.h"

#include <fcntl.h>

#include <charconv>
#include <unordered_map>

#include "base/fs.h"
#include "base/limits.h"
#include "store/blobs.h"
#include "store/counters.h"
#include "store/facts.h"
#include "store/store_options.h"

namespace hpcc {
namespace store {
namespace {

constexpr uint64_t kOrphanAgeNs = uint64_t{3600} * 1000000000;
constexpr const char* kMaxSizeName = "max_size";
constexpr uint64_t kNoOverride = UINT64_MAX;
constexpr size_t kTouched = 1u << 16;  // uses remembered between two flushes; more are forgotten

class DiskStore final : public Store {
 public:
  DiskStore(const Place& place, const StoreOptions& options)
      : place_(place),
        now_ns_(options.now_ns),
        blobs_(place.shared + "/blobs", zstd_),
        facts_(place.local + "/facts"),
        counters_(place.local + "/counters", place.counter_access, options.now_ns) {}
  ~DiskStore() override {
    if (!flush().ok()) return;  // uses not recorded: some entries look older than they are
  }

  Status start() {
    IndexHooks hooks;
    hooks.now_ns = now_ns_;
    hooks.on_corrupt = [this](uint64_t n) { counters_.count(Counter::kCorrupt, n); };
    hooks.each_blob = [this](const std::function<void(BlobRecord)>& visit) { blobs_.each(visit); };
    TRY_ASSIGN(index_, Index::open(place_.local, std::move(hooks), zstd_));
    return {};
  }

  Result<std::vector<Entry>> find(const DirectKey& key) override { return index_->find(key); }
  uint64_t version(const DirectKey& key) override { return index_->version(key); }
  Status put(const DirectKey& key, Entry entry) override;
  Status remove(const DirectKey& key, uint64_t sequence) override { return index_->remove(key, sequence); }
  void touch(const DirectKey& key, uint64_t sequence) override;
  Status flush() override;

  Status put_blob(const BlobDigest& digest, std::string_view data) override;
  Result<std::string> get_blob(const BlobDigest& digest) override;
  Status copy_blob_to(const BlobDigest& digest, uint64_t size_bytes, int fd) override;

  std::optional<FileFact> file_fact(std::string_view view, std::string_view path) override {
    return facts_.get(view, path);
  }
  void put_file_facts(std::string_view view, const std::vector<std::pair<std::string, FileFact>>& facts) override {
    if (!index_->read_only()) facts_.put(view, facts);
  }
  std::optional<std::string> history(std::string_view name) override { return index_->history(name); }
  Status put_history(std::string_view name, std::string_view value) override {
    return index_->put_history(name, value);
  }

  void count(Counter counter, uint64_t n) override { counters_.count(counter, n); }
  void count_bypass(Bypass reason) override { counters_.count_bypass(reason); }
  void count_reason(Bypass reason) override { counters_.count_reason(reason); }
  CounterValues totals() override { return counters_.totals(); }
  CounterValues last_build() override { return counters_.last_build(); }
  void zero_counters() override { counters_.zero(); }

  StoreInfo info() override;
  Status set_max_size(uint64_t bytes) override;
  void override_max_size(std::optional<uint64_t> bytes) override { overriding_.store(bytes.value_or(kNoOverride)); }
  Status evict() override;
  Status clear() override;
  Status inspect(std::string_view prefix,
                 const std::function<void(std::string_view, std::string_view, std::string_view)>& visit) override;

 private:
  uint64_t max_size() const;
  Status evict_beyond(uint64_t size_bytes);
  // True when the blob is there already and its use has been recorded.
  bool has_blob(const BlobDigest& digest, uint64_t size_bytes);
  Status place_staged(Blobs::Staged& staged);
  void drop_damaged(const BlobDigest& digest, const Error& error);
  Status writable() const {
    return index_->read_only() ? Status(Error{Code::kPermission, place_.local + " cannot be written"}) : Status();
  }

  const Place place_;
  const Clock now_ns_;
  Zstd zstd_;
  Blobs blobs_;
  Facts facts_;
  Counters counters_;
  std::unique_ptr<Index> index_;
  std::atomic<uint64_t> overriding_{kNoOverride};
  std::mutex touched_mutex_;
  std::unordered_map<uint64_t, DirectKey> touched_;  // by sequence
};

// --- entries ---

Status DiskStore::put(const DirectKey& key, Entry entry) {
  TRY_ASSIGN(const uint64_t size_bytes, index_->put(key, entry));
  return evict_beyond(size_bytes);
}

void DiskStore::touch(const DirectKey& key, uint64_t sequence) {
  std::lock_guard lock(touched_mutex_);
  if (touched_.size() < kTouched) touched_.emplace(sequence, key);
}

Status DiskStore::flush() {
  std::unordered_map<uint64_t, DirectKey> touched;
  {
    std::lock_guard lock(touched_mutex_);
    touched.swap(touched_);
  }
  if (touched.empty() || index_ == nullptr || index_->read_only()) return {};
  std::vector<std::pair<DirectKey, uint64_t>> uses;
  uses.reserve(touched.size());
  for (const auto& [sequence, key] : touched) uses.emplace_back(key, sequence);
  Status written = index_->touch(uses);
  if (!written.ok()) {
    std::lock_guard lock(touched_mutex_);
    if (touched_.size() + touched.size() <= kTouched) touched_.merge(touched);  // the next flush may do better
  }
  return written;
}

// --- blobs ---

bool DiskStore::has_blob(const BlobDigest& digest, uint64_t size_bytes) {
  const auto record = index_->blob(digest);
  if (!record || record->size_bytes != size_bytes || !blobs_.is_sound(*record)) return false;
  if (record->stamp + Index::kFreshNs > now_ns_()) return true;
  auto refreshed = index_->put_blob(*record, [&]() -> Status {
    return blobs_.is_sound(*record) ? Status() : Status(Error{Code::kNotFound, "the blob was just evicted"});
  });
  return refreshed.ok();
}

Status DiskStore::place_staged(Blobs::Staged& staged) {
  TRY_ASSIGN(const uint64_t size, index_->put_blob(staged.record, [&] { return blobs_.place(staged); }));
  return evict_beyond(size);
}

Status DiskStore::put_blob(const BlobDigest& digest, std::string_view data) {
  TRY(writable());
  if (data.size() > limits::kOutputBytes) return Error{Code::kLimit, "the blob is too large"};
  if (has_blob(digest, data.size())) return {};
  TRY_ASSIGN(Blobs::Staged staged, blobs_.stage(digest, data));
  return place_staged(staged);
}

Result<std::string> DiskStore::get_blob(const BlobDigest& digest) {
  auto text = blobs_.read(digest);
  if (!text.ok()) drop_damaged(digest, text.error());
  return text;
}

Status DiskStore::copy_blob_to(const BlobDigest& digest, uint64_t size_bytes, int fd) {
  Status copied = blobs_.copy_to(digest, size_bytes, fd);
  if (!copied.ok()) drop_damaged(digest, copied.error());
  return copied;
}

void DiskStore::drop_damaged(const BlobDigest& digest, const Error& error) {
  if (error.code != Code::kCorrupt) return;
  counters_.count(Counter::kCorrupt, 1);
  // Looked at again under the lock: another process may have put a whole one in its place.
  const Status forgotten = index_->forget_blob(digest, [&] {
    const auto now = blobs_.read(digest);
    if (now.ok() || now.error().code != Code::kCorrupt) return false;
    blobs_.remove(digest);
    return true;
  });
  if (!forgotten.ok()) return;  // read-only: the next reader finds it again
}

// --- upkeep ---

uint64_t DiskStore::max_size() const {
  if (const uint64_t bytes = overriding_.load(); bytes != kNoOverride) return bytes;
  auto text = read_small_file(AT_FDCWD, (place_.shared + "/" + kMaxSizeName).c_str(), 128);
  if (!text.ok()) return limits::kDefaultCacheBytes;
  // "<number> <check>\n": a flipped digit must not become another limit.
  uint64_t bytes = 0;
  const auto [end, failed] = std::from_chars(text->data(), text->data() + text->size(), bytes);
  const std::string number(text->data(), static_cast<size_t>(end - text->data()));
  if (failed != std::errc() || *text != number + " " + std::to_string(check64(number)) + "\n") {
    return limits::kDefaultCacheBytes;
  }
  return bytes;
}

Status DiskStore::set_max_size(uint64_t bytes) {
  TRY(writable());
  const std::string number = std::to_string(bytes);
  return replace_file(place_.shared + "/" + kMaxSizeName, number + " " + std::to_string(check64(number)) + "\n", 0600,
                      Sync::kNo);
}

Status DiskStore::evict_beyond(uint64_t size_bytes) {
  const uint64_t limit = max_size();
  if (size_bytes <= limit || limit == 0) return {};
  TRY_ASSIGN(const uint64_t evicted,
             index_->evict(limit, limit / 10 * 9, [&](const BlobDigest& digest) { blobs_.remove(digest); }));
  counters_.count(Counter::kEvicted, evicted);
  return {};
}

Status DiskStore::evict() {
  TRY(flush());
  blobs_.remove_temporaries((now_ns_() - std::min(now_ns_(), kOrphanAgeNs)) / 1000000000);
  TRY(index_->reconcile(
      kOrphanAgeNs, [&](const BlobDigest& digest) { return blobs_.exists(digest); },
      [&](const BlobDigest& digest) { blobs_.remove(digest); }));
  TRY(evict_beyond(index_->stats().size_bytes));
  return index_->compact();
}

Status DiskStore::clear() {
  return index_->clear([&] { blobs_.remove_all(); });
}

StoreInfo DiskStore::info() {
  const TableStats stats = index_->stats();
  StoreInfo info;
  info.blob_count = stats.blob_count;
  info.entry_count = stats.entry_count;
  info.size_bytes = stats.size_bytes;
  info.max_size_bytes = max_size();
  return info;
}

Status DiskStore::inspect(std::string_view prefix,
                          const std::function<void(std::string_view, std::string_view, std::string_view)>& visit) {
  auto show = [&](std::string_view kind, const std::string& hex, const std::string& summary) {
    if (hex.starts_with(prefix)) visit(kind, hex, summary);
  };
  index_->each_entry([&](const EntryFront& front, const Entry& entry) {
    const CompileResult& result = entry.result;
    const std::string manifest = front.manifest.hex(), key = front.key.hex();
    const std::string digest = ResultDigest::of(encode_result(result)).hex();
    size_t absent = 0;
    for (const AbsentSet& set : entry.manifest.absents) absent += set.names.size() + set.checked_names.size();
    show("key", key, "leads to manifest " + manifest + ", result " + digest);
    show("manifest", manifest,
         std::to_string(entry.manifest.inputs.size()) + " inputs, " + std::to_string(absent) +
             " absent names, under key " + key);
    std::string summary = std::to_string(result.outputs.size()) + " outputs";
    for (const StoredOutput& output : result.outputs) {
      summary += ", " + output.digest.hex() + " (" + std::to_string(output.size_bytes) + " bytes)";
    }
    show("result", digest, summary + ", under key " + key);
  });
  index_->each_blob([&](const BlobRecord& blob) {
    show("blob", blob.digest.hex(),
         std::to_string(blob.size_bytes) + " bytes, " + std::to_string(blob.disk_bytes) + " on disk");
  });
  return {};
}

}  // namespace

Result<std::unique_ptr<Store>> open_store(const std::string& dir, StoreOptions options) {
  if (dir.empty() || dir[0] != '/') return Error{Code::kInvalid, "the store's directory must be absolute: " + dir};
  TRY_ASSIGN(const Place place, find_place(dir, options.placement, options.private_root));
  auto opened = std::make_unique<DiskStore>(place, options);
  TRY(opened->start());
  return std::unique_ptr<Store>(std::move(opened));
}

}  // namespace store

Result<std::unique_ptr<Store>> Store::open(const std::string& dir) { return store::open_store(dir, {}); }

}  // namespace hpcc
