// ContentAddressableStorage and Capabilities.
#include <algorithm>
#include <set>

#include "base/limits.h"
#include "rpc/status.h"
#include "worker/services.h"

namespace hpcc {
namespace {

constexpr int64_t kUnaryMs = 60'000;
constexpr size_t kBatchRawBytes = 64u << 20;  // what one batch may unpack to
constexpr size_t kCompressFrom = 1024;
constexpr size_t kPageBytes = 1u << 20;  // of GetTree

grpc::Status refuse(const Error& error) { return to_grpc(error); }

}  // namespace

Status check_digest_function(reapi::DigestFunction::Value function) {
  if (function == reapi::DigestFunction::SHA256 || function == reapi::DigestFunction::UNKNOWN) return {};
  return Error{Code::kInvalid, "only SHA256 is served"};
}

grpc::Status CasService::FindMissingBlobs(grpc::ServerContext* context, const reapi::FindMissingBlobsRequest* request,
                                          reapi::FindMissingBlobsResponse* response) {
  const auto caller = parts_.gate.enter(*context, request->instance_name());
  if (!caller.ok()) return refuse(caller.error());
  if (const Status status = check_digest_function(request->digest_function()); !status.ok())
    return refuse(status.error());
  if (static_cast<size_t>(request->blob_digests_size()) > limits::kBatchCount) {
    return refuse({Code::kLimit, "too many digests in one call"});
  }
  std::set<SizedDigest> told;
  for (const auto& digest : request->blob_digests()) {
    const auto blob = decode_digest(digest);
    if (!blob.ok()) return refuse(blob.error());
    if (!parts_.cas.has(caller->tenant, *blob) && told.insert(*blob).second) {
      *response->add_missing_blob_digests() = digest;
    }
  }
  return grpc::Status::OK;
}

grpc::Status CasService::BatchUpdateBlobs(grpc::ServerContext* context, const reapi::BatchUpdateBlobsRequest* request,
                                          reapi::BatchUpdateBlobsResponse* response) {
  const CallTimer timer(parts_.watchdog, *context, kUnaryMs);
  const auto caller = parts_.gate.enter(*context, request->instance_name());
  if (!caller.ok()) return refuse(caller.error());
  if (const Status status = check_digest_function(request->digest_function()); !status.ok())
    return refuse(status.error());
  if (static_cast<size_t>(request->requests_size()) > limits::kBatchCount) {
    return refuse({Code::kLimit, "too many blobs in one call"});
  }
  size_t sent = 0, raw = 0;
  for (const auto& one : request->requests()) {
    sent += one.data().size();
    raw += static_cast<size_t>(std::max<int64_t>(one.digest().size_bytes(), 0));
    if (sent > limits::kBatchBytes || raw > kBatchRawBytes) return refuse({Code::kLimit, "a batch is too large"});
  }
  const auto room = parts_.cas.reserve(caller->tenant, raw);
  if (!room.ok()) return refuse(room.error());
  for (const auto& one : request->requests()) {
    auto* answer = response->add_responses();
    *answer->mutable_digest() = one.digest();
    const auto put = [&]() -> Status {
      TRY_ASSIGN(const SizedDigest blob, decode_digest(one.digest()));
      if (one.compressor() == reapi::Compressor::IDENTITY) return parts_.cas.put(caller->tenant, blob, one.data());
      if (one.compressor() != reapi::Compressor::ZSTD) return Error{Code::kInvalid, "only zstd is understood"};
      auto bytes = parts_.cas.zstd().decompress(one.data(), blob.size_bytes);
      if (!bytes.ok()) return Error{Code::kInvalid, bytes.error().message};
      return parts_.cas.put(caller->tenant, blob, *bytes);
    };
    const Status status = put();
    *answer->mutable_status() = to_rpc(status.ok() ? grpc::Status::OK : refuse(status.error()));
  }
  return grpc::Status::OK;
}

grpc::Status CasService::BatchReadBlobs(grpc::ServerContext* context, const reapi::BatchReadBlobsRequest* request,
                                        reapi::BatchReadBlobsResponse* response) {
  const CallTimer timer(parts_.watchdog, *context, kUnaryMs);
  const auto caller = parts_.gate.enter(*context, request->instance_name());
  if (!caller.ok()) return refuse(caller.error());
  if (const Status status = check_digest_function(request->digest_function()); !status.ok())
    return refuse(status.error());
  if (static_cast<size_t>(request->digests_size()) > limits::kBatchCount) {
    return refuse({Code::kLimit, "too many digests in one call"});
  }
  const auto& accepted = request->acceptable_compressors();
  const bool zstd = std::find(accepted.begin(), accepted.end(), reapi::Compressor::ZSTD) != accepted.end();
  size_t room = limits::kBatchBytes;
  for (const auto& digest : request->digests()) {
    auto* answer = response->add_responses();
    *answer->mutable_digest() = digest;
    const auto read = [&]() -> Status {
      TRY_ASSIGN(const SizedDigest blob, decode_digest(digest));
      if (blob.size_bytes > room) return Error{Code::kLimit, "beyond the limit of one batch: read it as a stream"};
      TRY_ASSIGN(std::string bytes, parts_.cas.read(caller->tenant, blob));
      room -= bytes.size();
      if (zstd && bytes.size() >= kCompressFrom) {
        TRY_ASSIGN(std::string packed, parts_.cas.zstd().compress(bytes));
        if (packed.size() < bytes.size()) {
          answer->set_compressor(reapi::Compressor::ZSTD);
          answer->set_data(std::move(packed));
          return {};
        }
      }
      answer->set_data(std::move(bytes));
      return {};
    };
    const Status status = read();
    *answer->mutable_status() = to_rpc(status.ok() ? grpc::Status::OK : refuse(status.error()));
  }
  return grpc::Status::OK;
}

// Breadth first, each directory once. Pages are cut by size; a page token is not needed, one call gives all.
grpc::Status CasService::GetTree(grpc::ServerContext* context, const reapi::GetTreeRequest* request,
                                 grpc::ServerWriter<reapi::GetTreeResponse>* writer) {
  const CallTimer timer(parts_.watchdog, *context, kUnaryMs);
  const auto caller = parts_.gate.enter(*context, request->instance_name());
  if (!caller.ok()) return refuse(caller.error());
  if (const Status status = check_digest_function(request->digest_function()); !status.ok())
    return refuse(status.error());
  if (!request->page_token().empty()) return refuse({Code::kInvalid, "unknown page token"});
  const auto root = decode_digest(request->root_digest());
  if (!root.ok()) return refuse(root.error());
  std::vector<SizedDigest> waiting = {*root};
  std::set<SizedDigest> seen = {*root};
  reapi::GetTreeResponse page;
  size_t page_bytes = 0;
  for (size_t next = 0; next < waiting.size(); ++next) {
    if (waiting[next].size_bytes > limits::kDirectoryBytes) return refuse({Code::kLimit, "a directory is too large"});
    const auto bytes = parts_.cas.read(caller->tenant, waiting[next]);
    if (!bytes.ok()) {
      if (next == 0) return refuse(bytes.error());
      continue;  // the API lets a tree with holes through
    }
    if (auto checked = decode_directory(*bytes); !checked.ok()) return refuse(checked.error());
    reapi::Directory& directory = *page.add_directories();
    directory.ParseFromString(*bytes);
    for (const auto& child : directory.directories()) {
      const auto digest = decode_digest(child.digest());
      if (digest.ok() && seen.insert(*digest).second) waiting.push_back(*digest);
    }
    if (waiting.size() > limits::kTreeDirectories) return refuse({Code::kLimit, "the tree has too many directories"});
    page_bytes += bytes->size();
    if (page_bytes < kPageBytes) continue;
    if (!writer->Write(page)) return grpc::Status::CANCELLED;
    page.Clear();
    page_bytes = 0;
  }
  if (page.directories_size() != 0) writer->Write(page);
  return grpc::Status::OK;
}

grpc::Status CapabilitiesService::GetCapabilities(grpc::ServerContext* context,
                                                  const reapi::GetCapabilitiesRequest* request,
                                                  reapi::ServerCapabilities* response) {
  const auto caller = parts_.gate.enter(*context, request->instance_name());
  if (!caller.ok()) return refuse(caller.error());
  auto* cache = response->mutable_cache_capabilities();
  cache->add_digest_functions(reapi::DigestFunction::SHA256);
  cache->mutable_action_cache_update_capabilities()->set_update_enabled(false);
  auto* range = cache->mutable_cache_priority_capabilities()->add_priorities();
  range->set_min_priority(0);
  range->set_max_priority(0);
  cache->set_max_batch_total_size_bytes(static_cast<int64_t>(limits::kBatchBytes) - 64 * 1024);
  cache->set_symlink_absolute_path_strategy(reapi::SymlinkAbsolutePathStrategy::DISALLOWED);
  cache->add_supported_compressors(reapi::Compressor::ZSTD);
  cache->add_supported_batch_update_compressors(reapi::Compressor::ZSTD);
  cache->set_max_cas_blob_size_bytes(static_cast<int64_t>(limits::kBlobBytes));
  auto* execution = response->mutable_execution_capabilities();
  execution->set_digest_function(reapi::DigestFunction::SHA256);
  execution->add_digest_functions(reapi::DigestFunction::SHA256);
  execution->set_exec_enabled(true);
  range = execution->mutable_execution_priority_capabilities()->add_priorities();
  range->set_min_priority(0);
  range->set_max_priority(0);
  response->mutable_low_api_version()->set_major(2);
  response->mutable_high_api_version()->set_major(2);
  response->mutable_high_api_version()->set_minor(12);
  return grpc::Status::OK;
}

}  // namespace hpcc
