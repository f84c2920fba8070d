// TLS as hpcc uses it: mutual, always; both ends present a certificate of the same authority, and each learns who the
// other is from it (rpc/identity.h). Thread-safe.
#pragma once

#include <grpcpp/channel.h>
#include <grpcpp/security/auth_context.h>
#include <grpcpp/server_builder.h>

#include <memory>
#include <string>

#include "base/result.h"
#include "rpc/identity.h"

namespace hpcc {

struct TlsMaterial {
  std::string ca_pem;
  std::string certificate_pem;
  std::string key_pem;
};

// ca.pem, cert.pem and key.pem of a directory of init_certificates(). The key must be ours alone.
Result<TlsMaterial> read_tls(const std::string& dir);

// Listens on `address` ("127.0.0.1:0"; the port that was taken comes back in *port once the server has started), asks
// every client for a certificate, and bounds messages, streams, memory, threads and idle time.
struct ServerLimits {
  int message_bytes = 0;  // the largest that is received
  int threads = 256;
  int streams_per_connection = 256;
  size_t memory_bytes = size_t{512} << 20;
};
void listen_tls(grpc::ServerBuilder& builder, const std::string& address, const TlsMaterial& tls,
                const ServerLimits& limits, int* port);

// A channel to the server of this identity; TLS refuses any other. Connects when first used.
std::shared_ptr<grpc::Channel> dial_tls(const std::string& address, const std::string& expected_server_name,
                                        const TlsMaterial& tls, int message_bytes);

// Who calls.
Result<Peer> peer_of(const grpc::AuthContext& context);

}  // namespace hpcc
