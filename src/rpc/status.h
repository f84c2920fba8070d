// Errors across gRPC: an Error becomes a status that says the same, and back. Pure; thread-safe.
#pragma once

#include <google/rpc/status.pb.h>
#include <grpcpp/support/status.h>

#include <string>
#include <vector>

#include "base/result.h"

namespace hpcc {

grpc::Status to_grpc(const Error& error);
// `peer` begins the message. UNAVAILABLE and the like become kIo: another worker, or this one later, may do.
Error from_grpc(const grpc::Status& status, const std::string& peer);

google::rpc::Status to_rpc(const grpc::Status& status);

// FAILED_PRECONDITION with one violation MISSING for each blob, so that a client uploads them and tries again. In the
// binary details of a gRPC status, or as the status of an ExecuteResponse.
struct MissingBlob {
  std::string hex;
  int64_t size_bytes = 0;
};
google::rpc::Status missing_blobs(const std::vector<MissingBlob>& blobs);
grpc::Status with_details(const google::rpc::Status& status);

}  // namespace hpcc
