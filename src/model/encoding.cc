// Canonical encodings of Manifest and CompileResult. Grammar (little-endian; text16/text32 = length, bytes):
//   manifest := u8 version=1, u32 n, input*n, u32 n, absent*n, u32 n, group*n
//   path     := u8 anchor, text16
//   input    := path, u8 kind, digest[32]       strictly ascending by (path, kind); digest zero where it is unused
//   absent   := path, names, names              strictly ascending by path; names, then checked names
//   names    := u32 n, text16*n                 strictly ascending
//   group    := u8 by, u32 n, (u32 input, u32 class)*n    inputs ascend, classes count by first use; groups ascend
//   result   := u8 version=2, u32 n, output*n, text32 stdout, text32 stderr, text32 place, text32 colour,
//               text32 names, u64 compile_ns
//   output   := u8 kind, u8 executable, u32 index, digest[32], u64 size_bytes
// Version history: 1 = first; result 2 = without the time it was made. One value has one encoding, so a digest of the
// bytes names the value.
#include <algorithm>
#include <numeric>

#include "base/limits.h"
#include "model/codec.h"
#include "model/manifest.h"

namespace hpcc {
namespace {

constexpr uint8_t kManifestVersion = 1, kResultVersion = 2;
constexpr size_t kOutputs = 1024;         // outputs of one compile
constexpr size_t kBoundBytes = 1u << 20;  // one restriction text
constexpr size_t kDigestBytes = Sha256::kBytes;

bool input_less(const Input& a, const Input& b) {
  if (auto order = a.path <=> b.path; order != 0) return order < 0;
  return a.kind < b.kind;
}

bool has_digest(InputKind kind) { return kind != InputKind::kDirectory && kind != InputKind::kNotLink; }

bool same_input(const Input& a, const Input& b) {
  return a.path == b.path && a.kind == b.kind && (!has_digest(a.kind) || a.digest == b.digest);
}

bool group_less(const IdentityGroup& a, const IdentityGroup& b) {
  if (a.by != b.by) return a.by < b.by;
  if (a.inputs != b.inputs) return a.inputs < b.inputs;
  return a.classes < b.classes;
}

// Inputs ascend, duplicates fold, classes are numbered by first use.
IdentityGroup canonical_group(const IdentityGroup& group, const std::vector<uint32_t>& new_index) {
  std::vector<std::pair<uint32_t, uint32_t>> members;
  for (size_t i = 0; i < group.inputs.size() && i < group.classes.size(); ++i) {
    uint32_t input = group.inputs[i];
    members.emplace_back(input < new_index.size() ? new_index[input] : input, group.classes[i]);
  }
  std::stable_sort(members.begin(), members.end(), [](auto& a, auto& b) { return a.first < b.first; });
  members.erase(std::unique(members.begin(), members.end(), [](auto& a, auto& b) { return a.first == b.first; }),
                members.end());
  std::vector<std::pair<uint32_t, uint32_t>> renumbered;  // sorted by old class
  uint32_t next_class = 0;
  IdentityGroup out;
  out.by = group.by;
  for (auto [input, old_class] : members) {
    auto it = std::lower_bound(renumbered.begin(), renumbered.end(), std::pair{old_class, uint32_t{0}});
    if (it == renumbered.end() || it->first != old_class) it = renumbered.insert(it, {old_class, next_class++});
    out.inputs.push_back(input);
    out.classes.push_back(it->second);
  }
  return out;
}

void sort_unique(std::vector<std::string>& names) {
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
}

std::vector<AbsentSet> canonical_absents(std::vector<AbsentSet> absents) {
  std::stable_sort(absents.begin(), absents.end(), [](auto& a, auto& b) { return a.directory < b.directory; });
  std::vector<AbsentSet> out;
  for (AbsentSet& set : absents) {
    if (!out.empty() && out.back().directory == set.directory) {
      AbsentSet& last = out.back();
      last.names.insert(last.names.end(), set.names.begin(), set.names.end());
      last.checked_names.insert(last.checked_names.end(), set.checked_names.begin(), set.checked_names.end());
    } else {
      out.push_back(std::move(set));
    }
  }
  for (AbsentSet& set : out) {
    sort_unique(set.names);
    sort_unique(set.checked_names);
  }
  return out;
}

// Brings a manifest into the one order its encoding has. Equal inputs fold; contradicting ones (one path, two digests)
// stay side by side, and the decoder refuses them.
Manifest canonical(const Manifest& manifest) {
  const size_t n = manifest.inputs.size();
  std::vector<uint32_t> order(n);
  std::iota(order.begin(), order.end(), 0u);
  std::stable_sort(order.begin(), order.end(),
                   [&](uint32_t a, uint32_t b) { return input_less(manifest.inputs[a], manifest.inputs[b]); });
  Manifest out;
  out.inputs.reserve(n);
  std::vector<uint32_t> new_index(n);
  for (uint32_t old : order) {
    const Input& input = manifest.inputs[old];
    if (out.inputs.empty() || !same_input(out.inputs.back(), input)) out.inputs.push_back(input);
    if (!has_digest(input.kind)) out.inputs.back().digest = {};
    new_index[old] = static_cast<uint32_t>(out.inputs.size() - 1);
  }
  out.absents = canonical_absents(manifest.absents);
  for (const IdentityGroup& group : manifest.groups) {
    IdentityGroup sorted = canonical_group(group, new_index);
    if (!sorted.inputs.empty()) out.groups.push_back(std::move(sorted));
  }
  std::sort(out.groups.begin(), out.groups.end(), group_less);
  out.groups.erase(std::unique(out.groups.begin(), out.groups.end(),
                               [](auto& a, auto& b) { return !group_less(a, b) && !group_less(b, a); }),
                   out.groups.end());
  return out;
}

void write_path(ByteWriter& out, const AnchoredPath& path) {
  out.u8(static_cast<uint8_t>(path.anchor));
  out.text16(path.path);
}

void write_names(ByteWriter& out, const std::vector<std::string>& names) {
  out.u32(static_cast<uint32_t>(names.size()));
  for (const std::string& name : names) out.text16(name);
}

bool path_is_sound(Anchor anchor, std::string_view path) {
  if (path.empty() || path.find('\0') != path.npos) return false;
  return (path[0] == '/') == (anchor == Anchor::kAbsolute);
}

void read_path(ByteReader& in, AnchoredPath& path) {
  uint8_t anchor = in.u8();
  std::string_view text = in.text16(limits::kPathBytes);
  if (anchor > static_cast<uint8_t>(Anchor::kCwd)) in.fail();
  path.anchor = static_cast<Anchor>(anchor);
  if (in.ok() && !path_is_sound(path.anchor, text)) in.fail();
  if (in.ok()) path.path = text;
}

void read_digest(ByteReader& in, BlobDigest& digest) {
  std::string_view bytes = in.raw(kDigestBytes);
  if (in.ok()) memcpy(digest.bytes.data(), bytes.data(), kDigestBytes);
}

void read_inputs(ByteReader& in, std::vector<Input>& inputs) {
  const uint32_t n = in.count(5 + kDigestBytes, limits::kInputs);
  inputs.reserve(n);
  for (uint32_t i = 0; i < n && in.ok(); ++i) {
    Input& input = inputs.emplace_back();
    read_path(in, input.path);
    uint8_t kind = in.u8();
    if (kind > static_cast<uint8_t>(kLastInputKind)) in.fail();
    input.kind = static_cast<InputKind>(kind);
    read_digest(in, input.digest);
    if (!has_digest(input.kind) && input.digest != BlobDigest{}) in.fail();
    if (i > 0 && !input_less(inputs[i - 1], input)) in.fail();
  }
}

void read_names(ByteReader& in, std::vector<std::string>& names, bool (*sound)(std::string_view)) {
  const uint32_t n = in.count(3, limits::kManifestBytes);
  names.reserve(n);
  for (uint32_t i = 0; i < n && in.ok(); ++i) {
    std::string_view name = in.text16(limits::kPathBytes);
    if (!in.ok() || !sound(name) || (i > 0 && name <= names.back())) return in.fail();
    names.emplace_back(name);
  }
}

bool name_is_sound(std::string_view name) { return !name.empty() && name.find_first_of({"\0/", 2}) == name.npos; }
bool checked_name_is_sound(std::string_view name) { return !name.empty() && name.find('\0') == name.npos; }

void read_absents(ByteReader& in, std::vector<AbsentSet>& absents) {
  const uint32_t n = in.count(12, limits::kInputs);
  absents.reserve(n);
  for (uint32_t i = 0; i < n && in.ok(); ++i) {
    AbsentSet& set = absents.emplace_back();
    read_path(in, set.directory);
    read_names(in, set.names, name_is_sound);
    read_names(in, set.checked_names, checked_name_is_sound);
    if (i > 0 && !(absents[i - 1].directory < set.directory)) in.fail();
  }
}

void read_groups(ByteReader& in, std::vector<IdentityGroup>& groups, size_t input_count) {
  const uint32_t n = in.count(13, limits::kInputs);
  groups.reserve(n);
  for (uint32_t i = 0; i < n && in.ok(); ++i) {
    IdentityGroup& group = groups.emplace_back();
    uint8_t by = in.u8();
    if (by > static_cast<uint8_t>(IdentityGroup::By::kMtimeSecond)) in.fail();
    group.by = static_cast<IdentityGroup::By>(by);
    const uint32_t members = in.count(8, input_count);
    if (members == 0) in.fail();
    group.inputs.reserve(members);
    group.classes.reserve(members);
    uint32_t next_class = 0;
    for (uint32_t j = 0; j < members && in.ok(); ++j) {
      const uint32_t input = in.u32(), klass = in.u32();
      if (input >= input_count || (j > 0 && input <= group.inputs.back()) || klass > next_class) in.fail();
      if (klass == next_class) ++next_class;
      group.inputs.push_back(input);
      group.classes.push_back(klass);
    }
    if (i > 0 && !group_less(groups[i - 1], group)) in.fail();
  }
}

}  // namespace

std::string encode_manifest(const Manifest& given) {
  const Manifest manifest = canonical(given);
  ByteWriter out;
  out.reserve(64 + manifest.inputs.size() * 112);
  out.u8(kManifestVersion);
  out.u32(static_cast<uint32_t>(manifest.inputs.size()));
  for (const Input& input : manifest.inputs) {
    write_path(out, input.path);
    out.u8(static_cast<uint8_t>(input.kind));
    out.raw(input.digest.view());
  }
  out.u32(static_cast<uint32_t>(manifest.absents.size()));
  for (const AbsentSet& set : manifest.absents) {
    write_path(out, set.directory);
    write_names(out, set.names);
    write_names(out, set.checked_names);
  }
  out.u32(static_cast<uint32_t>(manifest.groups.size()));
  for (const IdentityGroup& group : manifest.groups) {
    out.u8(static_cast<uint8_t>(group.by));
    out.u32(static_cast<uint32_t>(group.inputs.size()));
    for (size_t i = 0; i < group.inputs.size(); ++i) {
      out.u32(group.inputs[i]);
      out.u32(group.classes[i]);
    }
  }
  return out.take();
}

Result<Manifest> decode_manifest(std::string_view bytes) {
  if (bytes.size() > limits::kManifestBytes) return Error{Code::kLimit, "manifest is too large"};
  ByteReader in(bytes);
  if (in.u8() != kManifestVersion) return Error{Code::kInvalid, "manifest has another version"};
  Manifest manifest;
  read_inputs(in, manifest.inputs);
  read_absents(in, manifest.absents);
  read_groups(in, manifest.groups, manifest.inputs.size());
  if (!in.finished()) return Error{Code::kInvalid, "manifest is malformed"};
  return manifest;
}

std::string encode_result(const CompileResult& result) {
  ByteWriter out;
  out.reserve(128 + result.outputs.size() * 46 + result.stdout_text.size() + result.stderr_text.size());
  out.u8(kResultVersion);
  out.u32(static_cast<uint32_t>(result.outputs.size()));
  for (const StoredOutput& output : result.outputs) {
    out.u8(static_cast<uint8_t>(output.kind));
    out.u8(output.executable ? 1 : 0);
    out.u32(output.index);
    out.raw(output.digest.view());
    out.u64(output.size_bytes);
  }
  out.text32(result.stdout_text);
  out.text32(result.stderr_text);
  out.text32(result.bound_place);
  out.text32(result.bound_colour);
  out.text32(result.bound_names);
  out.u64(result.compile_ns);
  return out.take();
}

Result<CompileResult> decode_result(std::string_view bytes) {
  ByteReader in(bytes);
  if (in.u8() != kResultVersion) return Error{Code::kInvalid, "result has another version"};
  CompileResult result;
  const uint32_t n = in.count(14 + kDigestBytes, kOutputs);
  result.outputs.reserve(n);
  for (uint32_t i = 0; i < n && in.ok(); ++i) {
    StoredOutput& output = result.outputs.emplace_back();
    const uint8_t kind = in.u8(), executable = in.u8();
    if (kind > static_cast<uint8_t>(OutputKind::kOther) || executable > 1) in.fail();
    output.kind = static_cast<OutputKind>(kind);
    output.executable = executable == 1;
    output.index = in.u32();
    read_digest(in, output.digest);
    output.size_bytes = in.u64();
    if (output.size_bytes > limits::kOutputBytes) in.fail();
  }
  result.stdout_text = in.text32(limits::kStdioBytes);
  result.stderr_text = in.text32(limits::kStdioBytes);
  result.bound_place = in.text32(kBoundBytes);
  result.bound_colour = in.text32(kBoundBytes);
  result.bound_names = in.text32(kBoundBytes);
  result.compile_ns = in.u64();
  if (!in.finished()) return Error{Code::kInvalid, "result is malformed"};
  return result;
}

}  // namespace hpcc
