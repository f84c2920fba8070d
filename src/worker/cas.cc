#include "worker/cas.h"

#include <fcntl.h>
#include <sys/mman.h>

#include <algorithm>
#include <vector>

#include "base/fs.h"
#include "base/limits.h"
#include "rpc/identity.h"

namespace hpcc {
namespace {

Error missing(const SizedDigest& blob) {
  return {Code::kNotFound, "blob " + blob.digest.hex() + "/" + std::to_string(blob.size_bytes) + " is not here"};
}

Error unlike(const SizedDigest& blob) {
  return {Code::kInvalid, "the bytes sent are not blob " + blob.digest.hex() + "/" + std::to_string(blob.size_bytes)};
}

}  // namespace

struct Cas::Tenant {
  Tenant(std::string blobs_dir, store::Zstd& zstd) : blobs(std::move(blobs_dir), zstd) {}
  store::Blobs blobs;
  std::unordered_map<BlobDigest, Known, DigestHash> known;  // guarded by the Cas's mutex
};

Cas::Cas(std::string dir, uint64_t max_bytes) : dir_(std::move(dir)), max_bytes_(max_bytes) {}
Cas::~Cas() = default;

Result<std::unique_ptr<Cas>> Cas::open(const std::string& dir, uint64_t max_bytes) {
  TRY(make_directories(dir, 0700));
  std::unique_ptr<Cas> cas(new Cas(dir, max_bytes));
  TRY(cas->load());
  return cas;
}

Status Cas::load() {
  TRY_ASSIGN(const std::vector<std::string> names, list_directory(dir_));
  std::vector<std::pair<uint64_t, std::pair<Tenant*, BlobDigest>>> by_age;
  for (const std::string& name : names) {
    if (!is_plain_name(name)) continue;
    Tenant& owner = tenant(name);
    owner.blobs.remove_temporaries(UINT64_MAX);
    owner.blobs.each([&](const store::BlobRecord& record) {
      owner.known[record.digest] = {record.size_bytes, record.disk_bytes, 0};
      disk_bytes_ += record.disk_bytes;
      by_age.push_back({record.stamp, {&owner, record.digest}});
    });
  }
  std::sort(by_age.begin(), by_age.end());
  for (const auto& [stamp, blob] : by_age) blob.first->known[blob.second].used = ++clock_;
  std::lock_guard lock(mutex_);
  evict();
  return {};
}

Cas::Tenant& Cas::tenant(const std::string& name) {
  CHECK(is_plain_name(name));
  std::lock_guard lock(mutex_);
  std::unique_ptr<Tenant>& owner = tenants_[name];
  if (owner == nullptr) owner = std::make_unique<Tenant>(dir_ + "/" + name + "/blobs", zstd_);
  return *owner;
}

bool Cas::has(const std::string& name, const SizedDigest& blob) {
  if (blob == SizedDigest::of("")) return true;
  Tenant& owner = tenant(name);
  std::lock_guard lock(mutex_);
  auto known = owner.known.find(blob.digest);
  if (known == owner.known.end() || known->second.size_bytes != blob.size_bytes) return false;
  known->second.used = ++clock_;
  return true;
}

Result<SizedDigest> Cas::find(const std::string& name, const BlobDigest& digest) {
  Tenant& owner = tenant(name);
  std::lock_guard lock(mutex_);
  auto known = owner.known.find(digest);
  if (known == owner.known.end()) return Error{Code::kNotFound, "blob " + digest.hex() + " is not here"};
  return SizedDigest{digest, known->second.size_bytes};
}

Status Cas::put(const std::string& name, const SizedDigest& blob, std::string_view bytes) {
  if (bytes.size() > limits::kBlobBytes) return Error{Code::kLimit, "a blob is larger than any may be"};
  if (SizedDigest::of(bytes) != blob) return unlike(blob);
  if (has(name, blob)) return {};
  Tenant& owner = tenant(name);
  TRY_ASSIGN(store::Blobs::Staged staged, owner.blobs.stage(blob.digest, bytes));
  return place(owner, blob, staged);
}

Status Cas::put_from(const std::string& name, const SizedDigest& blob, int fd) {
  Tenant& owner = tenant(name);
  TRY(store::make_directories(dir_ + "/" + name + "/blobs"));
  TRY_ASSIGN(store::Blobs::Staged staged, owner.blobs.stage_from(fd));
  if (staged.record.digest != blob.digest || staged.record.size_bytes != blob.size_bytes) return unlike(blob);
  return place(owner, blob, staged);
}

Status Cas::place(Tenant& owner, const SizedDigest& blob, store::Blobs::Staged& staged) {
  const uint64_t disk_bytes = staged.record.disk_bytes;
  // Under the lock: whoever removes a blob removes the one that is known, never one just placed.
  std::lock_guard lock(mutex_);
  TRY(owner.blobs.place(staged));
  Known& known = owner.known[blob.digest];
  disk_bytes_ += disk_bytes - known.disk_bytes;
  known = {blob.size_bytes, disk_bytes, ++clock_};
  if (disk_bytes_ > max_bytes_) evict();
  return {};
}

Result<std::string> Cas::read(const std::string& name, const SizedDigest& blob) {
  if (blob.size_bytes == 0) return blob == SizedDigest::of("") ? Result<std::string>(std::string()) : missing(blob);
  if (!has(name, blob)) return missing(blob);
  Tenant& owner = tenant(name);
  auto bytes = owner.blobs.read(blob.digest);
  if (bytes.ok() && bytes->size() == blob.size_bytes) return bytes;
  forget(owner, blob.digest);
  return missing(blob);
}

Result<Fd> Cas::open_blob(const std::string& name, const SizedDigest& blob) {
  Fd memory(::memfd_create("blob", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!memory) return errno_error("cannot make memory for a blob");
  if (blob != SizedDigest::of("")) {
    if (!has(name, blob)) return missing(blob);
    Tenant& owner = tenant(name);
    auto copied = owner.blobs.copy_to(blob.digest, blob.size_bytes, memory.get());
    if (!copied.ok()) {
      forget(owner, blob.digest);
      return missing(blob);
    }
  }
  if (::fcntl(memory.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) != 0 ||
      ::lseek(memory.get(), 0, SEEK_SET) != 0) {
    return errno_error("cannot seal a blob");
  }
  return memory;
}

Status Cas::read_parts(const std::string& name, const SizedDigest& blob, const store::Blobs::TakePart& take) {
  if (blob == SizedDigest::of("")) return {};
  if (!has(name, blob)) return missing(blob);
  Tenant& owner = tenant(name);
  bool refused = false;
  const Status read = owner.blobs.read_parts(blob.digest, blob.size_bytes, [&](std::string_view part) {
    Status taken = take(part);
    refused = !taken.ok();
    return taken;
  });
  if (read.ok() || refused) return read;
  forget(owner, blob.digest);
  return missing(blob);
}

Result<Cas::Room> Cas::reserve(const std::string& name, uint64_t bytes) {
  std::lock_guard lock(mutex_);
  uint64_t& used = in_flight_[name];
  if (bytes > limits::kTenantInFlightBytes - used || bytes > limits::kInFlightBytes - all_in_flight_bytes_) {
    return Error{Code::kLimit, "too many bytes on their way at once: try again later"};
  }
  used += bytes;
  all_in_flight_bytes_ += bytes;
  return Room(*this, name, bytes);
}

void Cas::release(const std::string& name, uint64_t bytes) {
  std::lock_guard lock(mutex_);
  const auto used = in_flight_.find(name);
  used->second -= bytes;
  all_in_flight_bytes_ -= bytes;
  if (used->second == 0) in_flight_.erase(used);
}

Result<Fd> Cas::create_temporary() const {
  Fd fd(::open(dir_.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (!fd) return errno_error("cannot make a temporary file in " + dir_);
  return fd;
}

uint64_t Cas::size_bytes() const {
  std::lock_guard lock(mutex_);
  return disk_bytes_;
}

void Cas::forget(Tenant& owner, const BlobDigest& digest) {
  std::lock_guard lock(mutex_);
  auto known = owner.known.find(digest);
  if (known == owner.known.end()) return;
  disk_bytes_ -= known->second.disk_bytes;
  owner.known.erase(known);
  owner.blobs.remove(digest);
}

// Down to nine tenths, so that a full store does not evict at every put.
void Cas::evict() {
  if (disk_bytes_ <= max_bytes_) return;
  struct Candidate {
    uint64_t used;
    Tenant* owner;
    BlobDigest digest;
  };
  std::vector<Candidate> candidates;
  for (auto& [name, owner] : tenants_) {
    for (const auto& [digest, known] : owner->known) candidates.push_back({known.used, owner.get(), digest});
  }
  std::sort(candidates.begin(), candidates.end(), [](const auto& a, const auto& b) { return a.used < b.used; });
  for (const Candidate& candidate : candidates) {
    if (disk_bytes_ <= max_bytes_ - max_bytes_ / 10) break;
    disk_bytes_ -= candidate.owner->known[candidate.digest].disk_bytes;
    candidate.owner->known.erase(candidate.digest);
    candidate.owner->blobs.remove(candidate.digest);
  }
}

}  // namespace hpcc
