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

uint64_t interned_check(const RecordDigest& digest) { return ByteReader(digest.view()).u64(); }

std::optional<Interned> decode_interned(std::string_view payload, const RecordDigest& digest) {
  ByteReader in(payload);
  Interned item;
  const uint8_t tag = in.u8(), anchor = in.u8();
  if ((tag != kInputTag && tag != kDirectoryTag) || anchor > static_cast<uint8_t>(Anchor::kCwd)) return std::nullopt;
  item.is_directory = tag == kDirectoryTag;
  item.input.path.anchor = static_cast<Anchor>(anchor);
  item.input.kind = InputKind::kDirectory;
  if (!item.is_directory) {
    const uint8_t kind = in.u8();
    if (kind > static_cast<uint8_t>(kLastInputKind)) return std::nullopt;
    item.input.kind = static_cast<InputKind>(kind);
    std::string_view content = in.raw(item.input.digest.bytes.size());
    if (!in.ok()) return std::nullopt;
    memcpy(item.input.digest.bytes.data(), content.data(), content.size());
  }
  if (in.remaining() == 0 || in.remaining() > limits::kPathBytes) return std::nullopt;
  item.input.path.path = in.raw(in.remaining());
  item.check = interned_check(digest);
  return item;
}

namespace {

// Reads the records of ascending `ids`; neighbours come with one read.
class WindowReader {
 public:
  explicit WindowReader(const Log& log) : log_(log) {}

  std::optional<Log::Record> read(const std::vector<uint32_t>& ids, size_t i) {
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
    while (last + 1 < ids.size() && bytes_to(last + 1) - bytes_to(last) < kGapBytes &&
           bytes_to(last + 1) < kWindowBytes) {
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

Result<std::vector<std::pair<RecordDigest, Interned>>> Interner::load(const Log& log, const std::vector<uint32_t>& ids,
                                                                      uint32_t& damaged) {
  std::vector<std::pair<RecordDigest, Interned>> loaded;
  loaded.reserve(ids.size());
  WindowReader window(log);
  for (size_t i = 0; i < ids.size(); ++i) {
    auto record = window.read(ids, i);
    auto item = record ? decode_interned(record->payload, record->digest) : std::nullopt;
    if (!item) {
      damaged = ids[i];
      return Error{Code::kCorrupt, "an interned record of the index is damaged"};
    }
    loaded.emplace_back(record->digest, std::move(*item));
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

Result<std::vector<Interner::Place>> Interner::intern(Table& table, Log& log, TableStats& stats,
                                                      const std::vector<std::string>& payloads) {
  std::vector<Place> places(payloads.size());
  std::vector<size_t> fresh;
  std::string batch;
  for (size_t i = 0; i < payloads.size(); ++i) {
    places[i].digest = RecordDigest::of(payloads[i]);
    if (find_cached(places[i])) continue;
    if (find_stored(table, log, payloads[i], places[i])) {
      TRY(remember(places[i], payloads[i]));
      continue;
    }
    places[i].id = static_cast<uint32_t>(batch.size() / Log::kUnit);  // relative until the batch has its place
    batch += Log::frame(RecordKind::kIntern, payloads[i]);
    fresh.push_back(i);
  }
  if (fresh.empty()) return places;
  TRY_ASSIGN(const uint32_t start, log.append(batch));
  for (size_t i : fresh) {
    places[i].id += start;
    Slot slot{.kind = SlotKind::kIntern, .key = places[i].digest.bytes, .where = places[i].id};
    slot.length = static_cast<uint32_t>(payloads[i].size());
    TRY(table.insert(slot, stats));
    TRY(remember(places[i], payloads[i]));
  }
  return places;
}

bool Interner::find_cached(Place& place) {
  std::shared_lock lock(mutex_);
  auto it = by_digest_.find(place.digest);
  if (it == by_digest_.end()) return false;
  place.id = it->second;
  return true;
}

bool Interner::find_stored(const Table& table, const Log& log, std::string_view payload, Place& place) {
  bool found = false;
  table.find(SlotKind::kIntern, place.digest.bytes, [&](uint64_t, const Slot& slot) {
    auto stored = log.read(RecordKind::kIntern, slot.where, slot.length);
    found = stored.ok() && *stored == payload;
    place.id = slot.where;
    return !found;
  });
  return found;
}

Status Interner::remember(const Place& place, std::string_view payload) {
  auto item = decode_interned(payload, place.digest);
  if (!item) return Error{Code::kInvalid, "a path of the manifest is malformed"};
  std::unique_lock lock(mutex_);
  make_room(1);
  add(place.id, place.digest, std::move(*item));
  return {};
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
  std::erase_if(by_digest_, [&](const auto& item) { return item.second == id; });
}

void Interner::make_room(size_t count) {
  if (by_id_.size() + count <= kCached) return;
  by_id_.clear();
  by_digest_.clear();
}

void Interner::add(uint32_t id, const RecordDigest& digest, Interned item) {
  by_id_.insert_or_assign(id, std::move(item));
  by_digest_.insert_or_assign(digest, id);
}

}  // namespace hpcc::store
