// Packed entries: the payload of an entry's record in the log. The front part is readable without unpacking; the body
// is compressed, and its Manifest names interned records. Grammar in docs/formats.md.
#pragma once

#include "store/intern.h"
#include "store/store.h"
#include "store/zstd.h"

namespace hpcc::store {

struct EntryFront {
  DirectKey key;
  uint64_t sequence = 0;
  ManifestDigest manifest;
  uint64_t variant = 0;  // tells entries of one Manifest apart that serve different requests
  std::vector<BlobDigest> blobs;
};

uint64_t variant_of(const CompileResult& result);
Result<EntryFront> decode_entry_front(std::string_view payload);

struct Packer {
  Table& table;
  Log& log;
  Interner& interner;
  TableStats& stats;
  Zstd& zstd;
};
// `entry.manifest` is in canonical order; interns what the log does not hold yet.
Result<std::string> pack_entry(Packer& to, const DirectKey& key, const ManifestDigest& manifest, const Entry& entry);
// kCorrupt when the bytes are no whole entry; `damaged` is then the id of a damaged interned record, or 0.
Result<Entry> unpack_entry(const Log& log, Interner& interner, Zstd& zstd, std::string_view payload, uint32_t& damaged);

}  // namespace hpcc::store
