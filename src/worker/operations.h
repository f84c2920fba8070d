// Operations: the actions being executed, each with a name that WaitExecution can come back to. A fixed number run at
// once, a bounded number wait; those of each tenant in their order, tenants by turns. One that nobody watches any more
// is cancelled, after a moment for a client whose connection broke to come back.
//
// Thread-safe.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/deadline.h"
#include "base/fd.h"
#include "guest/guest.h"
#include "rpc/reapi.h"

namespace hpcc {

struct OperationOptions {
  size_t slots = 2;
  size_t max_waiting = 1024;
  int64_t grace_ms = 1000;            // without a watcher
  int64_t kept_ms = 60'000;           // after it is done, for one whose connection broke
  int64_t limit_ms = 15 * 60 * 1000;  // waiting, booting and compiling together
};

class Operations {
 public:
  using Work =
      std::function<reapi::ExecuteResponse(Cancel cancel, Deadline deadline, const std::function<void()>& running)>;

  struct Snapshot {
    std::string name;
    SizedDigest action;
    reapi::ExecutionStage::Value stage = reapi::ExecutionStage::QUEUED;
    uint64_t version = 0;             // grows with every change
    reapi::ExecuteResponse response;  // once stage is COMPLETED
  };

  struct Operation;
  // Keeps its operation wanted.
  class Watch {
   public:
    Watch(Operations* owner, std::shared_ptr<Operation> operation);
    Watch(Watch&& other) noexcept : owner_(other.owner_), operation_(std::move(other.operation_)) {
      other.operation_.reset();
    }
    Watch& operator=(Watch&&) = delete;
    ~Watch();
    // As soon as its version is beyond `seen`, or when `timeout_ms` have passed.
    Snapshot wait(uint64_t seen, int64_t timeout_ms) const;
    void cancel() const;
    // The client has the answer: the operation need not be kept for another to come back to.
    void delivered() const;

   private:
    Operations* owner_;
    std::shared_ptr<Operation> operation_;  // also the table's
  };

  explicit Operations(const OperationOptions& options);
  ~Operations();  // cancels what runs and waits for it; no watch may be left

  Result<Watch> start(const std::string& tenant, const SizedDigest& action, Work work);
  // kNotFound also for an operation of another tenant.
  Result<Watch> find(const std::string& tenant, const std::string& name);

  size_t busy() const;

 private:
  void run();
  void tend();

  const OperationOptions options_;
  mutable std::mutex mutex_;
  std::condition_variable changed_, queued_, tended_;
  std::map<std::string, std::shared_ptr<Operation>> all_;
  std::shared_ptr<Operation> take_next();
  std::map<std::string, std::deque<std::shared_ptr<Operation>>> waiting_;  // by tenant, none empty
  std::deque<std::string> turns_;                                          // the tenants of waiting_, who is next first
  size_t all_waiting_ = 0;
  size_t busy_ = 0;
  bool ending_ = false;
  std::vector<std::thread> runners_;
  std::thread tender_;
};

}  // namespace hpcc
