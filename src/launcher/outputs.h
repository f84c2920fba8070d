// The compiler's captured streams: kept for the engine, and passed on at once unless held.
#pragma once

#include "launcher/sys.h"

namespace hpcc::launcher {

struct Outputs {
  int out_fd = -1, err_fd = -1;  // our ends of the pipes; -1 when not captured
  Buffer* out;
  Buffer* err;
  bool held = false;

  // Copies what has arrived; false at the end of the stream.
  bool pump_out();
  bool pump_err();
  // After the compiler has ended: what is still in the pipes. Does not wait for others that hold them open.
  void drain();
};

}  // namespace hpcc::launcher
