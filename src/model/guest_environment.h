// What every compile in an image finds, at a worker or here. Nothing of the machine, so that all make the same objects.
#pragma once

#include <string_view>

namespace hpcc {

// The command's own variables come on top of these, and PWD.

struct GuestVariable {
  const char* name;
  const char* value;
};
inline constexpr GuestVariable kGuestVariables[] = {
    {"PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
    {"LC_ALL", "C"},
    {"TZ", "UTC"},
    {"HOME", "/tmp"},
};

// The directories at the top of the image that are not the image's own.
inline bool is_replaced_in_guest(std::string_view name) {
  for (std::string_view ours : {"proc", "dev", "sys", "tmp", "run", "hpcc"}) {
    if (name == ours) return true;
  }
  return false;
}

}  // namespace hpcc
