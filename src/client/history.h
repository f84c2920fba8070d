// History: what became of the last compile of each output and source, for `hpcc explain`.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "model/digest.h"
#include "store/store.h"
#include "wire/local.h"

namespace hpcc {

struct HistoryRecord {
  int64_t when_ns = 0;
  std::string outcome;   // "stored", "failed", "not stored: <reason> (<detail>)", "bypass <reason> <detail>"
  std::string why;       // why it was no hit, one sentence per line
  std::string object;    // absolute path of the output
  std::string key_text;  // see client/key.h; "" for a bypass
  std::string key;       // in hex, as `hpcc inspect` knows it; "" for a bypass
};

// The last hit of an output: by it a later miss is told from the result that was really used last.
struct HitNote {
  int64_t when_ns = 0;
  DirectKey key;
  uint64_t sequence = 0;  // of the entry under the key
};

std::string encode_hit_note(const HitNote& note);
Result<HitNote> decode_hit_note(std::string_view bytes);
std::optional<HitNote> read_hit_note(Store& store, const std::string& object);
void write_hit_note(Store& store, const std::string& object, const HitNote& note);

// The text of a key that something was stored under.
std::optional<std::string> read_key_text(Store& store, const DirectKey& key);
void write_key_text(Store& store, const DirectKey& key, const std::string& text);

std::string encode_history(const HistoryRecord& record);
Result<HistoryRecord> decode_history(std::string_view bytes);

std::optional<HistoryRecord> read_history(Store& store, const std::string& name);
void write_history(Store& store, const std::string& name, const HistoryRecord& record);
std::string source_history_name(std::string_view cwd, std::string_view source);

// A command that was not cached: kept under each file it names.
void note_bypass(Store& store, const Request& request, const std::string& detail);

}  // namespace hpcc
