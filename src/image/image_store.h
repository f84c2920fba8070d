// ImageStore: toolchain images made ready, as <dir>/<64 hex of the manifest>/ with
//   tree/            the flattened tree
//   rootfs.squashfs  the same, for microVMs
//   rootfs.verity    its dm-verity hash tree
//   manifest.json, config.json   as they were in the layout
//   rootfs           "key value" lines, see decode_rootfs_record
// A directory appears by rename when all of it is there, and never changes. Several processes may use one store.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/deadline.h"
#include "base/result.h"
#include "model/rootfs.h"

namespace hpcc {

struct ImageAdd {
  std::string layout_dir;
  std::string wanted;  // "sha256:…", or "" when the layout holds one image
  std::string flattener = "/proc/self/exe";  // calls run_flattener() for --role=flatten
};

struct AddedImage {
  ImageDigest digest;
  bool was_there = false;
  uint64_t entries = 0, bytes = 0, skipped = 0;  // of the tree, when it was made now
};

class ImageStore {
 public:
  static Result<ImageStore> open(const std::string& dir);  // made if missing, mode 0700

  Result<AddedImage> add(const ImageAdd& what, Deadline deadline);
  // kNotFound names the image and how to add it. kCorrupt: files are missing or have other sizes.
  Result<Rootfs> find(const ImageDigest& digest) const;
  Result<std::vector<ImageDigest>> list() const;
  Status remove(const ImageDigest& digest);

 private:
  explicit ImageStore(std::string dir) : dir_(std::move(dir)) {}
  std::string path_of(const ImageDigest& digest) const;
  Status clear_leftovers();
  Result<AddedImage> make(const ImageAdd& what, const std::string& staging, Deadline deadline);

  std::string dir_;
};

// The file `rootfs`: lines "version 1", "root_hash", "salt", "data_blocks", "verity_bytes", in this order.
struct RootfsRecord {
  std::string root_hash, salt;
  uint64_t data_blocks = 0, verity_bytes = 0;
};
std::string encode_rootfs_record(const RootfsRecord& record);
Result<RootfsRecord> decode_rootfs_record(std::string_view text);

}  // namespace hpcc
