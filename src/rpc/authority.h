// Authority: the private certificate authority that `hpcc up` makes on first run. P-256 keys, X.509 v3.
//
// A client's certificate is for clients only: TLS refuses it as a server's. Thread-safe once made.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"
#include "rpc/identity.h"

namespace hpcc {

struct KeyPair {
  std::string certificate_pem;
  std::string key_pem;
};

class Authority {
 public:
  static Result<Authority> create(int64_t valid_s);
  static Result<Authority> from_pem(KeyPair pair);

  Result<KeyPair> issue(const Identity& identity, int64_t valid_s) const;
  const KeyPair& pair() const { return pair_; }

 private:
  explicit Authority(KeyPair pair) : pair_(std::move(pair)) {}
  KeyPair pair_;
};

// Seconds until the certificate expires; negative when it has.
Result<int64_t> remaining_s(std::string_view certificate_pem);

// Whether this certificate was signed by that authority's.
bool is_issued_by(std::string_view certificate_pem, std::string_view authority_pem);

// Makes what is missing under `dir` (the `up` directory): ca/, scheduler/, worker/, client/, each with cert.pem and
// key.pem (0600) and ca.pem beside them. A certificate that is not of this authority or expires within 30 days is made
// anew. Not for two processes at once.
struct CertificateNames {
  std::string worker = "local";
  std::string tenant = "local";
  std::string client = "local";
};
Status init_certificates(const std::string& dir, const CertificateNames& names);

// The same for one more client, of any tenant, in a directory of its own: what a client on another machine needs. The
// authority under `dir` must be there.
Status init_client(const std::string& dir, const std::string& client_dir, const std::string& tenant,
                   const std::string& name);

}  // namespace hpcc
