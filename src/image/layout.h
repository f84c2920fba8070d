// An OCI image layout directory, read: which image it holds, with every digest checked. Its files are hostile.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "image/flatten.h"
#include "image/oci.h"

namespace hpcc {

struct LayoutImage {
  ImageDigest digest;  // the manifest's
  std::string manifest_json, config_json;
  OciManifest manifest;
  OciConfig config;
  std::vector<LayerFile> layers;  // opened, not read yet: their digests are checked by who reads them
};

// `wanted`: the manifest's digest as "sha256:…", or "" when the layout holds one image for this machine.
Result<LayoutImage> read_layout(const std::string& layout_dir, const std::string& wanted);

}  // namespace hpcc
