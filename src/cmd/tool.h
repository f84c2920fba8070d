// What the verbs of hpcc-tool share.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "store/store.h"

namespace hpcc {

using Words = std::vector<std::string>;

struct Verb {
  const char* name;
  const char* usage;  // nullptr: an alias or internal, not listed
  const char* summary;
  size_t max_arguments;                // more are a mistake, told with the usage
  int (*run)(const Words& arguments);  // one that takes arguments takes {"--help"}
};

// A verb's usage: on stdout and 0 when it was asked for by --help, else on stderr and 2.
int print_usage(const Words& arguments, const char* text);

int tool_stats(const Words& arguments);
int tool_zero(const Words& arguments);
int tool_explain(const Words& arguments);
int tool_clear(const Words& arguments);
int tool_cleanup(const Words& arguments);
int tool_max_size(const Words& arguments);
int tool_config(const Words& arguments);
int tool_inspect(const Words& arguments);
int tool_audit(const Words& arguments);
int tool_replay(const Words& arguments);
int tool_doctor(const Words& arguments);
int tool_daemon(const Words& arguments);
int tool_image(const Words& arguments);
int tool_worker(const Words& arguments);
int tool_up(const Words& arguments);
int tool_down(const Words& arguments);
int tool_status(const Words& arguments);
int tool_compile(const Words& arguments);

// Prints the audit rows whose output, object, action, source or row digest or row id begins with one of `wanted`, or
// whose source has that name: the newest in full, a line of each older one. Returns how many.
int print_matching_rows(const Words& wanted);

// Asks the running daemon; false when none runs or it does not answer.
bool ask_daemon(std::string_view verb, std::string* answer);

// The user's directory: HPCC_DIR or its default.
Result<std::string> state_directory();
// Opens the store there; prints the error and returns nullptr when that fails.
std::unique_ptr<Store> open_store();

}  // namespace hpcc
