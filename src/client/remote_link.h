// RemoteLink: hpccd's end of hpcc-remote, the process that speaks gRPC. Started when first needed, again when it has
// died (not more often than every few seconds); ends with this process, because it reads this end's close.
//
// Thread rule: every method from any thread. Callbacks come on the link's own thread.
#pragma once

#include <spawn.h>

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "base/deadline.h"
#include "base/fd.h"
#include "client/outputs.h"
#include "store/store.h"
#include "wire/remote.h"

namespace hpcc {

class RemoteLink {
 public:
  RemoteLink(Store& store, std::vector<std::string> command) : store_(store), command_(std::move(command)) {}
  ~RemoteLink();
  RemoteLink(const RemoteLink&) = delete;
  RemoteLink& operator=(const RemoteLink&) = delete;

  // With the result come those of its blobs that arrived whole and are what their digests say; what is too much to be
  // held was put into the store instead.
  using Done = std::function<void(remote::RemoteResult, HeldBlobs)>;
  // Sets submit.id. `done` is called once unless cancel() comes first; it may already run while cancel() returns.
  Result<uint64_t> submit(remote::Submit submit, Done done);
  void cancel(uint64_t id);
  // Ends hpcc-remote; nothing is called back afterwards.
  void stop();

 private:
  struct Waiting {
    Done done;
    Deadline deadline = Deadline::after_ms(0);
  };
  Status start_locked();
  void read_loop(int fd);
  bool take(const remote::Frame& frame);
  Status take_part(const remote::BlobPart& part);
  void finish(remote::RemoteResult result, HeldBlobs blobs);
  void expire();
  void lost(const std::string& why);

  Store& store_;
  const std::vector<std::string> command_;
  std::mutex send_mutex_;  // one frame at a time; taken before mutex_
  std::mutex mutex_;       // guards everything below
  Fd socket_;
  pid_t pid_ = -1;
  bool stopping_ = false;
  bool running_ = false;  // the reader thread has not seen the end
  int64_t not_before_ns_ = 0;
  uint64_t next_id_ = 1;
  std::unordered_map<uint64_t, Waiting> waiting_;
  std::thread reader_;
  // Of the reader thread alone, by compile.
  struct Arriving {
    std::string bytes;  // of the blob that is not whole yet
    HeldBlobs held;
    size_t held_bytes = 0;
  };
  std::unordered_map<uint64_t, Arriving> arriving_;
  size_t held_bytes_ = 0;  // of all
};

}  // namespace hpcc
