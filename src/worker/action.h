// From a REAPI Action to what a guest is asked to do. Everything here was written by a client: the decode_* functions
// take nothing that is not in order, and the tree's walk has limits on depth, directories, files and their bytes, with
// repeats counted, so that a small tree cannot stand for an endless one.
//
// Refused: paths that are absolute, not normal or escape; names twice in a directory; symbolic links (a client resolves
// them); output directories; fields this version does not know (what they ask for would not be done).
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "guest/guest.h"
#include "rpc/reapi.h"
#include "rpc/status.h"

namespace hpcc {

struct ActionSpec {
  SizedDigest command;
  SizedDigest input_root;
  ImageDigest image;
  uint32_t timeout_ms = 0;  // 0: the worker's default
  bool do_not_cache = false;
  bool has_platform = false;  // else the command's platform names the image
};
Result<ActionSpec> decode_action(std::string_view bytes);

struct CommandSpec {
  std::vector<std::string> arguments;
  std::vector<std::string> environment;  // "NAME=value"
  std::string working_directory;
  std::vector<std::string> outputs;  // relative to the working directory
  ImageDigest image;
  bool has_platform = false;
};
Result<CommandSpec> decode_command(std::string_view bytes);

struct DirectorySpec {
  struct File {
    std::string name;
    SizedDigest blob;
    bool executable = false;
  };
  struct Child {
    std::string name;
    SizedDigest directory;
  };
  std::vector<File> files;
  std::vector<Child> directories;
};
Result<DirectorySpec> decode_directory(std::string_view bytes);

// Relative, normal, inside: "a/b.c". "" only where the root itself may be meant.
bool is_inner_path(std::string_view path);

// A path that is relative to the working directory, from the root: "build" and "../a.o" are "a.o". Not inner, or "",
// when it leaves the root.
std::string from_root(std::string_view working_directory, std::string_view path);

struct Plan {
  SizedDigest action;
  SizedDigest input_root;
  ImageDigest image;
  bool do_not_cache = false;
  GuestCompile compile;
  std::string source;                     // the logical path of the file that is compiled, "" when none stands out
  std::string object;                     // the one of compile.outputs that -o names or implies; "" when there is none
  std::vector<std::string> output_names;  // as the client asked, in the order of compile.outputs
};

// How the plan's parts are read: kNotFound for a blob that is not there.
struct PlanBlobs {
  std::function<Result<std::string>(const SizedDigest&)> read;
  std::function<bool(const SizedDigest&)> has;
};
// kNotFound and *missing when blobs are not there: all that can be told without them.
Result<Plan> load_plan(const SizedDigest& action, const PlanBlobs& blobs, std::vector<MissingBlob>* missing);

}  // namespace hpcc
