// One layer of an image: compressed bytes in, entries of its tar into a TreeWriter. Runs in the confined flattener
// only; every byte is hostile. libarchive reads the tar (ustar, pax, GNU); decompression is bounded in Inflater.
//
// The C library's character set must be UTF-8, or libarchive refuses names (run_flattener sees to it).
#pragma once

#include "base/result.h"
#include "image/inflate.h"
#include "image/oci.h"
#include "image/tree_writer.h"

namespace hpcc {

// Reads the layer to its very end. The digest is that of the uncompressed bytes (OCI's diff_id). An Error names the
// entry it is about.
Result<BlobDigest> decode_layer(ByteSource source, LayerCompression compression, TreeWriter& tree);

}  // namespace hpcc
