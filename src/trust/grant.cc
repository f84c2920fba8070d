#include "trust/grant.h"

#include "model/codec.h"
#include "model/digest.h"

namespace hpcc {

namespace {

constexpr uint8_t kVersion = 1;
constexpr size_t kTextBytes = 512;

Status refuse(const Grant& grant, const std::string& why) {
  return Error{Code::kPermission, "grant " + grant.id + ": " + why};
}

}  // namespace

Result<std::string> sign_grant(const Grant& grant, const SigningKey& scheduler) {
  ByteWriter out;
  out.u8(kVersion);
  for (const std::string* text : {&grant.id, &grant.tenant, &grant.image, &grant.client, &grant.worker}) {
    if (text->size() > kTextBytes) return Error{Code::kLimit, "grant: a name is longer than 512 bytes"};
    out.text16(*text);
  }
  out.raw(grant.worker_key.view());
  out.u64(grant.not_before_s);
  out.u64(grant.expires_s);
  const Signature signature = scheduler.sign(kGrantPayloadType, out.bytes());
  out.raw(signature.view());
  return out.take();
}

Result<Grant> decode_grant(std::string_view bytes, const PublicKey& scheduler) {
  if (bytes.size() > kGrantBytes) return Error{Code::kLimit, "grant: longer than 4,096 bytes"};
  if (bytes.size() < 65) return Error{Code::kInvalid, "grant: too short"};
  const std::string_view body = bytes.substr(0, bytes.size() - 64);
  std::optional<Signature> signature = Signature::from_bytes(bytes.substr(body.size()));
  // Nothing inside is looked at before the signature holds.
  if (!verify_signature(scheduler, kGrantPayloadType, body, *signature)) {
    return Error{Code::kPermission, "grant: not signed by the scheduler's key " + scheduler.hex().substr(0, 16)};
  }
  ByteReader in(body);
  Grant grant;
  if (in.u8() != kVersion) return Error{Code::kUnsupported, "grant: of another version"};
  for (std::string* text : {&grant.id, &grant.tenant, &grant.image, &grant.client, &grant.worker}) {
    *text = std::string(in.text16(kTextBytes));
  }
  const std::string_view key = in.raw(32);
  if (in.ok()) memcpy(grant.worker_key.bytes.data(), key.data(), 32);
  grant.not_before_s = in.u64();
  grant.expires_s = in.u64();
  if (!in.finished()) return Error{Code::kInvalid, "grant: malformed"};
  return grant;
}

std::string grant_digest(std::string_view bytes) { return BlobDigest::of(bytes).hex(); }

Status check_grant(const Grant& grant, const GrantUse& use) {
  if (grant.tenant != use.tenant) return refuse(grant, "for tenant " + grant.tenant + ", not " + use.tenant);
  if (grant.image != use.image) return refuse(grant, "for image " + grant.image + ", not " + use.image);
  if (grant.client != use.client) return refuse(grant, "for another client's certificate");
  if (grant.worker != use.worker) return refuse(grant, "for worker " + grant.worker + ", not " + use.worker);
  if (use.now_s + kGrantClockSlack_s < grant.not_before_s) return refuse(grant, "not valid yet: compare the clocks");
  if (use.now_s >= grant.expires_s) return refuse(grant, "expired: ask the scheduler for a new one");
  return {};
}

}  // namespace hpcc
