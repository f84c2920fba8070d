// The worker's gRPC services: the Remote Execution API and replay. They check, call what does the work, and answer.
#pragma once

#include <build/bazel/remote/execution/v2/remote_execution.grpc.pb.h>
#include <google/bytestream/bytestream.grpc.pb.h>
#include <google/longrunning/operations.grpc.pb.h>
#include <hpcc/v1/worker.grpc.pb.h>

#include "rpc/watchdog.h"
#include "worker/executor.h"
#include "worker/gate.h"
#include "worker/operations.h"

namespace hpcc {

struct ServiceParts {
  Gate& gate;
  Cas& cas;
  Executor& executor;
  Operations& operations;
  Watchdog& watchdog;
  const PublicKey& key;  // of this worker's rows
};

class CasService final : public reapi::ContentAddressableStorage::Service {
 public:
  explicit CasService(const ServiceParts& parts) : parts_(parts) {}
  grpc::Status FindMissingBlobs(grpc::ServerContext* context, const reapi::FindMissingBlobsRequest* request,
                                reapi::FindMissingBlobsResponse* response) override;
  grpc::Status BatchUpdateBlobs(grpc::ServerContext* context, const reapi::BatchUpdateBlobsRequest* request,
                                reapi::BatchUpdateBlobsResponse* response) override;
  grpc::Status BatchReadBlobs(grpc::ServerContext* context, const reapi::BatchReadBlobsRequest* request,
                              reapi::BatchReadBlobsResponse* response) override;
  grpc::Status GetTree(grpc::ServerContext* context, const reapi::GetTreeRequest* request,
                       grpc::ServerWriter<reapi::GetTreeResponse>* writer) override;

 private:
  const ServiceParts parts_;
};

class ByteStreamService final : public google::bytestream::ByteStream::Service {
 public:
  explicit ByteStreamService(const ServiceParts& parts) : parts_(parts) {}
  grpc::Status Read(grpc::ServerContext* context, const google::bytestream::ReadRequest* request,
                    grpc::ServerWriter<google::bytestream::ReadResponse>* writer) override;
  grpc::Status Write(grpc::ServerContext* context, grpc::ServerReader<google::bytestream::WriteRequest>* reader,
                     google::bytestream::WriteResponse* response) override;
  grpc::Status QueryWriteStatus(grpc::ServerContext* context,
                                const google::bytestream::QueryWriteStatusRequest* request,
                                google::bytestream::QueryWriteStatusResponse* response) override;

 private:
  const ServiceParts parts_;
};

class CacheService final : public reapi::ActionCache::Service {
 public:
  explicit CacheService(const ServiceParts& parts) : parts_(parts) {}
  grpc::Status GetActionResult(grpc::ServerContext* context, const reapi::GetActionResultRequest* request,
                               reapi::ActionResult* response) override;
  // Nobody writes results but this worker itself.
  grpc::Status UpdateActionResult(grpc::ServerContext* context, const reapi::UpdateActionResultRequest* request,
                                  reapi::ActionResult* response) override;

 private:
  const ServiceParts parts_;
};

class CapabilitiesService final : public reapi::Capabilities::Service {
 public:
  explicit CapabilitiesService(const ServiceParts& parts) : parts_(parts) {}
  grpc::Status GetCapabilities(grpc::ServerContext* context, const reapi::GetCapabilitiesRequest* request,
                               reapi::ServerCapabilities* response) override;

 private:
  const ServiceParts parts_;
};

class ExecutionService final : public reapi::Execution::Service {
 public:
  explicit ExecutionService(const ServiceParts& parts) : parts_(parts) {}
  grpc::Status Execute(grpc::ServerContext* context, const reapi::ExecuteRequest* request,
                       grpc::ServerWriter<google::longrunning::Operation>* writer) override;
  grpc::Status WaitExecution(grpc::ServerContext* context, const reapi::WaitExecutionRequest* request,
                             grpc::ServerWriter<google::longrunning::Operation>* writer) override;

 private:
  const ServiceParts parts_;
};

class OperationsService final : public google::longrunning::Operations::Service {
 public:
  explicit OperationsService(const ServiceParts& parts) : parts_(parts) {}
  grpc::Status GetOperation(grpc::ServerContext* context, const google::longrunning::GetOperationRequest* request,
                            google::longrunning::Operation* response) override;
  grpc::Status CancelOperation(grpc::ServerContext* context, const google::longrunning::CancelOperationRequest* request,
                               google::protobuf::Empty* response) override;

 private:
  const ServiceParts parts_;
};

class ReplayService final : public hpcc::v1::Replay::Service {
 public:
  explicit ReplayService(const ServiceParts& parts) : parts_(parts) {}
  grpc::Status Replay(grpc::ServerContext* context, const hpcc::v1::ReplayRequest* request,
                      hpcc::v1::ReplayResponse* response) override;

 private:
  const ServiceParts parts_;
};

// Only SHA-256; unset means the same.
Status check_digest_function(reapi::DigestFunction::Value function);

}  // namespace hpcc
