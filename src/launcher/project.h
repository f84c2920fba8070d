// What a launcher without an engine must know of .hpcc: whether the project is compiled in an image, so that this
// machine's compiler may not stand in for it. The engine decodes the file (client/config.h); here a look at its lines
// has to do.
#pragma once

#include "launcher/sys.h"

namespace hpcc::launcher {

// The .hpcc file at or above the working directory that names an image and does not say fallback = "host". False when
// there is none.
bool find_image_project(Path* file);

}  // namespace hpcc::launcher
