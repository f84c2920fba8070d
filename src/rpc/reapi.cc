#include "rpc/reapi.h"

#include <algorithm>
#include <charconv>

#include "base/limits.h"
#include "rpc/identity.h"

namespace hpcc {
namespace {

const Error kBadName{Code::kInvalid, "malformed resource name"};

// The next segment of `*rest`, without its slash.
std::string_view take_segment(std::string_view* rest) {
  const size_t slash = rest->find('/');
  std::string_view segment = rest->substr(0, slash);
  rest->remove_prefix(slash == std::string_view::npos ? rest->size() : slash + 1);
  return segment;
}

bool is_lower_hex(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

// 8-4-4-4-12, either case.
bool is_uuid(std::string_view text) {
  if (text.size() != 36) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    if (dash != (text[i] == '-')) return false;
    if (!dash && !std::isxdigit(static_cast<unsigned char>(text[i]))) return false;
  }
  return true;
}

Result<SizedDigest> parse_digest(std::string_view hash, int64_t size_bytes) {
  if (hash.size() != 64 || !is_lower_hex(hash))
    return Error{Code::kInvalid, "a hash must be SHA-256 in lower-case hex"};
  if (size_bytes < 0) return Error{Code::kInvalid, "a blob's size is negative"};
  if (static_cast<uint64_t>(size_bytes) > limits::kBlobBytes)
    return Error{Code::kLimit, "a blob is larger than any may be"};
  const auto digest = BlobDigest::from_hex(hash);
  if (!digest) return Error{Code::kInvalid, "a hash must be SHA-256 in lower-case hex"};
  return SizedDigest{*digest, static_cast<uint64_t>(size_bytes)};
}

// From the kind on: "blobs/<hash>/<size>…".
Result<ResourceName> parse_blob(std::string_view kind, std::string_view* rest) {
  ResourceName name;
  if (kind == "compressed-blobs") {
    if (take_segment(rest) != "zstd") return Error{Code::kInvalid, "only zstd is understood"};
    name.compression = Compression::kZstd;
  } else if (kind != "blobs") {
    return kBadName;
  }
  const std::string_view hash = take_segment(rest);
  const bool more = rest->data() != nullptr && !rest->empty();
  const std::string_view size = take_segment(rest);
  int64_t size_bytes = -1;
  const auto [end, error] = std::from_chars(size.data(), size.data() + size.size(), size_bytes);
  if (!more || error != std::errc() || end != size.data() + size.size() ||
      size.size() != std::to_string(size_bytes).size()) {
    return kBadName;
  }
  TRY_ASSIGN(name.blob, parse_digest(hash, size_bytes));
  return name;
}

bool is_kind(std::string_view segment) {
  return segment == "blobs" || segment == "compressed-blobs" || segment == "uploads";
}

// The instance, if the name begins with one; then the first segment after it.
Result<std::string_view> take_kind(std::string_view* rest, std::string* instance) {
  std::string_view segment = take_segment(rest);
  if (is_kind(segment)) return segment;
  if (!is_plain_name(segment)) return kBadName;
  *instance = segment;
  return take_segment(rest);
}

}  // namespace

Result<SizedDigest> decode_digest(const reapi::Digest& digest) {
  return parse_digest(digest.hash(), digest.size_bytes());
}

reapi::Digest encode_digest(const SizedDigest& digest) {
  reapi::Digest out;
  out.set_hash(digest.digest.hex());
  out.set_size_bytes(static_cast<int64_t>(digest.size_bytes));
  return out;
}

Result<ResourceName> decode_read_name(std::string_view name) {
  if (name.size() > limits::kResourceNameBytes) return Error{Code::kLimit, "a resource name is too long"};
  if (name.ends_with('/')) return kBadName;  // segments are read with the slash that follows them
  std::string instance;
  TRY_ASSIGN(const std::string_view kind, take_kind(&name, &instance));
  TRY_ASSIGN(ResourceName out, parse_blob(kind, &name));
  if (!name.empty()) return kBadName;
  out.instance = std::move(instance);
  return out;
}

Result<ResourceName> decode_write_name(std::string_view name) {
  if (name.size() > limits::kResourceNameBytes) return Error{Code::kLimit, "a resource name is too long"};
  std::string instance;
  TRY_ASSIGN(const std::string_view uploads, take_kind(&name, &instance));
  if (uploads != "uploads" || !is_uuid(take_segment(&name))) return kBadName;
  TRY_ASSIGN(ResourceName out, parse_blob(take_segment(&name), &name));
  out.instance = std::move(instance);
  return out;
}

std::string encode_read_name(const ResourceName& name) {
  return (name.instance.empty() ? "" : name.instance + "/") +
         (name.compression == Compression::kZstd ? "compressed-blobs/zstd/" : "blobs/") + name.blob.digest.hex() + "/" +
         std::to_string(name.blob.size_bytes);
}

std::string encode_write_name(const ResourceName& name, std::string_view uuid) {
  ResourceName bare = name;
  bare.instance.clear();
  return (name.instance.empty() ? "" : name.instance + "/") + "uploads/" + std::string(uuid) + "/" +
         encode_read_name(bare);
}

}  // namespace hpcc
