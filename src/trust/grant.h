// Grant: the scheduler's signed permission for one client to have one worker compile with one image for one tenant,
// for a short time. The client shows it to the worker with every call. It also binds the worker's receipt key: a client
// believes only receipts signed by the key that the scheduler named.
//
// Encoding: u8 version=1, text16 id, tenant, image, client, worker, worker_key (32 bytes), u64 not_before_s, u64
// expires_s, then 64 bytes of signature over all that (payload type kGrantPayloadType). Version history: 1 = first.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "trust/keys.h"

namespace hpcc {

inline constexpr char kGrantMetadata[] = "hpcc-grant-bin";  // of a call to a worker
inline constexpr size_t kGrantBytes = 4096;
inline constexpr uint64_t kGrantClockSlack_s = 60;  // how far two machines' clocks may be apart

struct Grant {
  std::string id;  // UUIDv7
  std::string tenant;
  std::string image;   // "sha256:<hex>"
  std::string client;  // sha256 hex of the client's certificate (DER)
  std::string worker;
  PublicKey worker_key;
  uint64_t not_before_s = 0, expires_s = 0;  // Unix time
  bool operator==(const Grant&) const = default;
};

Result<std::string> sign_grant(const Grant& grant, const SigningKey& scheduler);
// kInvalid when malformed, kPermission when the scheduler did not sign it.
Result<Grant> decode_grant(std::string_view bytes, const PublicKey& scheduler);
std::string grant_digest(std::string_view bytes);  // hex, for the audit row

// What the worker demands of a decoded grant; kPermission says which of them failed.
struct GrantUse {
  std::string tenant, image, client, worker;
  uint64_t now_s = 0;
};
Status check_grant(const Grant& grant, const GrantUse& use);

}  // namespace hpcc
