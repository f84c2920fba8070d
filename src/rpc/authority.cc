#include "rpc/authority.h"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include <memory>

#include "base/fs.h"
#include "base/limits.h"

namespace hpcc {
namespace {

constexpr int64_t kDayS = 24 * 3600;
constexpr int64_t kAuthorityValidS = 3650 * kDayS;
constexpr int64_t kValidS = 365 * kDayS;
constexpr int64_t kRenewS = 30 * kDayS;
constexpr int64_t kBackdateS = 300;  // a peer's clock may be a little behind

struct Free {
  void operator()(BIO* bio) const { BIO_free(bio); }
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(X509_EXTENSION* extension) const { X509_EXTENSION_free(extension); }
};
using Certificate = std::unique_ptr<X509, Free>;
using Key = std::unique_ptr<EVP_PKEY, Free>;

Error failed(const char* what) { return {Code::kIo, std::string("libcrypto: cannot ") + what}; }

std::unique_ptr<BIO, Free> open_text(std::string_view text) {
  return std::unique_ptr<BIO, Free>(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

std::string text_of(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return std::string(data, static_cast<size_t>(size));
}

Certificate parse_certificate(std::string_view pem) {
  return Certificate(PEM_read_bio_X509(open_text(pem).get(), nullptr, nullptr, nullptr));
}

Result<KeyPair> to_pem(X509* certificate, EVP_PKEY* key) {
  std::unique_ptr<BIO, Free> one(BIO_new(BIO_s_mem())), two(BIO_new(BIO_s_mem()));
  if (PEM_write_bio_X509(one.get(), certificate) != 1 ||
      PEM_write_bio_PrivateKey(two.get(), key, nullptr, nullptr, 0, nullptr, nullptr) != 1) {
    return failed("encode a certificate");
  }
  return KeyPair{text_of(one.get()), text_of(two.get())};
}

Status add_extension(X509* certificate, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  std::unique_ptr<X509_EXTENSION, Free> extension(X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str()));
  if (extension == nullptr || X509_add_ext(certificate, extension.get(), -1) != 1) return failed("add an extension");
  return {};
}

// Version, random serial, times, subject and key; not yet signed.
Result<Certificate> new_certificate(EVP_PKEY* key, const std::string& common_name, int64_t valid_s) {
  Certificate certificate(X509_new());
  unsigned char serial[16];
  if (certificate == nullptr || RAND_bytes(serial, sizeof serial) != 1) return failed("make a certificate");
  serial[0] &= 0x7f;  // positive
  serial[0] |= 0x40;
  std::unique_ptr<BIGNUM, decltype(&BN_free)> number(BN_bin2bn(serial, sizeof serial, nullptr), BN_free);
  X509_NAME* name = X509_get_subject_name(certificate.get());
  const bool ok =
      X509_set_version(certificate.get(), 2) == 1 &&
      BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(certificate.get())) != nullptr &&
      X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -kBackdateS) != nullptr &&
      X509_gmtime_adj(X509_getm_notAfter(certificate.get()), valid_s) != nullptr &&
      X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>(common_name.c_str()),
                                 -1, -1, 0) == 1 &&
      X509_set_pubkey(certificate.get(), key) == 1;
  if (!ok) return failed("fill in a certificate");
  return certificate;
}

std::string alternative_names(const Identity& identity) {
  std::string names = "URI:" + encode_identity(identity);
  if (const std::string dns = server_name(identity); !dns.empty()) names += ",DNS:" + dns;
  return names;
}

const char* usage_of(Role role) {
  switch (role) {
    case Role::kScheduler:
      return "serverAuth";
    case Role::kWorker:
      return "serverAuth,clientAuth";
    case Role::kClient:
      return "clientAuth";
  }
  return "";
}

}  // namespace

Result<Authority> Authority::create(int64_t valid_s) {
  Key key(EVP_EC_gen("P-256"));
  if (key == nullptr) return failed("make a key");
  TRY_ASSIGN(Certificate certificate, new_certificate(key.get(), "hpcc authority", valid_s));
  X509* self = certificate.get();
  if (X509_set_issuer_name(self, X509_get_subject_name(self)) != 1) return failed("name the issuer");
  TRY(add_extension(self, self, NID_basic_constraints, "critical,CA:TRUE,pathlen:0"));
  TRY(add_extension(self, self, NID_key_usage, "critical,keyCertSign,cRLSign"));
  TRY(add_extension(self, self, NID_subject_key_identifier, "hash"));
  if (X509_sign(self, key.get(), EVP_sha256()) == 0) return failed("sign a certificate");
  TRY_ASSIGN(KeyPair pair, to_pem(self, key.get()));
  return Authority(std::move(pair));
}

Result<Authority> Authority::from_pem(KeyPair pair) {
  Certificate certificate = parse_certificate(pair.certificate_pem);
  Key key(PEM_read_bio_PrivateKey(open_text(pair.key_pem).get(), nullptr, nullptr, nullptr));
  if (certificate == nullptr || key == nullptr || X509_check_private_key(certificate.get(), key.get()) != 1) {
    return Error{Code::kCorrupt, "the authority's certificate and key do not fit"};
  }
  return Authority(std::move(pair));
}

Result<KeyPair> Authority::issue(const Identity& identity, int64_t valid_s) const {
  Certificate issuer = parse_certificate(pair_.certificate_pem);
  Key issuer_key(PEM_read_bio_PrivateKey(open_text(pair_.key_pem).get(), nullptr, nullptr, nullptr));
  Key key(EVP_EC_gen("P-256"));
  if (issuer == nullptr || issuer_key == nullptr || key == nullptr) return failed("make a key");
  TRY_ASSIGN(Certificate certificate, new_certificate(key.get(), identity.name, valid_s));
  X509* self = certificate.get();
  if (X509_set_issuer_name(self, X509_get_subject_name(issuer.get())) != 1) return failed("name the issuer");
  TRY(add_extension(self, issuer.get(), NID_basic_constraints, "critical,CA:FALSE"));
  TRY(add_extension(self, issuer.get(), NID_key_usage, "critical,digitalSignature"));
  TRY(add_extension(self, issuer.get(), NID_ext_key_usage, usage_of(identity.role)));
  TRY(add_extension(self, issuer.get(), NID_subject_alt_name, alternative_names(identity)));
  TRY(add_extension(self, issuer.get(), NID_authority_key_identifier, "keyid"));
  if (X509_sign(self, issuer_key.get(), EVP_sha256()) == 0) return failed("sign a certificate");
  return to_pem(self, key.get());
}

Result<int64_t> remaining_s(std::string_view certificate_pem) {
  Certificate certificate = parse_certificate(certificate_pem);
  int days = 0, seconds = 0;
  if (certificate == nullptr || ASN1_TIME_diff(&days, &seconds, nullptr, X509_get0_notAfter(certificate.get())) != 1) {
    return Error{Code::kCorrupt, "not a certificate"};
  }
  return days * kDayS + seconds;
}

bool is_issued_by(std::string_view certificate_pem, std::string_view authority_pem) {
  Certificate certificate = parse_certificate(certificate_pem), authority = parse_certificate(authority_pem);
  return certificate != nullptr && authority != nullptr &&
         X509_verify(certificate.get(), X509_get0_pubkey(authority.get())) == 1;
}

// --- the directory ---

namespace {

Result<Authority> open_authority(const std::string& dir) {
  auto certificate = read_file(dir + "/cert.pem", limits::kCertificateBytes);
  if (certificate.ok()) {
    TRY_ASSIGN(std::string key, read_file(dir + "/key.pem", limits::kCertificateBytes));
    return Authority::from_pem({std::move(*certificate), std::move(key)});
  }
  if (certificate.error().code != Code::kNotFound) return std::move(certificate).error();
  TRY_ASSIGN(Authority made, Authority::create(kAuthorityValidS));
  // The certificate last: with it the directory counts as made.
  TRY(replace_file(dir + "/key.pem", made.pair().key_pem, 0600, Sync::kYes));
  TRY(replace_file(dir + "/cert.pem", made.pair().certificate_pem, 0600, Sync::kYes));
  return made;
}

Status init_one(const Authority& authority, const std::string& dir, const Identity& identity) {
  TRY(make_directories(dir, 0700));
  TRY(replace_file(dir + "/ca.pem", authority.pair().certificate_pem, 0600, Sync::kYes));
  auto present = read_file(dir + "/cert.pem", limits::kCertificateBytes);
  if (present.ok()) {
    auto left = remaining_s(*present);
    auto peer = decode_peer(*present);
    if (left.ok() && *left > kRenewS && peer.ok() && peer->identity == identity &&
        is_issued_by(*present, authority.pair().certificate_pem)) {
      return {};
    }
  }
  TRY_ASSIGN(const KeyPair pair, authority.issue(identity, kValidS));
  TRY(replace_file(dir + "/key.pem", pair.key_pem, 0600, Sync::kYes));
  return replace_file(dir + "/cert.pem", pair.certificate_pem, 0600, Sync::kYes);
}

}  // namespace

Status init_certificates(const std::string& dir, const CertificateNames& names) {
  if (!is_plain_name(names.worker) || !is_plain_name(names.tenant) || !is_plain_name(names.client)) {
    return Error{Code::kInvalid, "names are of a-z, 0-9 and -, at most 63"};
  }
  TRY(make_directories(dir + "/ca", 0700));
  TRY_ASSIGN(const Authority authority, open_authority(dir + "/ca"));
  TRY(init_one(authority, dir + "/scheduler", {Role::kScheduler, "", "scheduler"}));
  TRY(init_one(authority, dir + "/worker", {Role::kWorker, "", names.worker}));
  return init_one(authority, dir + "/client", {Role::kClient, names.tenant, names.client});
}

Status init_client(const std::string& dir, const std::string& client_dir, const std::string& tenant,
                   const std::string& name) {
  if (!is_plain_name(tenant) || !is_plain_name(name)) {
    return Error{Code::kInvalid, "names are of a-z, 0-9 and -, at most 63"};
  }
  TRY_ASSIGN(std::string certificate, read_file(dir + "/ca/cert.pem", limits::kCertificateBytes));
  TRY_ASSIGN(std::string key, read_file(dir + "/ca/key.pem", limits::kCertificateBytes));
  TRY_ASSIGN(const Authority authority, Authority::from_pem({std::move(certificate), std::move(key)}));
  return init_one(authority, client_dir, {Role::kClient, tenant, name});
}

}  // namespace hpcc
