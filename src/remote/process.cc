#include "remote/process.h"

#include <fcntl.h>
#include <hpcc/v1/receipt.pb.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "base/limits.h"
#include "rpc/reapi.h"
#include "trust/seen.h"

namespace hpcc {
namespace {

constexpr size_t kThreads = 256;  // compiles at workers at once
constexpr int kAttempts = 3;      // workers or leases tried for one compile
constexpr int kFindMs = 20'000;
constexpr int kUploadMs = 120'000;

Result<std::string> read_input(const std::string& root, const TreeFile& file) {
  TRY_ASSIGN(std::string bytes, read_file(root + "/" + file.path, limits::kInputBytes));
  if (SizedDigest::of(bytes) != file.content) return Error{Code::kCorrupt, file.path + " changed meanwhile", 0};
  return bytes;
}

std::vector<UploadBlob> blobs_of(const remote::Submit& submit) {
  std::vector<UploadBlob> blobs;
  auto add = [&](const std::string& bytes) {
    blobs.push_back({SizedDigest::of(bytes), [&bytes]() -> Result<std::string> { return bytes; }});
  };
  add(submit.action);
  add(submit.command);
  for (const std::string& directory : submit.directories) add(directory);
  for (const TreeFile& file : submit.files) {
    blobs.push_back({file.content, [&submit, &file] { return read_input(submit.root, file); }});
  }
  std::sort(blobs.begin(), blobs.end(), [](const auto& a, const auto& b) { return a.digest < b.digest; });
  auto same = [](const auto& a, const auto& b) { return a.digest == b.digest; };
  blobs.erase(std::unique(blobs.begin(), blobs.end(), same), blobs.end());
  return blobs;
}

std::vector<std::string> outputs_of(const remote::Submit& submit) {
  build::bazel::remote::execution::v2::Command command;
  if (!command.ParseFromString(submit.command)) return {};
  return {command.output_paths().begin(), command.output_paths().end()};
}

remote::RemoteResult failure(remote::Outcome outcome, const Error& error) {
  remote::RemoteResult result;
  result.outcome = outcome;
  result.message = error.message.empty() ? error.to_string() : error.message;
  return result;
}

// What hpccd has seen of that worker's log.
std::string seen_of(const remote::Submit& submit, const std::string& worker) {
  std::vector<uint64_t> rows;
  for (const remote::SeenRows& seen : submit.seen) {
    if (seen.worker == worker) rows.push_back(seen.rows);
  }
  return seen_rows_text(rows);
}

// Before anything is fetched: what a worker says of its outputs is not believed to be small.
Status check_outputs(const WorkerClient::ActionResult& result) {
  const Error too_large{Code::kLimit, "the worker's outputs are too many or too large", 0};
  if (static_cast<size_t>(result.output_files_size()) > limits::kRemoteOutputs) return too_large;
  uint64_t left_bytes = limits::kRemoteOutputBytes;
  for (const auto& file : result.output_files()) {
    TRY_ASSIGN(SizedDigest digest, decode_digest(file.digest()));
    if (digest.size_bytes > left_bytes || file.path().size() > limits::kPathBytes) return too_large;
    left_bytes -= digest.size_bytes;
  }
  return {};
}

// What the execution was made of, as the worker says.
void add_worker_times(const build::bazel::remote::execution::v2::ExecutedActionMetadata& times, Timing* timing) {
  auto between = [](const google::protobuf::Timestamp& from, const google::protobuf::Timestamp& to) {
    return (to.seconds() - from.seconds()) * 1'000'000 + (to.nanos() - from.nanos()) / 1000;
  };
  if (!times.has_worker_completed_timestamp()) return;
  timing->add("of which session", between(times.queued_timestamp(), times.worker_start_timestamp()));
  timing->add("guest", between(times.execution_start_timestamp(), times.execution_completed_timestamp()));
  timing->add("kept", between(times.output_upload_start_timestamp(), times.output_upload_completed_timestamp()));
  timing->add("row", between(times.output_upload_completed_timestamp(), times.worker_completed_timestamp()));
}

}  // namespace

RemoteProcess::RemoteProcess(Fd socket, const std::string& client_dir)
    : socket_(std::move(socket)), leases_(client_dir + "/client.toml") {}

RemoteProcess::~RemoteProcess() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    for (auto& [id, cancellation] : running_) cancellation->cancel();
    changed_.notify_all();
  }
  for (std::thread& thread : threads_) thread.join();
}

Status RemoteProcess::run() {
  for (;;) {
    Result<remote::Frame> frame = remote::receive_frame(socket_.get());
    if (!frame.ok()) return frame.error().code == Code::kNotFound ? Status() : frame.error();
    switch (frame->type) {
      case remote::Type::kSubmit: {
        TRY_ASSIGN(remote::Submit submit, remote::decode_submit(frame->payload));
        accept(std::move(submit));
        break;
      }
      case remote::Type::kCancel: {
        TRY_ASSIGN(uint64_t id, remote::decode_cancel(frame->payload));
        std::lock_guard lock(mutex_);
        if (auto found = running_.find(id); found != running_.end()) found->second->cancel();
        break;
      }
      case remote::Type::kBlob:
      case remote::Type::kResult:
        return Error{Code::kCorrupt, "hpccd does not send such frames", 0};
    }
  }
}

void RemoteProcess::accept(remote::Submit submit) {
  std::lock_guard lock(mutex_);
  auto cancellation = std::make_shared<Cancellation>();
  running_[submit.id] = cancellation;
  waiting_.push_back({std::move(submit), cancellation, {}});
  if (idle_ < waiting_.size() && threads_.size() < kThreads) threads_.emplace_back([this] { work(); });
  changed_.notify_one();
}

void RemoteProcess::work() {
  for (;;) {
    Job job;
    {
      std::unique_lock lock(mutex_);
      ++idle_;
      changed_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
      --idle_;
      if (stopping_) return;
      job = std::move(waiting_.front());
      waiting_.pop_front();
    }
    remote::RemoteResult result = compile(job);
    result.id = job.submit.id;
    {
      std::lock_guard lock(mutex_);
      running_.erase(job.submit.id);
    }
    // Somebody waits for an answer. hpccd would take an answer out of bounds for the end of hpcc-remote, and with it of
    // every compile in flight; so one that is small goes in its place.
    std::string answer = remote::encode_remote_result(result);
    if (answer.size() > limits::kFrameBytes || !remote::decode_remote_result(answer).ok()) {
      remote::RemoteResult failed = failure(remote::Outcome::kFailed, {Code::kLimit, "the answer is out of bounds", 0});
      failed.id = job.submit.id;
      answer = remote::encode_remote_result(failed);
    }
    (void)send(remote::Type::kResult, answer).ok();  // when hpccd has gone, run() ends
  }
}

Status RemoteProcess::send(remote::Type type, std::string_view payload) {
  std::lock_guard lock(send_mutex_);
  return remote::send_frame(socket_.get(), type, payload);
}

Result<std::shared_ptr<WorkerClient>> RemoteProcess::worker_of(const v1::Lease& lease) {
  TRY_ASSIGN(TlsMaterial tls, leases_.tls());
  TRY_ASSIGN(ClientConfig config, leases_.config());
  const std::string name = lease.worker() + " " + lease.address();
  std::lock_guard lock(mutex_);
  Known& known = workers_[name];
  // What is known of a worker's blobs, and its connection, ends with its process.
  if (!known.client || known.registration != lease.registration()) {
    known = {lease.registration(), std::make_shared<WorkerClient>(lease, tls, config.tenant)};
  }
  return known.client;
}

// One lease after the other, while another may help.
remote::RemoteResult RemoteProcess::compile(Job& job) {
  uint64_t sent = 0;
  Error error{Code::kIo, "no worker", 0};
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    if (job.cancellation->cancelled()) return failure(remote::Outcome::kCancelled, {Code::kTimeout, "cancelled", 0});
    Result<v1::Lease> lease = leases_.get(job.submit.image);
    if (!lease.ok()) return failure(remote::Outcome::kNoWorker, attempt == 0 ? lease.error() : error);
    job.timing.step("lease");
    Result<remote::RemoteResult> result = try_worker(job, *lease, &sent);
    if (result.ok()) {
      result->bytes_sent = sent;
      result->timing = job.timing.text().substr(0, remote::kTimingBytes);
      return std::move(result).value();
    }
    error = result.error();
    if (job.cancellation->cancelled()) continue;  // told at the top
    switch (error.code) {
      case Code::kIo:
      case Code::kTimeout:
        leases_.avoid(*lease, job.submit.image, error);
        break;
      case Code::kPermission:
        leases_.drop(job.submit.image);
        break;
      case Code::kNotFound:  // it lost blobs that it once had: they are sent again
        break;
      case Code::kCorrupt:
        return failure(remote::Outcome::kInputChanged, error);
      case Code::kInvalid:
      case Code::kLimit:
      case Code::kUnsupported:
        return failure(remote::Outcome::kFailed, error);
    }
  }
  if (job.cancellation->cancelled()) return failure(remote::Outcome::kCancelled, {Code::kTimeout, "cancelled", 0});
  return failure(error.code == Code::kIo ? remote::Outcome::kNoWorker : remote::Outcome::kFailed, error);
}

Result<remote::RemoteResult> RemoteProcess::try_worker(Job& job, const v1::Lease& lease, uint64_t* sent) {
  TRY_ASSIGN(std::shared_ptr<WorkerClient> worker, worker_of(lease));
  const std::vector<std::string> outputs = outputs_of(job.submit);
  const SizedDigest action = SizedDigest::of(job.submit.action);
  const Deadline whole = Deadline::after_ms(job.submit.timeout_ms);
  const std::string seen = seen_of(job.submit, lease.worker());
  auto within = [&](int ms) {
    return WorkerClient::Call{lease.grant(), *job.cancellation, Deadline::earlier(whole, Deadline::after_ms(ms)), sent,
                              seen};
  };
  const bool use_cache = !(job.submit.flags & remote::kSkipCache);
  if (use_cache) {
    const WorkerClient::Call call = within(kFindMs);
    Result<WorkerClient::ActionResult> found = worker->find(call, action, outputs);
    job.timing.step("lookup");
    if (!found.ok() && found.error().code != Code::kNotFound) return found.error();
    if (found.ok()) {
      Result<remote::RemoteResult> result = answer(job, lease, *worker, call, *found);
      job.timing.step("outputs");
      return result;
    }
  }
  TRY(worker->upload(within(kUploadMs), blobs_of(job.submit)));
  job.timing.step("upload");
  const WorkerClient::Call call = within(static_cast<int>(job.submit.timeout_ms));
  Result<WorkerClient::ActionResult> executed =
      worker->execute(call, action, outputs, use_cache ? WorkerClient::Lookup::kUse : WorkerClient::Lookup::kSkip);
  if (!executed.ok()) {
    if (executed.error().code == Code::kNotFound) worker->forget_blobs();
    return executed.error();
  }
  job.timing.step("execute");
  add_worker_times(executed->execution_metadata(), &job.timing);
  Result<remote::RemoteResult> result = answer(job, lease, *worker, call, *executed);
  job.timing.step("outputs");
  return result;
}

// Outputs go ahead of the result that names them.
Result<remote::RemoteResult> RemoteProcess::answer(const Job& job, const v1::Lease& lease, WorkerClient& worker,
                                                   const WorkerClient::Call& call,
                                                   const WorkerClient::ActionResult& result) {
  TRY(check_outputs(result));
  remote::RemoteResult out;
  out.worker = lease.worker();
  out.grant = lease.grant();
  out.exit_code = result.exit_code();
  out.stdout_text = result.stdout_raw();
  out.stderr_text = result.stderr_raw();
  auto whole = [&](const auto& digest, std::string* text) -> Status {
    TRY_ASSIGN(SizedDigest blob, decode_digest(digest));
    if (!text->empty() || blob.size_bytes == 0) return {};
    if (blob.size_bytes > limits::kStdioBytes) return Error{Code::kLimit, "too much output text", 0};
    TRY_ASSIGN(*text, worker.fetch(call, blob));
    return {};
  };
  if (result.has_stdout_digest()) TRY(whole(result.stdout_digest(), &out.stdout_text));
  if (result.has_stderr_digest()) TRY(whole(result.stderr_digest(), &out.stderr_text));
  for (const auto& file : result.output_files()) {
    TRY_ASSIGN(SizedDigest digest, decode_digest(file.digest()));
    out.outputs.push_back({file.path(), digest, file.is_executable()});
    std::string bytes = file.contents();
    if (bytes.size() != digest.size_bytes) {
      TRY_ASSIGN(bytes, worker.fetch(call, digest));
    }
    size_t at = 0;
    do {
      const std::string_view part = std::string_view(bytes).substr(at, remote::kPartBytes);
      TRY(send(remote::Type::kBlob, remote::encode_blob_part(job.submit.id, digest, part)));
      at += part.size();
    } while (at < bytes.size());
  }
  for (const auto& any : result.execution_metadata().auxiliary_metadata()) {
    v1::Receipt receipt;
    if (!any.Is<v1::Receipt>() || !any.UnpackTo(&receipt)) continue;
    out.row = receipt.row();
    out.leaf_index = receipt.leaf_index();
    out.checkpoint = receipt.checkpoint();
    out.probes = receipt.probes();
    out.inclusion.assign(receipt.inclusion().begin(), receipt.inclusion().end());
    for (const v1::Consistency& proof : receipt.consistency()) {
      out.consistency.push_back({proof.from(), {proof.steps().begin(), proof.steps().end()}});
    }
  }
  return out;
}

}  // namespace hpcc
