#include "store/blobs.h"

#include <fcntl.h>
#include <zstd.h>

#include <algorithm>
#include <cerrno>

#include "base/limits.h"
#include "store/files.h"

namespace hpcc::store {
namespace {

constexpr size_t kCompressFrom = 32 * 1024;  // smaller blobs stay raw: a hit on one costs half as much
constexpr size_t kSampleBytes = 128 * 1024;  // a large file is compressed when its start is worth it
constexpr size_t kWholeBytes = 4u << 20;     // up to here a blob is handled in one piece
constexpr size_t kChunkBytes = 64 * 1024;
static_assert(kChunkBytes <= Blobs::kPartBytes);

bool is_worth_it(size_t raw, size_t compressed) { return compressed <= raw - raw / 4; }

uint64_t disk_bytes_of(uint64_t file_bytes) {
  return (file_bytes + Table::kDiskUnit - 1) / Table::kDiskUnit * Table::kDiskUnit;
}

}  // namespace

// Where a blob's content goes while its digest is computed: memory, a file, or whoever takes it part by part.
class Blobs::Sink {
 public:
  explicit Sink(std::string* text) : text_(text) {}
  explicit Sink(int fd) : fd_(fd) {}
  explicit Sink(const TakePart* take) : take_(take) {}
  Status write(std::string_view bytes) {
    hash_.update(bytes);
    size_bytes_ += bytes.size();
    if (size_bytes_ > limits::kOutputBytes) return Error{Code::kCorrupt, "a blob is larger than any may be"};
    if (take_ != nullptr) return (*take_)(bytes);
    if (text_ == nullptr) return write_all(fd_, bytes);
    text_->append(bytes);
    return {};
  }
  bool wants_parts() const { return take_ != nullptr; }
  BlobDigest digest() {
    BlobDigest digest;
    hash_.finish(digest.bytes.data());
    return digest;
  }
  uint64_t size_bytes() const { return size_bytes_; }

 private:
  std::string* text_ = nullptr;
  int fd_ = -1;
  const TakePart* take_ = nullptr;
  Sha256 hash_;
  uint64_t size_bytes_ = 0;
};

Blobs::Staged::~Staged() {
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

std::string Blobs::path(const BlobDigest& digest) const {
  const std::string hex = digest.hex();
  return dir_ + "/" + hex.substr(0, 2) + "/" + hex;
}

// --- writing ---

Result<std::pair<Fd, std::string>> Blobs::create_temporary(const std::string& sub_dir) {
  for (int attempt = 0;; ++attempt) {
    const std::string name = sub_dir + "/tmp." + std::to_string(::getpid()) + "." + std::to_string(++next_temporary_);
    auto fd = open_at(AT_FDCWD, name.c_str(), O_RDWR | O_CREAT | O_EXCL);
    if (fd.ok()) return std::pair(std::move(*fd), name);
    const int why = fd.error().sys_errno;
    if (attempt >= 3 || (why != ENOENT && why != EEXIST)) return std::move(fd).error();
    if (why == ENOENT) TRY(make_directories(sub_dir));
    if (why == EEXIST) ::unlink(name.c_str());  // of a process that had our number once
  }
}

Result<Blobs::Staged> Blobs::stage(const BlobDigest& digest, std::string_view data) {
  std::string compressed;
  if (data.size() >= kCompressFrom) {
    TRY_ASSIGN(compressed, zstd_.compress(data));
    if (!is_worth_it(data.size(), compressed.size())) compressed.clear();
  }
  const std::string_view bytes = compressed.empty() ? data : std::string_view(compressed);
  const std::string name = path(digest);
  TRY_ASSIGN(auto temporary, create_temporary(name.substr(0, name.rfind('/'))));
  Staged staged(temporary.second);
  TRY(write_all(temporary.first.get(), bytes));
  staged.compressed = !compressed.empty();
  staged.record = {digest, data.size(), disk_bytes_of(bytes.size()), 0};
  return staged;
}

Result<Blobs::Staged> Blobs::stage_from(int fd) {
  struct stat st;
  if (::fstat(fd, &st) != 0) return errno_error("cannot stat an output");
  if (!S_ISREG(st.st_mode)) return Error{Code::kInvalid, "an output is not a regular file"};
  if (static_cast<uint64_t>(st.st_size) > limits::kOutputBytes) return Error{Code::kLimit, "an output is too large"};
  const size_t size = static_cast<size_t>(st.st_size);
  std::string start(std::min(size, size <= kWholeBytes ? kWholeBytes : kSampleBytes), '\0');
  const ssize_t n = pread_some(fd, start.data(), start.size(), 0);
  if (n < 0) return errno_error("cannot read an output");
  if (static_cast<size_t>(n) != start.size()) return Error{Code::kInvalid, "an output shrank while it was read"};
  if (size <= kWholeBytes) return stage(BlobDigest::of(start), start);

  TRY_ASSIGN(const std::string sample, zstd_.compress(start));
  TRY_ASSIGN(auto temporary, create_temporary(dir_));
  Staged staged(temporary.second);
  staged.compressed = is_worth_it(start.size(), sample.size());
  TRY(write_stream(fd, temporary.first.get(), staged.compressed, staged.record));
  if (staged.record.size_bytes != size) return Error{Code::kInvalid, "an output changed while it was read"};
  if (::fstat(temporary.first.get(), &st) != 0) return errno_error("cannot stat a blob");
  staged.record.disk_bytes = disk_bytes_of(static_cast<uint64_t>(st.st_size));
  return staged;
}

Status Blobs::write_stream(int from, int to, bool compress, BlobRecord& record) {
  ZstdCompressor context = zstd_.compressor();
  ZSTD_CCtx_setParameter(context.get(), ZSTD_c_compressionLevel, 1);
  std::string in(kChunkBytes, '\0'), out(ZSTD_CStreamOutSize(), '\0');
  Sha256 hash;
  uint64_t offset = 0;
  bool ended = false;
  while (!ended) {
    const ssize_t n = pread_some(from, in.data(), in.size(), offset);
    if (n < 0) return errno_error("cannot read an output");
    ended = static_cast<size_t>(n) < in.size();
    offset += static_cast<uint64_t>(n);
    hash.update(in.data(), static_cast<size_t>(n));
    if (offset > limits::kOutputBytes) return Error{Code::kLimit, "an output is too large"};
    if (!compress) {
      TRY(write_all(to, {in.data(), static_cast<size_t>(n)}));
      continue;
    }
    ZSTD_inBuffer source = {in.data(), static_cast<size_t>(n), 0};
    for (bool more = true; more;) {
      ZSTD_outBuffer sink = {out.data(), out.size(), 0};
      const size_t left = ZSTD_compressStream2(context.get(), &sink, &source, ended ? ZSTD_e_end : ZSTD_e_continue);
      if (ZSTD_isError(left)) return Error{Code::kIo, std::string("zstd: ") + ZSTD_getErrorName(left)};
      TRY(write_all(to, {out.data(), sink.pos}));
      more = ended ? left != 0 : source.pos < source.size;
    }
  }
  zstd_.give_back(std::move(context));
  hash.finish(record.digest.bytes.data());
  record.size_bytes = offset;
  return {};
}

Status Blobs::place(Staged& staged) {
  const std::string raw = path(staged.record.digest);
  const std::string name = staged.compressed ? raw + ".zst" : raw;
  int renamed = ::rename(staged.temporary_.c_str(), name.c_str());
  if (renamed != 0 && errno == ENOENT) {
    TRY(make_directories(name.substr(0, name.rfind('/'))));
    renamed = ::rename(staged.temporary_.c_str(), name.c_str());
  }
  if (renamed != 0) return errno_error("cannot rename to " + name);
  staged.temporary_.clear();
  ::unlink((staged.compressed ? raw : raw + ".zst").c_str());  // the other form, when a damaged one is being replaced
  return {};
}

// --- reading ---

Result<Blobs::Opened> Blobs::open(const BlobDigest& digest, uint64_t likely_bytes) const {
  const std::string raw = path(digest), zst = raw + ".zst";
  const bool compressed_first = likely_bytes >= kCompressFrom;
  for (const bool compressed : {compressed_first, !compressed_first}) {
    auto fd = open_at(AT_FDCWD, (compressed ? zst : raw).c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    if (!fd.ok() && fd.error().code != Code::kNotFound) {
      if (fd.error().sys_errno == ELOOP) return Error{Code::kCorrupt, raw + " is a symbolic link"};
      return std::move(fd).error();
    }
    if (!fd.ok()) continue;
    struct stat st;
    if (::fstat(fd->get(), &st) != 0) return errno_error("cannot stat " + raw);
    if (!S_ISREG(st.st_mode)) return Error{Code::kCorrupt, raw + " is not a file"};
    return Opened{std::move(*fd), compressed, static_cast<uint64_t>(st.st_size)};
  }
  return Error{Code::kNotFound, "blob " + digest.hex() + " is not in the store"};
}

Result<std::string> Blobs::read(const BlobDigest& digest) {
  TRY_ASSIGN(const Opened from, open(digest, kCompressFrom));
  std::string text;
  if (!from.compressed && from.file_bytes <= kWholeBytes) text.reserve(from.file_bytes);
  Sink sink(&text);
  TRY(stream(digest, from, sink));
  return text;
}

Status Blobs::copy_to(const BlobDigest& digest, uint64_t size_bytes, int fd) {
  Sink sink(fd);
  return read_into(digest, size_bytes, sink);
}

Status Blobs::read_parts(const BlobDigest& digest, uint64_t size_bytes, const TakePart& take) {
  Sink sink(&take);
  return read_into(digest, size_bytes, sink);
}

Status Blobs::read_into(const BlobDigest& digest, uint64_t size_bytes, Sink& sink) {
  TRY_ASSIGN(const Opened from, open(digest, size_bytes));
  if (!from.compressed && from.file_bytes != size_bytes) {
    return Error{Code::kCorrupt, "blob " + digest.hex() + " has another size"};
  }
  TRY(stream(digest, from, sink));
  // The digest fits and the size does not: the caller's entry is wrong, not the blob.
  if (sink.size_bytes() != size_bytes) return Error{Code::kInvalid, "blob " + digest.hex() + " has another size"};
  return {};
}

Status Blobs::stream(const BlobDigest& digest, const Opened& from, Sink& sink) {
  TRY(from.compressed ? stream_compressed(from, sink) : stream_raw(from, sink));
  if (sink.digest() != digest) return Error{Code::kCorrupt, "blob " + digest.hex() + " is damaged"};
  return {};
}

Status Blobs::stream_raw(const Opened& from, Sink& sink) {
  char chunk[kChunkBytes];
  for (uint64_t offset = 0;;) {
    const ssize_t n = pread_some(from.fd.get(), chunk, sizeof chunk, offset);
    if (n < 0) return errno_error("cannot read a blob");
    TRY(sink.write({chunk, static_cast<size_t>(n)}));
    offset += static_cast<uint64_t>(n);
    if (static_cast<size_t>(n) < sizeof chunk) return {};
  }
}

Status Blobs::stream_compressed(const Opened& from, Sink& sink) {
  if (from.file_bytes <= kChunkBytes && !sink.wants_parts()) {  // the common case: one read, one decompression
    char chunk[kChunkBytes];
    const ssize_t n = pread_some(from.fd.get(), chunk, sizeof chunk, 0);
    if (n < 0) return errno_error("cannot read a blob");
    const unsigned long long raw = ZSTD_getFrameContentSize(chunk, static_cast<size_t>(n));
    if (raw <= kWholeBytes) {
      TRY_ASSIGN(const std::string text, zstd_.decompress({chunk, static_cast<size_t>(n)}, static_cast<size_t>(raw)));
      return sink.write(text);
    }
  }
  return stream_frame(from, sink);
}

Status Blobs::stream_frame(const Opened& from, Sink& sink) {
  constexpr Code kDamaged = Code::kCorrupt;
  ZstdDecompressor context = zstd_.decompressor();
  std::string in(kChunkBytes, '\0'), out(ZSTD_DStreamOutSize(), '\0');
  size_t expected = 1;
  for (uint64_t offset = 0;;) {
    const ssize_t n = pread_some(from.fd.get(), in.data(), in.size(), offset);
    if (n < 0) return errno_error("cannot read a blob");
    if (n == 0) break;
    offset += static_cast<uint64_t>(n);
    ZSTD_inBuffer source = {in.data(), static_cast<size_t>(n), 0};
    ZSTD_outBuffer piece = {out.data(), out.size(), out.size()};
    while (source.pos < source.size || piece.pos == piece.size) {
      piece = {out.data(), out.size(), 0};
      expected = ZSTD_decompressStream(context.get(), &piece, &source);
      if (ZSTD_isError(expected)) return Error{kDamaged, std::string("zstd: ") + ZSTD_getErrorName(expected)};
      TRY(sink.write({out.data(), piece.pos}));
      if (expected == 0) break;
    }
    if (expected == 0) break;
  }
  zstd_.give_back(std::move(context));
  if (expected != 0) return Error{kDamaged, "a compressed blob is cut short"};
  return {};
}

// --- upkeep ---

bool Blobs::is_sound(const BlobRecord& record) const {
  const std::string raw = path(record.digest);
  struct stat st;
  if (::lstat(raw.c_str(), &st) == 0)
    return S_ISREG(st.st_mode) && static_cast<uint64_t>(st.st_size) == record.size_bytes;
  if (::lstat((raw + ".zst").c_str(), &st) != 0) return false;
  return S_ISREG(st.st_mode) && disk_bytes_of(static_cast<uint64_t>(st.st_size)) == record.disk_bytes;
}

bool Blobs::exists(const BlobDigest& digest) const {
  const std::string raw = path(digest);
  struct stat st;
  return ::lstat(raw.c_str(), &st) == 0 || ::lstat((raw + ".zst").c_str(), &st) == 0;
}

void Blobs::remove(const BlobDigest& digest) const {
  const std::string raw = path(digest);
  if (::unlink(raw.c_str()) != 0 && errno == EISDIR) remove_tree(raw);
  ::unlink((raw + ".zst").c_str());
}

void Blobs::remove_all() const {
  for (const std::string& name : list_directory(dir_)) remove_tree(dir_ + "/" + name);
}

void Blobs::each(const std::function<void(const BlobRecord&)>& visit) const {
  for (const std::string& sub : list_directory(dir_)) {
    for (const std::string& name : list_directory(dir_ + "/" + sub)) {
      const bool compressed = name.ends_with(".zst");
      const auto digest = BlobDigest::from_hex(compressed ? name.substr(0, name.size() - 4) : name);
      const std::string file = dir_ + "/" + sub + "/" + name;
      struct stat st;
      if (!digest || ::lstat(file.c_str(), &st) != 0 || !S_ISREG(st.st_mode)) continue;
      BlobRecord record{*digest, static_cast<uint64_t>(st.st_size), disk_bytes_of(static_cast<uint64_t>(st.st_size)),
                        0};
      record.stamp = static_cast<uint64_t>(st.st_mtim.tv_sec) * 1000000000u + static_cast<uint64_t>(st.st_mtim.tv_nsec);
      if (compressed) {
        auto fd = open_at(AT_FDCWD, file.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
        char header[32];
        const ssize_t n = fd.ok() ? pread_some(fd->get(), header, sizeof header, 0) : 0;
        const unsigned long long raw = n > 0 ? ZSTD_getFrameContentSize(header, static_cast<size_t>(n)) : 0;
        if (raw <= limits::kOutputBytes) record.size_bytes = raw;
      }
      visit(record);
    }
  }
}

void Blobs::remove_temporaries(uint64_t older_than_s) const {
  auto sweep = [&](const std::string& dir) {
    for (const std::string& name : list_directory(dir)) {
      struct stat st;
      const std::string file = dir + "/" + name;
      if (!name.starts_with("tmp.") || ::lstat(file.c_str(), &st) != 0) continue;
      if (static_cast<uint64_t>(st.st_mtim.tv_sec) < older_than_s) ::unlink(file.c_str());
    }
  };
  sweep(dir_);
  for (const std::string& sub : list_directory(dir_)) sweep(dir_ + "/" + sub);
}

}  // namespace hpcc::store
