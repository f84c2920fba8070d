#include "store/log.h"

#include <cerrno>
#include <cstring>

#include "base/limits.h"
#include "model/codec.h"

namespace hpcc::store {
namespace {

constexpr std::string_view kMagic = "hpcclog1";
constexpr size_t kHeaderBytes = 24;  // magic, generation, check

std::string encode_header(uint64_t generation) {
  ByteWriter out;
  out.raw(kMagic);
  out.u64(generation);
  out.u64(check64(out.bytes()));
  return out.take();
}

// What a record carries to show that it is whole: its payload's digest, its kind and its length in one number.
uint64_t record_check(const RecordDigest& digest, RecordKind kind, size_t size) {
  uint64_t check;
  memcpy(&check, digest.bytes.data(), sizeof check);
  return check ^ (static_cast<uint64_t>(kind) << 56) ^ (uint64_t{size} << 20);
}

size_t padded(size_t size) { return (size + Log::kUnit - 1) / Log::kUnit * Log::kUnit; }

}  // namespace

Result<Log> Log::open(Fd fd, uint64_t generation) {
  char bytes[kHeaderBytes];
  struct stat st;
  if (::fstat(fd.get(), &st) != 0 || !S_ISREG(st.st_mode)) return Error{Code::kCorrupt, "the index log is not a file"};
  const ssize_t n = pread_some(fd.get(), bytes, sizeof bytes, 0);
  if (n < 0) return errno_error("cannot read the index log");
  if (std::string_view(bytes, static_cast<size_t>(n)) != encode_header(generation)) {
    return Error{Code::kCorrupt, "the index log is damaged or of another format"};
  }
  return Log(std::move(fd), generation);
}

Result<Log> Log::create(Fd fd, uint64_t generation) {
  TRY(pwrite_all(fd.get(), encode_header(generation), 0));
  return Log(std::move(fd), generation);
}

std::string Log::frame(RecordKind kind, std::string_view payload) {
  ByteWriter out;
  out.reserve(kRecordHeaderBytes + padded(payload.size()));
  out.u32(static_cast<uint32_t>(payload.size()));
  out.u8(static_cast<uint8_t>(kind));
  out.raw({"\0\0\0", 3});
  out.u64(record_check(RecordDigest::of(payload), kind, payload.size()));
  out.raw(payload);
  std::string framed = out.take();
  framed.resize(padded(framed.size()));
  return framed;
}

std::optional<size_t> Log::framed_bytes(std::string_view bytes) {
  if (bytes.size() < kRecordHeaderBytes) return std::nullopt;
  return padded(kRecordHeaderBytes + ByteReader(bytes).u32());
}

std::optional<Log::Record> Log::unframe(RecordKind kind, std::string_view bytes) {
  ByteReader in(bytes);
  const uint32_t size = in.u32();
  const uint8_t found_kind = in.u8();
  const bool padding_is_zero = in.raw(3) == std::string_view("\0\0\0", 3);
  const uint64_t check = in.u64();
  const std::string_view payload = in.raw(size);
  if (!in.ok() || !padding_is_zero || found_kind != static_cast<uint8_t>(kind)) return std::nullopt;
  Record record{payload, RecordDigest::of(payload)};
  if (record_check(record.digest, kind, size) != check) return std::nullopt;
  return record;
}

Result<uint32_t> Log::append(std::string_view framed) {
  const uint64_t before = size_bytes();
  const uint64_t start = padded(before);
  if (start < kHeaderBytes) return Error{Code::kCorrupt, "the index log was truncated"};
  if (start + framed.size() >= kMaxBytes) return Error{Code::kLimit, "the index log is full"};
  Status written = pwrite_all(fd_.get(), framed, start);
  if (!written.ok()) {
    if (::ftruncate(fd_.get(), static_cast<off_t>(before)) != 0) {
      // The half record stays behind the last whole one: dead bytes, nothing points to it.
    }
    return std::move(written).error();
  }
  return static_cast<uint32_t>(start / kUnit);
}

Result<std::string> Log::read(RecordKind kind, uint32_t where, uint32_t payload_bytes) const {
  if (payload_bytes > limits::kManifestBytes) return Error{Code::kCorrupt, "a record's length is absurd"};
  std::string bytes(kRecordHeaderBytes + payload_bytes, '\0');
  const ssize_t n = read_raw(bytes.data(), bytes.size(), where);
  if (n < 0) return errno_error("cannot read the index log");
  bytes.resize(static_cast<size_t>(n));
  auto record = unframe(kind, bytes);
  if (!record || record->payload.size() != payload_bytes)
    return Error{Code::kCorrupt, "a record of the index is damaged"};
  bytes.erase(0, kRecordHeaderBytes);
  return bytes;
}

uint64_t Log::size_bytes() const {
  struct stat st;
  return ::fstat(fd_.get(), &st) == 0 ? static_cast<uint64_t>(st.st_size) : 0;
}

}  // namespace hpcc::store
