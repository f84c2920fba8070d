// Quarantine: compiles whose stored result was seen to differ from what the compiler gives. Nothing is served or stored
// under such a key any more; what was seen is kept for people. Layout in docs/formats.md.
//
// Thread rule: every method from any thread and process.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "client/verify.h"
#include "model/digest.h"

namespace hpcc {

class Quarantine {
 public:
  // `dir` is HPCC_DIR; nothing is made before there is something to keep.
  explicit Quarantine(const std::string& dir) : dir_(dir + "/quarantine") {}

  const std::string& path() const { return dir_; }
  std::string path_of(const DirectKey& key) const { return dir_ + "/" + key.hex(); }
  bool holds(const DirectKey& key) const;

  // Keeps both results and the report. The oldest beyond limits::kQuarantined are forgotten, and of all but the newest
  // limits::kQuarantinedWhole only the report is left.
  Status add(const DirectKey& key, const std::string& report, const ResultImage& stored, const ResultImage& compiled);
  // A later compile under the same key: says once in the report whether the compiler repeats itself.
  void note_repeat(const DirectKey& key, const ResultImage& again);

  // (key in hex, report) of all whose key begins so.
  std::vector<std::pair<std::string, std::string>> find(std::string_view prefix) const;
  Status clear();

 private:
  void forget_oldest();

  const std::string dir_;
};

}  // namespace hpcc
