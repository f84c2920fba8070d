#include "model/probes.h"

#include <algorithm>
#include <map>
#include <set>

#include "base/fs.h"
#include "base/limits.h"
#include "model/codec.h"

namespace hpcc {
namespace {

constexpr uint8_t kVersion = 1;

bool is_name(std::string_view name) {
  return !name.empty() && name != "." && name != ".." && name.size() < limits::kPathBytes &&
         name.find('/') == std::string_view::npos && name.find('\0') == std::string_view::npos;
}

bool is_directory_name(std::string_view path) {
  return path.size() < limits::kPathBytes && is_under(path, kLogicalRoot) && lexically_normal(path) == path &&
         path.find('\0') == std::string_view::npos;
}

// Every index ascends, is in range, and is noted as used.
bool read_indices(ByteReader& in, size_t directory_count, ProbeGroup* group, std::vector<bool>* used) {
  const uint32_t count = in.count(4, directory_count);
  group->directories.reserve(count);
  for (uint32_t i = 0; i < count; ++i) {
    const uint32_t index = in.u32();
    if (!in.ok() || index >= directory_count) return false;
    if (i > 0 && group->directories.back() >= index) return false;
    group->directories.push_back(index);
    (*used)[index] = true;
  }
  return in.ok() && count > 0;
}

bool read_names(ByteReader& in, ProbeGroup* group) {
  const uint32_t count = in.count(2, limits::kProbeNames);
  for (uint32_t i = 0; i < count; ++i) {
    std::string_view name = in.text16(limits::kPathBytes);
    if (!in.ok() || !is_name(name)) return false;
    if (i > 0 && group->names.back() >= name) return false;
    group->names.emplace_back(name);
  }
  return in.ok() && count > 0;
}

}  // namespace

Probes Probes::from_paths(const std::vector<std::string>& paths) {
  std::map<std::string, std::set<std::string>> directories_of_name;
  std::set<std::string> all;
  for (const std::string& path : paths) {
    std::string directory(directory_of(path)), name(basename_of(path));
    if (!is_name(name) || !is_directory_name(directory)) continue;
    all.insert(directory);
    directories_of_name[name].insert(directory);
  }
  Probes out;
  out.directories.assign(all.begin(), all.end());
  std::map<std::string, uint32_t> index;
  for (uint32_t i = 0; i < out.directories.size(); ++i) index[out.directories[i]] = i;
  std::map<std::vector<uint32_t>, std::vector<std::string>> groups;
  for (const auto& [name, directories] : directories_of_name) {
    std::vector<uint32_t> where;
    for (const std::string& directory : directories) where.push_back(index[directory]);
    groups[where].push_back(name);
  }
  for (auto& [where, names] : groups) out.groups.push_back({where, std::move(names)});
  return out;
}

uint64_t Probes::path_count() const {
  uint64_t count = 0;
  for (const ProbeGroup& group : groups) count += uint64_t{group.directories.size()} * group.names.size();
  return count;
}

std::string encode_probes(const Probes& probes) {
  ByteWriter out;
  out.u8(kVersion);
  out.u32(static_cast<uint32_t>(probes.directories.size()));
  for (const std::string& directory : probes.directories) out.text16(directory);
  out.u32(static_cast<uint32_t>(probes.groups.size()));
  for (const ProbeGroup& group : probes.groups) {
    out.u32(static_cast<uint32_t>(group.directories.size()));
    for (uint32_t index : group.directories) out.u32(index);
    out.u32(static_cast<uint32_t>(group.names.size()));
    for (const std::string& name : group.names) out.text16(name);
  }
  return out.take();
}

Result<Probes> decode_probes(std::string_view bytes) {
  const Error bad{Code::kInvalid, "probes: malformed", 0};
  if (bytes.size() > limits::kProbesBytes) return Error{Code::kLimit, "probes: too large", 0};
  ByteReader in(bytes);
  if (in.u8() != kVersion) return bad;
  Probes out;
  const uint32_t directory_count = in.count(2, limits::kProbeNames);
  for (uint32_t i = 0; i < directory_count; ++i) {
    std::string_view directory = in.text16(limits::kPathBytes);
    if (!in.ok() || !is_directory_name(directory)) return bad;
    if (i > 0 && out.directories.back() >= directory) return bad;
    out.directories.emplace_back(directory);
  }
  std::vector<bool> used(directory_count);
  const uint32_t group_count = in.count(14, limits::kProbeNames);
  for (uint32_t i = 0; i < group_count; ++i) {
    ProbeGroup group;
    if (!read_indices(in, directory_count, &group, &used) || !read_names(in, &group)) return bad;
    if (i > 0 && out.groups.back().directories >= group.directories) return bad;
    out.groups.push_back(std::move(group));
  }
  if (!in.finished() || std::find(used.begin(), used.end(), false) != used.end()) return bad;
  // Names × directories can be far more than the bytes that say so: whoever compares must be able to bound its work.
  if (out.path_count() > limits::kProbePaths) return Error{Code::kLimit, "probes: too many paths", 0};
  return out;
}

}  // namespace hpcc
