// Receipt: what a worker says about one ActionResult and how a client checks it before use. On the wire:
// proto/hpcc/v1/receipt.proto.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/consistency.h"
#include "trust/checkpoint.h"
#include "trust/row.h"

namespace hpcc {

struct Receipt {
  std::string row;  // the audit row's line
  uint64_t leaf_index = 0;
  std::string checkpoint;              // signed note
  std::vector<std::string> inclusion;  // 32 bytes each
  std::string probes;                  // encode_probes(); "" when the compile escaped its observer
  std::vector<Consistency> consistency = {};  // that the checkpoint's tree extends what the client asked about
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

// The hashes of a proof; kPermission when it is malformed.
Result<std::vector<TreeHash>> decode_proof(const std::vector<std::string>& steps);

}  // namespace hpcc
