#include "guest/blob_cache.h"

namespace hpcc::proxy {

bool BlobCache::make_room(uint64_t size_bytes, Plan* plan) {
  uint64_t pinned_bytes = 0;
  for (const auto& [digest, entry] : entries_) pinned_bytes += entry.pins > 0 ? entry.size_bytes : 0;
  if (size_bytes > limit_bytes_ || pinned_bytes > limit_bytes_ - size_bytes) return false;
  while (held_bytes_ > limit_bytes_ - size_bytes) {
    auto oldest = entries_.end();
    for (auto it = entries_.begin(); it != entries_.end(); ++it) {
      if (it->second.pins == 0 && (oldest == entries_.end() || it->second.used < oldest->second.used)) oldest = it;
    }
    plan->dropped.push_back(oldest->first);
    held_bytes_ -= oldest->second.size_bytes;
    entries_.erase(oldest);
  }
  return true;
}

Result<BlobCache::Plan> BlobCache::plan(const std::vector<Need>& wanted) {
  std::lock_guard<std::mutex> lock(mutex_);
  Plan plan;
  uint64_t missing_bytes = 0;
  for (const Need& need : wanted) {
    auto found = entries_.find(need.digest);
    if (found != entries_.end()) {
      ++found->second.pins;
      found->second.used = ++clock_;
    } else {
      plan.missing.push_back(need);
      missing_bytes += need.size_bytes;
    }
  }
  if (!make_room(missing_bytes, &plan)) {
    unpin_locked(wanted);
    return Error{Code::kLimit, "the inputs are larger than what the guest keeps", 0};
  }
  for (const Need& need : plan.missing) entries_[need.digest] = {need.size_bytes, 1, ++clock_};
  held_bytes_ += missing_bytes;
  return plan;
}

void BlobCache::unpin_locked(const std::vector<Need>& wanted) {
  for (const Need& need : wanted) {
    auto found = entries_.find(need.digest);
    if (found != entries_.end() && found->second.pins > 0) --found->second.pins;
  }
}

void BlobCache::unpin(const std::vector<Need>& wanted) {
  std::lock_guard<std::mutex> lock(mutex_);
  unpin_locked(wanted);
}

void BlobCache::forget(const BlobDigest& digest) {
  std::lock_guard<std::mutex> lock(mutex_);
  auto found = entries_.find(digest);
  if (found == entries_.end()) return;
  held_bytes_ -= found->second.size_bytes;
  entries_.erase(found);
}

}  // namespace hpcc::proxy
