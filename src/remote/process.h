// hpcc-remote: compiles that hpccd submits on its socket, each on a thread of a pool, through the scheduler's lease and
// the worker's Remote Execution API. Ends when hpccd closes its end.
#pragma once

#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "base/fd.h"
#include "base/fs.h"
#include "remote/leases.h"
#include "remote/worker_client.h"
#include "wire/remote.h"

namespace hpcc {

// How long each step of a compile took, as text.
class Timing {
 public:
  // The step since the last one, or since this was made.
  void step(const char* name) {
    const int64_t now = monotonic_ns();
    add(name, (now - last_ns_) / 1000);
    last_ns_ = now;
  }
  void add(const char* name, int64_t us) {
    text_ += (text_.empty() ? "" : ", ") + std::string(name) + " " + std::to_string(us);
  }
  const std::string& text() const { return text_; }

 private:
  int64_t last_ns_ = monotonic_ns();
  std::string text_;
};

class RemoteProcess {
 public:
  RemoteProcess(Fd socket, const std::string& client_dir);
  ~RemoteProcess();

  // Serves until the other end closes. An Error when it breaks the protocol.
  Status run();

 private:
  struct Job {
    remote::Submit submit;
    std::shared_ptr<Cancellation> cancellation;
    Timing timing;
  };
  void work();
  void accept(remote::Submit submit);
  remote::RemoteResult compile(Job& job);
  Result<remote::RemoteResult> try_worker(Job& job, const v1::Lease& lease, uint64_t* sent);
  Result<remote::RemoteResult> answer(const Job& job, const v1::Lease& lease, WorkerClient& worker,
                                      const WorkerClient::Call& call, const WorkerClient::ActionResult& result);
  Result<std::shared_ptr<WorkerClient>> worker_of(const v1::Lease& lease);
  Status send(remote::Type type, std::string_view payload);

  Fd socket_;
  Leases leases_;
  std::mutex send_mutex_;
  std::mutex mutex_;  // guards everything below
  std::condition_variable changed_;
  std::deque<Job> waiting_;
  std::unordered_map<uint64_t, std::shared_ptr<Cancellation>> running_;
  struct Known {
    uint64_t registration = 0;
    std::shared_ptr<WorkerClient> client;
  };
  std::map<std::string, Known> workers_;  // by name and address
  std::vector<std::thread> threads_;
  size_t idle_ = 0;
  bool stopping_ = false;
};

}  // namespace hpcc
