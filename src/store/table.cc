#include "store/table.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "model/codec.h"

namespace hpcc::store {
namespace {

constexpr std::string_view kMagic = "hpccidx1";
constexpr size_t kHeaderBytes = 40;  // magic, capacity, generation, base, check
constexpr uint64_t kStatsAt = 512;
constexpr size_t kStatsBytes = 64;                    // seven numbers, check
constexpr uint64_t kMarkAt = kStatsAt + kStatsBytes;  // 0, or 1 while a writer is at work
constexpr uint64_t kSlotsAt = 4096;
constexpr size_t kReadSlots = 8;          // slots fetched by one read of a chain
constexpr uint64_t kLongestChain = 8192;  // a longer one is damage
constexpr size_t kScanBytes = 256 * 1024;

struct RawSlot {
  char bytes[Table::kSlotBytes];
};

enum class SlotState { kEmpty, kFree, kWhole, kDamaged };

uint32_t slot_check(const char* bytes) { return static_cast<uint32_t>(check64({bytes + 4, Table::kSlotBytes - 4})); }

RawSlot encode_slot(const Slot& slot) {
  ByteWriter out;
  out.u32(0);
  out.u8(static_cast<uint8_t>(slot.kind));
  out.u8(0);
  out.u16(0);
  out.raw({reinterpret_cast<const char*>(slot.key.data()), slot.key.size()});
  out.u64(slot.value);
  out.u64(slot.stamp);
  out.u32(slot.where);
  out.u32(slot.length);
  RawSlot raw;
  memcpy(raw.bytes, out.bytes().data(), sizeof raw.bytes);
  const uint32_t check = slot_check(raw.bytes);
  for (int i = 0; i < 4; ++i) raw.bytes[i] = static_cast<char>(check >> (8 * i));
  return raw;
}

// Filters by key before the check is computed: most slots of a chain belong to others.
bool holds_key(const RawSlot& raw, SlotKind kind, const SlotKey& key) {
  return static_cast<uint8_t>(raw.bytes[4]) == static_cast<uint8_t>(kind) &&
         memcmp(raw.bytes + 8, key.data(), key.size()) == 0;
}

SlotState decode_slot(const RawSlot& raw, Slot& slot) {
  static constexpr RawSlot kZero{};
  if (memcmp(raw.bytes, kZero.bytes, sizeof raw.bytes) == 0) return SlotState::kEmpty;
  ByteReader in({raw.bytes, sizeof raw.bytes});
  if (in.u32() != slot_check(raw.bytes)) return SlotState::kDamaged;
  const uint8_t kind = in.u8();
  in.raw(3);
  slot.kind = static_cast<SlotKind>(kind);
  memcpy(slot.key.data(), in.raw(slot.key.size()).data(), slot.key.size());
  slot.value = in.u64();
  slot.stamp = in.u64();
  slot.where = in.u32();
  slot.length = in.u32();
  if (kind == 0 || kind > static_cast<uint8_t>(SlotKind::kHistory)) return SlotState::kDamaged;
  return slot.kind == SlotKind::kFree ? SlotState::kFree : SlotState::kWhole;
}

bool is_zero(const RawSlot& raw) {
  uint64_t words[Table::kSlotBytes / 8];
  memcpy(words, raw.bytes, sizeof words);
  uint64_t any = 0;
  for (uint64_t word : words) any |= word;
  return any == 0;
}

uint64_t home_of(const SlotKey& key, uint64_t capacity) {
  uint64_t hash;
  memcpy(&hash, key.data(), sizeof hash);
  return hash & (capacity - 1);
}

uint64_t slot_offset(uint64_t position) { return kSlotsAt + position * Table::kSlotBytes; }

std::string encode_header(const TableHeader& header) {
  ByteWriter out;
  out.raw(kMagic);
  out.u64(header.capacity);
  out.u64(header.log_generation);
  out.u64(header.log_base_bytes);
  out.u64(check64(out.bytes()));
  return out.take();
}

// Reads the chain of `key` in runs of slots; each(position, raw) is false to stop. Slots beyond the end of a truncated
// file read as empty.
template <typename Each>
void walk_chain(int fd, const SlotKey& key, uint64_t capacity, Each each) {
  uint64_t position = home_of(key, capacity);
  for (uint64_t seen = 0; seen < kLongestChain && seen < capacity;) {
    RawSlot run[kReadSlots] = {};
    const size_t wanted = std::min<uint64_t>(kReadSlots, capacity - position);
    const ssize_t n = pread_some(fd, run, wanted * sizeof(RawSlot), slot_offset(position));
    if (n < 0) return;
    for (size_t i = 0; i < wanted; ++i) {
      if (!each(position + i, run[i])) return;
    }
    seen += wanted;
    position = (position + wanted) & (capacity - 1);
  }
}

}  // namespace

Result<Table> Table::open(Fd fd, const std::string& name) {
  char bytes[kHeaderBytes];
  struct stat st;
  if (::fstat(fd.get(), &st) != 0) return errno_error("cannot stat " + name);
  if (!S_ISREG(st.st_mode)) return Error{Code::kCorrupt, name + " is not a file"};
  const ssize_t n = pread_some(fd.get(), bytes, sizeof bytes, 0);
  if (n < 0) return errno_error("cannot read " + name);
  ByteReader in({bytes, static_cast<size_t>(n)});
  TableHeader header;
  const bool known = in.raw(kMagic.size()) == kMagic;
  header.capacity = in.u64();
  header.log_generation = in.u64();
  header.log_base_bytes = in.u64();
  const bool whole = known && in.u64() == check64({bytes, kHeaderBytes - 8}) && in.finished();
  const uint64_t capacity = header.capacity;
  if (!whole || capacity < kMinCapacity || capacity > kMaxCapacity || (capacity & (capacity - 1)) != 0 ||
      static_cast<uint64_t>(st.st_size) != slot_offset(capacity)) {
    return Error{Code::kCorrupt, name + " is damaged or of another format"};
  }
  return Table(std::move(fd), header, identity_of(st));
}

Result<Table> Table::create(Fd fd, const TableHeader& header, const std::vector<Slot>& slots, TableStats& stats) {
  struct stat st;
  if (::ftruncate(fd.get(), static_cast<off_t>(slot_offset(header.capacity))) != 0 || ::fstat(fd.get(), &st) != 0) {
    return errno_error("cannot make the index table");
  }
  Table table(std::move(fd), header, identity_of(st));
  stats = {.last_stamp = stats.last_stamp, .dead_bytes = stats.dead_bytes};
  if (!slots.empty()) {
    std::vector<RawSlot> image(header.capacity);
    for (const Slot& slot : slots) {
      uint64_t position = home_of(slot.key, header.capacity);
      while (!is_zero(image[position])) position = (position + 1) & (header.capacity - 1);
      image[position] = encode_slot(slot);
      ++stats.used_slots;
      count(slot, stats);
    }
    TRY(pwrite_all(table.fd(), {image[0].bytes, image.size() * sizeof(RawSlot)}, kSlotsAt));
  }
  TRY(table.write_stats(stats));
  TRY(pwrite_all(table.fd(), encode_header(header), 0));
  return table;
}

uint64_t Table::capacity_for(uint64_t slots) {
  uint64_t capacity = kMinCapacity;
  while (capacity < slots * 3 && capacity < kMaxCapacity) capacity *= 2;
  return capacity;
}

void Table::count(const Slot& slot, TableStats& stats) {
  stats.last_stamp = std::max(stats.last_stamp, slot.stamp);
  switch (slot.kind) {
    case SlotKind::kEntry:
      ++stats.entry_count;
      stats.size_bytes += slot.length;
      stats.last_stamp = std::max(stats.last_stamp, slot.value);
      return;
    case SlotKind::kBlob:
      ++stats.blob_count;
      stats.size_bytes += uint64_t{slot.where} * kDiskUnit;
      return;
    case SlotKind::kHistory: ++stats.history_count; return;
    case SlotKind::kIntern:
    case SlotKind::kEmpty:
    case SlotKind::kFree: return;
  }
}

bool Table::is_linked() const {
  struct stat st;
  return ::fstat(fd_.get(), &st) == 0 && st.st_nlink > 0;
}

size_t Table::find(SlotKind kind, const SlotKey& key, const Visit& visit) const {
  size_t damaged = 0;
  walk_chain(fd_.get(), key, header_.capacity, [&](uint64_t position, const RawSlot& raw) {
    if (is_zero(raw)) return false;
    if (!holds_key(raw, kind, key)) return true;
    Slot slot;
    RawSlot again = raw;
    // A slot caught while another process writes it looks torn; read once more before calling it damaged.
    for (int attempt = 0; attempt < 3; ++attempt) {
      if (decode_slot(again, slot) == SlotState::kWhole)
        return slot.kind != kind || slot.key != key || visit(position, slot);
      if (pread_some(fd_.get(), &again, sizeof again, slot_offset(position)) != sizeof again) break;
    }
    ++damaged;
    return true;
  });
  return damaged;
}

Status Table::insert(const Slot& slot, TableStats& stats) {
  uint64_t place = kNowhere;
  bool is_new = false;
  walk_chain(fd_.get(), slot.key, header_.capacity, [&](uint64_t position, const RawSlot& raw) {
    Slot found;
    const SlotState state = decode_slot(raw, found);
    if (state == SlotState::kWhole) return true;
    place = position;
    is_new = state == SlotState::kEmpty;
    return false;
  });
  if (place == kNowhere) return Error{Code::kLimit, "the index table is full"};
  TRY(write(place, slot));
  if (is_new) ++stats.used_slots;
  return {};
}

Status Table::write(uint64_t position, const Slot& slot) {
  const RawSlot raw = encode_slot(slot);
  return pwrite_all(fd_.get(), {raw.bytes, sizeof raw.bytes}, slot_offset(position));
}

void Table::scan(const std::function<void(uint64_t, const Slot&)>& visit) const {
  std::vector<RawSlot> run(kScanBytes / sizeof(RawSlot));
  for (uint64_t position = 0; position < header_.capacity;) {
    const size_t wanted = std::min<uint64_t>(run.size(), header_.capacity - position);
    const ssize_t n = pread_some(fd_.get(), run.data(), wanted * sizeof(RawSlot), slot_offset(position));
    const size_t whole = n < 0 ? 0 : static_cast<size_t>(n) / sizeof(RawSlot);
    for (size_t i = 0; i < whole; ++i) {
      if (is_zero(run[i])) continue;
      Slot slot;
      if (decode_slot(run[i], slot) == SlotState::kWhole) visit(position + i, slot);
    }
    if (whole < wanted) return;
    position += wanted;
  }
}

Status Table::mark_writing() { return pwrite_all(fd_.get(), {"\1\0\0\0\0\0\0\0", 8}, kMarkAt); }

bool Table::is_marked() const {
  char mark[8];
  return pread_some(fd_.get(), mark, sizeof mark, kMarkAt) != sizeof mark || ByteReader({mark, 8}).u64() != 0;
}

TableStats Table::read_stats() const {
  char bytes[kStatsBytes];
  for (int attempt = 0; attempt < 3; ++attempt) {
    if (pread_some(fd_.get(), bytes, sizeof bytes, kStatsAt) != sizeof bytes) break;
    ByteReader in({bytes, sizeof bytes});
    TableStats stats;
    for (uint64_t* number : {&stats.used_slots, &stats.entry_count, &stats.blob_count, &stats.history_count,
                             &stats.size_bytes, &stats.last_stamp, &stats.dead_bytes}) {
      *number = in.u64();
    }
    if (in.u64() == check64({bytes, sizeof bytes - 8})) return stats;
  }
  return count_all();
}

TableStats Table::count_all() const {
  TableStats counted;
  scan([&](uint64_t, const Slot& slot) {
    ++counted.used_slots;
    count(slot, counted);
  });
  return counted;
}

Status Table::set_log_base(uint64_t bytes) {
  header_.log_base_bytes = bytes;
  return pwrite_all(fd_.get(), encode_header(header_), 0);
}

Status Table::write_stats(const TableStats& stats) {
  ByteWriter out;
  for (uint64_t number : {stats.used_slots, stats.entry_count, stats.blob_count, stats.history_count, stats.size_bytes,
                          stats.last_stamp, stats.dead_bytes}) {
    out.u64(number);
  }
  out.u64(check64(out.bytes()));
  out.u64(0);  // no writer at work
  return pwrite_all(fd_.get(), out.bytes(), kStatsAt);
}

}  // namespace hpcc::store
