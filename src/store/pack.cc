#include "store/pack.h"

#include "base/limits.h"
#include "model/codec.h"

namespace hpcc::store {
namespace {

constexpr size_t kBodyBytes = 2 * limits::kManifestBytes;  // unpacked body
constexpr size_t kBlobs = 1024;

template <typename Tag>
void read_digest(ByteReader& in, TaggedDigest<Tag>& digest) {
  std::string_view bytes = in.raw(digest.bytes.size());
  if (in.ok()) memcpy(digest.bytes.data(), bytes.data(), bytes.size());
}

EntryFront read_front(ByteReader& in) {
  EntryFront front;
  read_digest(in, front.key);
  front.sequence = in.u64();
  read_digest(in, front.manifest);
  front.variant = in.u64();
  front.blobs.resize(in.count(Sha256::kBytes, kBlobs));
  for (BlobDigest& blob : front.blobs) read_digest(in, blob);
  return front;
}

void write_names(ByteWriter& out, const std::vector<std::string>& names) {
  out.u32(static_cast<uint32_t>(names.size()));
  for (const std::string& name : names) out.text16(name);
}

void read_names(ByteReader& in, std::vector<std::string>& names) {
  const uint32_t n = in.count(3, limits::kManifestBytes);
  names.reserve(n);
  for (uint32_t i = 0; i < n; ++i) names.emplace_back(in.text16(limits::kPathBytes));
}

void write_groups(ByteWriter& out, const std::vector<IdentityGroup>& groups) {
  out.u32(static_cast<uint32_t>(groups.size()));
  for (const IdentityGroup& group : groups) {
    out.u8(static_cast<uint8_t>(group.by));
    out.u32(static_cast<uint32_t>(group.inputs.size()));
    for (size_t i = 0; i < group.inputs.size(); ++i) {
      out.u32(group.inputs[i]);
      out.u32(group.classes[i]);
    }
  }
}

void read_groups(ByteReader& in, std::vector<IdentityGroup>& groups, size_t input_count) {
  const uint32_t n = in.count(5, limits::kInputs);
  groups.resize(n);
  for (IdentityGroup& group : groups) {
    const uint8_t by = in.u8();
    if (by > static_cast<uint8_t>(IdentityGroup::By::kMtimeSecond)) return in.fail();
    group.by = static_cast<IdentityGroup::By>(by);
    const uint32_t members = in.count(8, input_count);
    group.inputs.reserve(members);
    group.classes.reserve(members);
    for (uint32_t i = 0; i < members; ++i) {
      const uint32_t input = in.u32();
      if (input >= input_count) return in.fail();
      group.inputs.push_back(input);
      group.classes.push_back(in.u32());
    }
  }
}

// What the body says before its interned records are looked up.
struct Body {
  CompileResult result;
  std::vector<uint32_t> ids;  // inputs, then directories of absents
  size_t input_count = 0;
  std::vector<AbsentSet> absents;
  std::vector<IdentityGroup> groups;
  uint64_t ids_check = 0;
};

Result<Body> read_body(std::string_view bytes) {
  ByteReader in(bytes);
  Body body;
  TRY_ASSIGN(body.result, decode_result(in.text32(kBodyBytes)));
  body.input_count = in.count(4, limits::kInputs);
  body.ids.reserve(body.input_count);
  for (size_t i = 0; i < body.input_count; ++i) body.ids.push_back(in.u32());
  body.absents.resize(in.count(12, limits::kInputs));
  for (AbsentSet& set : body.absents) {
    body.ids.push_back(in.u32());
    read_names(in, set.names);
    read_names(in, set.checked_names);
    if (!in.ok()) break;
  }
  read_groups(in, body.groups, body.input_count);
  body.ids_check = in.u64();
  if (!in.finished()) return Error{Code::kCorrupt, "a packed entry is malformed"};
  return body;
}

std::string check_bytes(const std::vector<uint64_t>& checks) {
  ByteWriter out;
  for (uint64_t check : checks) out.u64(check);
  return out.take();
}

}  // namespace

uint64_t variant_of(const CompileResult& result) {
  ByteWriter out;
  out.text32(result.bound_place);
  out.text32(result.bound_colour);
  out.text32(result.bound_names);
  return check64(out.bytes());
}

Result<EntryFront> decode_entry_front(std::string_view payload) {
  ByteReader in(payload);
  EntryFront front = read_front(in);
  if (!in.ok()) return Error{Code::kCorrupt, "a packed entry is malformed"};
  return front;
}

Result<std::string> pack_entry(Packer& to, const DirectKey& key, const ManifestDigest& manifest, const Entry& entry) {
  std::vector<std::string> payloads;
  payloads.reserve(entry.manifest.inputs.size() + entry.manifest.absents.size());
  for (const Input& input : entry.manifest.inputs) payloads.push_back(encode_interned_input(input));
  for (const AbsentSet& set : entry.manifest.absents) payloads.push_back(encode_interned_directory(set.directory));
  TRY_ASSIGN(const std::vector<Interner::Place> places, to.interner.intern(to.table, to.log, to.stats, payloads));
  std::vector<uint64_t> checks;
  for (const Interner::Place& place : places) checks.push_back(interned_check(place.digest));

  ByteWriter body;
  body.text32(encode_result(entry.result));
  const size_t inputs = entry.manifest.inputs.size();
  body.u32(static_cast<uint32_t>(inputs));
  for (size_t i = 0; i < inputs; ++i) body.u32(places[i].id);
  body.u32(static_cast<uint32_t>(entry.manifest.absents.size()));
  for (size_t i = 0; i < entry.manifest.absents.size(); ++i) {
    body.u32(places[inputs + i].id);
    write_names(body, entry.manifest.absents[i].names);
    write_names(body, entry.manifest.absents[i].checked_names);
  }
  write_groups(body, entry.manifest.groups);
  body.u64(check64(check_bytes(checks)));
  if (body.bytes().size() > kBodyBytes) return Error{Code::kLimit, "the entry is too large to store"};

  ByteWriter out;
  out.raw(key.view());
  out.u64(entry.sequence);
  out.raw(manifest.view());
  out.u64(variant_of(entry.result));
  out.u32(static_cast<uint32_t>(entry.result.outputs.size()));
  for (const StoredOutput& output : entry.result.outputs) out.raw(output.digest.view());
  out.u32(static_cast<uint32_t>(body.bytes().size()));
  TRY_ASSIGN(const std::string compressed, to.zstd.compress(body.bytes()));
  out.raw(compressed);
  if (out.bytes().size() > limits::kManifestBytes) return Error{Code::kLimit, "the entry is too large to store"};
  return out.take();
}

Result<Entry> unpack_entry(const Log& log, Interner& interner, Zstd& zstd, std::string_view payload,
                           uint32_t& damaged) {
  damaged = 0;
  ByteReader in(payload);
  const EntryFront front = read_front(in);
  const uint32_t body_bytes = in.u32();
  if (!in.ok() || body_bytes > kBodyBytes) return Error{Code::kCorrupt, "a packed entry is malformed"};
  TRY_ASSIGN(const std::string raw, zstd.decompress(in.raw(in.remaining()), body_bytes));
  TRY_ASSIGN(Body body, read_body(raw));

  Entry entry;
  entry.sequence = front.sequence;
  entry.result = std::move(body.result);
  entry.manifest.inputs.resize(body.input_count);
  std::vector<uint64_t> checks(body.ids.size());
  bool kinds_fit = true;
  auto place = [&](size_t i, const Interned& item) {
    checks[i] = item.check;
    if (item.is_directory != (i >= body.input_count)) kinds_fit = false;
    else if (item.is_directory) body.absents[i - body.input_count].directory = item.input.path;
    else entry.manifest.inputs[i] = item.input;
  };
  TRY(interner.fetch(log, body.ids, place, damaged));
  if (!kinds_fit || check64(check_bytes(checks)) != body.ids_check) {
    return Error{Code::kCorrupt, "a packed entry names other interned records than it was made with"};
  }
  entry.manifest.absents = std::move(body.absents);
  entry.manifest.groups = std::move(body.groups);
  return entry;
}

}  // namespace hpcc::store
