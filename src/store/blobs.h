// Blobs: content as files named by digest, `<dir>/ab/<hex>` raw or `<dir>/ab/<hex>.zst`. Written beside their name and
// renamed; never synced; every read checks the digest. Knows nothing of the index.
//
// Thread rule: every method from any thread and process.
#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <string_view>

#include "store/index.h"

namespace hpcc::store {

class Blobs {
 public:
  Blobs(std::string dir, Zstd& zstd) : dir_(std::move(dir)), zstd_(zstd) {}

  // A blob written under a temporary name. Gone with this object unless placed.
  class Staged {
   public:
    Staged(Staged&& other) noexcept
        : record(other.record), compressed(other.compressed), temporary_(std::exchange(other.temporary_, {})) {}
    Staged& operator=(Staged&&) = delete;
    ~Staged();
    BlobRecord record;
    bool compressed = false;

   private:
    friend class Blobs;
    explicit Staged(std::string temporary) : temporary_(std::move(temporary)) {}
    std::string temporary_;
  };
  Result<Staged> stage(const BlobDigest& digest, std::string_view data);
  // From an open regular file of any size up to the limit; digest and size are found on the way.
  Result<Staged> stage_from(int fd);
  Status place(Staged& staged);

  // kNotFound, or kCorrupt when the content is not what the name says.
  Result<std::string> read(const BlobDigest& digest);
  Status copy_to(const BlobDigest& digest, uint64_t size_bytes, int fd);
  // The content in parts of at most kPartBytes, with no more of it in memory than one. Only with the last part is it
  // known whether the content is what the name says. An error of `take` ends it and is returned.
  static constexpr size_t kPartBytes = 256u << 10;
  using TakePart = std::function<Status(std::string_view part)>;
  Status read_parts(const BlobDigest& digest, uint64_t size_bytes, const TakePart& take);

  // The file is there with the size on disk that was recorded.
  bool is_sound(const BlobRecord& record) const;
  bool exists(const BlobDigest& digest) const;
  void remove(const BlobDigest& digest) const;
  void remove_all() const;
  void each(const std::function<void(const BlobRecord&)>& visit) const;
  // Temporary files of writers that are no more.
  void remove_temporaries(uint64_t older_than_s) const;

 private:
  struct Opened {
    Fd fd;
    bool compressed = false;
    uint64_t file_bytes = 0;
  };
  class Sink;
  std::string path(const BlobDigest& digest) const;
  Result<std::pair<Fd, std::string>> create_temporary(const std::string& sub_dir);
  Result<Opened> open(const BlobDigest& digest, uint64_t likely_bytes) const;
  Status stream(const BlobDigest& digest, const Opened& from, Sink& sink);
  Status stream_raw(const Opened& from, Sink& sink);
  Status stream_compressed(const Opened& from, Sink& sink);
  Status stream_frame(const Opened& from, Sink& sink);
  Status read_into(const BlobDigest& digest, uint64_t size_bytes, Sink& sink);
  Status write_stream(int from, int to, bool compress, BlobRecord& record);

  const std::string dir_;
  Zstd& zstd_;
  std::atomic<uint64_t> next_temporary_{0};
};

}  // namespace hpcc::store
