// Check: does a Manifest still describe the file system? The hot loop of a hit: one stat per input, one per directory
// that lacked something.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "client/files.h"
#include "client/place.h"
#include "model/manifest.h"

namespace hpcc {

// A Manifest resolved for one Place, kept in memory between hits. Immutable but for the directory stamps.
class LoadedManifest {
 public:
  LoadedManifest(const Manifest& manifest, const Place& place, Files& files);

  // True when every input is as recorded. Otherwise, with `differences`, names up to `limit` inputs that differ.
  bool matches(Files& files, std::vector<std::string>* differences = nullptr, size_t limit = 1);

 private:
  struct In {
    Files::Id path;
    Files::DigestId digest;
    InputKind kind;
    // Index of the kNotLink input of the same path: one lstat answers for both. 0: none (no kNotLink sorts first).
    uint32_t not_link = 0;
    bool covered = false;  // this is such a kNotLink input
  };
  struct Directory {
    Files::Id path;
    std::vector<std::string> names, checked_names;
    uint32_t input = 0;  // index + 1 of the kDirectory input of the same path, whose stat serves here too; 0: none
    FileStamp proved;  // while the directory has this stamp, `names` are absent; guarded by mutex_
  };
  bool input_matches(const In& in, struct stat* info, Files& files, std::string* difference);
  bool absent_matches(Directory& directory, const struct stat* known, Files& files, std::string* difference);
  void pair_inputs();
  bool groups_match(const std::vector<struct stat>& stats, Files& files, std::string* difference) const;

  std::vector<In> inputs_;
  std::vector<Directory> absents_;
  std::vector<IdentityGroup> groups_;
  std::mutex mutex_;
};

}  // namespace hpcc
