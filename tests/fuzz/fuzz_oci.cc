// Fuzzes the JSON of OCI layouts and the image store's own record: within limits, and the record has one encoding.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "base/limits.h"
#include "image/image_store.h"
#include "image/oci.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto index = hpcc::decode_index(bytes);
  if (index.ok() && index->size() > hpcc::limits::kImageManifests) std::abort();
  const auto manifest = hpcc::decode_manifest_json(bytes);
  if (manifest.ok()) {
    uint64_t total = 0;
    for (const auto& layer : manifest->layers) total += layer.size_bytes;
    if (manifest->layers.empty() || total > hpcc::limits::kImageBytes) std::abort();
  }
  const auto config = hpcc::decode_config(bytes);
  if (config.ok() && config->diff_ids.size() > hpcc::limits::kImageLayers) std::abort();
  static_cast<void>(hpcc::decode_layout_marker(bytes));
  const auto record = hpcc::decode_rootfs_record(bytes);
  if (record.ok() && hpcc::encode_rootfs_record(*record) != bytes) std::abort();
  return 0;
}
