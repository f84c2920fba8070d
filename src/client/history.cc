#include "client/history.h"

#include <cstring>

#include "base/fs.h"
#include "base/limits.h"

namespace hpcc {
namespace {

constexpr size_t kNamedFiles = 4;  // of one bypassed command

std::string_view bytes_of(const uint64_t& value) { return {reinterpret_cast<const char*>(&value), sizeof value}; }

}  // namespace

std::string encode_hit_note(const HitNote& note) {
  std::string out(1, '\2');
  out += bytes_of(static_cast<uint64_t>(note.when_ns));
  out += note.key.view();
  out += bytes_of(note.sequence);
  return out;
}

Result<HitNote> decode_hit_note(std::string_view bytes) {
  constexpr size_t kBytes = 1 + 8 + sizeof(DirectKey::bytes) + 8;
  if (bytes.size() != kBytes || bytes[0] != '\2') return Error{Code::kCorrupt, "note of a hit", 0};
  HitNote note;
  memcpy(&note.when_ns, bytes.data() + 1, 8);
  memcpy(note.key.bytes.data(), bytes.data() + 9, sizeof note.key.bytes);
  memcpy(&note.sequence, bytes.data() + 9 + sizeof note.key.bytes, 8);
  return note;
}

std::optional<HitNote> read_hit_note(Store& store, const std::string& object) {
  std::optional<std::string> bytes = store.history("hit:" + object);
  if (!bytes) return std::nullopt;
  Result<HitNote> note = decode_hit_note(*bytes);
  if (!note.ok()) return std::nullopt;
  return *note;
}

void write_hit_note(Store& store, const std::string& object, const HitNote& note) {
  (void)store.put_history("hit:" + object, encode_hit_note(note)).ok();
}

std::optional<std::string> read_key_text(Store& store, const DirectKey& key) {
  return store.history("key:" + key.hex());
}

void write_key_text(Store& store, const DirectKey& key, const std::string& text) {
  (void)store.put_history("key:" + key.hex(), text).ok();
}

std::string encode_history(const HistoryRecord& record) {
  std::string out(1, '\2');
  out.append(reinterpret_cast<const char*>(&record.when_ns), sizeof record.when_ns);
  for (const std::string* text : {&record.outcome, &record.why, &record.object, &record.key_text, &record.key}) {
    out += encode_string(*text);
  }
  return out;
}

Result<HistoryRecord> decode_history(std::string_view bytes) {
  frame::Reader in{bytes.data(), bytes.size()};
  HistoryRecord record;
  bool ok = in.u8() == 2;
  record.when_ns = static_cast<int64_t>(in.u64());
  for (std::string* text : {&record.outcome, &record.why, &record.object, &record.key_text, &record.key}) {
    uint32_t size = 0;
    const char* data = in.string(&size);
    if (data) text->assign(data, size);
  }
  if (!ok || in.failed || in.at != in.size) return Error{Code::kCorrupt, "history record", 0};
  return record;
}

std::optional<HistoryRecord> read_history(Store& store, const std::string& name) {
  std::optional<std::string> bytes = store.history(name);
  if (!bytes) return std::nullopt;
  Result<HistoryRecord> record = decode_history(*bytes);
  if (!record.ok()) return std::nullopt;
  return std::move(record).value();
}

void write_history(Store& store, const std::string& name, const HistoryRecord& record) {
  (void)store.put_history(name, encode_history(record)).ok();
}

std::string source_history_name(std::string_view cwd, std::string_view source) {
  return "source:" + lexically_normal(join_path(cwd, source));
}

void note_bypass(Store& store, const Request& request, const std::string& detail) {
  HistoryRecord record;
  record.when_ns = realtime_ns();
  record.outcome = "bypass " + detail;
  size_t named = 0;
  for (size_t i = 1; i < request.argv.size() && named < kNamedFiles; ++i) {
    const std::string& word = request.argv[i];
    if (word.empty() || word[0] == '-' || word[0] == '@' || word.size() > limits::kPathBytes) continue;
    write_history(store, source_history_name(request.cwd, word), record);
    ++named;
  }
}

}  // namespace hpcc
