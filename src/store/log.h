// Log: the index's records, appended and never changed. A record carries its kind, length and check; the table's slots
// say where records are. What no slot points to is dead until the index is compacted into a new log.
//
// Thread rule: reads from any thread and process; appends by the holder of the store's lock only.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "model/digest.h"
#include "store/io.h"

namespace hpcc::store {

enum class RecordKind : uint8_t { kEntry = 1, kIntern = 2, kHistory = 3 };

using RecordDigest = TaggedDigest<struct RecordTag>;

class Log {
 public:
  static constexpr size_t kRecordHeaderBytes = 16;
  static constexpr size_t kUnit = 8;  // records start at multiples
  static constexpr uint64_t kMaxBytes = (uint64_t{1} << 32) * kUnit;

  static Result<Log> open(Fd fd, uint64_t generation);
  static Result<Log> create(Fd fd, uint64_t generation);

  // A record as it stands in the file, padding included.
  static std::string frame(RecordKind kind, std::string_view payload);
  // The record at the start of `bytes`, when all of it is there and whole.
  struct Record {
    std::string_view payload;
    RecordDigest digest;  // of the payload
  };
  static std::optional<Record> unframe(RecordKind kind, std::string_view bytes);
  // Length of the whole record at the start of `bytes`, by its header alone.
  static std::optional<size_t> framed_bytes(std::string_view bytes);

  // Appends framed records; returns where the first one starts, in units. On failure the log is as before.
  Result<uint32_t> append(std::string_view framed);
  // Reads one record's payload of known length. kCorrupt when it is not whole.
  Result<std::string> read(RecordKind kind, uint32_t where, uint32_t payload_bytes) const;
  ssize_t read_raw(void* out, size_t size, uint32_t where) const {
    return pread_some(fd_.get(), out, size, uint64_t{where} * kUnit);
  }
  uint64_t size_bytes() const;
  uint64_t generation() const { return generation_; }

 private:
  Log(Fd fd, uint64_t generation) : fd_(std::move(fd)), generation_(generation) {}
  Fd fd_;
  uint64_t generation_;
};

}  // namespace hpcc::store
