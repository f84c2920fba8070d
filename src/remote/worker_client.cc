#include "remote/worker_client.h"

#include <zstd.h>

#include <algorithm>

#include "base/limits.h"
#include "rpc/reapi.h"
#include "rpc/status.h"
#include "trust/grant.h"
#include "trust/seen.h"

namespace hpcc {
namespace {

namespace re = build::bazel::remote::execution::v2;

constexpr int kMessageBytes = 64 << 20;   // the largest answer: inlined outputs
constexpr size_t kBatchBytes = 3u << 20;  // one BatchUpdateBlobs, uncompressed
constexpr size_t kAskedAtOnce = 8192;     // digests in one FindMissingBlobs
constexpr size_t kStreamChunkBytes = 1u << 20;
constexpr size_t kCompressFrom = 256;  // smaller blobs gain nothing
constexpr int kLevel = 1;
constexpr int kGuests = 2;  // that may be lost under one compile

// zstd of `bytes`, or nothing when it does not get smaller.
std::string compress(const std::string& bytes) {
  if (bytes.size() < kCompressFrom) return {};
  std::string out(ZSTD_compressBound(bytes.size()), '\0');
  const size_t size = ZSTD_compress(out.data(), out.size(), bytes.data(), bytes.size(), kLevel);
  if (ZSTD_isError(size) || size >= bytes.size()) return {};
  out.resize(size);
  return out;
}

// The context of one call, known to the Cancellation while it runs.
class Entered {
 public:
  Entered(Cancellation& cancellation, grpc::ClientContext& context) : cancellation_(cancellation) {
    cancellation_.enter(&context);
  }
  ~Entered() { cancellation_.enter(nullptr); }

 private:
  Cancellation& cancellation_;
};

}  // namespace

void Cancellation::cancel() {
  std::lock_guard lock(mutex_);
  cancelled_ = true;
  if (context_) context_->TryCancel();
}

bool Cancellation::cancelled() {
  std::lock_guard lock(mutex_);
  return cancelled_;
}

void Cancellation::enter(grpc::ClientContext* context) {
  std::lock_guard lock(mutex_);
  context_ = context;
  if (context_ && cancelled_) context_->TryCancel();
}

WorkerClient::WorkerClient(const v1::Lease& lease, const TlsMaterial& tls, std::string tenant)
    : name_(lease.worker()), tenant_(std::move(tenant)) {
  TlsMaterial trust = tls;
  if (!lease.ca_pem().empty()) trust.ca_pem = lease.ca_pem();
  channel_ = dial_tls(lease.address(), name_ + ".worker.hpcc", trust, kMessageBytes);
  cache_ = re::ActionCache::NewStub(channel_);
  cas_ = re::ContentAddressableStorage::NewStub(channel_);
  execution_ = re::Execution::NewStub(channel_);
  streams_ = google::bytestream::ByteStream::NewStub(channel_);
}

void WorkerClient::prepare(grpc::ClientContext& context, const Call& call) const {
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(call.deadline.remaining_ms()));
  context.AddMetadata(kGrantMetadata, call.grant);
  if (!call.seen_rows.empty()) context.AddMetadata(kSeenMetadata, call.seen_rows);
}

Error WorkerClient::failed(const grpc::Status& status) const {
  // What the client can mend by sending blobs again is told apart by its own code.
  if (status.error_code() == grpc::StatusCode::FAILED_PRECONDITION) {
    return {Code::kNotFound, "worker " + name_ + ": " + status.error_message(), 0};
  }
  return from_grpc(status, "worker " + name_);
}

Result<WorkerClient::ActionResult> WorkerClient::find(const Call& call, const SizedDigest& action,
                                                      const std::vector<std::string>& outputs) {
  grpc::ClientContext context;
  prepare(context, call);
  re::GetActionResultRequest request;
  request.set_instance_name(tenant_);
  *request.mutable_action_digest() = encode_digest(action);
  request.set_inline_stdout(true);
  request.set_inline_stderr(true);
  for (const std::string& output : outputs) request.add_inline_output_files(output);
  *call.bytes_sent += request.ByteSizeLong();
  ActionResult result;
  Entered entered(call.cancellation, context);
  const grpc::Status status = cache_->GetActionResult(&context, request, &result);
  if (!status.ok()) return failed(status);
  return result;
}

void WorkerClient::forget_blobs() {
  std::lock_guard lock(mutex_);
  std::erase_if(known_, [](const auto& entry) { return entry.second == Known::kThere; });
}

// Each blob is sent by one compile; the others wait. When it failed, they try themselves.
Status WorkerClient::upload(const Call& call, const std::vector<UploadBlob>& blobs) {
  std::vector<const UploadBlob*> open;
  for (const UploadBlob& blob : blobs) open.push_back(&blob);
  while (!open.empty()) {
    std::vector<const UploadBlob*> ours, others;
    {
      std::lock_guard lock(mutex_);
      for (const UploadBlob* blob : open) {
        auto [entry, fresh] = known_.emplace(blob->digest.digest, Known::kSending);
        if (fresh) {
          ours.push_back(blob);
        } else if (entry->second == Known::kSending) {
          others.push_back(blob);
        }
      }
    }
    Status sent = ours.empty() ? Status() : send(call, ours);
    settle(ours, sent);
    TRY(std::move(sent));
    std::unique_lock lock(mutex_);
    auto settled = [&] {
      return std::none_of(others.begin(), others.end(), [&](const UploadBlob* blob) {
        auto found = known_.find(blob->digest.digest);
        return found != known_.end() && found->second == Known::kSending;
      });
    };
    if (!changed_.wait_for(lock, std::chrono::milliseconds(call.deadline.remaining_ms()), settled)) {
      return Error{Code::kTimeout, "waited too long for blobs that another compile sends", 0};
    }
    open = std::move(others);  // those that are there now fall out at the top
  }
  return {};
}

void WorkerClient::settle(const std::vector<const UploadBlob*>& blobs, Status result) {
  std::lock_guard lock(mutex_);
  for (const UploadBlob* blob : blobs) {
    if (result.ok()) {
      known_[blob->digest.digest] = Known::kThere;
    } else {
      known_.erase(blob->digest.digest);
    }
  }
  if (known_.size() > limits::kKnownBlobs)
    std::erase_if(known_, [](const auto& e) { return e.second == Known::kThere; });
  changed_.notify_all();
}

Status WorkerClient::send(const Call& call, const std::vector<const UploadBlob*>& blobs) {
  std::vector<const UploadBlob*> missing;
  for (size_t at = 0; at < blobs.size(); at += kAskedAtOnce) {
    grpc::ClientContext context;
    prepare(context, call);
    re::FindMissingBlobsRequest request;
    request.set_instance_name(tenant_);
    const size_t end = std::min(blobs.size(), at + kAskedAtOnce);
    for (size_t i = at; i < end; ++i) *request.add_blob_digests() = encode_digest(blobs[i]->digest);
    *call.bytes_sent += request.ByteSizeLong();
    re::FindMissingBlobsResponse response;
    Entered entered(call.cancellation, context);
    const grpc::Status status = cas_->FindMissingBlobs(&context, request, &response);
    if (!status.ok()) return failed(status);
    std::unordered_map<std::string, bool> wanted;
    for (const re::Digest& digest : response.missing_blob_digests()) wanted[digest.hash()] = true;
    for (size_t i = at; i < end; ++i) {
      if (wanted.count(blobs[i]->digest.digest.hex()) != 0) missing.push_back(blobs[i]);
    }
  }
  std::vector<const UploadBlob*> batch;
  size_t size = 0;
  for (const UploadBlob* blob : missing) {
    if (blob->digest.size_bytes > kBatchBytes) {
      TRY(send_stream(call, *blob));
      continue;
    }
    if (size + blob->digest.size_bytes > kBatchBytes) {
      TRY(send_batch(call, batch));
      batch.clear();
      size = 0;
    }
    batch.push_back(blob);
    size += blob->digest.size_bytes;
  }
  return batch.empty() ? Status() : send_batch(call, batch);
}

Status WorkerClient::send_batch(const Call& call, const std::vector<const UploadBlob*>& batch) {
  grpc::ClientContext context;
  prepare(context, call);
  re::BatchUpdateBlobsRequest request;
  request.set_instance_name(tenant_);
  for (const UploadBlob* blob : batch) {
    TRY_ASSIGN(std::string bytes, blob->read());
    auto* part = request.add_requests();
    *part->mutable_digest() = encode_digest(blob->digest);
    if (std::string packed = compress(bytes); !packed.empty()) {
      part->set_compressor(re::Compressor::ZSTD);
      part->set_data(std::move(packed));
    } else {
      part->set_data(std::move(bytes));
    }
  }
  *call.bytes_sent += request.ByteSizeLong();
  re::BatchUpdateBlobsResponse response;
  Entered entered(call.cancellation, context);
  const grpc::Status status = cas_->BatchUpdateBlobs(&context, request, &response);
  if (!status.ok()) return failed(status);
  for (const auto& part : response.responses()) {
    if (part.status().code() == 0) continue;
    return Error{Code::kInvalid, "worker " + name_ + " did not take a blob: " + part.status().message(), 0};
  }
  return {};
}

Status WorkerClient::send_stream(const Call& call, const UploadBlob& blob) {
  TRY_ASSIGN(std::string bytes, blob.read());
  const std::string packed = compress(bytes);
  const std::string& data = packed.empty() ? bytes : packed;
  grpc::ClientContext context;
  prepare(context, call);
  google::bytestream::WriteResponse response;
  Entered entered(call.cancellation, context);
  auto writer = streams_->Write(&context, &response);
  google::bytestream::WriteRequest request;
  const std::string id = blob.digest.digest.hex();
  request.set_resource_name(tenant_ + "/uploads/" + id.substr(0, 8) + "-" + id.substr(8, 4) + "-4" + id.substr(13, 3) +
                            "-8" + id.substr(17, 3) + "-" + id.substr(20, 12) + "/" +
                            (packed.empty() ? "blobs/" : "compressed-blobs/zstd/") + id + "/" +
                            std::to_string(blob.digest.size_bytes));
  for (size_t at = 0; at < data.size();) {
    const size_t size = std::min(kStreamChunkBytes, data.size() - at);
    request.set_write_offset(static_cast<int64_t>(at));
    request.set_data(data.substr(at, size));
    at += size;
    request.set_finish_write(at == data.size());
    *call.bytes_sent += size;
    if (!writer->Write(request)) break;  // refused, or there already: Finish() says
    request.clear_resource_name();
  }
  writer->WritesDone();
  const grpc::Status status = writer->Finish();
  if (!status.ok()) return failed(status);
  return {};
}

Result<WorkerClient::ActionResult> WorkerClient::execute(const Call& call, const SizedDigest& action,
                                                     const std::vector<std::string>& outputs, Lookup lookup) {
  re::ExecuteRequest request;
  request.set_instance_name(tenant_);
  *request.mutable_action_digest() = encode_digest(action);
  request.set_skip_cache_lookup(lookup == Lookup::kSkip);
  request.set_inline_stdout(true);
  request.set_inline_stderr(true);
  for (const std::string& output : outputs) request.add_inline_output_files(output);
  for (int attempt = 1;; ++attempt) {
    grpc::ClientContext context;
    prepare(context, call);
    *call.bytes_sent += request.ByteSizeLong();
    Entered entered(call.cancellation, context);
    auto reader = execution_->Execute(&context, request);
    google::longrunning::Operation operation, last;
    while (reader->Read(&operation)) last = operation;
    const grpc::Status status = reader->Finish();
    if (!status.ok()) return failed(status);
    re::ExecuteResponse response;
    if (!last.done() || !last.has_response() || !last.response().UnpackTo(&response)) {
      return Error{Code::kIo, "worker " + name_ + " gave no result", 0};
    }
    if (response.status().code() == 0) return std::move(*response.mutable_result());
    // The worker itself answers, so it has lost only the guest: it boots another.
    if (response.status().code() == grpc::StatusCode::UNAVAILABLE && attempt < kGuests) continue;
    const grpc::Status end(static_cast<grpc::StatusCode>(response.status().code()), response.status().message());
    // The compile's own time is over, not that of a worker that does not answer.
    if (end.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED) {
      return Error{Code::kLimit, "worker " + name_ + ": " + end.error_message(), 0};
    }
    return failed(end);
  }
}

Result<std::string> WorkerClient::fetch(const Call& call, const SizedDigest& blob) {
  grpc::ClientContext context;
  prepare(context, call);
  google::bytestream::ReadRequest request;
  request.set_resource_name(tenant_ + "/blobs/" + blob.digest.hex() + "/" + std::to_string(blob.size_bytes));
  *call.bytes_sent += request.ByteSizeLong();
  Entered entered(call.cancellation, context);
  auto reader = streams_->Read(&context, request);
  google::bytestream::ReadResponse response;
  std::string bytes;
  while (reader->Read(&response)) {
    if (bytes.size() + response.data().size() > blob.size_bytes) break;
    bytes += response.data();
  }
  const grpc::Status status = reader->Finish();
  if (!status.ok()) return failed(status);
  if (SizedDigest::of(bytes) != blob) return Error{Code::kCorrupt, "worker " + name_ + " sent a wrong blob", 0};
  return bytes;
}

}  // namespace hpcc
