// BlobCache: which blobs the agent holds. The host alone decides what is kept, so both sides always agree. Thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <vector>

#include "base/result.h"
#include "model/digest.h"

namespace hpcc::proxy {

class BlobCache {
 public:
  explicit BlobCache(uint64_t limit_bytes) : limit_bytes_(limit_bytes) {}

  struct Need {
    BlobDigest digest;
    uint64_t size_bytes;
    auto operator<=>(const Need&) const = default;
  };
  struct Plan {
    std::vector<Need> missing;        // to be sent, in this order; held as soon as plan() returns
    std::vector<BlobDigest> dropped;  // to be dropped by the agent first
  };
  // Pins all of `wanted` (without repeats), makes room for what is missing. kLimit when that cannot be.
  Result<Plan> plan(const std::vector<Need>& wanted);
  // The agent has staged them (or never will): they may be dropped again.
  void unpin(const std::vector<Need>& wanted);
  // It did not get there after all, or was dropped again.
  void forget(const BlobDigest& digest);

 private:
  struct Entry {
    uint64_t size_bytes;
    uint32_t pins;
    uint64_t used;
  };
  bool make_room(uint64_t size_bytes, Plan* plan);
  void unpin_locked(const std::vector<Need>& wanted);

  const uint64_t limit_bytes_;
  std::mutex mutex_;
  uint64_t held_bytes_ = 0, clock_ = 0;
  std::map<BlobDigest, Entry> entries_;
};

}  // namespace hpcc::proxy
