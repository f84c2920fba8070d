// Session: what one stream's frames do. Knows nothing of gRPC's server; frames go out through a function, so that tests
// and fuzz targets drive it without a connection.
#pragma once

#include <hpcc/v1/agent.pb.h>

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "agent/blobs.h"
#include "agent/site.h"
#include "base/fd.h"
#include "base/result.h"

namespace hpcc {

class RunningCompile;

class Session {
 public:
  // False: the host is gone. Called by several threads, never by two at once.
  using Send = std::function<bool(const v1::AgentFrame&)>;

  Session(const Site& site, int first, Send send);
  ~Session();  // ends all compiles, drops all blobs

  // Frames in the order they came. An Error ends the session.
  Status receive(const v1::HostFrame& frame);

 private:
  friend class RunningCompile;
  Status hello(const v1::Hello& hello);
  Status start(const v1::Compile& compile);
  void forget_finished();
  bool send(const v1::AgentFrame& frame);

  const Site& site_;
  const int first_;
  Send send_;
  std::mutex send_mutex_;
  BlobDir blobs_;
  bool greeted_ = false;
  uint64_t last_id_ = 0;
  std::map<uint64_t, std::unique_ptr<RunningCompile>> running_;
};

}  // namespace hpcc
