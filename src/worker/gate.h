// Gate: who may ask this worker for what. A client is known by its certificate; its tenant's blobs and results are its
// own. To execute it must also show a grant of the scheduler. Thread-safe.
#pragma once

#include <grpcpp/server_context.h>

#include <mutex>
#include <optional>
#include <string>

#include "base/result.h"
#include "rpc/tls.h"
#include "trust/grant.h"
#include "worker/executor.h"

namespace hpcc {

class Gate {
 public:
  Gate(std::string worker, const PublicKey& worker_key) : worker_(std::move(worker)), worker_key_(worker_key) {}

  // From the scheduler, over its certificate. Until then nothing is executed.
  void set_scheduler_key(const PublicKey& key);

  // A client; `instance` must be its tenant, or empty for the same. A grant, when shown, must hold.
  Result<Caller> enter(const grpc::ServerContext& context, const std::string& instance) const;
  // One whose grant is for this image.
  Result<Caller> enter_granted(const grpc::ServerContext& context, const std::string& instance,
                               const ImageDigest& image) const;

 private:
  Result<std::string> grant_of(const grpc::ServerContext& context) const;
  Status check(const std::string& bytes, const Caller& caller, const std::optional<std::string>& image) const;

  const std::string worker_;
  const PublicKey worker_key_;
  mutable std::mutex mutex_;
  std::optional<PublicKey> scheduler_key_;
};

}  // namespace hpcc
