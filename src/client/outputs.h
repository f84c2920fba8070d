// Outputs: from the compiler's files into the store after a miss, and from the store onto disk at a hit.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "client/key.h"
#include "client/observation.h"
#include "client/verify.h"
#include "compiler/depfile.h"
#include "model/invocation.h"
#include "model/manifest.h"
#include "store/store.h"

namespace hpcc {

// Whether all outputs go where a hit may put them: onto a regular file, a symbolic link to one, or nothing.
// Names the offending path otherwise.
bool outputs_are_ordinary(const Invocation& invocation, const Place& place, std::string* offender);

struct Collected {
  Bypass problem = Bypass::kNone;
  std::string detail;
  CompileResult result;
  uint64_t bytes = 0;
};
// Puts every output of a finished compile into the store and finds what the entry is bound to.
// `observed` tells what the compile wrote: an older file at an optional output's place is no output, and what names a
// temporary file (an assembler's listing or warning) is another thing at each run and is not stored.
Collected collect_outputs(const Invocation& invocation, const Place& place, const Observed& observed,
                          std::string_view stdout_text, std::string_view stderr_text, Store& store);

// Contents by their digests, checked. They are used before the store is asked.
using HeldBlobs = std::map<BlobDigest, std::string>;

// Writes a result's outputs for this command: side files first, the object last, each by temporary file and rename with
// the caller's umask; all or none, and none when the caller has gone. Returns bytes written.
Result<uint64_t> place_outputs(const CompileResult& result, const Invocation& invocation, const Place& place,
                               unsigned umask, Store& store, const HeldBlobs& held,
                               const std::function<bool()>& caller_waits);

// A dependency file as it is stored: 'P' or '-' (whether each prerequisite gets a phony rule), then a line for each
// prerequisite; the byte 1 at a line's start stands for the root. Targets are the command's own. Decoded for a place in
// an image, headers that do not exist here are left out: make would not know how to make them.
std::string encode_dep_list(const DepFile& dep, const Place& place);
Result<DepFile> decode_dep_list(std::string_view text, const Place& place);
std::vector<std::string> dep_targets(const Invocation& invocation);
// What place_outputs would write, and what a compile wrote: `written` as for collect_outputs.
Result<std::vector<OutputImage>> stored_images(const CompileResult& result, const Invocation& invocation,
                                               const Place& place, Store& store, const HeldBlobs& held);
std::vector<OutputImage> written_images(const Invocation& invocation, const Place& place,
                                        const std::set<std::string>& written);

// What CompileResult::bound_names must equal when it is set.
std::string bound_names_text(const Invocation& invocation);

}  // namespace hpcc
