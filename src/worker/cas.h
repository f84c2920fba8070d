// Cas: the worker's blobs, a directory for each tenant: `<dir>/<tenant>/blobs/ab/<hex>`. Tenants share nothing, so that
// neither content nor its presence, nor the time an answer takes, tells one about another's. Every read checks the
// digest; a damaged blob is removed and counts as missing. Bounded over all tenants: the least recently used go first.
//
// Thread-safe. One process owns a directory.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "base/fd.h"
#include "base/result.h"
#include "rpc/reapi.h"
#include "store/blobs.h"
#include "store/zstd.h"

namespace hpcc {

class Cas {
 public:
  // Room for bytes that a call has in memory or in a temporary file; given back with this object.
  class Room {
   public:
    Room(Cas& cas, std::string tenant, uint64_t bytes) : cas_(&cas), tenant_(std::move(tenant)), bytes_(bytes) {}
    Room(Room&& other) noexcept
        : cas_(std::exchange(other.cas_, nullptr)), tenant_(std::move(other.tenant_)), bytes_(other.bytes_) {}
    Room& operator=(Room&&) = delete;
    ~Room() {
      if (cas_ != nullptr) cas_->release(tenant_, bytes_);
    }

   private:
    Cas* cas_;
    std::string tenant_;
    uint64_t bytes_;
  };

  static Result<std::unique_ptr<Cas>> open(const std::string& dir, uint64_t max_bytes);
  ~Cas();

  // Counts as a use. The empty blob is always there.
  bool has(const std::string& tenant, const SizedDigest& blob);
  // kInvalid when the bytes are not what the digest says.
  Status put(const std::string& tenant, const SizedDigest& blob, std::string_view bytes);
  Status put_from(const std::string& tenant, const SizedDigest& blob, int fd);
  // kNotFound also for a blob that has another size.
  Result<std::string> read(const std::string& tenant, const SizedDigest& blob);
  // A file with the blob's bytes, at offset 0.
  Result<Fd> open_blob(const std::string& tenant, const SizedDigest& blob);
  // The blob in small parts; as store::Blobs::read_parts, and damage is kNotFound as in read().
  Status read_parts(const std::string& tenant, const SizedDigest& blob, const store::Blobs::TakePart& take);
  // kLimit when too much is on its way already: of this tenant, or of all.
  Result<Room> reserve(const std::string& tenant, uint64_t bytes);
  // For a digest that came without its size (an audit row's).
  Result<SizedDigest> find(const std::string& tenant, const BlobDigest& digest);
  // A nameless file beside the blobs, for what is still arriving.
  Result<Fd> create_temporary() const;

  uint64_t size_bytes() const;
  store::Zstd& zstd() { return zstd_; }
  const std::string& dir() const { return dir_; }

 private:
  struct Known {
    uint64_t size_bytes = 0, disk_bytes = 0, used = 0;
  };
  struct Tenant;
  Cas(std::string dir, uint64_t max_bytes);
  Status load();
  Tenant& tenant(const std::string& name);
  Status place(Tenant& owner, const SizedDigest& blob, store::Blobs::Staged& staged);
  void forget(Tenant& owner, const BlobDigest& digest);
  void release(const std::string& tenant, uint64_t bytes);
  void evict();

  const std::string dir_;
  const uint64_t max_bytes_;
  store::Zstd zstd_;
  mutable std::mutex mutex_;
  std::map<std::string, std::unique_ptr<Tenant>> tenants_;
  uint64_t disk_bytes_ = 0;
  uint64_t clock_ = 0;  // counts uses
  std::map<std::string, uint64_t> in_flight_;  // bytes reserved, by tenant
  uint64_t all_in_flight_bytes_ = 0;
};

}  // namespace hpcc
