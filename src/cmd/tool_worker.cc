// `hpcc worker preflight`: what this machine has and lacks to run compiles in sandboxes.
#include <unistd.h>

#include <cstdio>

#include "base/fs.h"
#include "cmd/tool.h"
#include "vm/preflight.h"
#include "vm/qemu.h"

namespace hpcc {
namespace {

const char* word_for(Requirement::State state) {
  switch (state) {
    case Requirement::State::kFound:
      return "found";
    case Requirement::State::kMissing:
      return "MISSING";
    case Requirement::State::kWeaker:
      return "weaker";
  }
  return "";
}

}  // namespace

int tool_worker(const Words& arguments) {
  if (arguments.size() != 1 || arguments[0] != "preflight") {
    return print_usage(arguments,
                       "hpcc worker preflight\n\nWhat each sandbox driver needs of this machine, found or missing, "
                       "with the remedy. Succeeds if one can be used.");
  }
  const std::string here = program_directory(), agent = join_path(here, "hpcc-agent");
  const bool has_agent = access(agent.c_str(), X_OK) == 0;
  const std::vector<Requirement> all = preflight(find_guest_kernel(here), has_agent ? agent : "");
  for (const Requirement& one : all) {
    printf("%-10s %-13s %-8s %s\n", one.driver.c_str(), one.name.c_str(), word_for(one.state), one.detail.c_str());
    if (!one.remedy.empty()) printf("%-33s remedy: %s\n", "", one.remedy.c_str());
  }
  bool any = false;
  for (const char* driver : {"qemu", "namespace"}) {
    const bool works = driver_works(all, driver);
    any = any || works;
    printf("driver %s: %s\n", driver, works ? "can be used" : "cannot be used");
  }
  return any ? 0 : 1;
}

}  // namespace hpcc
