// WorkerClient: calls to one worker under one lease. Knows which blobs the worker has had from this process, so that
// each is asked for and sent once; whoever needs a blob that another compile is just sending waits for it.
//
// Any thread. Errors say what can be done: kIo (this worker cannot be reached or lost the call: another may do),
// kPermission (the lease is not accepted), kNotFound (blobs are missing), any other: it will not compile this.
#pragma once

#include <build/bazel/remote/execution/v2/remote_execution.grpc.pb.h>
#include <google/bytestream/bytestream.grpc.pb.h>
#include <grpcpp/client_context.h>
#include <hpcc/v1/scheduler.pb.h>

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/deadline.h"
#include "base/result.h"
#include "model/reapi.h"
#include "rpc/tls.h"

namespace hpcc {

// Ends a compile's calls when hpccd gives it up.
class Cancellation {
 public:
  void cancel();
  bool cancelled();
  // The context of the call that runs now; nullptr between calls.
  void enter(grpc::ClientContext* context);

 private:
  std::mutex mutex_;
  grpc::ClientContext* context_ = nullptr;
  bool cancelled_ = false;
};

struct UploadBlob {
  SizedDigest digest;
  std::function<Result<std::string>()> read;  // content; kCorrupt when it is not what the digest says
};

class WorkerClient {
 public:
  WorkerClient(const v1::Lease& lease, const TlsMaterial& tls, std::string tenant);

  struct Call {
    const std::string& grant;
    Cancellation& cancellation;
    Deadline deadline;
    uint64_t* bytes_sent;
    std::string seen_rows = {};  // seen_rows_text() of this worker
  };
  using ActionResult = build::bazel::remote::execution::v2::ActionResult;
  // kNotFound when the worker has no result.
  Result<ActionResult> find(const Call& call, const SizedDigest& action, const std::vector<std::string>& outputs);
  Status upload(const Call& call, const std::vector<UploadBlob>& blobs);
  enum class Lookup { kUse, kSkip };
  Result<ActionResult> execute(const Call& call, const SizedDigest& action, const std::vector<std::string>& outputs,
                               Lookup lookup);
  Result<std::string> fetch(const Call& call, const SizedDigest& blob);
  // The worker said that blobs are missing which it once had.
  void forget_blobs();

 private:
  enum class Known : uint8_t { kSending, kThere };
  Status send(const Call& call, const std::vector<const UploadBlob*>& blobs);
  Status send_batch(const Call& call, const std::vector<const UploadBlob*>& batch);
  Status send_stream(const Call& call, const UploadBlob& blob);
  void settle(const std::vector<const UploadBlob*>& blobs, Status result);
  void prepare(grpc::ClientContext& context, const Call& call) const;
  Error failed(const grpc::Status& status) const;

  const std::string name_, tenant_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<build::bazel::remote::execution::v2::ActionCache::Stub> cache_;
  std::unique_ptr<build::bazel::remote::execution::v2::ContentAddressableStorage::Stub> cas_;
  std::unique_ptr<build::bazel::remote::execution::v2::Execution::Stub> execution_;
  std::unique_ptr<google::bytestream::ByteStream::Stub> streams_;
  std::mutex mutex_;  // guards known_
  std::condition_variable changed_;
  std::unordered_map<BlobDigest, Known, DigestHash> known_;
};

}  // namespace hpcc
