// For tests of the store: a directory that goes away, and entries to put.
#pragma once

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>

#include "store/files.h"
#include "store/store_options.h"

namespace hpcc::store {

class TempDir {
 public:
  TempDir() {
    path_ = std::string(::access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp") + "/hpcc-store-XXXXXX";
    if (::mkdtemp(path_.data()) == nullptr) std::abort();
  }
  ~TempDir() { remove_tree(path_); }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  const std::string& path() const { return path_; }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

inline DirectKey key_of(std::string_view name) { return DirectKey::of(name); }

// An entry whose inputs look like headers; `salt` makes other digests.
inline Entry sample_entry(const std::vector<BlobDigest>& blobs, size_t inputs, const std::string& salt = "") {
  Entry entry;
  for (size_t i = 0; i < inputs; ++i) {
    Input input;
    input.path.path =
        "/usr/lib/gcc/x86_64-linux-gnu/12/../../../../include/c++/12/bits/header_" + std::to_string(100000 + i);
    input.digest = BlobDigest::of("content " + std::to_string(i) + salt);
    entry.manifest.inputs.push_back(input);
  }
  AbsentSet absent;
  absent.directory.path = "/usr/include";
  absent.names = {"bits", "missing.h", "vector"};
  absent.checked_names = {"main.cc/x"};
  entry.manifest.absents.push_back(absent);
  if (inputs >= 2) entry.manifest.groups.push_back({IdentityGroup::By::kInode, {0, 1}, {0, 1}});
  for (const BlobDigest& blob : blobs) {
    StoredOutput output;
    output.digest = blob;
    output.size_bytes = 1;
    entry.result.outputs.push_back(output);
  }
  entry.result.stderr_text = "warning: " + salt;
  entry.result.compile_ns = 123456789;
  return entry;
}

inline std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

inline void write_file(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

// Every regular file below a directory.
inline std::vector<std::string> files_below(const std::string& path) {
  std::vector<std::string> files;
  for (const std::string& name : list_directory(path)) {
    const std::string child = path + "/" + name;
    struct stat st;
    if (::lstat(child.c_str(), &st) != 0) continue;
    if (S_ISDIR(st.st_mode)) {
      for (std::string& file : files_below(child)) files.push_back(std::move(file));
    } else {
      files.push_back(child);
    }
  }
  return files;
}

}  // namespace hpcc::store
