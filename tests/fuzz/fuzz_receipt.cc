// Fuzzes what a client does with a worker's receipt, of a compile and of a replay. Its row is signed here, so that what
// comes after the signature is reached; the log it is said to be in, and all else, is the input's.
//   input := u8 steps of the proof (0 to 15, and 16: the checkpoint is signed here), u8 leaf index, 32 bytes each,
//            row without signature, '\n', checkpoint
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "trust/replay.h"
#include "trust/seen.h"

namespace {

const hpcc::SigningKey& key() {
  static const hpcc::SigningKey made = *hpcc::SigningKey::create();
  return made;
}

// As a worker would sign it; "" when it is no row.
std::string signed_row(std::string_view body) {
  const auto row = hpcc::decode_row(std::string(body) + "\t-");
  if (!row.ok()) return "";
  const auto line = hpcc::sign_row(row->row, key());
  return line.ok() ? *line : "";
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto seen = hpcc::parse_seen_rows({reinterpret_cast<const char*>(data), size});
  if (hpcc::parse_seen_rows(hpcc::seen_rows_text(seen)) != seen) std::abort();
  if (size < 2) return 0;
  std::string_view rest(reinterpret_cast<const char*>(data) + 2, size - 2);
  hpcc::Receipt receipt;
  receipt.leaf_index = data[1];
  for (int i = 0; i < (data[0] & 15) && rest.size() >= 32; ++i, rest.remove_prefix(32)) {
    receipt.inclusion.emplace_back(rest.substr(0, 32));
  }
  const size_t end = std::min(rest.find('\n'), rest.size());
  receipt.row = signed_row(rest.substr(0, end));
  receipt.checkpoint = rest.substr(std::min(end + 1, rest.size()));
  const auto row = hpcc::decode_row(receipt.row);
  if (!row.ok()) return 0;
  const hpcc::AuditRow& is = row->row;
  if (data[0] & 16) {
    receipt.checkpoint = sign_checkpoint({hpcc::checkpoint_origin(is.worker), 1, hpcc::leaf_hash(receipt.row)}, key());
  }
  hpcc::ExpectedReceipt expected{key().public_key(), is.worker,        is.tenant,
                                 is.image_digest,    is.source_digest, is.action_digest,
                                 is.output_digest,   is.stdio_digest,  is.exit};
  const auto checked = hpcc::check_receipt(receipt, expected);
  if (checked.ok() && checked->row != is) std::abort();
  hpcc::SignedRow old = *row;
  old.row.vm += "-before";
  old.row.disposition = hpcc::Disposition::kCompiled;
  old.row.row_id = is.compiled_row_id;
  const auto replayed = hpcc::check_replay(receipt, old, key().public_key());
  if (replayed.ok() && !replayed->differences.empty()) std::abort();
  return 0;
}
