// TreeWriter: layers of an image become one tree of directories, files, symbolic and hard links below a directory that
// is empty at first. Names are hostile: every path is resolved inside the root by the kernel (openat2,
// RESOLVE_IN_ROOT), so that no "..", absolute name or symbolic link leads out. Devices, sockets and FIFOs are left out
// and counted.
//
// The result is the same for the namespace driver and the microVM and depends on the layers' bytes alone: contents,
// names, link targets and times as in the layers; modes are 0555 (directories and executables) and 0444; owner,
// extended attributes and setuid are dropped. An image's files are no secret from those who compile with it.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "base/fd.h"
#include "base/limits.h"
#include "base/result.h"

namespace hpcc {

struct TreeLimits {
  uint64_t entries = limits::kImageEntries;
  uint64_t bytes = limits::kImageTreeBytes;
  uint32_t depth = limits::kImageDepth;
};

class TreeWriter {
 public:
  // Content of one regular file: the next bytes and where they belong (holes are left out); none at the end.
  struct Piece {
    std::string_view bytes;
    uint64_t offset = 0;
  };
  class Content {
   public:
    virtual ~Content() = default;
    virtual Result<Piece> next() = 0;  // empty bytes: the end
  };

  static Result<TreeWriter> create(Fd root, const TreeLimits& limits);

  void start_layer();  // what later entries do to earlier ones differs from what whiteouts do to lower layers
  Status add_directory(std::string_view path, int64_t mtime_s);
  Status add_file(std::string_view path, int64_t mtime_s, uint64_t size, mode_t mode, Content& content);
  Status add_symlink(std::string_view path, int64_t mtime_s, std::string_view target);
  Status add_hard_link(std::string_view path, std::string_view target);
  Status skip_special(std::string_view path);
  // Modes and times of directories, at last.
  Status seal();

  uint64_t entries() const { return entries_; }
  uint64_t bytes() const { return bytes_; }
  uint64_t skipped() const { return skipped_; }

 private:
  struct Place {  // where an entry goes
    Fd parent;
    ino_t parent_inode = 0;
    std::string name;  // "" is the root itself
  };
  struct Directory {
    int64_t mtime_s = 0;
    uint32_t depth = 0;
  };

  TreeWriter(Fd root, const TreeLimits& limits) : root_(std::move(root)), limits_(limits) {}
  Status count_entry();
  Result<std::string> clean(std::string_view path) const;
  Result<Fd> open_directory(const std::string& path) const;
  Result<Fd> make_parents(const std::string& path);
  Result<Place> place(const std::string& path);
  Status make_directory(const Place& where, int64_t mtime_s);
  // True when the name was a whiteout and has been done.
  Result<bool> apply_whiteout(const Place& where);
  Status prepare_slot(const Place& where);  // removes what is there and notes the name as this layer's
  enum class Prune { kLowerOnly, kAll };
  Status remove(int parent, ino_t parent_inode, const std::string& name, Prune prune, uint32_t depth);
  Status prune_children(int directory, ino_t inode, Prune prune, uint32_t depth);
  Status seal_directory(int directory, uint32_t depth);

  Fd root_;
  TreeLimits limits_;
  std::unordered_map<ino_t, Directory> directories_;       // every one we made
  std::set<std::pair<ino_t, std::string>> this_layer_;     // names this layer has set
  uint64_t entries_ = 0, bytes_ = 0, skipped_ = 0;
};

}  // namespace hpcc
