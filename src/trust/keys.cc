#include "trust/keys.h"

#include <fcntl.h>
#include <sodium.h>
#include <sys/stat.h>

#include <cerrno>
#include <utility>

#include "base/fd.h"
#include "base/fs.h"
#include "model/digest.h"

namespace hpcc {

namespace {

const unsigned char* data_of(std::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); }

}  // namespace

std::string PublicKey::hex() const { return hex_encode(view()); }

std::optional<PublicKey> PublicKey::from_hex(std::string_view hex) {
  PublicKey key;
  if (!hex_decode(hex, key.bytes.data(), key.bytes.size())) return std::nullopt;
  return key;
}

std::optional<Signature> Signature::from_bytes(std::string_view bytes) {
  Signature signature;
  if (bytes.size() != signature.bytes.size()) return std::nullopt;
  memcpy(signature.bytes.data(), bytes.data(), bytes.size());
  return signature;
}

std::string pre_authentication_encoding(std::string_view type, std::string_view body) {
  std::string out = "DSSEv1 " + std::to_string(type.size()) + " ";
  out.append(type).append(" ").append(std::to_string(body.size())).append(" ").append(body);
  return out;
}

SigningKey::SigningKey(SigningKey&& other) noexcept : secret_(other.secret_), public_(other.public_) {
  sodium_memzero(other.secret_.data(), other.secret_.size());
}

SigningKey& SigningKey::operator=(SigningKey&& other) noexcept {
  if (this == &other) return *this;
  secret_ = other.secret_;
  public_ = other.public_;
  sodium_memzero(other.secret_.data(), other.secret_.size());
  return *this;
}

SigningKey::~SigningKey() { sodium_memzero(secret_.data(), secret_.size()); }

Result<SigningKey> SigningKey::from_seed(std::string_view seed) {
  SigningKey key;
  if (seed.size() != crypto_sign_SEEDBYTES) return Error{Code::kInvalid, "a signing key has 32 bytes"};
  crypto_sign_seed_keypair(key.public_.bytes.data(), key.secret_.data(), data_of(seed));
  return key;
}

Result<SigningKey> SigningKey::create() {
  if (sodium_init() < 0) return Error{Code::kUnsupported, "no source of randomness for a signing key"};
  std::string seed(crypto_sign_SEEDBYTES, '\0');
  randombytes_buf(seed.data(), seed.size());
  Result<SigningKey> key = from_seed(seed);
  sodium_memzero(seed.data(), seed.size());
  return key;
}

Result<SigningKey> SigningKey::load(const std::string& path) {
  Fd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!fd) return errno_error("open signing key " + path);
  struct stat info;
  if (fstat(fd.get(), &info) != 0) return errno_error("stat signing key " + path);
  if (!S_ISREG(info.st_mode) || (info.st_mode & 077) != 0 || info.st_uid != geteuid()) {
    return Error{Code::kPermission, "signing key " + path + " must be a file of this user's with mode 0600"};
  }
  TRY_ASSIGN(std::string text, read_fd(fd.get(), 128, path));
  std::string seed(crypto_sign_SEEDBYTES, '\0');
  const bool whole = text.size() == 65 && text.back() == '\n' &&
                     hex_decode(std::string_view(text).substr(0, 64), reinterpret_cast<uint8_t*>(seed.data()), 32);
  sodium_memzero(text.data(), text.size());
  if (!whole) return Error{Code::kCorrupt, "signing key " + path + " is not 64 hex digits and a newline"};
  Result<SigningKey> key = from_seed(seed);
  sodium_memzero(seed.data(), seed.size());
  return key;
}

Status SigningKey::save(const std::string& path) const {
  Fd fd(open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!fd) return errno_error("create signing key " + path);
  std::string text = hex_encode({reinterpret_cast<const char*>(secret_.data()), crypto_sign_SEEDBYTES}) + "\n";
  Status written = write_fd(fd.get(), text, path);
  sodium_memzero(text.data(), text.size());
  TRY(std::move(written));
  if (fsync(fd.get()) != 0) return errno_error("sync signing key " + path);
  return {};
}

Result<SigningKey> SigningKey::load_or_create(const std::string& path) {
  Result<SigningKey> loaded = load(path);
  if (loaded.ok() || loaded.error().code != Code::kNotFound) return loaded;
  TRY_ASSIGN(SigningKey key, create());
  Status saved = key.save(path);
  // Somebody else made it in the meantime: theirs is the key.
  if (!saved.ok()) return saved.error().sys_errno == EEXIST ? load(path) : Result<SigningKey>(saved.error());
  return key;
}

Signature SigningKey::sign_note(std::string_view text) const {
  Signature signature;
  crypto_sign_detached(signature.bytes.data(), nullptr, data_of(text), text.size(), secret_.data());
  return signature;
}

Signature SigningKey::sign(std::string_view type, std::string_view body) const {
  return sign_note(pre_authentication_encoding(type, body));
}

std::string SigningKey::keyed_digest(std::string_view text) const {
  // The seed itself is only ever used to sign; the digest has a key of its own made from it.
  std::array<uint8_t, crypto_auth_hmacsha256_KEYBYTES> key;
  crypto_auth_hmacsha256_state state;
  crypto_auth_hmacsha256_init(&state, secret_.data(), crypto_sign_SEEDBYTES);
  constexpr std::string_view kPurpose = "hpcc redaction key v1";
  crypto_auth_hmacsha256_update(&state, data_of(kPurpose), kPurpose.size());
  crypto_auth_hmacsha256_final(&state, key.data());
  std::string out(crypto_auth_hmacsha256_BYTES, '\0');
  crypto_auth_hmacsha256(reinterpret_cast<unsigned char*>(out.data()), data_of(text), text.size(), key.data());
  sodium_memzero(key.data(), key.size());
  sodium_memzero(&state, sizeof state);
  return out;
}

bool verify_note_signature(const PublicKey& key, std::string_view text, const Signature& signature) {
  return crypto_sign_verify_detached(signature.bytes.data(), data_of(text), text.size(), key.bytes.data()) == 0;
}

bool verify_signature(const PublicKey& key, std::string_view type, std::string_view body, const Signature& signature) {
  return verify_note_signature(key, pre_authentication_encoding(type, body), signature);
}

std::string base64_encode(std::string_view bytes) {
  std::string out(sodium_base64_encoded_len(bytes.size(), sodium_base64_VARIANT_ORIGINAL), '\0');
  sodium_bin2base64(out.data(), out.size(), data_of(bytes), bytes.size(), sodium_base64_VARIANT_ORIGINAL);
  out.pop_back();  // the terminating zero
  return out;
}

std::optional<std::string> base64_decode(std::string_view text, size_t limit_bytes) {
  std::string out(text.size() / 4 * 3, '\0');
  size_t size = 0;
  const char* end = nullptr;
  if (sodium_base642bin(reinterpret_cast<unsigned char*>(out.data()), out.size(), text.data(), text.size(), nullptr,
                        &size, &end, sodium_base64_VARIANT_ORIGINAL) != 0 ||
      end != text.data() + text.size() || size > limit_bytes) {
    return std::nullopt;
  }
  out.resize(size);
  if (base64_encode(out) != text) return std::nullopt;
  return out;
}

}  // namespace hpcc
