// ReceiptCheck: whether what a worker answered may be used. The scheduler's grant, signed by the key in client.toml,
// names the worker and the key of its receipts; the receipt must be for this tenant, image, input tree and Action, and
// name the bytes that came.
//
// Any thread.
#pragma once

#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "model/reapi.h"
#include "trust/seen.h"
#include "wire/client_config.h"
#include "wire/remote.h"

namespace hpcc {

struct AskedFor {
  std::string image;  // "sha256:..."
  SizedDigest input_root;
  ActionDigest action;
  std::string working_directory;  // below the root
  uint64_t asked_s = 0;           // Unix time: the grant must have held then, however long the compile took
  std::vector<SeenNote> seen = {};  // seen() then
};

class ReceiptCheck {
 public:
  explicit ReceiptCheck(std::string client_dir) : client_dir_(std::move(client_dir)), seen_(client_dir_ + "/seen") {}

  // What is known of workers' logs: asked of with a compile, so that its answer proves that it extends it.
  std::vector<SeenNote> seen() const { return seen_.all(); }
  // kPermission says what did not hold.
  Result<AuditRow> check(const remote::RemoteResult& result, const AskedFor& asked);

 private:
  Result<ClientConfig> config();

  const std::string client_dir_;
  const SeenCheckpoints seen_;
  std::mutex mutex_;  // guards config_
  std::optional<ClientConfig> config_;
};

}  // namespace hpcc
