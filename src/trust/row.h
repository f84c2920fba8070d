// The audit row: one TSV line that says what was compiled from what, by whom, where, and what came out. It is what the
// worker signs, the receipt a client checks, and the leaf of the worker's log: there is no second record to disagree.
//
// Grammar (docs/formats.md, "Audit row"):
//   row  := column *( TAB column )          kRowColumns of them, in the order of AuditRow; no newline
//   text := bytes, escaped: \\ \t \n \r, \xHH for other bytes below 0x20, 0x7f, bytes that are no UTF-8, and for a
//           text that is "-"; an absent value is "-"
//   flags := argument *( SP argument )      a space inside an argument is \s; over 32 KiB: "@sha256:<hex of the list>"
// Columns 1 to 9 keep order and meaning for ever; new ones are only added before the signature, with a new version in
// the header line. A row is at most kRowBytes. One value has one encoding: decode_row refuses any other.
// Version history: 1 = first.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/digest.h"
#include "trust/keys.h"

namespace hpcc {

inline constexpr size_t kRowBytes = 65535;
inline constexpr size_t kFlagsBytes = 32768;
inline constexpr size_t kRowColumns = 28;

enum class Disposition { kCompiled, kHit, kReplay, kFallback, kBypass, kLost };  // kLost: see formats.md
std::string_view disposition_name(Disposition disposition);

inline constexpr int kExitUnknown = -1;  // of a compile that never ended, or whose end the writer did not see

// Why a row's compile cannot be repeated: kRedacted: a flag was; kLocal: no worker ran it.
enum class Replayable { kYes, kRedacted, kLocal };

// Digests are "sha256:<hex>" where they stand for one in OCI's sense (image), else bare lower-case hex; "" is absent.
struct AuditRow {
  std::string image_digest;
  std::string source_digest;  // of the Action's input root
  std::string flags;          // join_flags() of the command's arguments, redacted
  std::string output_digest;  // outputs_digest() below; "" when there are none
  std::string tenant;
  std::string worker;
  std::string vm;            // UUIDv7 of the sandbox
  uint64_t duration_ms = 0;  // of the compile itself, as measured on the host
  int exit = 0;
  std::string row_id;  // UUIDv7
  std::string start;   // RFC 3339, UTC, microseconds
  std::string action_digest;
  Disposition disposition = Disposition::kCompiled;
  std::string driver;       // qemu-kvm, qemu-tcg, namespace, host
  std::string rootfs_hash;  // dm-verity root
  std::string kernel_digest;
  std::string agent_digest;
  std::string principal;  // the client, as sha256 of its certificate
  std::string grant_digest;
  std::string probes_digest;
  std::string stdio_digest;   // sha256 of sha256(stdout) | sha256(stderr), raw
  std::string object_digest;  // sha256 of the output that -o names or implies: what `sha256sum a.o` prints
  uint64_t peak_rss_kib = 0;  // as the guest says, like the next
  uint64_t cpu_ms = 0;
  std::string name;  // the source's logical path
  Replayable replayable = Replayable::kYes;
  std::string compiled_row_id;  // of a hit: the row of the compile it serves; of a replay: of that it repeats

  bool operator==(const AuditRow&) const = default;
};

// A row as stored and sent: its text and what it says. `signature` is empty ("-") in a client's own assertion.
struct SignedRow {
  std::string line;  // without newline
  AuditRow row;
  std::string signature;  // 64 bytes, or none
};

std::string row_header();  // "#hpcc-audit-row v1" and the column names, without newline
Result<std::string> sign_row(const AuditRow& row, const SigningKey& key);  // kLimit when too long
Result<std::string> assert_row(const AuditRow& row);                       // unsigned: a client's own record
Result<SignedRow> decode_row(std::string_view line);                       // kInvalid names the column
bool row_signature_ok(const SignedRow& row, const PublicKey& key);

std::string join_flags(const std::vector<std::string>& arguments);
// Values that look like secrets (-DAPI_TOKEN=…, --password=…) become keyed digests; true when any did.
bool redact_flags(std::vector<std::string>& arguments, const SigningKey& key);

struct OutputName {
  std::string path;    // relative to the logical root
  std::string digest;  // hex
  bool executable = false;
};
// sha256 hex over "<digest> <x or -> <path>\n" lines, by path, each written as a row's text; "" for none.
std::string outputs_digest(std::vector<OutputName> outputs);
// sha256 hex over the digests of both.
std::string stdio_digest_of(const BlobDigest& out, const BlobDigest& err);

std::string rfc3339_us(int64_t unix_ns);

}  // namespace hpcc
