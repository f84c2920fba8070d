// What a client knows of its scheduler: $HPCC_DIR/up/client/client.toml, written by `hpcc up` or by an administrator.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace hpcc {

struct ClientConfig {
  std::string scheduler;    // host:port
  std::string ca;           // file with the certificates that the scheduler's must chain to
  std::string certificate;  // the client's own, and its key: files
  std::string key;
  std::string tenant;
  std::string scheduler_key;  // Ed25519 public key, 64 hex digits: signs grants
};

// Relative file names are relative to the file's directory.
Result<ClientConfig> decode_client_config(std::string_view text, const std::string& path);
Result<ClientConfig> load_client_config(const std::string& path);

}  // namespace hpcc
