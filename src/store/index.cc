// Index, part 2: lookups and changes. index_files.cc opens and replaces the files, index_evict.cc keeps them small.
#include "store/index.h"

#include <algorithm>

#include "base/limits.h"

namespace hpcc::store {
namespace {

constexpr size_t kTouchBatch = 256;  // uses recorded under one hold of the lock
constexpr size_t kHistoryBytes = 1u << 20;

SlotKey history_key(std::string_view name) {
  std::string tagged = "history:";
  return BlobDigest::of(tagged += name).bytes;
}

}  // namespace

Slot blob_slot(const BlobRecord& blob) {
  Slot slot{.kind = SlotKind::kBlob, .key = blob.digest.bytes, .value = blob.size_bytes, .stamp = blob.stamp};
  slot.where = static_cast<uint32_t>((blob.disk_bytes + Table::kDiskUnit - 1) / Table::kDiskUnit);
  return slot;
}

uint64_t Index::next_stamp(TableStats& stats) const {
  stats.last_stamp = std::max(stats.last_stamp + 1, hooks_.now_ns());
  return stats.last_stamp;
}

// --- lookups ---

uint64_t Index::version(const DirectKey& key) {
  const FilesPtr files = current();
  uint64_t newest = 0;
  if (!files) return 0;
  files->table.find(SlotKind::kEntry, key.bytes, [&](uint64_t, const Slot& slot) {
    newest = std::max(newest, slot.value);
    return true;
  });
  return newest;
}

Result<std::vector<Entry>> Index::find(const DirectKey& key) {
  std::vector<Entry> entries;
  const FilesPtr files = current();
  if (!files) return entries;
  std::vector<Slot> slots;
  const size_t damaged_slots = files->table.find(SlotKind::kEntry, key.bytes, [&](uint64_t, const Slot& slot) {
    slots.push_back(slot);
    return true;
  });
  if (damaged_slots > 0) hooks_.on_corrupt(damaged_slots);
  std::sort(slots.begin(), slots.end(), [](const Slot& a, const Slot& b) { return a.value > b.value; });
  if (slots.size() > limits::kManifestsPerKey) slots.resize(limits::kManifestsPerKey);
  for (const Slot& slot : slots) {
    uint32_t damaged = 0;
    auto payload = files->log.read(RecordKind::kEntry, slot.where, slot.length);
    if (!payload.ok() && payload.error().code != Code::kCorrupt) return std::move(payload).error();
    bool whole = false;
    if (payload.ok()) {
      auto front = decode_entry_front(*payload);
      auto entry = unpack_entry(files->log, files->interner, zstd_, *payload, damaged);
      whole = front.ok() && entry.ok() && front->key == key && front->sequence == slot.value;
      if (whole) entries.push_back(std::move(*entry));
    }
    if (!whole) {
      hooks_.on_corrupt(1);
      remove_damaged(key, slot.value, damaged);
    }
  }
  return entries;
}

void Index::remove_damaged(const DirectKey& key, uint64_t sequence, uint32_t interned) {
  if (!remove(key, sequence).ok() || interned == 0) return;
  auto write = begin_write();
  if (!write.ok()) return;
  write->files->interner.drop(write->files->table, interned);
  if (!commit(*write).ok()) return;  // counted again by the next writer
}

std::optional<BlobRecord> Index::blob(const BlobDigest& digest) {
  const FilesPtr files = current();
  std::optional<BlobRecord> record;
  if (!files) return record;
  files->table.find(SlotKind::kBlob, digest.bytes, [&](uint64_t, const Slot& slot) {
    record = BlobRecord{digest, slot.value, uint64_t{slot.where} * Table::kDiskUnit, slot.stamp};
    return false;
  });
  return record;
}

// --- entries ---

Result<uint64_t> Index::put(const DirectKey& key, Entry& entry) {
  // Through the encoder and back: what is stored is canonical, and nothing is stored that could not be read.
  const std::string manifest_bytes = encode_manifest(entry.manifest);
  TRY_ASSIGN(entry.manifest, decode_manifest(manifest_bytes));
  TRY(decode_result(encode_result(entry.result)));
  const ManifestDigest manifest = ManifestDigest::of(manifest_bytes);

  TRY_ASSIGN(Write write, begin_write(entry.manifest.inputs.size() + entry.manifest.absents.size() + 4));
  Files& files = *write.files;
  entry.sequence = next_stamp(write.stats);
  std::vector<BlobDigest> blobs;
  for (const StoredOutput& output : entry.result.outputs) blobs.push_back(output.digest);
  TRY(freshen_blobs(write, blobs, entry.sequence));
  Packer packer{files.table, files.log, files.interner, write.stats, zstd_};
  TRY_ASSIGN(const std::string payload, pack_entry(packer, key, manifest, entry));
  TRY_ASSIGN(const uint64_t place, drop_older_entries(write, key, manifest, variant_of(entry.result)));
  TRY_ASSIGN(const uint32_t where, files.log.append(Log::frame(RecordKind::kEntry, payload)));
  Slot slot{
      .kind = SlotKind::kEntry, .key = key.bytes, .value = entry.sequence, .stamp = entry.sequence, .where = where};
  slot.length = static_cast<uint32_t>(payload.size());
  TRY(place == Table::kNowhere ? files.table.insert(slot, write.stats) : files.table.write(place, slot));
  Table::count(slot, write.stats);
  compact_if_useful(write);
  TRY(commit(write));
  return write.stats.size_bytes;
}

// Blobs are never younger than the entries that name them: then removing everything older than some moment leaves no
// entry without its blobs, and nobody has to count references.
Status Index::freshen_blobs(Write& write, const std::vector<BlobDigest>& blobs, uint64_t stamp) {
  Table& table = write.files->table;
  for (const BlobDigest& digest : blobs) {
    uint64_t place = Table::kNowhere;
    Slot found;
    table.find(SlotKind::kBlob, digest.bytes, [&](uint64_t position, const Slot& slot) {
      place = position;
      found = slot;
      return false;
    });
    if (place == Table::kNowhere) return Error{Code::kNotFound, "blob " + digest.hex() + " is not in the store"};
    found.stamp = stamp;
    TRY(table.write(place, found));
  }
  return {};
}

// Drops entries that say the same as the new one, and the oldest beyond the bound. One of the former stays where it is,
// uncounted, for the new one to take its place at once: a reader finds either.
Result<uint64_t> Index::drop_older_entries(Write& write, const DirectKey& key, const ManifestDigest& manifest,
                                           uint64_t variant) {
  std::vector<std::pair<uint64_t, Slot>> kept;
  Files& files = *write.files;
  files.table.find(SlotKind::kEntry, key.bytes, [&](uint64_t position, const Slot& slot) {
    kept.emplace_back(position, slot);
    return true;
  });
  std::sort(kept.begin(), kept.end(), [](auto& a, auto& b) { return a.second.value > b.second.value; });
  size_t count = 0;
  uint64_t place = Table::kNowhere;
  for (const auto& [position, slot] : kept) {
    auto payload = files.log.read(RecordKind::kEntry, slot.where, slot.length);
    auto front = payload.ok() ? decode_entry_front(*payload) : Result<EntryFront>(payload.error());
    const bool same = front.ok() && front->manifest == manifest && front->variant == variant;
    if (same && place == Table::kNowhere) {
      place = position;
      uncount_entry(write, slot);
    } else if (!front.ok() || same || ++count >= limits::kManifestsPerKey) {
      TRY(drop_entry(write, position, slot));
    }
  }
  return place;
}

void Index::uncount_entry(Write& write, const Slot& slot) {
  TableStats& stats = write.stats;
  stats.entry_count -= std::min<uint64_t>(stats.entry_count, 1);
  stats.size_bytes -= std::min<uint64_t>(stats.size_bytes, slot.length);
  stats.dead_bytes += slot.length;
}

Status Index::drop_entry(Write& write, uint64_t position, const Slot& slot) {
  TRY(write.files->table.erase(position));
  uncount_entry(write, slot);
  return {};
}

Status Index::remove(const DirectKey& key, uint64_t sequence) {
  TRY_ASSIGN(Write write, begin_write());
  Status status;
  write.files->table.find(SlotKind::kEntry, key.bytes, [&](uint64_t position, const Slot& slot) {
    if (slot.value == sequence && status.ok()) status = drop_entry(write, position, slot);
    return true;
  });
  TRY(std::move(status));
  return commit(write);
}

Status Index::touch(const std::vector<std::pair<DirectKey, uint64_t>>& uses) {
  for (size_t at = 0; at < uses.size(); at += kTouchBatch) {
    TRY(touch_some(&uses[at], std::min(kTouchBatch, uses.size() - at)));
  }
  return {};
}

Status Index::touch_some(const std::pair<DirectKey, uint64_t>* uses, size_t count) {
  TRY_ASSIGN(Write write, begin_write());
  const uint64_t stamp = next_stamp(write.stats);
  Files& files = *write.files;
  for (size_t i = 0; i < count; ++i) {
    uint64_t place = Table::kNowhere;
    Slot found;
    files.table.find(SlotKind::kEntry, uses[i].first.bytes, [&](uint64_t position, const Slot& slot) {
      if (slot.value != uses[i].second) return true;
      place = position;
      found = slot;
      return false;
    });
    if (place == Table::kNowhere || found.stamp + kFreshNs > stamp) continue;
    auto payload = files.log.read(RecordKind::kEntry, found.where, found.length);
    auto front = payload.ok() ? decode_entry_front(*payload) : Result<EntryFront>(payload.error());
    if (!front.ok() || !freshen_blobs(write, front->blobs, stamp).ok()) continue;  // the next lookup finds the damage
    found.stamp = stamp;
    TRY(files.table.write(place, found));
  }
  return commit(write);
}

// --- blobs ---

Result<uint64_t> Index::put_blob(const BlobRecord& blob, const std::function<Status()>& place_file) {
  TRY_ASSIGN(Write write, begin_write());
  TRY(place_file());
  BlobRecord record = blob;
  record.stamp = next_stamp(write.stats);
  TRY(insert_blob(write, record));
  TRY(commit(write));
  return write.stats.size_bytes;
}

Status Index::insert_blob(Write& write, const BlobRecord& blob) {
  Table& table = write.files->table;
  uint64_t place = Table::kNowhere;
  Slot old;
  table.find(SlotKind::kBlob, blob.digest.bytes, [&](uint64_t position, const Slot& slot) {
    place = position;
    old = slot;
    return false;
  });
  const Slot slot = blob_slot(blob);
  if (place == Table::kNowhere) {
    TRY(table.insert(slot, write.stats));
  } else {
    TRY(table.write(place, slot));
    write.stats.blob_count -= std::min<uint64_t>(write.stats.blob_count, 1);
    write.stats.size_bytes -= std::min(write.stats.size_bytes, uint64_t{old.where} * Table::kDiskUnit);
  }
  Table::count(slot, write.stats);
  return {};
}

Status Index::forget_blob(const BlobDigest& digest, const std::function<bool()>& remove_file) {
  TRY_ASSIGN(Write write, begin_write());
  if (!remove_file()) return commit(write);
  Table& table = write.files->table;
  Status status;
  table.find(SlotKind::kBlob, digest.bytes, [&](uint64_t position, const Slot& slot) {
    status = table.erase(position);
    write.stats.blob_count -= std::min<uint64_t>(write.stats.blob_count, 1);
    write.stats.size_bytes -= std::min(write.stats.size_bytes, uint64_t{slot.where} * Table::kDiskUnit);
    return status.ok();
  });
  TRY(std::move(status));
  return commit(write);
}

// --- history ---

std::optional<std::string> Index::history(std::string_view name) {
  const FilesPtr files = current();
  std::optional<std::string> value;
  if (!files) return value;
  files->table.find(SlotKind::kHistory, history_key(name), [&](uint64_t, const Slot& slot) {
    auto payload = files->log.read(RecordKind::kHistory, slot.where, slot.length);
    // name, 0, value: a record that belongs to another name is none.
    if (payload.ok() && payload->size() > name.size() && std::string_view(*payload).substr(0, name.size()) == name &&
        (*payload)[name.size()] == '\0') {
      value = payload->substr(name.size() + 1);
    } else {
      hooks_.on_corrupt(1);
    }
    return !value;
  });
  return value;
}

Status Index::put_history(std::string_view name, std::string_view value) {
  if (name.size() + value.size() > kHistoryBytes || name.find('\0') != name.npos) {
    return Error{Code::kLimit, "the history value is too large"};
  }
  if (auto old = history(name); old && *old == value) return {};
  TRY_ASSIGN(Write write, begin_write());
  Files& files = *write.files;
  std::string payload(name);
  payload += '\0';
  payload += value;
  TRY_ASSIGN(const uint32_t where, files.log.append(Log::frame(RecordKind::kHistory, payload)));
  Slot slot{.kind = SlotKind::kHistory, .key = history_key(name), .stamp = next_stamp(write.stats), .where = where};
  slot.length = static_cast<uint32_t>(payload.size());
  uint64_t place = Table::kNowhere;
  files.table.find(SlotKind::kHistory, slot.key, [&](uint64_t position, const Slot& old) {
    place = position;
    write.stats.dead_bytes += old.length;
    return false;
  });
  if (place != Table::kNowhere) {
    TRY(files.table.write(place, slot));
  } else {
    TRY(files.table.insert(slot, write.stats));
    Table::count(slot, write.stats);
  }
  TRY(trim_history(write));
  compact_if_useful(write);
  return commit(write);
}

}  // namespace hpcc::store
