// Flattening: layers of an image into one tree, in a confined process of its own (`--role=flatten`). The host's side
// reads the blobs, checks their digests while it sends them, and believes nothing of the answer but what it can use
// safely; the flattener (run_flattener) sees the bytes, the tree's directory, and nothing else.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/deadline.h"
#include "base/fd.h"
#include "base/result.h"
#include "image/oci.h"

namespace hpcc {

struct LayerFile {
  Fd blob;  // read from its beginning
  OciLayer layer;
};

struct Flattened {
  std::vector<BlobDigest> diff_ids;  // as the flattener computed them
  uint64_t entries = 0, bytes = 0;
  uint64_t skipped = 0;  // devices, sockets, FIFOs
};

// `tree_dir` must be empty and the caller's. `program`: an executable that calls run_flattener() for --role=flatten.
// The result belongs to the caller, whoever wrote it. An Error names layer and entry.
Result<Flattened> flatten(std::vector<LayerFile>& layers, const std::string& tree_dir, const std::string& program,
                          Deadline deadline);

// Main of the role: descriptor 0 is the stream, 3 the tree's directory. Returns the exit code.
int run_flattener();

// What the flattener answers; bytes of a process that may have been taken over.
Result<Flattened> decode_flatten_report(std::string_view bytes, size_t layers);

}  // namespace hpcc
