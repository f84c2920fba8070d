#include "rpc/status.h"

#include <google/rpc/error_details.pb.h>

#include <cerrno>

namespace hpcc {
namespace {

grpc::StatusCode code_of(const Error& error) {
  switch (error.code) {
    case Code::kNotFound:
      return grpc::StatusCode::NOT_FOUND;
    case Code::kInvalid:
      return grpc::StatusCode::INVALID_ARGUMENT;
    case Code::kCorrupt:
      return grpc::StatusCode::DATA_LOSS;
    case Code::kLimit:
      return grpc::StatusCode::RESOURCE_EXHAUSTED;
    case Code::kPermission:
      return grpc::StatusCode::PERMISSION_DENIED;
    case Code::kUnsupported:
      return grpc::StatusCode::UNIMPLEMENTED;
    case Code::kTimeout:
      return grpc::StatusCode::DEADLINE_EXCEEDED;
    case Code::kIo:
      return grpc::StatusCode::UNAVAILABLE;
  }
  return grpc::StatusCode::INTERNAL;
}

Code code_of(grpc::StatusCode code) {
  switch (code) {
    case grpc::StatusCode::NOT_FOUND:
      return Code::kNotFound;
    case grpc::StatusCode::INVALID_ARGUMENT:
    case grpc::StatusCode::FAILED_PRECONDITION:
    case grpc::StatusCode::OUT_OF_RANGE:
    case grpc::StatusCode::ALREADY_EXISTS:
      return Code::kInvalid;
    case grpc::StatusCode::DATA_LOSS:
      return Code::kCorrupt;
    case grpc::StatusCode::RESOURCE_EXHAUSTED:
      return Code::kLimit;
    case grpc::StatusCode::PERMISSION_DENIED:
    case grpc::StatusCode::UNAUTHENTICATED:
      return Code::kPermission;
    case grpc::StatusCode::UNIMPLEMENTED:
      return Code::kUnsupported;
    case grpc::StatusCode::DEADLINE_EXCEEDED:
      return Code::kTimeout;
    case grpc::StatusCode::OK:
    case grpc::StatusCode::CANCELLED:
    case grpc::StatusCode::UNKNOWN:
    case grpc::StatusCode::ABORTED:
    case grpc::StatusCode::INTERNAL:
    case grpc::StatusCode::UNAVAILABLE:
    case grpc::StatusCode::DO_NOT_USE:
      return Code::kIo;
  }
  return Code::kIo;
}

}  // namespace

grpc::Status to_grpc(const Error& error) { return {code_of(error), error.to_string()}; }

Error from_grpc(const grpc::Status& status, const std::string& peer) {
  return {code_of(status.error_code()), peer + ": " + status.error_message()};
}

google::rpc::Status to_rpc(const grpc::Status& status) {
  google::rpc::Status out;
  out.set_code(status.error_code());
  out.set_message(status.error_message());
  return out;
}

google::rpc::Status missing_blobs(const std::vector<MissingBlob>& blobs) {
  google::rpc::PreconditionFailure failure;
  for (const MissingBlob& blob : blobs) {
    auto* violation = failure.add_violations();
    violation->set_type("MISSING");
    violation->set_subject("blobs/" + blob.hex + "/" + std::to_string(blob.size_bytes));
  }
  google::rpc::Status out;
  out.set_code(grpc::StatusCode::FAILED_PRECONDITION);
  out.set_message(std::to_string(blobs.size()) + " blobs are not in this worker's store");
  out.add_details()->PackFrom(failure);
  return out;
}

grpc::Status with_details(const google::rpc::Status& status) {
  return {static_cast<grpc::StatusCode>(status.code()), status.message(), status.SerializeAsString()};
}

}  // namespace hpcc
