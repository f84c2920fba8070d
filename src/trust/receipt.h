// Receipt: what a worker says about one ActionResult and how a client checks it before use. On the wire:
// proto/hpcc/v1/receipt.proto.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "trust/checkpoint.h"
#include "trust/row.h"

namespace hpcc {

struct Receipt {
  std::string row;  // the audit row's line
  uint64_t leaf_index = 0;
  std::string checkpoint;              // signed note
  std::vector<std::string> inclusion;  // 32 bytes each
  std::string probes;                  // encode_probes(); "" when the compile escaped its observer
  // That the checkpoint's tree extends the one of so many rows, of which the client has a checkpoint.
  uint64_t consistent_from = 0;
  std::vector<std::string> consistency = {};
};

// What the client knows by itself: from its lease, its own action and the outputs it has hashed.
struct ExpectedReceipt {
  PublicKey worker_key;
  std::string worker, tenant, image, source_digest, action_digest, output_digest, stdio_digest;
  int exit = 0;
};

struct CheckedReceipt {
  AuditRow row;
  Checkpoint checkpoint;
};

// kPermission says which of signature, key, worker, tenant, image, source, action, outputs, output text, exit code,
// probes or inclusion did not hold.
Result<CheckedReceipt> check_receipt(const Receipt& receipt, const ExpectedReceipt& expected);

// Of that the last: the checkpoint is this worker's, and its tree holds the row.
Result<Checkpoint> check_in_log(const Receipt& receipt, const std::string& worker, const PublicKey& key);

// What a client saw of each worker's log, files in `directory`: the last checkpoint of which it was proved that its
// tree extends all that it had kept before, and, where answers overtook each other, a larger one without that proof. So
// a worker that rewrites its history and goes on is found out: at once by see(), or by `hpcc audit verify`.
class SeenCheckpoints {
 public:
  explicit SeenCheckpoints(std::string directory) : directory_(std::move(directory)) {}
  // kPermission when the receipt's checkpoint is of the same size with another root, or does not extend what was kept.
  // A smaller one is fine and is not kept.
  Status see(const Receipt& receipt, const PublicKey& key) const;
  // The rows of the proved one, 0 for none: what to ask a proof from. Not checked.
  uint64_t rows(std::string_view worker) const;
  std::vector<std::string> kept(std::string_view worker) const;

 private:
  std::string path_of(std::string_view origin) const;
  Status keep(const std::string& path, const std::string& note) const;
  std::string directory_;
};

}  // namespace hpcc
