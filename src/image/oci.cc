#include "image/oci.h"

// Parsing reports errors as values; every access below is checked first, so the library never needs to abort.
#define JSON_NOEXCEPTION 1
#include <nlohmann/json.hpp>

#include "base/limits.h"

namespace hpcc {
namespace {

using Json = nlohmann::json;

Error invalid(std::string message) { return {Code::kInvalid, std::move(message), 0}; }

Result<Json> parse_object(std::string_view text, const char* what) {
  if (text.size() > limits::kImageJsonBytes) return Error{Code::kLimit, std::string(what) + ": too large", 0};
  Json json = Json::parse(text, nullptr, false);
  if (json.is_discarded() || !json.is_object()) return invalid(std::string(what) + ": not a JSON object");
  return json;
}

// nullptr when it is not there.
const Json* member(const Json& object, const char* name) {
  if (!object.is_object()) return nullptr;
  const auto found = object.find(name);
  return found == object.end() ? nullptr : &*found;
}

std::string text_of(const Json& object, const char* name) {
  const Json* found = member(object, name);
  const std::string* text = found ? found->get_ptr<const std::string*>() : nullptr;
  return text && text->size() <= limits::kPathBytes ? *text : std::string();
}

Result<BlobDigest> digest_of(const std::string& text) {
  if (const std::optional<BlobDigest> digest = BlobDigest::from_text(text)) return *digest;
  return invalid("a digest that is not sha256: and 64 lower-case digits");
}

Result<Descriptor> descriptor_of(const Json& json) {
  if (!json.is_object()) return invalid("a descriptor that is not an object");
  Descriptor out;
  out.media_type = text_of(json, "mediaType");
  TRY_ASSIGN(out.digest, digest_of(text_of(json, "digest")));
  const Json* size = member(json, "size");
  if (!size || !size->is_number_integer() || (!size->is_number_unsigned() && size->get<int64_t>() < 0)) {
    return invalid("a descriptor without a size");
  }
  out.size_bytes = size->get<uint64_t>();
  if (const Json* platform = member(json, "platform")) {
    out.os = text_of(*platform, "os");
    out.architecture = text_of(*platform, "architecture");
  }
  if (const Json* annotations = member(json, "annotations")) {
    out.name = text_of(*annotations, "org.opencontainers.image.ref.name");
  }
  return out;
}

Result<const Json*> array_of(const Json& object, const char* name, size_t limit) {
  const Json* found = member(object, name);
  if (!found || !found->is_array()) return invalid(std::string("no array \"") + name + '"');
  if (found->size() > limit) return Error{Code::kLimit, std::string("too many ") + name, 0};
  return found;
}

Result<LayerCompression> compression_of(const std::string& media_type) {
  struct Row {
    const char* media_type;
    LayerCompression compression;
  };
  static constexpr Row kRows[] = {
      {"application/vnd.oci.image.layer.v1.tar", LayerCompression::kNone},
      {"application/vnd.oci.image.layer.v1.tar+gzip", LayerCompression::kGzip},
      {"application/vnd.oci.image.layer.v1.tar+zstd", LayerCompression::kZstd},
      {"application/vnd.oci.image.layer.nondistributable.v1.tar", LayerCompression::kNone},
      {"application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", LayerCompression::kGzip},
      {"application/vnd.oci.image.layer.nondistributable.v1.tar+zstd", LayerCompression::kZstd},
      {"application/vnd.docker.image.rootfs.diff.tar", LayerCompression::kNone},
      {"application/vnd.docker.image.rootfs.diff.tar.gzip", LayerCompression::kGzip},
      {"application/vnd.docker.image.rootfs.diff.tar.zstd", LayerCompression::kZstd},
  };
  for (const Row& row : kRows) {
    if (media_type == row.media_type) return row.compression;
  }
  return Error{Code::kUnsupported, "layer of unknown media type \"" + media_type.substr(0, 100) + '"', 0};
}

}  // namespace

Status decode_layout_marker(std::string_view json) {
  TRY_ASSIGN(Json root, parse_object(json, "oci-layout"));
  if (text_of(root, "imageLayoutVersion") != "1.0.0") {
    return Error{Code::kUnsupported, "oci-layout: imageLayoutVersion is not 1.0.0", 0};
  }
  return {};
}

Result<std::vector<Descriptor>> decode_index(std::string_view json) {
  TRY_ASSIGN(Json root, parse_object(json, "index"));
  TRY_ASSIGN(const Json* manifests, array_of(root, "manifests", limits::kImageManifests));
  std::vector<Descriptor> out;
  for (const Json& entry : *manifests) {
    TRY_ASSIGN(Descriptor descriptor, descriptor_of(entry));
    out.push_back(std::move(descriptor));
  }
  return out;
}

Result<OciManifest> decode_manifest_json(std::string_view json) {
  TRY_ASSIGN(Json root, parse_object(json, "manifest"));
  const Json* config = member(root, "config");
  if (!config) return invalid("manifest without a config");
  OciManifest out;
  TRY_ASSIGN(out.config, descriptor_of(*config));
  TRY_ASSIGN(const Json* layers, array_of(root, "layers", limits::kImageLayers));
  uint64_t total = 0;
  for (const Json& entry : *layers) {
    TRY_ASSIGN(Descriptor descriptor, descriptor_of(entry));
    TRY_ASSIGN(const LayerCompression compression, compression_of(descriptor.media_type));
    if (descriptor.size_bytes > limits::kImageBytes || (total += descriptor.size_bytes) > limits::kImageBytes) {
      return Error{Code::kLimit, "layers too large", 0};
    }
    out.layers.push_back({descriptor.digest, descriptor.size_bytes, compression});
  }
  if (out.layers.empty()) return invalid("manifest without layers");
  return out;
}

Result<OciConfig> decode_config(std::string_view json) {
  TRY_ASSIGN(Json root, parse_object(json, "config"));
  OciConfig out;
  out.os = text_of(root, "os");
  out.architecture = text_of(root, "architecture");
  const Json* rootfs = member(root, "rootfs");
  if (!rootfs) return invalid("config without rootfs");
  TRY_ASSIGN(const Json* ids, array_of(*rootfs, "diff_ids", limits::kImageLayers));
  for (const Json& entry : *ids) {
    const std::string* text = entry.get_ptr<const std::string*>();
    if (!text) return invalid("a diff_id that is not a string");
    TRY_ASSIGN(const BlobDigest digest, digest_of(*text));
    out.diff_ids.push_back(digest);
  }
  return out;
}

bool is_index(const Descriptor& descriptor) {
  return descriptor.media_type == "application/vnd.oci.image.index.v1+json" ||
         descriptor.media_type == "application/vnd.docker.distribution.manifest.list.v2+json";
}

bool is_manifest(const Descriptor& descriptor) {
  return descriptor.media_type == "application/vnd.oci.image.manifest.v1+json" ||
         descriptor.media_type == "application/vnd.docker.distribution.manifest.v2+json";
}

}  // namespace hpcc
