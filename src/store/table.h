// Table: the index's hash table in a file. Fixed slots of 64 bytes, open addressing; every slot carries its own check,
// so a torn, flipped or foreign slot is seen and skipped. Read with pread only: a file truncated by another process is
// a miss, not a SIGBUS. Grammar in docs/formats.md.
//
// Thread rule: reads from any thread and process at any time; writes by the holder of the store's lock only.
#pragma once

#include <array>
#include <functional>
#include <string>
#include <vector>

#include "store/io.h"

namespace hpcc::store {

using SlotKey = std::array<uint8_t, 32>;

enum class SlotKind : uint8_t { kEmpty = 0, kFree = 1, kEntry = 2, kBlob = 3, kIntern = 4, kHistory = 5 };

struct Slot {
  SlotKind kind = SlotKind::kEmpty;
  SlotKey key{};        // DirectKey, blob digest, digest of an interned record or of a history name
  uint64_t value = 0;   // entry: sequence; blob: size in bytes
  uint64_t stamp = 0;   // last use; 0 where that does not matter
  uint32_t where = 0;   // record's place in the log in units of 8 bytes; blob: size on disk in units of kDiskUnit
  uint32_t length = 0;  // record's length in the log
};

// What changes with every put; kept beside the slots so that nobody has to count them.
struct TableStats {
  uint64_t used_slots = 0;  // all but empty ones
  uint64_t entry_count = 0, blob_count = 0, history_count = 0;
  uint64_t size_bytes = 0;  // blobs on disk and entries' records
  uint64_t last_stamp = 0;  // stamps and sequences only grow
  uint64_t dead_bytes = 0;  // log records no slot points to
};

struct TableHeader {
  uint64_t capacity = 0;        // slots, a power of two
  uint64_t log_generation = 0;  // the log file that `where` points into
  uint64_t log_base_bytes = 0;  // its length when it was made
};

class Table {
 public:
  static constexpr size_t kSlotBytes = 64;
  static constexpr uint64_t kDiskUnit = 4096;  // blobs' sizes on disk are counted in these
  static constexpr uint64_t kMinCapacity = 1u << 11, kMaxCapacity = 1u << 26;
  static constexpr uint64_t kNowhere = ~uint64_t{0};

  // kCorrupt when the file is not a whole table of this format.
  static Result<Table> open(Fd fd, const std::string& name);
  // A table of these slots (no empty or free ones); `stats` gets their numbers but keeps its dead_bytes.
  static Result<Table> create(Fd fd, const TableHeader& header, const std::vector<Slot>& slots, TableStats& stats);
  static uint64_t capacity_for(uint64_t slots);
  // Adds one slot's share to the numbers.
  static void count(const Slot& slot, TableStats& stats);

  const TableHeader& header() const { return header_; }
  const FileIdentity& identity() const { return identity_; }
  int fd() const { return fd_.get(); }

  // Calls visit(position, slot) for every whole slot of the chain of `key` with that kind and key, until it is false.
  // Returns the number of damaged slots passed.
  using Visit = std::function<bool(uint64_t, const Slot&)>;
  size_t find(SlotKind kind, const SlotKey& key, const Visit& visit) const;
  // Writes a slot in the first place of its key's chain that is free; counts a newly used one in `stats`.
  Status insert(const Slot& slot, TableStats& stats);
  Status write(uint64_t position, const Slot& slot);
  Status erase(uint64_t position) { return write(position, Slot{.kind = SlotKind::kFree}); }
  // Every slot but empty, free and damaged ones.
  void scan(const std::function<void(uint64_t, const Slot&)>& visit) const;

  // From their place beside the slots; when damaged, counted again from the slots.
  TableStats read_stats() const;
  TableStats count_all() const;
  Status write_stats(const TableStats& stats);
  // A writer says so before its first change, and write_stats takes it back: who finds the mark set while holding the
  // lock knows that a writer died half-way, and counts again.
  Status mark_writing();
  bool is_marked() const;
  // The file still has its name: nobody has replaced or removed it. One cheap system call.
  bool is_linked() const;
  Status set_log_base(uint64_t bytes);
  bool is_crowded(uint64_t used_slots) const { return used_slots * 10 >= header_.capacity * 7; }

 private:
  Table(Fd fd, const TableHeader& header, const FileIdentity& identity)
      : fd_(std::move(fd)), header_(header), identity_(identity) {}
  Fd fd_;
  TableHeader header_;
  FileIdentity identity_;
};

}  // namespace hpcc::store
