// Ed25519 keys and signatures over DSSE's pre-authentication encoding (PAE). A signature is bound to a payload type, so
// that one kind of statement can never pass for another. Source: secure-systems-lab/dsse protocol.md; RFC 8032.
//
// Values; a SigningKey wipes its secret when destroyed. Functions are thread-safe.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace hpcc {

struct PublicKey {
  std::array<uint8_t, 32> bytes{};
  auto operator<=>(const PublicKey&) const = default;
  std::string_view view() const { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }
  std::string hex() const;
  static std::optional<PublicKey> from_hex(std::string_view hex);
};

struct Signature {
  std::array<uint8_t, 64> bytes{};
  bool operator==(const Signature&) const = default;
  std::string_view view() const { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }
  static std::optional<Signature> from_bytes(std::string_view bytes);
};

inline constexpr std::string_view kRowPayloadType = "application/vnd.hpcc.audit-row.v1+tsv";
inline constexpr std::string_view kGrantPayloadType = "application/vnd.hpcc.grant.v1";

// "DSSEv1 <len> <type> <len> <body>".
std::string pre_authentication_encoding(std::string_view type, std::string_view body);

class SigningKey {
 public:
  static Result<SigningKey> create();
  // A key file: 64 hex digits and a newline. load() refuses one that others may read, naming it; save() never replaces.
  static Result<SigningKey> load(const std::string& path);
  Status save(const std::string& path) const;
  static Result<SigningKey> load_or_create(const std::string& path);

  SigningKey(SigningKey&& other) noexcept;
  SigningKey& operator=(SigningKey&& other) noexcept;
  ~SigningKey();

  const PublicKey& public_key() const { return public_; }
  Signature sign(std::string_view type, std::string_view body) const;
  // Without PAE: only for signed notes, whose format signs its bare text.
  Signature sign_note(std::string_view text) const;
  // 32 bytes of HMAC-SHA-256 under a secret derived from this key: names a secret in a row without showing it.
  std::string keyed_digest(std::string_view text) const;

 private:
  SigningKey() = default;
  static Result<SigningKey> from_seed(std::string_view seed);
  std::array<uint8_t, 64> secret_{};  // seed and public key, as libsodium keeps them
  PublicKey public_;
};

bool verify_signature(const PublicKey& key, std::string_view type, std::string_view body, const Signature& signature);
bool verify_note_signature(const PublicKey& key, std::string_view text, const Signature& signature);

// Standard alphabet, padded. decode refuses what encode would not have written, and more than `limit_bytes`.
std::string base64_encode(std::string_view bytes);
std::optional<std::string> base64_decode(std::string_view text, size_t limit_bytes);

}  // namespace hpcc
