#include "store/intern.h"

#include <algorithm>
#include <mutex>

#include "base/limits.h"
#include "model/codec.h"

namespace hpcc::store {
namespace {

constexpr size_t kCached = 1u << 17;        // records kept in memory
constexpr size_t kWindowBytes = 64 * 1024;  // records this near to each other are read together
constexpr size_t kGapBytes = 4096;
constexpr size_t kLongestRecord = 8 * 1024;  // a path, a digest and their frame, generously
constexpr uint8_t kInputTag = 1, kDirectoryTag = 2;

SlotKey key_of(std::string_view payload) { return BlobDigest::of(payload).bytes; }

}  // namespace

std::string encode_interned_input(const Input& input) {
  ByteWriter out;
  out.u8(kInputTag);
  out.u8(static_cast<uint8_t>(input.path.anchor));
  out.u8(static_cast<uint8_t>(input.kind));
  out.raw(input.digest.view());
  out.raw(input.path.path);
  return out.take();
}

std::string encode_interned_directory(const AnchoredPath& path) {
  ByteWriter out;
  out.u8(kDirectoryTag);
  out.u8(static_cast<uint8_t>(path.anchor));
  out.raw(path.path);
  return out.take();
}

std::optional<Interned> decode_interned(std::string_view payload) {
  ByteReader in(payload);
  Interned item;
  const uint8_t tag = in.u8(), anchor = in.u8();
  if ((tag != kInputTag && tag != kDirectoryTag) || anchor > static_cast<uint8_t>(Anchor::kCwd)) return std::nullopt;
  item.is_directory = tag == kDirectoryTag;
  item.input.path.anchor = static_cast<Anchor>(anchor);
  item.input.kind = InputKind::kDirectory;
  if (!item.is_directory) {
    const uint8_t kind = in.u8();
    if (kind > static_cast<uint8_t>(InputKind::kLink)) return std::nullopt;
    item.input.kind = static_cast<InputKind>(kind);
    std::string_view digest = in.raw(item.input.digest.bytes.size());
    if (!in.ok()) return std::nullopt;
    memcpy(item.input.digest.bytes.data(), digest.data(), digest.size());
  }
  if (in.remaining() == 0 || in.remaining() > limits::kPathBytes) return std::nullopt;
  item.input.path.path = in.raw(in.remaining());
  item.check = check64(payload);
  return item;
}

namespace {

// Reads the records of ascending `ids`; neighbours come with one read.
class WindowReader {
 public:
  explicit WindowReader(const Log& log) : log_(log) {}

  std::optional<std::string_view> read(const std::vector<uint32_t>& ids, size_t i) {
    if (!covers(ids[i], Log::kRecordHeaderBytes)) load(ids, i);
    auto size = Log::framed_bytes(at(ids[i]));
    if (!size || *size > kLongestRecord) return std::nullopt;
    if (!covers(ids[i], *size)) load(ids, i);
    return Log::unframe(RecordKind::kIntern, at(ids[i]));
  }

 private:
  bool covers(uint32_t id, size_t size) const { return id >= start_ && at(id).size() >= size; }
  std::string_view at(uint32_t id) const {
    const uint64_t skip = uint64_t{id - start_} * Log::kUnit;
    return id < start_ || skip > bytes_.size() ? std::string_view() : std::string_view(bytes_).substr(skip);
  }
  void load(const std::vector<uint32_t>& ids, size_t i) {
    size_t last = i;
    auto bytes_to = [&](size_t j) { return uint64_t{ids[j] - ids[i]} * Log::kUnit; };
    while (last + 1 < ids.size() && bytes_to(last + 1) - bytes_to(last) < kGapBytes && bytes_to(last + 1) < kWindowBytes) {
      ++last;
    }
    bytes_.resize(bytes_to(last) + kLongestRecord);
    start_ = ids[i];
    const ssize_t n = log_.read_raw(bytes_.data(), bytes_.size(), start_);
    bytes_.resize(n < 0 ? 0 : static_cast<size_t>(n));
  }

  const Log& log_;
  uint32_t start_ = 0;
  std::string bytes_;
};

}  // namespace

Result<std::vector<std::pair<SlotKey, Interned>>> Interner::load(const Log& log, const std::vector<uint32_t>& ids,
                                                                 uint32_t& damaged) {
  std::vector<std::pair<SlotKey, Interned>> loaded;
  loaded.reserve(ids.size());
  WindowReader window(log);
  for (size_t i = 0; i < ids.size(); ++i) {
    auto payload = window.read(ids, i);
    auto item = payload ? decode_interned(*payload) : std::nullopt;
    if (!item) {
      damaged = ids[i];
      return Error{Code::kCorrupt, "an interned record of the index is damaged"};
    }
    loaded.emplace_back(key_of(*payload), std::move(*item));
  }
  return loaded;
}

Status Interner::fetch(const Log& log, const std::vector<uint32_t>& ids,
                       const std::function<void(size_t, const Interned&)>& each, uint32_t& damaged) {
  std::vector<const Interned*> found(ids.size());
  // Gives true when all are in memory, and calls `each` for them; else the others are in `missing`.
  auto serve = [&](std::vector<uint32_t>& missing) {
    for (size_t i = 0; i < ids.size(); ++i) {
      auto it = by_id_.find(ids[i]);
      if (it == by_id_.end()) missing.push_back(ids[i]);
      else found[i] = &it->second;
    }
    for (size_t i = 0; missing.empty() && i < ids.size(); ++i) each(i, *found[i]);
    return missing.empty();
  };
  std::vector<uint32_t> missing;
  {
    std::shared_lock lock(mutex_);
    if (serve(missing)) return {};
  }
  while (true) {
    std::sort(missing.begin(), missing.end());
    missing.erase(std::unique(missing.begin(), missing.end()), missing.end());
    TRY_ASSIGN(auto loaded, load(log, missing, damaged));
    std::unique_lock lock(mutex_);
    make_room(loaded.size());
    for (size_t i = 0; i < loaded.size(); ++i) add(missing[i], loaded[i].first, std::move(loaded[i].second));
    std::vector<uint32_t> still_missing;
    if (serve(still_missing)) return {};
    missing = ids;  // making room emptied the cache: with all of them loaded at once the next round ends
  }
}

Result<std::vector<uint32_t>> Interner::intern(Table& table, Log& log, TableStats& stats,
                                               const std::vector<std::string>& payloads) {
  std::vector<uint32_t> ids(payloads.size());
  std::vector<size_t> fresh;
  std::vector<SlotKey> keys(payloads.size());
  std::string batch;
  for (size_t i = 0; i < payloads.size(); ++i) {
    keys[i] = key_of(payloads[i]);
    {
      std::shared_lock lock(mutex_);
      if (auto it = by_key_.find(keys[i]); it != by_key_.end()) {
        ids[i] = it->second;
        continue;
      }
    }
    bool known = false;
    table.find(SlotKind::kIntern, keys[i], [&](uint64_t, const Slot& slot) {
      auto payload = log.read(RecordKind::kIntern, slot.where, slot.length);
      known = payload.ok() && *payload == payloads[i];
      ids[i] = slot.where;
      return !known;
    });
    if (!known) {
      ids[i] = static_cast<uint32_t>(batch.size() / Log::kUnit);  // relative until the batch has its place
      batch += Log::frame(RecordKind::kIntern, payloads[i]);
      fresh.push_back(i);
    } else if (auto item = decode_interned(payloads[i])) {
      std::unique_lock lock(mutex_);
      make_room(1);
      add(ids[i], keys[i], std::move(*item));
    }
  }
  if (fresh.empty()) return ids;
  TRY_ASSIGN(const uint32_t start, log.append(batch));
  for (size_t i : fresh) {
    ids[i] += start;
    Slot slot{.kind = SlotKind::kIntern, .key = keys[i], .where = ids[i]};
    slot.length = static_cast<uint32_t>(payloads[i].size());
    TRY(table.insert(slot, stats));
    auto item = decode_interned(payloads[i]);
    if (!item) return Error{Code::kInvalid, "a path of the manifest is malformed"};
    std::unique_lock lock(mutex_);
    make_room(1);
    add(ids[i], keys[i], std::move(*item));
  }
  return ids;
}

void Interner::drop(Table& table, uint32_t id) {
  std::vector<uint64_t> positions;
  table.scan([&](uint64_t position, const Slot& slot) {
    if (slot.kind == SlotKind::kIntern && slot.where == id) positions.push_back(position);
  });
  for (uint64_t position : positions) {
    if (!table.erase(position).ok()) return;
  }
  std::unique_lock lock(mutex_);
  by_id_.erase(id);
  std::erase_if(by_key_, [&](const auto& item) { return item.second == id; });
}

void Interner::make_room(size_t count) {
  if (by_id_.size() + count <= kCached) return;
  by_id_.clear();
  by_key_.clear();
}

void Interner::add(uint32_t id, const SlotKey& key, Interned item) {
  by_id_.insert_or_assign(id, std::move(item));
  by_key_.insert_or_assign(key, id);
}

}  // namespace hpcc::store
