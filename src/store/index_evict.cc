// Index, part 3: what keeps it small (eviction, compaction) and true (reconcile), and the walks over all of it.
#include <fcntl.h>

#include <algorithm>
#include <unordered_set>

#include "store/index.h"

namespace hpcc::store {
namespace {

constexpr uint64_t kHistoryMax = 20000, kHistoryKept = 18000;
constexpr uint64_t kDeadBytes = 8u << 20;  // dead bytes of the log worth a compaction, when they are half of it

struct Victim {
  uint64_t position;
  Slot slot;
};

uint64_t size_of(const Slot& slot) {
  return slot.kind == SlotKind::kBlob ? uint64_t{slot.where} * Table::kDiskUnit : slot.length;
}

std::vector<Victim> slots_by_age(const Table& table, std::initializer_list<SlotKind> kinds) {
  std::vector<Victim> all;
  table.scan([&](uint64_t position, const Slot& slot) {
    if (std::find(kinds.begin(), kinds.end(), slot.kind) != kinds.end()) all.push_back({position, slot});
  });
  std::sort(all.begin(), all.end(), [](const Victim& a, const Victim& b) { return a.slot.stamp < b.slot.stamp; });
  return all;
}

}  // namespace

Result<uint64_t> Index::evict(uint64_t limit_bytes, uint64_t target_bytes,
                              const std::function<void(const BlobDigest&)>& remove_file) {
  TRY_ASSIGN(Write write, begin_write());
  if (write.stats.size_bytes <= limit_bytes) {
    TRY(commit(write));
    return uint64_t{0};
  }
  Table& table = write.files->table;
  const std::vector<Victim> all = slots_by_age(table, {SlotKind::kEntry, SlotKind::kBlob});
  uint64_t size = 0, count = 0;
  for (const Victim& victim : all) size += size_of(victim.slot);
  write.stats.size_bytes = size;  // counted exactly, while we are here
  size_t end = 0;
  // All of one moment go together: an entry and the blobs it came with have one stamp.
  while (end < all.size() && (size > target_bytes || (end > 0 && all[end].slot.stamp == all[end - 1].slot.stamp))) {
    size -= size_of(all[end++].slot);
  }
  for (size_t i = 0; i < end; ++i) {
    if (all[i].slot.kind != SlotKind::kEntry) continue;
    TRY(drop_entry(write, all[i].position, all[i].slot));
    ++count;
  }
  for (size_t i = 0; i < end; ++i) {
    if (all[i].slot.kind != SlotKind::kBlob) continue;
    remove_file(BlobDigest{all[i].slot.key});
    TRY(table.erase(all[i].position));
    write.stats.blob_count -= std::min<uint64_t>(write.stats.blob_count, 1);
    write.stats.size_bytes -= std::min(write.stats.size_bytes, size_of(all[i].slot));
  }
  compact_if_useful(write);
  TRY(commit(write));
  return count;
}

Status Index::trim_history(Write& write) {
  if (write.stats.history_count <= kHistoryMax) return {};
  const std::vector<Victim> all = slots_by_age(write.files->table, {SlotKind::kHistory});
  write.stats.history_count = all.size();
  for (const Victim& victim : all) {
    if (write.stats.history_count <= kHistoryKept) break;
    TRY(write.files->table.erase(victim.position));
    write.stats.dead_bytes += victim.slot.length;
    --write.stats.history_count;
  }
  return {};
}

std::unordered_set<BlobDigest, DigestHash> Index::blobs_in_use(const Files& files) {
  std::unordered_set<BlobDigest, DigestHash> used;
  files.table.scan([&](uint64_t, const Slot& slot) {
    if (slot.kind != SlotKind::kEntry) return;
    auto payload = files.log.read(RecordKind::kEntry, slot.where, slot.length);
    auto front = payload.ok() ? decode_entry_front(*payload) : Result<EntryFront>(payload.error());
    if (front.ok()) used.insert(front->blobs.begin(), front->blobs.end());
  });
  return used;
}

Status Index::reconcile(uint64_t orphan_age_ns, const std::function<bool(const BlobDigest&)>& file_exists,
                        const std::function<void(const BlobDigest&)>& remove_file) {
  std::vector<BlobRecord> files;  // listed before the lock is taken: this is the slow part
  hooks_.each_blob([&](const BlobRecord& blob) { files.push_back(blob); });
  TRY_ASSIGN(Write write, begin_write(files.size()));
  Table& table = write.files->table;
  const uint64_t now = hooks_.now_ns(), oldest = now - std::min(now, orphan_age_ns);
  const auto used = blobs_in_use(*write.files);
  std::unordered_set<BlobDigest, DigestHash> known;
  std::vector<uint64_t> gone;
  std::vector<BlobDigest> orphans;
  auto is_orphan = [&](const BlobDigest& digest, uint64_t stamp) { return stamp < oldest && used.count(digest) == 0; };
  table.scan([&](uint64_t position, const Slot& slot) {
    if (slot.kind != SlotKind::kBlob) return;
    const BlobDigest digest{slot.key};
    const bool orphan = is_orphan(digest, slot.stamp);
    if (!known.insert(digest).second || orphan || !file_exists(digest)) gone.push_back(position);
    if (orphan) orphans.push_back(digest);
  });
  for (uint64_t position : gone) TRY(table.erase(position));
  for (const BlobRecord& blob : files) {
    if (known.count(blob.digest) != 0 || !file_exists(blob.digest)) continue;
    if (is_orphan(blob.digest, blob.stamp)) orphans.push_back(blob.digest);
    else TRY(table.insert(blob_slot(blob), write.stats));
  }
  for (const BlobDigest& digest : orphans) remove_file(digest);
  TableStats counted{.used_slots = write.stats.used_slots, .dead_bytes = write.stats.dead_bytes};
  table.scan([&](uint64_t, const Slot& slot) { Table::count(slot, counted); });
  counted.last_stamp = std::max(counted.last_stamp, write.stats.last_stamp);
  write.stats = counted;
  return commit(write);
}

Status Index::compact() {
  TRY_ASSIGN(Write write, begin_write());
  const uint64_t base = write.files->table.header().log_base_bytes;
  // Interned records nobody names any more are not counted as dead: a log that has doubled is worth a look, too.
  if (write.stats.dead_bytes < kDeadBytes && write.files->log.size_bytes() < 2 * base + kDeadBytes)
    return commit(write);
  TRY(compact_now(write));
  return commit(write);
}

// A log that is mostly dead is written anew. When that fails (disk full) the change at hand is good all the same.
void Index::compact_if_useful(Write& write) {
  if (write.stats.dead_bytes < kDeadBytes || write.stats.dead_bytes * 2 < write.files->log.size_bytes()) return;
  if (!compact_now(write).ok()) write.stats.dead_bytes = 0;  // asks again when as much has died once more
}

// The table is made anew with the log, since places change. Readers go on with the old files until they look at the
// name again.
Status Index::compact_now(Write& write) {
  TRY_ASSIGN(FilesPtr fresh, create_files(write.files->table.header().capacity));
  TableStats stats = fresh->table.read_stats();
  stats.last_stamp = write.stats.last_stamp;
  Status status = compact_into(write, *fresh, stats);
  if (status.ok()) status = fresh->table.set_log_base(fresh->log.size_bytes());
  if (status.ok()) status = fresh->table.write_stats(stats);
  if (status.ok()) status = publish(fresh);
  if (!status.ok()) {
    discard(fresh->log.generation());
    return status;
  }
  write.files = fresh;
  write.stats = stats;
  return {};
}

Status Index::compact_into(Write& write, Files& to, TableStats& stats) {
  Files& from = *write.files;
  Packer packer{to.table, to.log, to.interner, stats, zstd_};
  Status status;
  from.table.scan([&](uint64_t, const Slot& old) {
    if (!status.ok() || old.kind == SlotKind::kIntern) return;
    Slot slot = old;
    std::string framed;
    if (old.kind == SlotKind::kHistory) {
      auto payload = from.log.read(RecordKind::kHistory, old.where, old.length);
      if (!payload.ok()) return hooks_.on_corrupt(1);
      framed = Log::frame(RecordKind::kHistory, *payload);
    } else if (old.kind == SlotKind::kEntry) {
      uint32_t damaged = 0;
      auto payload = from.log.read(RecordKind::kEntry, old.where, old.length);
      auto front = payload.ok() ? decode_entry_front(*payload) : Result<EntryFront>(payload.error());
      auto entry =
          front.ok() ? unpack_entry(from.log, from.interner, zstd_, *payload, damaged) : Result<Entry>(front.error());
      if (!entry.ok()) return hooks_.on_corrupt(1);
      auto packed = pack_entry(packer, front->key, front->manifest, *entry);
      if (!packed.ok()) {
        status = std::move(packed).error();
        return;
      }
      slot.length = static_cast<uint32_t>(packed->size());
      framed = Log::frame(RecordKind::kEntry, *packed);
    }
    if (!framed.empty()) {
      auto where = to.log.append(framed);
      if (!where.ok()) {
        status = std::move(where).error();
        return;
      }
      slot.where = *where;
    }
    status = to.table.insert(slot, stats);
    Table::count(slot, stats);
  });
  return status;
}

Status Index::clear(const std::function<void()>& remove_files) {
  TRY_ASSIGN(Write write, begin_write());
  auto made = create_files(Table::kMinCapacity);
  if (!made.ok()) {  // a full disk: first the blobs then, and entries without blobs if we are killed right now
    remove_files();
    made = create_files(Table::kMinCapacity);
  }
  TRY_ASSIGN(FilesPtr fresh, std::move(made));
  TableStats stats{.last_stamp = write.stats.last_stamp};
  TRY(fresh->table.write_stats(stats));
  TRY(publish(fresh));
  remove_files();
  return {};
}

TableStats Index::stats() {
  const FilesPtr files = current();
  return files ? files->table.read_stats() : TableStats{};
}

void Index::each_entry(const std::function<void(const EntryFront&, const Entry&)>& visit) {
  const FilesPtr files = current();
  if (!files) return;
  files->table.scan([&](uint64_t, const Slot& slot) {
    if (slot.kind != SlotKind::kEntry) return;
    uint32_t damaged = 0;
    auto payload = files->log.read(RecordKind::kEntry, slot.where, slot.length);
    if (!payload.ok()) return;
    auto front = decode_entry_front(*payload);
    auto entry = unpack_entry(files->log, files->interner, zstd_, *payload, damaged);
    if (front.ok() && entry.ok()) visit(*front, *entry);
  });
}

void Index::each_blob(const std::function<void(const BlobRecord&)>& visit) {
  const FilesPtr files = current();
  if (!files) return;
  files->table.scan([&](uint64_t, const Slot& slot) {
    if (slot.kind != SlotKind::kBlob) return;
    visit({BlobDigest{slot.key}, slot.value, uint64_t{slot.where} * Table::kDiskUnit, slot.stamp});
  });
}

}  // namespace hpcc::store
