// Results: the worker's action cache, `<dir>/<tenant>/results/ab/<action hex>`, each a StoredResult. An entry is
// believed only when this worker's signature is on its row, the row is for this tenant and action, its digests are
// those of the outputs, messages and probes, and every blob is there; any other is removed. Only execute() writes it:
// no client can.
//
// Thread-safe.
#pragma once

#include <hpcc/v1/stored_result.pb.h>

#include <optional>
#include <string>

#include "base/result.h"
#include "rpc/reapi.h"
#include "trust/row.h"
#include "worker/cas.h"

namespace hpcc {

class Results {
 public:
  Results(Cas& cas, const PublicKey& key) : cas_(cas), key_(key) {}

  struct Found {
    hpcc::v1::StoredResult stored;
    AuditRow row;
  };
  // kNotFound when there is none that holds.
  Result<Found> find(const std::string& tenant, const BlobDigest& action);
  Status put(const std::string& tenant, const BlobDigest& action, const hpcc::v1::StoredResult& stored);

 private:
  std::string path(const std::string& tenant, const BlobDigest& action) const;
  Result<Found> check(const std::string& tenant, const BlobDigest& action, std::string_view bytes);

  Cas& cas_;
  const PublicKey key_;
};

// What a row says of a result: outputs_digest() of its files by their paths from the root, and the digest of its
// messages.
std::string output_digest_of(const reapi::ActionResult& result, const std::string& working_directory);
std::string stdio_digest_of(const reapi::ActionResult& result);

}  // namespace hpcc
