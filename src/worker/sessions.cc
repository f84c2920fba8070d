#include "worker/sessions.h"

#include <poll.h>

#include <algorithm>
#include <chrono>
#include <optional>

#include "base/fs.h"

namespace hpcc {
namespace {

constexpr auto kReapEvery = std::chrono::seconds(1);
constexpr int kLastWordsMs = 1000;

bool has_ended(const Guest& guest) {
  struct pollfd poll_fd = {guest.sandbox->ended_fd(), POLLIN, 0};
  return !guest.session->healthy() || ::poll(&poll_fd, 1, 0) != 0;
}

// A session that broke off is the first that is heard of a guest's end; why comes a moment later.
void tell_end(const Guest& guest) {
  struct pollfd ended = {guest.sandbox->ended_fd(), POLLIN, 0};
  if (!guest.session->healthy()) ::poll(&ended, 1, kLastWordsMs);
  if (const std::string words = guest.sandbox->last_words(); !words.empty()) {
    fprintf(stderr, "hpcc-worker: guest %s: %s\n", guest.sandbox->info().vm_id.c_str(), words.c_str());
  }
}

}  // namespace

// Guarded by the owner's mutex, except that `guest` does not change while somebody holds a lease.
struct Sessions::Slot {
  enum class State { kBooting, kReady, kFailed, kEnded };
  std::string tenant;
  ImageDigest image;
  bool alone = false;
  State state = State::kBooting;
  std::optional<Error> failure;
  Guest guest;
  uint32_t busy = 0;
  uint64_t compiles = 0;
  int64_t booted_ms = 0, idle_since_ms = 0;
};

Sessions::Sessions(BootGuest boot_guest, const SessionOptions& options)
    : boot_(std::move(boot_guest)), options_(options), reaper_([this] { reap(); }) {}

Sessions::~Sessions() {
  std::unique_lock lock(mutex_);
  ending_ = true;
  changed_.notify_all();
  lock.unlock();
  reaper_.join();
  lock.lock();
  while (!slots_.empty()) {
    const std::shared_ptr<Slot> slot = slots_.begin()->second;
    CHECK(slot->busy == 0);
    end(lock, slot);
  }
  CHECK(guests_ == 0);
}

GuestSession& Sessions::Lease::session() const { return *slot_->guest.session; }
const SandboxInfo& Sessions::Lease::sandbox() const { return slot_->guest.sandbox->info(); }
Sessions::Lease::~Lease() {
  if (slot_ != nullptr) owner_->release(slot_);
}

Result<Sessions::Lease> Sessions::acquire(const std::string& tenant, const ImageDigest& image, Deadline deadline) {
  std::unique_lock lock(mutex_);
  for (;;) {
    auto found = slots_.find({tenant, image});
    if (found == slots_.end()) {
      TRY(make_room(lock, deadline));
      if (slots_.contains({tenant, image})) {  // made by another while this one waited for room
        --guests_;
        changed_.notify_all();
        continue;
      }
      auto slot = std::make_shared<Slot>();
      slot->tenant = tenant;
      slot->image = image;
      slots_[{tenant, image}] = slot;
      return boot(lock, slot, deadline);
    }
    const std::shared_ptr<Slot> slot = found->second;
    if (slot->state == Slot::State::kReady && slot->busy == 0 && has_ended(slot->guest)) {
      end(lock, slot);
      continue;
    }
    if (slot->state == Slot::State::kReady) {
      ++slot->busy;
      return Lease(this, slot);
    }
    // Whoever boots it tells the others how that went.
    const auto is_decided = [&] { return slot->state != Slot::State::kBooting; };
    if (!changed_.wait_for(lock, std::chrono::milliseconds(deadline.remaining_ms()), is_decided)) {
      return Error{Code::kTimeout, "no guest was ready in time"};
    }
    if (slot->state == Slot::State::kFailed) return *slot->failure;
  }
}

Result<Sessions::Lease> Sessions::boot_alone(const std::string& tenant, const ImageDigest& image, Deadline deadline) {
  std::unique_lock lock(mutex_);
  TRY(make_room(lock, deadline));
  auto slot = std::make_shared<Slot>();
  slot->tenant = tenant;
  slot->image = image;
  slot->alone = true;
  std::erase_if(alone_, [](const auto& other) { return other.expired(); });
  alone_.push_back(slot);
  return boot(lock, slot, deadline);
}

// The room is already counted.
Result<Sessions::Lease> Sessions::boot(std::unique_lock<std::mutex>& lock, const std::shared_ptr<Slot>& slot,
                                       Deadline deadline) {
  lock.unlock();
  auto guest = boot_(slot->image, deadline);
  lock.lock();
  if (!guest.ok()) {
    slot->state = Slot::State::kFailed;
    slot->failure = guest.error();
    if (!slot->alone) slots_.erase({slot->tenant, slot->image});
    --guests_;
    changed_.notify_all();
    return std::move(guest).error();
  }
  slot->guest = std::move(*guest);
  slot->state = Slot::State::kReady;
  slot->booted_ms = slot->idle_since_ms = monotonic_ms();
  slot->busy = 1;
  changed_.notify_all();
  return Lease(this, slot);
}

// Counts one more guest, ending an idle one for it if need be.
Status Sessions::make_room(std::unique_lock<std::mutex>& lock, Deadline deadline) {
  while (guests_ >= options_.max_guests) {
    std::shared_ptr<Slot> oldest;
    for (const auto& [key, slot] : slots_) {
      if (slot->state != Slot::State::kReady || slot->busy != 0) continue;
      if (oldest == nullptr || slot->idle_since_ms < oldest->idle_since_ms) oldest = slot;
    }
    if (oldest != nullptr) {
      end(lock, oldest);
      continue;
    }
    if (deadline.passed()) return Error{Code::kLimit, "all guests of this worker are busy"};
    changed_.wait_for(lock, std::chrono::milliseconds(std::min(deadline.remaining_ms(), 1000)));
  }
  ++guests_;
  return {};
}

void Sessions::release(const std::shared_ptr<Slot>& slot) {
  std::unique_lock lock(mutex_);
  --slot->busy;
  ++slot->compiles;
  slot->idle_since_ms = monotonic_ms();
  if (slot->busy == 0 && slot->state == Slot::State::kReady && (slot->alone || has_ended(slot->guest))) end(lock, slot);
  changed_.notify_all();
}

// Takes an idle guest out and ends it, without the lock meanwhile.
void Sessions::end(std::unique_lock<std::mutex>& lock, const std::shared_ptr<Slot>& slot) {
  slot->state = Slot::State::kEnded;
  if (!slot->alone) slots_.erase({slot->tenant, slot->image});
  Guest guest = std::move(slot->guest);
  changed_.notify_all();
  lock.unlock();
  tell_end(guest);
  guest.session.reset();
  const Status stopped = guest.sandbox->stop(Deadline::after_ms(options_.stop_ms));
  if (!stopped.ok()) fprintf(stderr, "hpcc-worker: %s\n", stopped.error().to_string().c_str());
  guest.sandbox.reset();
  lock.lock();
  --guests_;
  changed_.notify_all();
}

void Sessions::reap() {
  std::unique_lock lock(mutex_);
  while (!ending_) {
    changed_.wait_for(lock, kReapEvery, [this] { return ending_; });
    std::vector<std::shared_ptr<Slot>> done;
    for (const auto& [key, slot] : slots_) {
      if (slot->state != Slot::State::kReady || slot->busy != 0) continue;
      if (monotonic_ms() - slot->idle_since_ms >= options_.idle_ms || has_ended(slot->guest)) done.push_back(slot);
    }
    for (const auto& slot : done) {
      if (slot->state == Slot::State::kReady && slot->busy == 0) end(lock, slot);
    }
  }
}

std::vector<SessionInfo> Sessions::list() const {
  std::lock_guard lock(mutex_);
  std::vector<std::shared_ptr<Slot>> all;
  for (const auto& [key, slot] : slots_) all.push_back(slot);
  for (const auto& weak : alone_) {
    if (auto slot = weak.lock()) all.push_back(std::move(slot));
  }
  std::vector<SessionInfo> out;
  for (const auto& slot : all) {
    if (slot->state != Slot::State::kReady) continue;
    out.push_back({slot->tenant, slot->image, slot->guest.sandbox->info(), slot->busy, slot->compiles,
                   monotonic_ms() - slot->booted_ms, slot->busy != 0 ? 0 : monotonic_ms() - slot->idle_since_ms});
  }
  return out;
}

}  // namespace hpcc
