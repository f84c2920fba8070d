// From a parsed command to the REAPI Action that compiles it in the image: arguments with logical paths and hermetic
// options, the environment's few variables, the outputs. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "client/config.h"
#include "compiler/environment.h"
#include "compiler/include_scan.h"
#include "model/input_tree.h"
#include "model/invocation.h"

namespace hpcc {

using Variables = std::vector<std::pair<std::string, std::string>>;

struct ActionInputs {
  const Invocation& invocation;
  const std::vector<std::string>& argv;  // response files expanded
  const std::vector<std::string>& env;   // the caller's, all of it
  const ScanPlace& place;
  ProjectFile::DateTime date_time;
  bool coloured;
};

// The command as guest and local compile run it.
std::vector<std::string> guest_arguments(const ActionInputs& in);
// An allow-list of the caller's variables; every other is the image's own.
Variables guest_environment(const std::vector<std::string>& env, const ScanPlace& place);

// A command that runs here with the project where it is. What it compiles names the project's files as a worker's
// guest would.
enum class Compiles { kNo, kYes };
std::vector<std::string> plain_arguments(const std::vector<std::string>& argv, const std::vector<std::string>& roots,
                                         Compiles compiles);
// With more of the user's variables than a guest gets: those of links, and those that are why it runs here.
Variables plain_environment(Family family, const std::vector<std::string>& env);

// An output as REAPI names it: relative to the working directory.
std::string guest_output_path(const std::string& path, const ScanPlace& place);
ReapiCommand make_command(const ActionInputs& in);
std::string make_action(const SizedDigest& command, const SizedDigest& input_root, const std::string& image,
                        bool cacheable);

// What the messages to a worker cannot hold: the first word, path or variable that is not UTF-8.
std::optional<std::string> not_utf8(const ReapiCommand& command, const std::vector<TreeFile>& inputs,
                                    const std::vector<std::string>& directories);

// For `hpcc explain`: everything the Action is made of, one line each.
std::string describe_action(const ReapiCommand& command, const std::vector<TreeFile>& inputs,
                            const std::vector<std::string>& directories, const std::string& image);

}  // namespace hpcc
