// The image's own compiler on this machine: a command line that runs a program in the image's tree with the project at
// /hpcc/w, by bubblewrap. What a worker's guest sees, but for the kernel underneath; so that a machine without a worker
// makes the same objects.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "base/result.h"

namespace hpcc {

struct ImageRun {
  std::string tree;  // the image's files
  std::string root;  // the project
  std::string cwd;   // below the root
  std::vector<std::pair<std::string, std::string>> environment;
  std::vector<std::string> argv;
};

// argv of the whole command, its first word an absolute path. kNotFound when there is no bubblewrap.
Result<std::vector<std::string>> image_command(const ImageRun& run);

}  // namespace hpcc
