#include "image/layout.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "base/limits.h"

namespace hpcc {
namespace {

constexpr char kOs[] = "linux", kArchitecture[] = "amd64";

std::string blob_path(const std::string& layout_dir, const BlobDigest& digest) {
  return join_path(layout_dir, "blobs/sha256/" + digest.hex());
}

Error about(const std::string& what, Error error) {
  error.message = what + ": " + error.message;
  return error;
}

Result<std::string> read_json_blob(const std::string& layout_dir, const BlobDigest& digest, uint64_t size_bytes) {
  TRY_ASSIGN(std::string bytes, read_file(blob_path(layout_dir, digest), limits::kImageJsonBytes));
  if (bytes.size() == size_bytes && BlobDigest::of(bytes) == digest) return bytes;
  return Error{Code::kCorrupt, "blob " + digest.text() + " does not have its digest and size", 0};
}

// Manifests for this machine in an index, those of indexes in it included, one level deep.
Status collect(const std::string& layout_dir, const std::vector<Descriptor>& index, int depth,
               std::vector<Descriptor>& found) {
  for (const Descriptor& entry : index) {
    const bool other_os = !entry.os.empty() && entry.os != kOs;
    const bool other_cpu = !entry.architecture.empty() && entry.architecture != kArchitecture;
    if (other_os || other_cpu) continue;
    if (is_manifest(entry)) found.push_back(entry);
    if (!is_index(entry)) continue;
    if (depth == 0) return Error{Code::kInvalid, "index.json: indexes nested too deep", 0};
    TRY_ASSIGN(const std::string json, read_json_blob(layout_dir, entry.digest, entry.size_bytes));
    TRY_ASSIGN(const std::vector<Descriptor> inner, decode_index(json));
    TRY(collect(layout_dir, inner, depth - 1, found));
  }
  return {};
}

Result<Descriptor> choose(const std::vector<Descriptor>& found, const std::string& wanted) {
  std::string all;
  const Descriptor* chosen = nullptr;
  size_t different = 0;
  for (const Descriptor& entry : found) {
    const std::string name = entry.digest.text();
    if (name == wanted) return entry;
    if (chosen && chosen->digest == entry.digest) continue;
    chosen = &entry;
    ++different;
    all += "\n  " + name + (entry.name.empty() ? "" : " " + entry.name.substr(0, 100));
  }
  if (!wanted.empty()) return Error{Code::kNotFound, "no image " + wanted + " in the layout; it has" + all, 0};
  if (different == 1) return *chosen;
  if (different == 0) return Error{Code::kNotFound, "no image for linux/amd64 in the layout", 0};
  return Error{Code::kInvalid, "several images in the layout; name one of" + all, 0};
}

Result<Fd> open_blob(const std::string& path) {
  Fd blob(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
  struct stat info;
  if (!blob || fstat(blob.get(), &info) != 0) return errno_error("open " + path);
  if (!S_ISREG(info.st_mode)) return Error{Code::kInvalid, path + ": not a regular file", 0};
  return blob;
}

Status read_image(const std::string& layout_dir, const Descriptor& descriptor, LayoutImage& image) {
  image.digest.bytes = descriptor.digest.bytes;
  TRY_ASSIGN(image.manifest_json, read_json_blob(layout_dir, descriptor.digest, descriptor.size_bytes));
  TRY_ASSIGN(image.manifest, decode_manifest_json(image.manifest_json));
  const Descriptor& config = image.manifest.config;
  TRY_ASSIGN(image.config_json, read_json_blob(layout_dir, config.digest, config.size_bytes));
  TRY_ASSIGN(image.config, decode_config(image.config_json));
  if (image.config.os != kOs || image.config.architecture != kArchitecture) {
    return Error{Code::kUnsupported, "the image is not for linux/amd64", 0};
  }
  if (image.config.diff_ids.size() != image.manifest.layers.size()) {
    return Error{Code::kInvalid, "manifest and config have different numbers of layers", 0};
  }
  for (const OciLayer& layer : image.manifest.layers) {
    TRY_ASSIGN(Fd blob, open_blob(blob_path(layout_dir, layer.digest)));
    image.layers.push_back({std::move(blob), layer});
  }
  return {};
}

}  // namespace

Result<LayoutImage> read_layout(const std::string& layout_dir, const std::string& wanted) {
  Result<std::string> marker = read_file(join_path(layout_dir, "oci-layout"), limits::kImageJsonBytes);
  if (!marker.ok()) return about(layout_dir + " is not an OCI image layout", marker.error());
  if (Status known = decode_layout_marker(*marker); !known.ok()) return about(layout_dir, known.error());
  TRY_ASSIGN(const std::string json, read_file(join_path(layout_dir, "index.json"), limits::kImageJsonBytes));
  Result<std::vector<Descriptor>> index = decode_index(json);
  if (!index.ok()) return about(layout_dir, index.error());
  std::vector<Descriptor> found;
  if (Status done = collect(layout_dir, *index, 1, found); !done.ok()) return about(layout_dir, done.error());
  Result<Descriptor> chosen = choose(found, wanted);
  if (!chosen.ok()) return about(layout_dir, chosen.error());
  LayoutImage image;
  Status done = read_image(layout_dir, *chosen, image);
  if (!done.ok()) return about(layout_dir, done.error());
  return image;
}

}  // namespace hpcc
