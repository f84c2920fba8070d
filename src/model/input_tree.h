// The input tree of an Action: the project's files as REAPI Directory messages, digests from the leaves up. Pure.
#pragma once

#include <string>
#include <vector>

#include "model/reapi.h"

namespace hpcc {

struct TreeFile {
  std::string path;  // below the root, normal: "src/a.c"
  SizedDigest content;
  bool executable = false;
};

struct InputTree {
  SizedDigest root;
  std::vector<std::pair<SizedDigest, std::string>> directories;  // every Directory message, the root last
};

// `files` in any order, paths unique; `directories` are there even without files.
InputTree build_input_tree(std::vector<TreeFile> files, const std::vector<std::string>& directories);

}  // namespace hpcc
