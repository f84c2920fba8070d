// Values of the Remote Execution API as hpcc's own, checked: digests and ByteStream resource names. Only SHA-256.
// Pure; thread-safe.
//
//   read  := [instance "/"] kind hash "/" size
//   write := [instance "/"] "uploads/" uuid "/" kind hash "/" size ["/" anything]
//   kind  := "blobs/" | "compressed-blobs/zstd/"
// The instance is the tenant: one plain name.
#pragma once

#include <build/bazel/remote/execution/v2/remote_execution.pb.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "model/reapi.h"

namespace hpcc {

namespace reapi = build::bazel::remote::execution::v2;

Result<SizedDigest> decode_digest(const reapi::Digest& digest);
reapi::Digest encode_digest(const SizedDigest& digest);

enum class Compression : uint8_t { kIdentity, kZstd };

struct ResourceName {
  std::string instance;
  Compression compression = Compression::kIdentity;
  SizedDigest blob;  // of the uncompressed bytes
};
Result<ResourceName> decode_read_name(std::string_view name);
Result<ResourceName> decode_write_name(std::string_view name);
std::string encode_read_name(const ResourceName& name);
std::string encode_write_name(const ResourceName& name, std::string_view uuid);

}  // namespace hpcc
