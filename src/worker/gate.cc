#include "worker/gate.h"

#include "base/fs.h"
#include "trust/seen.h"

namespace hpcc {
namespace {

std::vector<uint64_t> seen_rows_of(const grpc::ServerContext& context) {
  const auto found = context.client_metadata().find(kSeenMetadata);
  if (found == context.client_metadata().end()) return {};
  return parse_seen_rows({found->second.data(), found->second.size()});
}

}  // namespace

void Gate::set_scheduler_key(const PublicKey& key) {
  std::lock_guard lock(mutex_);
  scheduler_key_ = key;
}

Result<std::string> Gate::grant_of(const grpc::ServerContext& context) const {
  const auto& metadata = context.client_metadata();
  if (metadata.count(kGrantMetadata) > 1) return Error{Code::kPermission, "more than one grant"};
  const auto found = metadata.find(kGrantMetadata);
  if (found == metadata.end()) return std::string();
  if (found->second.size() > kGrantBytes) return Error{Code::kPermission, "a grant is too large"};
  return std::string(found->second.data(), found->second.size());
}

Status Gate::check(const std::string& bytes, const Caller& caller, const std::optional<std::string>& image) const {
  std::optional<PublicKey> scheduler_key;
  {
    std::lock_guard lock(mutex_);
    scheduler_key = scheduler_key_;
  }
  if (!scheduler_key) return Error{Code::kIo, "this worker has not heard from its scheduler yet"};
  auto grant = decode_grant(bytes, *scheduler_key);
  if (!grant.ok()) return Error{Code::kPermission, grant.error().message};
  if (grant->worker_key != worker_key_) return Error{Code::kPermission, "the grant names another key of this worker"};
  return check_grant(*grant, {caller.tenant, image.value_or(grant->image), caller.principal, worker_,
                              static_cast<uint64_t>(realtime_ns() / 1'000'000'000)});
}

Result<Caller> Gate::enter(const grpc::ServerContext& context, const std::string& instance) const {
  TRY_ASSIGN(const Peer peer, peer_of(*context.auth_context()));
  if (peer.identity.role != Role::kClient) return Error{Code::kPermission, "only clients may ask for this"};
  if (!instance.empty() && instance != peer.identity.tenant) {
    return Error{Code::kPermission, "instance " + instance.substr(0, 64) + " is not this client's tenant"};
  }
  Caller caller{peer.identity.tenant, peer.certificate.hex(), "", seen_rows_of(context)};
  TRY_ASSIGN(const std::string grant, grant_of(context));
  if (!grant.empty()) {
    TRY(check(grant, caller, std::nullopt));
    caller.grant_digest = grant_digest(grant);
  }
  return caller;
}

Result<Caller> Gate::enter_granted(const grpc::ServerContext& context, const std::string& instance,
                                   const ImageDigest& image) const {
  TRY_ASSIGN(const Caller caller, enter(context, instance));
  TRY_ASSIGN(const std::string grant, grant_of(context));
  if (grant.empty()) return Error{Code::kPermission, "no grant: ask the scheduler for one"};
  TRY(check(grant, caller, image.text()));
  return caller;
}

}  // namespace hpcc
