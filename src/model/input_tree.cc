#include "model/input_tree.h"

#include <algorithm>
#include <span>

namespace hpcc {
namespace {

// A directory that must exist stands in the list as a path with a slash at its end: so it sorts together with, and
// before, what is below it.
struct Entry {
  std::string path;
  const TreeFile* file = nullptr;
};

SizedDigest build(std::span<const Entry> entries, size_t prefix, InputTree* tree) {
  std::vector<ReapiFile> files;
  std::vector<ReapiSubdirectory> directories;
  for (size_t i = 0; i < entries.size();) {
    const std::string_view rest = std::string_view(entries[i].path).substr(prefix);
    const size_t slash = rest.find('/');
    if (rest.empty()) {  // this directory itself
      ++i;
      continue;
    }
    if (slash == std::string_view::npos) {
      const TreeFile& file = *entries[i++].file;
      files.push_back({std::string(rest), file.content, file.executable});
      continue;
    }
    const std::string_view head = std::string_view(entries[i].path).substr(0, prefix + slash + 1);
    size_t end = i;
    while (end < entries.size() && entries[end].path.starts_with(head)) ++end;
    SizedDigest digest = build(entries.subspan(i, end - i), head.size(), tree);
    directories.push_back({std::string(rest.substr(0, slash)), digest});
    i = end;
  }
  std::string bytes = encode_reapi_directory(std::move(files), std::move(directories));
  SizedDigest digest = SizedDigest::of(bytes);
  tree->directories.emplace_back(digest, std::move(bytes));
  return digest;
}

}  // namespace

InputTree build_input_tree(std::vector<TreeFile> files, const std::vector<std::string>& directories) {
  std::vector<Entry> entries;
  entries.reserve(files.size() + directories.size());
  for (const TreeFile& file : files) entries.push_back({file.path, &file});
  for (const std::string& directory : directories) entries.push_back({directory + "/", nullptr});
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) { return a.path < b.path; });
  InputTree tree;
  tree.root = build(entries, 0, &tree);
  return tree;
}

}  // namespace hpcc
