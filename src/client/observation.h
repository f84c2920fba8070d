// Observation: turns the tracer's events of one finished compile into a Manifest, or says why none can be trusted.
// Each path is looked at again after the run; what changed between the tracer's look and ours is not stored.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "client/files.h"
#include "client/key.h"
#include "model/manifest.h"
#include "wire/local.h"

namespace hpcc {

struct Observed {
  Bypass problem = Bypass::kNone;  // kNone: `manifest` is good
  std::string detail;              // the path at fault
  Manifest manifest;
  uint32_t source_facts = 0;              // facts of all inputs together
  std::set<std::string> written_outputs;  // declared outputs that the compile did write; lexically normal
  std::set<std::string> temporaries;      // base names of files that the compile wrote and removed
  std::string time_path;                  // an input with a time macro or the like, for the message
  bool reads_config = false;     // a compiler's configuration file (*.cfg) outside the project: options nobody parsed
  bool absolute_inputs = false;  // a file was read by its absolute path under the project root
};

// `outputs` are what the command declares it writes. `start_ns` is when the run began.
Observed observe(const std::vector<Event>& events, const std::vector<OutputFile>& outputs, const Place& place,
                 int64_t start_ns, Files& files);

// Digest of a symbolic link's target: what kLink records.
Result<BlobDigest> link_digest(const std::string& path);

}  // namespace hpcc
