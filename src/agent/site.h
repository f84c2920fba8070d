// Site: what the agent's first process prepares once and every compile uses: mounts, descriptors, what this place can
// do.
#pragma once

#include <string>

#include "base/fd.h"
#include "base/result.h"

namespace hpcc {

enum class GuestKind { kMicroVm, kNamespace };

struct Site {
  GuestKind kind = GuestKind::kMicroVm;
  Fd proc;                // /proc of the agent's PID namespace
  Fd blobs;               // directory of the blobs kept
  Fd cgroups;             // cgroup v2 directory to make one child in for each compile; none in a namespace sandbox
  Fd null;                // /dev/null
  std::string root;       // the compiles' root: the image read-only, with mount points for /hpcc/w, /tmp, /proc
  bool own_uids = false;  // each compile can have a uid of its own
};

// As first process: mounts, root, host name. Nothing has been started before it.
Result<Site> prepare_site(GuestKind kind);

inline constexpr unsigned kCompileUidBase = 10000;

}  // namespace hpcc
