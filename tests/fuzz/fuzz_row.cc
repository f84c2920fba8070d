// Fuzzes decode_row and decode_checkpoint: what decodes has exactly one encoding. The checkpoint's text is signed here,
// so that the decoder's other half is reached.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "trust/checkpoint.h"
#include "trust/row.h"

namespace {

void check_row(std::string_view line) {
  const auto row = hpcc::decode_row(line);
  if (!row.ok() || !row->signature.empty()) return;
  const auto again = hpcc::assert_row(row->row);
  if (!again.ok() || *again != line) std::abort();
}

void check_note(std::string_view text) {
  static const hpcc::SigningKey key = *hpcc::SigningKey::create();
  (void)hpcc::decode_checkpoint(text, key.public_key());
  hpcc::Checkpoint checkpoint{std::string(text.substr(0, text.find('\n'))), text.size(), hpcc::leaf_hash(text)};
  const auto back = hpcc::decode_checkpoint(hpcc::sign_checkpoint(checkpoint, key), key.public_key());
  if (back.ok() && *back != checkpoint) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  check_row(bytes);
  check_note(bytes);
  return 0;
}
