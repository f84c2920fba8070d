// Who a peer is: told by its certificate alone, as one URI in its subject alternative names.
//
//   identity := "spiffe://hpcc/scheduler/" name | "spiffe://hpcc/worker/" name | "spiffe://hpcc/client/" tenant "/"
//   name name, tenant := [a-z0-9] [a-z0-9-]{0,62}
//
// Servers also have a DNS name made from it (server_name()), so that TLS itself refuses any other server than the one
// that was asked for. Pure values; thread-safe.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "model/digest.h"

namespace hpcc {

using CertificateDigest = TaggedDigest<struct CertificateTag>;  // of the DER form

enum class Role : uint8_t { kScheduler, kWorker, kClient };
std::string_view role_name(Role role);

struct Identity {
  Role role = Role::kClient;
  std::string tenant;  // clients only
  std::string name;
  bool operator==(const Identity&) const = default;
};

struct Peer {
  Identity identity;
  CertificateDigest certificate;
};

// Names and tenants stand in paths, certificates and rows: one narrow alphabet.
bool is_plain_name(std::string_view name);

std::string encode_identity(const Identity& identity);
Result<Identity> decode_identity(std::string_view uri);
// From a certificate that TLS has accepted: it must have exactly one URI, an identity.
Result<Peer> decode_peer(std::string_view certificate_pem);

// "scheduler.hpcc", "<name>.worker.hpcc"; clients have none.
std::string server_name(const Identity& identity);

}  // namespace hpcc
