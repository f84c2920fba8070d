// The JSON of an OCI image layout (image-spec 1.0): index, manifest and config as values. All of it is hostile; what
// decodes is within the limits and has only digests of SHA-256. Unknown fields are ignored, as the specification asks.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/digest.h"

namespace hpcc {

enum class LayerCompression { kNone, kGzip, kZstd };

struct Descriptor {
  std::string media_type;
  BlobDigest digest;
  uint64_t size_bytes = 0;
  std::string os, architecture;  // of `platform`, "" where it is not said
  std::string name;              // annotation org.opencontainers.image.ref.name
};

struct OciLayer {
  BlobDigest digest;
  uint64_t size_bytes = 0;
  LayerCompression compression = LayerCompression::kNone;
};

struct OciManifest {
  Descriptor config;
  std::vector<OciLayer> layers;  // lowest first
};

struct OciConfig {
  std::string os, architecture;
  std::vector<BlobDigest> diff_ids;  // of the layers' uncompressed bytes
};

Status decode_layout_marker(std::string_view json);  // the file oci-layout
Result<std::vector<Descriptor>> decode_index(std::string_view json);
Result<OciManifest> decode_manifest_json(std::string_view json);
Result<OciConfig> decode_config(std::string_view json);

bool is_index(const Descriptor& descriptor);
bool is_manifest(const Descriptor& descriptor);

}  // namespace hpcc
