// Checkpoint: a worker's signed statement of its log's size and root, as a C2SP signed note.
//   <origin>\n<size>\n<base64 root>\n\n— <origin> <base64( keyID(4) | Ed25519 signature(64) )>\n
// keyID = the first 4 bytes of SHA-256(origin | 0x0A | 0x01 | public key); the signature is over the text up to and
// with the newline before the blank line. Source: C2SP signed-note.md, tlog-checkpoint.md.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "trust/keys.h"
#include "trust/merkle.h"

namespace hpcc {

inline constexpr size_t kCheckpointBytes = 4096;

struct Checkpoint {
  std::string origin;  // "hpcc/" and the worker's name
  uint64_t size = 0;
  TreeHash root;
  bool operator==(const Checkpoint&) const = default;
};

std::string checkpoint_origin(std::string_view worker);
std::string sign_checkpoint(const Checkpoint& checkpoint, const SigningKey& key);
// kInvalid when malformed; kPermission when no signature of this key under the note's origin is on it, or a wrong one.
Result<Checkpoint> decode_checkpoint(std::string_view note, const PublicKey& key);

}  // namespace hpcc
