#include "rpc/identity.h"

#include <openssl/bio.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <memory>

#include "base/limits.h"

namespace hpcc {
namespace {

constexpr std::string_view kPrefix = "spiffe://hpcc/";
constexpr size_t kNameBytes = 63;

struct Free {
  void operator()(BIO* bio) const { BIO_free(bio); }
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(GENERAL_NAMES* names) const { GENERAL_NAMES_free(names); }
};

// The URIs of a certificate; more than one is as bad as none.
Result<std::string> only_uri(X509* certificate) {
  std::unique_ptr<GENERAL_NAMES, Free> names(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  std::string uri;
  for (int i = 0; names != nullptr && i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type != GEN_URI) continue;
    const ASN1_IA5STRING* text = name->d.uniformResourceIdentifier;
    const int size = ASN1_STRING_length(text);
    if (!uri.empty() || size <= 0 || static_cast<size_t>(size) > limits::kIdentityBytes) {
      return Error{Code::kPermission, "a certificate must name exactly one identity"};
    }
    uri.assign(reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)), static_cast<size_t>(size));
  }
  if (uri.empty()) return Error{Code::kPermission, "a certificate names no identity"};
  return uri;
}

}  // namespace

std::string_view role_name(Role role) {
  switch (role) {
    case Role::kScheduler:
      return "scheduler";
    case Role::kWorker:
      return "worker";
    case Role::kClient:
      return "client";
  }
  return "";
}

bool is_plain_name(std::string_view name) {
  auto is_plain = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; };
  return !name.empty() && name.size() <= kNameBytes && name[0] != '-' &&
         std::all_of(name.begin(), name.end(), is_plain);
}

std::string encode_identity(const Identity& identity) {
  CHECK(is_plain_name(identity.name) && (identity.role == Role::kClient) == is_plain_name(identity.tenant));
  std::string uri = std::string(kPrefix) + std::string(role_name(identity.role)) + "/";
  if (identity.role == Role::kClient) uri += identity.tenant + "/";
  return uri + identity.name;
}

Result<Identity> decode_identity(std::string_view uri) {
  const Error bad{Code::kPermission, "not an identity of hpcc"};
  if (uri.size() > limits::kIdentityBytes || !uri.starts_with(kPrefix)) return bad;
  uri.remove_prefix(kPrefix.size());
  for (Role role : {Role::kScheduler, Role::kWorker, Role::kClient}) {
    const std::string_view word = role_name(role);
    if (!uri.starts_with(word) || uri.size() <= word.size() || uri[word.size()] != '/') continue;
    std::string_view rest = uri.substr(word.size() + 1);
    Identity identity;
    identity.role = role;
    if (role == Role::kClient) {
      const size_t slash = rest.find('/');
      if (slash == std::string_view::npos) return bad;
      identity.tenant = rest.substr(0, slash);
      rest.remove_prefix(slash + 1);
      if (!is_plain_name(identity.tenant)) return bad;
    }
    if (!is_plain_name(rest)) return bad;
    identity.name = rest;
    return identity;
  }
  return bad;
}

Result<Peer> decode_peer(std::string_view certificate_pem) {
  if (certificate_pem.size() > limits::kCertificateBytes) return Error{Code::kLimit, "a certificate is too large"};
  std::unique_ptr<BIO, Free> bio(BIO_new_mem_buf(certificate_pem.data(), static_cast<int>(certificate_pem.size())));
  std::unique_ptr<X509, Free> certificate(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
  if (certificate == nullptr) return Error{Code::kPermission, "not a certificate"};
  TRY_ASSIGN(const std::string uri, only_uri(certificate.get()));
  Peer peer;
  TRY_ASSIGN(peer.identity, decode_identity(uri));
  unsigned char* der = nullptr;
  const int size = i2d_X509(certificate.get(), &der);
  if (size <= 0) return Error{Code::kPermission, "not a certificate"};
  peer.certificate = CertificateDigest::of({reinterpret_cast<const char*>(der), static_cast<size_t>(size)});
  OPENSSL_free(der);
  return peer;
}

std::string server_name(const Identity& identity) {
  switch (identity.role) {
    case Role::kScheduler:
      return "scheduler.hpcc";
    case Role::kWorker:
      return identity.name + ".worker.hpcc";
    case Role::kClient:
      return "";
  }
  return "";
}

}  // namespace hpcc
