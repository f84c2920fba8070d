// What a client knows of its scheduler: $HPCC_DIR/up/client/client.toml, written by hpcc-scheduler; its certificate and
// key lie beside it (rpc/tls.h). docs/formats.md, "Client configuration".
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace hpcc {

struct ClientConfig {
  std::string scheduler;  // host:port
  std::string tenant;
  std::string scheduler_key;  // Ed25519 public key, 64 hex digits: signs grants

  bool operator==(const ClientConfig&) const = default;
};

// `name` is the file in errors. A setting that is missing, unknown or no text is kInvalid.
Result<ClientConfig> decode_client_config(std::string_view text, const std::string& name);
std::string encode_client_config(const ClientConfig& config);  // of values without quotes, backslashes and controls
Result<ClientConfig> load_client_config(const std::string& path);

}  // namespace hpcc
