// The environment of every compile in an image, at a worker or here: the command's own variables come on top of it, and
// PWD. Nothing of the machine, so that all make the same objects.
#pragma once

namespace hpcc {

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

}  // namespace hpcc
