// History: what became of the last compile of each output and source, for `hpcc explain`.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "store/store.h"
#include "wire/local.h"

namespace hpcc {

struct HistoryRecord {
  int64_t when_ns = 0;
  std::string outcome;   // "stored", "failed", "not stored: <reason> (<detail>)", "bypass <reason> <detail>"
  std::string why;       // why it was no hit, one sentence per line
  std::string object;    // absolute path of the output
  std::string key_text;  // see client/key.h; "" for a bypass
};

std::string encode_history(const HistoryRecord& record);
Result<HistoryRecord> decode_history(std::string_view bytes);

std::optional<HistoryRecord> read_history(Store& store, const std::string& name);
void write_history(Store& store, const std::string& name, const HistoryRecord& record);
std::string source_history_name(std::string_view cwd, std::string_view source);

// A command that was not cached: kept under each file it names.
void note_bypass(Store& store, const Request& request, const std::string& detail);

}  // namespace hpcc
