// What each sandbox driver needs of a machine, and whether it is there: `hpcc worker preflight`.
#pragma once

#include <string>
#include <vector>

namespace hpcc {

struct Requirement {
  enum class State {
    kFound,
    kMissing,  // the driver does not work without it
    kWeaker,   // it works, with less isolation or speed
  };
  std::string driver;  // "qemu", "namespace", "image" (making images ready)
  std::string name;
  State state = State::kFound;
  std::string detail;  // what was found, or what is wrong
  std::string remedy;  // "" when found
};

// `kernel`, `agent`: as find_guest_kernel() and the installation give them; "" where there is none. Takes some seconds
// where KVM is present, because it is tried.
std::vector<Requirement> preflight(const std::string& kernel, const std::string& agent);

// The part of it that is about one driver.
std::vector<Requirement> driver_preflight(const std::string& driver, const std::string& kernel,
                                          const std::string& agent);

// "" when the file is one that microVMs can boot.
std::string guest_kernel_problem(const std::string& kernel);

bool driver_works(const std::vector<Requirement>& requirements, const std::string& driver);

}  // namespace hpcc
