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
#include "remote/leases.h"
#include "remote/worker_client.h"
#include "trust/receipt.h"
#include "wire/remote.h"

namespace hpcc {

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
  };
  void work();
  void accept(remote::Submit submit);
  remote::RemoteResult compile(const Job& job);
  Result<remote::RemoteResult> try_worker(const Job& job, const v1::Lease& lease, uint64_t* sent);
  Result<remote::RemoteResult> answer(const Job& job, const v1::Lease& lease, WorkerClient& worker,
                                      const WorkerClient::Call& call, const WorkerClient::ActionResult& result);
  Result<std::shared_ptr<WorkerClient>> worker_of(const v1::Lease& lease);
  Status send(remote::Type type, std::string_view payload);

  Fd socket_;
  Leases leases_;
  const SeenCheckpoints seen_;
  std::mutex send_mutex_;
  std::mutex mutex_;  // guards everything below
  std::condition_variable changed_;
  std::deque<Job> waiting_;
  std::unordered_map<uint64_t, std::shared_ptr<Cancellation>> running_;
  std::map<std::string, std::shared_ptr<WorkerClient>> workers_;  // by name and address
  std::vector<std::thread> threads_;
  size_t idle_ = 0;
  bool stopping_ = false;
};

}  // namespace hpcc
