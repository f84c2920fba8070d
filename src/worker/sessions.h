// Sessions: one running guest for each (tenant, image), never shared between two of either. Booted once however many
// ask at the same time, kept warm between compiles, ended when idle for long, broken, or when its room is needed.
//
// Thread-safe. The number of guests is bounded, those that boot or end included.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/deadline.h"
#include "base/result.h"
#include "guest/guest.h"
#include "vm/sandbox.h"

namespace hpcc {

struct Guest {
  std::unique_ptr<Sandbox> sandbox;
  std::unique_ptr<GuestSession> session;  // destroyed before its sandbox
};
// How a guest with this image is made; what is left of a failed one is its to clear away.
using BootGuest = std::function<Result<Guest>(const ImageDigest& image, Deadline deadline)>;

struct SessionOptions {
  size_t max_guests = 8;
  int64_t idle_ms = 10 * 60 * 1000;
  int64_t stop_ms = 10'000;  // for ending one
};

struct SessionInfo {
  std::string tenant;
  ImageDigest image;
  SandboxInfo sandbox;
  uint32_t busy = 0;
  uint64_t compiles = 0;
  int64_t age_ms = 0, idle_ms = 0;
};

class Sessions {
 public:
  Sessions(BootGuest boot, const SessionOptions& options);
  ~Sessions();  // ends every guest; no lease may be left

  struct Slot;
  // The right to compile in a session. A guest found broken when its last lease goes is ended.
  class Lease {
   public:
    Lease(Sessions* owner, std::shared_ptr<Slot> slot) : owner_(owner), slot_(std::move(slot)) {}
    Lease(Lease&& other) noexcept : owner_(other.owner_), slot_(std::move(other.slot_)) { other.slot_.reset(); }
    Lease& operator=(Lease&&) = delete;
    ~Lease();
    GuestSession& session() const;
    const SandboxInfo& sandbox() const;

   private:
    Sessions* owner_;
    std::shared_ptr<Slot> slot_;  // also the pool's while it is warm
  };

  Result<Lease> acquire(const std::string& tenant, const ImageDigest& image, Deadline deadline);
  // A guest of its own, newly booted, that nobody else gets; ended with its lease.
  Result<Lease> boot_alone(const std::string& tenant, const ImageDigest& image, Deadline deadline);

  std::vector<SessionInfo> list() const;

 private:
  using Key = std::pair<std::string, ImageDigest>;
  Result<Lease> boot(std::unique_lock<std::mutex>& lock, const std::shared_ptr<Slot>& slot, Deadline deadline);
  Status make_room(std::unique_lock<std::mutex>& lock, Deadline deadline);
  void release(const std::shared_ptr<Slot>& slot);
  void end(std::unique_lock<std::mutex>& lock, const std::shared_ptr<Slot>& slot);
  void reap();

  const BootGuest boot_;
  const SessionOptions options_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::map<Key, std::shared_ptr<Slot>> slots_;  // warm or booting
  std::vector<std::weak_ptr<Slot>> alone_;
  size_t guests_ = 0;
  bool ending_ = false;
  std::thread reaper_;
};

}  // namespace hpcc
