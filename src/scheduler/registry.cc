#include "scheduler/registry.h"

#include <algorithm>
#include <tuple>

#include "model/digest.h"
#include "rpc/identity.h"

namespace hpcc {
namespace {

constexpr size_t kAddressBytes = 256;
constexpr int kMaxImages = 256;
constexpr int kMaxSessions = 256;
constexpr size_t kWorkers = 10'000;
constexpr size_t kWordBytes = 64;

bool is_image(std::string_view text) { return ImageDigest::from_text(text).has_value(); }

}  // namespace

Result<PublicKey> check_heartbeat(const hpcc::v1::HeartbeatRequest& request) {
  const Error bad{Code::kInvalid, "malformed heartbeat"};
  if (request.address().empty() || request.address().size() > kAddressBytes ||
      request.receipt_public_key().size() != 32 || request.driver().size() > kWordBytes ||
      request.build().size() > kWordBytes || request.images_size() > kMaxImages ||
      request.sessions_size() > kMaxSessions) {
    return bad;
  }
  for (const std::string& image : request.images()) {
    if (!is_image(image)) return bad;
  }
  for (const auto& session : request.sessions()) {
    if (!is_plain_name(session.tenant()) || !is_image(session.image()) || session.vm().size() > kWordBytes ||
        session.driver().size() > kWordBytes) {
      return bad;
    }
  }
  PublicKey key;
  std::copy_n(request.receipt_public_key().begin(), 32, key.bytes.begin());
  return key;
}

Status Registry::hear(const std::string& worker, const hpcc::v1::HeartbeatRequest& request, int64_t now_ms) {
  TRY_ASSIGN(const PublicKey key, check_heartbeat(request));
  forget(now_ms);
  const auto known = workers_.find(worker);
  if (known == workers_.end() && workers_.size() >= kWorkers) return Error{Code::kLimit, "too many workers"};
  if (known != workers_.end() && known->second.receipt_key != key) {
    return Error{Code::kPermission, "worker " + worker + " is here with another key"};
  }
  const bool same = known != workers_.end() && known->second.state.started() == request.started();
  // Grows with the time, so that a scheduler that was started again gives none that it gave before.
  if (!same) last_registration_ = std::max(last_registration_ + 1, static_cast<uint64_t>(now_ms));
  const uint64_t registration = same ? known->second.registration : last_registration_;
  workers_[worker] = {worker, key, request, now_ms, registration, 0};
  return {};
}

Result<Registry::Choice> Registry::choose(const std::string& tenant, const Wish& wish, int64_t now_ms) {
  forget(now_ms);
  if (workers_.empty()) return Error{Code::kNotFound, "no worker is registered"};
  if (!wish.worker.empty() && !workers_.contains(wish.worker)) {
    return Error{Code::kNotFound, "worker " + wish.worker.substr(0, kWordBytes) + " is not registered"};
  }
  using Rank = std::tuple<bool, bool, bool, double>;  // smaller is better
  std::optional<Rank> best_rank;
  WorkerEntry* best = nullptr;
  bool best_warm = false;
  for (auto& [name, worker] : workers_) {
    if (!wish.worker.empty() && name != wish.worker) continue;
    const auto& images = worker.state.images();
    if (std::find(images.begin(), images.end(), wish.image) == images.end()) continue;
    const auto& sessions = worker.state.sessions();
    const bool warm = std::any_of(sessions.begin(), sessions.end(), [&](const auto& session) {
      return session.tenant() == tenant && session.image() == wish.image;
    });
    const uint32_t slots = std::max(worker.state.slots(), 1u), busy = worker.state.busy() + worker.leased;
    const bool avoided = std::find(wish.avoid.begin(), wish.avoid.end(), name) != wish.avoid.end();
    const Rank rank{avoided, busy >= 4 * slots, !warm, static_cast<double>(busy) / slots};
    if (best_rank && *best_rank <= rank) continue;
    best_rank = rank;
    best = &worker;
    best_warm = warm;
  }
  if (best == nullptr) return Error{Code::kNotFound, "no worker has image " + wish.image};
  ++best->leased;
  return Choice{*best, best_warm};
}

std::vector<WorkerEntry> Registry::list(int64_t now_ms) {
  forget(now_ms);
  std::vector<WorkerEntry> out;
  for (const auto& [name, worker] : workers_) out.push_back(worker);
  return out;
}

void Registry::forget(int64_t now_ms) {
  std::erase_if(workers_, [&](const auto& entry) { return now_ms - entry.second.heard_ms > kForgetMs; });
}

}  // namespace hpcc
