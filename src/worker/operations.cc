#include "worker/operations.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>

#include "base/fs.h"
#include "base/uuid.h"
#include "trust/row.h"

namespace hpcc {
namespace {

constexpr int64_t kTendEveryMs = 200;

reapi::ExecuteResponse cancelled() {
  reapi::ExecuteResponse response;
  response.mutable_status()->set_code(1);  // CANCELLED
  response.mutable_status()->set_message("nobody waits for this compile any more");
  return response;
}

}  // namespace

// Guarded by the owner's mutex.
struct Operations::Operation {
  Operation(std::string owner, Work what, Deadline until)
      : tenant(std::move(owner)), work(std::move(what)), deadline(until) {}
  std::string tenant;
  Work work;
  Deadline deadline;
  Snapshot state;
  Fd cancel_fd;
  size_t watchers = 0;
  int64_t alone_since_ms = 0;
  int64_t done_ms = 0;
  bool cancelled = false;
  bool delivered = false;

  void cancel() {
    if (cancelled) return;
    cancelled = true;
    const uint64_t one = 1;
    CHECK(::write(cancel_fd.get(), &one, sizeof one) == sizeof one);
  }
  void change(reapi::ExecutionStage::Value stage) {
    state.stage = stage;
    ++state.version;
  }
};

Operations::Watch::Watch(Operations* owner, std::shared_ptr<Operation> operation)
    : owner_(owner), operation_(std::move(operation)) {
  ++operation_->watchers;
}

Operations::Watch::~Watch() {
  if (operation_ == nullptr) return;
  std::lock_guard lock(owner_->mutex_);
  if (--operation_->watchers == 0) operation_->alone_since_ms = monotonic_ms();
}

Operations::Snapshot Operations::Watch::wait(uint64_t seen, int64_t timeout_ms) const {
  std::unique_lock lock(owner_->mutex_);
  owner_->changed_.wait_for(lock, std::chrono::milliseconds(timeout_ms),
                            [&] { return operation_->state.version > seen; });
  return operation_->state;
}

void Operations::Watch::cancel() const {
  std::lock_guard lock(owner_->mutex_);
  operation_->cancel();
}

void Operations::Watch::delivered() const {
  std::lock_guard lock(owner_->mutex_);
  operation_->delivered = true;
}

Operations::Operations(const OperationOptions& options) : options_(options) {
  for (size_t i = 0; i < options_.slots; ++i) runners_.emplace_back([this] { run(); });
  tender_ = std::thread([this] { tend(); });
}

Operations::~Operations() {
  {
    std::lock_guard lock(mutex_);
    ending_ = true;
    for (auto& [name, operation] : all_) operation->cancel();
  }
  queued_.notify_all();
  tended_.notify_all();
  for (std::thread& runner : runners_) runner.join();
  tender_.join();
}

Result<Operations::Watch> Operations::start(const std::string& tenant, const SizedDigest& action, Work work) {
  auto operation = std::make_shared<Operation>(tenant, std::move(work), Deadline::after_ms(options_.limit_ms));
  operation->cancel_fd.reset(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!operation->cancel_fd) return errno_error("cannot make an event descriptor");
  operation->state.action = action;
  operation->state.name = "operations/" + new_uuid7();
  operation->state.version = 1;
  std::lock_guard lock(mutex_);
  // A tenant may take as much of the queue as it leaves free, so that there is room for another whatever one does.
  const auto own = waiting_.find(tenant);
  const size_t own_waiting = own == waiting_.end() ? 0 : own->second.size();
  if (own_waiting >= options_.max_waiting - all_waiting_ || ending_) {
    return Error{Code::kLimit, "too many compiles wait here"};
  }
  all_[operation->state.name] = operation;
  if (own_waiting == 0) turns_.push_back(tenant);
  waiting_[tenant].push_back(operation);
  ++all_waiting_;
  queued_.notify_one();
  return Watch(this, operation);
}

Result<Operations::Watch> Operations::find(const std::string& tenant, const std::string& name) {
  std::lock_guard lock(mutex_);
  const auto found = all_.find(name);
  if (found == all_.end() || found->second->tenant != tenant) return Error{Code::kNotFound, "no such operation"};
  return Watch(this, found->second);
}

size_t Operations::busy() const {
  std::lock_guard lock(mutex_);
  return busy_ + all_waiting_;
}

std::shared_ptr<Operations::Operation> Operations::take_next() {
  const std::string tenant = std::move(turns_.front());
  turns_.pop_front();
  const auto own = waiting_.find(tenant);
  std::shared_ptr<Operation> next = std::move(own->second.front());
  own->second.pop_front();
  --all_waiting_;
  if (own->second.empty()) {
    waiting_.erase(own);
  } else {
    turns_.push_back(tenant);
  }
  return next;
}

void Operations::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    queued_.wait(lock, [this] { return ending_ || !waiting_.empty(); });
    if (waiting_.empty()) return;
    const std::shared_ptr<Operation> operation = take_next();
    ++busy_;
    reapi::ExecuteResponse response = cancelled();
    if (!operation->cancelled) {
      lock.unlock();
      response = operation->work({operation->cancel_fd.get()}, operation->deadline, [&] {
        std::lock_guard inner(mutex_);
        operation->change(reapi::ExecutionStage::EXECUTING);
        changed_.notify_all();
      });
      lock.lock();
    }
    --busy_;
    operation->work = nullptr;
    operation->state.response = std::move(response);
    operation->done_ms = monotonic_ms();
    operation->change(reapi::ExecutionStage::COMPLETED);
    changed_.notify_all();
  }
}

// Cancels what nobody watches, forgets what was done a while ago.
void Operations::tend() {
  std::unique_lock lock(mutex_);
  while (!ending_) {
    tended_.wait_for(lock, std::chrono::milliseconds(kTendEveryMs), [this] { return ending_; });
    const int64_t now = monotonic_ms();
    for (auto next = all_.begin(); next != all_.end();) {
      Operation& operation = *next->second;
      const bool done = operation.done_ms != 0;
      if (operation.watchers == 0 && !done && now - operation.alone_since_ms >= options_.grace_ms) operation.cancel();
      const bool old = done && (operation.delivered || now - operation.done_ms >= options_.kept_ms);
      next = old && operation.watchers == 0 ? all_.erase(next) : ++next;
    }
  }
}

}  // namespace hpcc
