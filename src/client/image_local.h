// The image's own compiler on this machine: a command line that runs a program in the image's tree, by bubblewrap. With
// the project at /hpcc/w, it is what a worker's guest sees, but for the kernel underneath; so that a machine without a
// worker makes the same objects. What no worker could do either (links, queries, commands that hpcc does not
// understand) runs with the project where it is: its outputs hold paths, and the user's are meant.
//
// The image's programs are not trusted with more than that: they have no terminal, no sockets and no processes of this
// machine, /tmp holds only what the command names in it, and the project's .hpcc and version control's directories
// cannot be written.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "model/probes.h"

namespace hpcc {

struct ImageRun {
  std::string tree;  // the image's files
  std::string root;  // the project
  std::vector<std::string> places = {kLogicalRoot};  // where the image's programs find it; they start in the first
  std::string cwd;   // below the root
  std::vector<std::pair<std::string, std::string>> environment;
  std::vector<std::string> argv;
  std::vector<std::string> outputs;  // files that the command is known to write, absolute and normal
  unsigned umask = 022;
};

// argv of the whole command, its first word an absolute path. kNotFound when there is no bubblewrap.
Result<std::vector<std::string>> image_command(const ImageRun& run);

// Outputs in /tmp that have no directory to themselves must be files before they can be bound: makes them, and tells
// which, for the caller to remove when the command failed.
std::vector<std::string> make_lone_outputs(const ImageRun& run);

// Whether the command reads its standard input; else there is none for the image's programs.
bool reads_stdin(const std::vector<std::string>& argv);

}  // namespace hpcc
