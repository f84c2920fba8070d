// Digests. SHA-256 names everything; tags keep one kind from being used as another. Pure values, no I/O.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/sha256.h"

namespace hpcc {

template <typename Tag>
struct TaggedDigest {
  static constexpr std::string_view kTextPrefix = "sha256:";
  std::array<uint8_t, 32> bytes{};

  auto operator<=>(const TaggedDigest&) const = default;
  std::string hex() const;                                               // 64 lower-case digits
  static std::optional<TaggedDigest> from_hex(std::string_view hex);     // exactly 64 digits
  std::string text() const { return std::string(kTextPrefix) + hex(); }  // "sha256:<64 hex>", as OCI writes a digest
  static std::optional<TaggedDigest> from_text(std::string_view text);
  std::string_view view() const { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }
  static TaggedDigest of(std::string_view data) {
    TaggedDigest digest;
    Sha256 hash;
    hash.update(data);
    hash.finish(digest.bytes.data());
    return digest;
  }
};

using BlobDigest = TaggedDigest<struct BlobTag>;          // content of a file, an output or captured stdio
using DirectKey = TaggedDigest<struct DirectKeyTag>;      // what leads to Manifests
using ManifestDigest = TaggedDigest<struct ManifestTag>;  // one encoded Manifest
using ResultDigest = TaggedDigest<struct ResultTag>;      // one encoded CompileResult
using ImageDigest = TaggedDigest<struct ImageTag>;        // an OCI image's manifest

std::string hex_encode(std::string_view bytes);
bool hex_decode(std::string_view hex, uint8_t* out, size_t size);  // needs exactly 2 * size digits

template <typename Tag>
std::string TaggedDigest<Tag>::hex() const {
  return hex_encode(view());
}
template <typename Tag>
std::optional<TaggedDigest<Tag>> TaggedDigest<Tag>::from_hex(std::string_view hex) {
  TaggedDigest digest;
  if (!hex_decode(hex, digest.bytes.data(), digest.bytes.size())) return std::nullopt;
  return digest;
}

template <typename Tag>
std::optional<TaggedDigest<Tag>> TaggedDigest<Tag>::from_text(std::string_view text) {
  return text.starts_with(kTextPrefix) ? from_hex(text.substr(kTextPrefix.size())) : std::nullopt;
}

Result<ImageDigest> parse_image_digest(std::string_view text);  // from_text(); the error shows what was given

struct DigestHash {
  template <typename Tag>
  size_t operator()(const TaggedDigest<Tag>& digest) const {
    size_t value;
    memcpy(&value, digest.bytes.data(), sizeof value);
    return value;
  }
};

}  // namespace hpcc
