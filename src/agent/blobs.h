// BlobDir: the blobs a session's host has put into the guest, as files named by digest. The host decides what is kept;
// the bound here is its own promise, enforced.
#pragma once

#include <hpcc/v1/agent.pb.h>

#include <cstdint>
#include <map>
#include <string>

#include "base/fd.h"
#include "base/result.h"

namespace hpcc {

class BlobDir {
 public:
  explicit BlobDir(int directory) : directory_(directory) {}
  ~BlobDir() { clear(); }

  void set_limit(uint64_t limit_bytes) { limit_bytes_ = limit_bytes; }
  // One part. A blob is there once its last part is.
  Status put(const v1::Blob& part);
  void drop(const std::string& digest);
  bool has(const std::string& digest) const { return sizes_.contains(digest); }
  void clear();

 private:
  Status begin(const v1::Blob& part);

  int directory_;
  uint64_t limit_bytes_ = 0, used_bytes_ = 0;
  std::map<std::string, uint64_t> sizes_;
  std::string incoming_;  // digest of the blob whose parts are arriving
  uint64_t incoming_size_ = 0, incoming_have_ = 0;
  Fd incoming_file_;
};

}  // namespace hpcc
