#include "rpc/tls.h"

#include <grpc/grpc_security_constants.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/resource_quota.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "base/limits.h"

namespace hpcc {
namespace {

constexpr int kKeepaliveMs = 20'000;
constexpr int kKeepaliveTimeoutMs = 10'000;
constexpr int kIdleMs = 15 * 60 * 1000;
constexpr int kHandshakeMs = 10'000;
constexpr int kReconnectMs = 2'000;

}  // namespace

Result<TlsMaterial> read_tls(const std::string& dir) {
  struct stat st;
  const std::string key = dir + "/key.pem";
  if (::stat(key.c_str(), &st) != 0) return errno_error("cannot read " + key);
  if ((st.st_mode & 077) != 0) return Error{Code::kPermission, key + " can be read by others"};
  TlsMaterial tls;
  TRY_ASSIGN(tls.ca_pem, read_file(dir + "/ca.pem", limits::kCertificateBytes));
  TRY_ASSIGN(tls.certificate_pem, read_file(dir + "/cert.pem", limits::kCertificateBytes));
  TRY_ASSIGN(tls.key_pem, read_file(key, limits::kCertificateBytes));
  return tls;
}

void listen_tls(grpc::ServerBuilder& builder, const std::string& address, const TlsMaterial& tls,
                const ServerLimits& limits, int* port) {
  grpc::SslServerCredentialsOptions options(GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  options.pem_root_certs = tls.ca_pem;
  options.pem_key_cert_pairs.push_back({tls.key_pem, tls.certificate_pem});
  builder.AddListeningPort(address, grpc::SslServerCredentials(options), port);
  grpc::ResourceQuota quota("server");
  quota.SetMaxThreads(limits.threads);
  quota.Resize(limits.memory_bytes);
  builder.SetResourceQuota(quota);
  builder.SetMaxReceiveMessageSize(limits.message_bytes);
  builder.SetMaxSendMessageSize(limits::kRpcMessageBytes);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, limits.streams_per_connection);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_IDLE_MS, kIdleMs);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveMs);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepaliveTimeoutMs);
  builder.AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, kHandshakeMs);
  builder.AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, static_cast<int>(limits::kRpcMetadataBytes));
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);  // another process must not share our port
}

std::shared_ptr<grpc::Channel> dial_tls(const std::string& address, const std::string& expected_server_name,
                                        const TlsMaterial& tls, int message_bytes) {
  grpc::SslCredentialsOptions options;
  options.pem_root_certs = tls.ca_pem;
  options.pem_private_key = tls.key_pem;
  options.pem_cert_chain = tls.certificate_pem;
  grpc::ChannelArguments arguments;
  arguments.SetSslTargetNameOverride(expected_server_name);
  arguments.SetMaxReceiveMessageSize(message_bytes);
  arguments.SetMaxSendMessageSize(message_bytes);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, kReconnectMs);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, kReconnectMs);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);  // an environment variable must not reroute compiles
  return grpc::CreateCustomChannel(address, grpc::SslCredentials(options), arguments);
}

Result<Peer> peer_of(const grpc::AuthContext& context) {
  if (!context.IsPeerAuthenticated()) return Error{Code::kPermission, "the peer has no certificate"};
  const auto pem = context.FindPropertyValues(GRPC_X509_PEM_CERT_PROPERTY_NAME);
  if (pem.size() != 1) return Error{Code::kPermission, "the peer has no certificate"};
  return decode_peer({pem[0].data(), pem[0].size()});
}

}  // namespace hpcc
