// A compile's files: its inputs are copied in before it runs, its outputs are opened after everything it started has
// ended. Both work below one directory descriptor, /hpcc/w of that compile.
#pragma once

#include <hpcc/v1/agent.pb.h>

#include <vector>

#include "base/fd.h"
#include "base/result.h"

namespace hpcc {

// Copies each input from `blobs` (files named by hex digest), each as its own inode, and makes all directories.
Status stage_inputs(const v1::Compile& compile, int blobs, int work, unsigned owner);

struct FoundOutput {
  uint32_t output = 0;  // index into Compile.outputs
  uint64_t size_bytes = 0;
  bool executable = false;
  Fd file;
};

// The declared outputs that are there. Only regular files, reached without any symbolic link: kPermission names one
// that is something else, kLimit says that they are too large together.
Result<std::vector<FoundOutput>> open_outputs(const v1::Compile& compile, int work);

}  // namespace hpcc
