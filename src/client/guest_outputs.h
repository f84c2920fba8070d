// Outputs of a compile in the image's file system, where the project is at /hpcc/w: made into what the store keeps for
// any checkout, and dependency files made into what this user's make understands.
#pragma once

#include <string>
#include <string_view>

#include "client/outputs.h"
#include "compiler/include_scan.h"
#include "wire/remote.h"

namespace hpcc {

// The output blobs are in `held` or else in the store; what is made of them here is added to `held`. Of a failed
// compile outputs may be missing.
Collected collect_guest_outputs(const Invocation& invocation, const ScanPlace& place,
                                const remote::RemoteResult& result, Store& store, HeldBlobs& held);

// A dependency file as it stands after a local compile in the image → for the user: paths below the root as here, and
// without headers of the image that do not exist here (make would stop: "No rule to make target").
Result<std::string> render_guest_dep(const std::string& text, const Invocation& invocation, const Place& place);

}  // namespace hpcc
