// ProjectFiles: what the include scan knows of projects on disk, kept between compiles. A directory's listing is
// believed while its stamp is unchanged (and settled, see client/files.h), a file's directives while its digest is.
// ProjectView: one compile's look at it, in which each directory and each file is looked at once.
//
// ProjectFiles may be used by any thread; a ProjectView by one.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>

#include "base/fd.h"
#include "client/files.h"
#include "compiler/include_scan.h"
#include "model/input_tree.h"

namespace hpcc {

class ProjectFiles {
 public:
  explicit ProjectFiles(Files& files) : files_(files) {}

  struct TextHash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };
  struct Listing {
    FileStamp stamp;
    std::unordered_map<std::string, unsigned char, TextHash, std::equal_to<>> names;  // → d_type
  };
  // nullptr when there is no such directory; an Error when there may be one that cannot be listed.
  Result<std::shared_ptr<const Listing>> listing(const std::string& path);
  Result<std::shared_ptr<const Directives>> directives(const std::string& path, const BlobDigest& digest);
  Files& files() { return files_; }

 private:
  Files& files_;
  std::mutex mutex_;  // guards everything below
  std::unordered_map<std::string, std::shared_ptr<const Listing>> listings_;
  std::unordered_map<BlobDigest, std::shared_ptr<const Directives>, DigestHash> directives_;
};

class ProjectView {
 public:
  ProjectView(ProjectFiles& project, std::string root) : project_(project), root_(std::move(root)) {}

  // Paths are below the root.
  EntryKind kind(const std::string& path);
  EntryKind kind_in(const std::string& directory, std::string_view name);
  // Whether the directory lists the name, be it a link that leads nowhere.
  bool lists(const std::string& directory, std::string_view name);
  bool is_link(const std::string& path);
  // Whether a directory, or one above it below the root, is a symbolic link.
  bool crosses_link(const std::string& directory);
  std::string identity(const std::string& directory);
  // The first thing that could not be looked at. What was taken for absent may be there.
  const std::optional<Error>& failure() const { return failure_; }
  // Whether any path asked for was a symbolic link.
  bool met_link() const { return met_link_; }
  Result<std::shared_ptr<const Directives>> directives(const std::string& path);
  struct Fact {
    TreeFile file;
    uint32_t facts = 0;  // compiler/source_facts.h
    bool once = false;
    std::pair<uint64_t, uint64_t> identity;  // device and inode
  };
  // Digest, mode and facts of a file, as first looked at by this view.
  Result<Fact> fact(const std::string& path);
  ScanFiles scan_files();

 private:
  const ProjectFiles::Listing* listing(const std::string& directory);
  EntryKind kind_of_link(const std::string& path);
  std::string absolute(const std::string& path) const { return path.empty() ? root_ : root_ + "/" + path; }

  ProjectFiles& project_;
  const std::string root_;
  std::unordered_map<std::string, std::shared_ptr<const ProjectFiles::Listing>> listings_;
  std::unordered_map<std::string, Fact> facts_;
  Fd root_fd_;
  std::optional<Error> failure_;
  bool met_link_ = false;
};

}  // namespace hpcc
