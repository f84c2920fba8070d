// ActionCache, Execution, Operations and Replay.
#include "base/limits.h"
#include "rpc/status.h"
#include "trust/replay.h"
#include "worker/services.h"

namespace hpcc {
namespace {

constexpr int64_t kLookupMs = 30'000;
constexpr int64_t kWaitMs = 20 * 60 * 1000;  // more than an operation may take
constexpr int64_t kReplayMs = 15 * 60 * 1000;
constexpr int64_t kPollMs = 100;  // how soon a client that went away is noticed

google::longrunning::Operation encode(const Operations::Snapshot& state) {
  reapi::ExecuteOperationMetadata metadata;
  metadata.set_stage(state.stage);
  *metadata.mutable_action_digest() = encode_digest(state.action);
  metadata.set_digest_function(reapi::DigestFunction::SHA256);
  google::longrunning::Operation operation;
  operation.set_name(state.name);
  operation.mutable_metadata()->PackFrom(metadata);
  if (state.stage == reapi::ExecutionStage::COMPLETED) {
    operation.set_done(true);
    operation.mutable_response()->PackFrom(state.response);
  }
  return operation;
}

// Sends every change until the last, or until the client is gone.
grpc::Status follow(const Operations::Watch& watch, grpc::ServerContext* context,
                    grpc::ServerWriter<google::longrunning::Operation>* writer) {
  for (uint64_t seen = 0;;) {
    const Operations::Snapshot state = watch.wait(seen, kPollMs);
    if (context->IsCancelled()) return {grpc::StatusCode::CANCELLED, "the client is gone"};
    if (state.version == seen) continue;
    seen = state.version;
    if (!writer->Write(encode(state))) return {grpc::StatusCode::CANCELLED, "the client is gone"};
    if (state.stage != reapi::ExecutionStage::COMPLETED) continue;
    watch.delivered();
    return grpc::Status::OK;
  }
}

template <typename Request>
Inlined inlined_of(const Request& request) {
  return {{request.inline_output_files().begin(), request.inline_output_files().end()}};
}

grpc::Status plan_failed(const Error& error, const std::vector<MissingBlob>& missing) {
  if (!missing.empty()) return with_details(missing_blobs(missing));
  return to_grpc(error);
}

}  // namespace

grpc::Status CacheService::GetActionResult(grpc::ServerContext* context, const reapi::GetActionResultRequest* request,
                                           reapi::ActionResult* response) {
  const CallTimer timer(parts_.watchdog, *context, kLookupMs);
  const auto caller = parts_.gate.enter(*context, request->instance_name());
  if (!caller.ok()) return to_grpc(caller.error());
  if (const Status status = check_digest_function(request->digest_function()); !status.ok())
    return to_grpc(status.error());
  const auto action = decode_digest(request->action_digest());
  if (!action.ok()) return to_grpc(action.error());
  auto found = parts_.executor.find(*caller, *action, inlined_of(*request), Deadline::after_ms(kLookupMs));
  if (!found.ok()) return to_grpc(found.error());
  *response = std::move(*found);
  return grpc::Status::OK;
}

grpc::Status CacheService::UpdateActionResult(grpc::ServerContext*, const reapi::UpdateActionResultRequest*,
                                              reapi::ActionResult*) {
  return {grpc::StatusCode::PERMISSION_DENIED, "results are written by the worker that made them, by nobody else"};
}

grpc::Status ExecutionService::Execute(grpc::ServerContext* context, const reapi::ExecuteRequest* request,
                                       grpc::ServerWriter<google::longrunning::Operation>* writer) {
  const CallTimer timer(parts_.watchdog, *context, kWaitMs);
  const auto entered = parts_.gate.enter(*context, request->instance_name());
  if (!entered.ok()) return to_grpc(entered.error());
  if (const Status status = check_digest_function(request->digest_function()); !status.ok())
    return to_grpc(status.error());
  const auto action = decode_digest(request->action_digest());
  if (!action.ok()) return to_grpc(action.error());
  std::vector<MissingBlob> missing;
  auto plan = parts_.executor.plan(entered->tenant, *action, &missing);
  if (!plan.ok()) return plan_failed(plan.error(), missing);
  const auto caller = parts_.gate.enter_granted(*context, request->instance_name(), plan->image);
  if (!caller.ok()) return to_grpc(caller.error());
  ExecuteJob job{*caller, std::move(*plan), inlined_of(*request),
                 request->skip_cache_lookup() ? ExecuteJob::Lookup::kSkip : ExecuteJob::Lookup::kUse};
  const auto work = [&executor = parts_.executor, job = std::move(job)](Cancel cancel, Deadline deadline,
                                                                        const std::function<void()>& running) {
    return executor.execute(job, cancel, deadline, running);
  };
  const auto watch = parts_.operations.start(caller->tenant, *action, work);
  if (!watch.ok()) return to_grpc(watch.error());
  return follow(*watch, context, writer);
}

grpc::Status ExecutionService::WaitExecution(grpc::ServerContext* context, const reapi::WaitExecutionRequest* request,
                                             grpc::ServerWriter<google::longrunning::Operation>* writer) {
  const CallTimer timer(parts_.watchdog, *context, kWaitMs);
  const auto caller = parts_.gate.enter(*context, "");
  if (!caller.ok()) return to_grpc(caller.error());
  const auto watch = parts_.operations.find(caller->tenant, request->name());
  if (!watch.ok()) return to_grpc(watch.error());
  return follow(*watch, context, writer);
}

grpc::Status OperationsService::GetOperation(grpc::ServerContext* context,
                                             const google::longrunning::GetOperationRequest* request,
                                             google::longrunning::Operation* response) {
  const auto caller = parts_.gate.enter(*context, "");
  if (!caller.ok()) return to_grpc(caller.error());
  const auto watch = parts_.operations.find(caller->tenant, request->name());
  if (!watch.ok()) return to_grpc(watch.error());
  *response = encode(watch->wait(0, 0));
  return grpc::Status::OK;
}

grpc::Status OperationsService::CancelOperation(grpc::ServerContext* context,
                                                const google::longrunning::CancelOperationRequest* request,
                                                google::protobuf::Empty*) {
  const auto caller = parts_.gate.enter(*context, "");
  if (!caller.ok()) return to_grpc(caller.error());
  const auto watch = parts_.operations.find(caller->tenant, request->name());
  if (!watch.ok()) return to_grpc(watch.error());
  watch->cancel();
  return grpc::Status::OK;
}

grpc::Status ReplayService::Replay(grpc::ServerContext* context, const hpcc::v1::ReplayRequest* request,
                                   hpcc::v1::ReplayResponse* response) {
  const CallTimer timer(parts_.watchdog, *context, kReplayMs);
  const auto row = decode_row(request->row());
  if (!row.ok()) return to_grpc(row.error());
  const auto entered = parts_.gate.enter(*context, row->row.tenant);
  if (!entered.ok()) return to_grpc(entered.error());
  if (!row_signature_ok(*row, parts_.key)) return to_grpc({Code::kPermission, "the row is not signed by this worker"});
  if (const Status status = check_replayable(*row); !status.ok()) return to_grpc(status.error());
  const auto action_digest = BlobDigest::from_hex(row->row.action_digest);
  if (!action_digest) return to_grpc({Code::kInvalid, "the row has no action"});
  const auto action = parts_.cas.find(entered->tenant, *action_digest);
  if (!action.ok()) {
    if (action.error().code != Code::kNotFound) return to_grpc(action.error());
    return {grpc::StatusCode::FAILED_PRECONDITION, "the row's action is not in this worker's store any more"};
  }
  std::vector<MissingBlob> missing;
  const auto plan = parts_.executor.plan(entered->tenant, *action, &missing);
  if (!plan.ok()) return plan_failed(plan.error(), missing);
  const auto caller = parts_.gate.enter_granted(*context, row->row.tenant, plan->image);
  if (!caller.ok()) return to_grpc(caller.error());
  // As an operation it waits for a slot like any compile, and ends when the client is gone.
  auto outcome = std::make_shared<Result<hpcc::v1::ReplayResponse>>(Error{Code::kIo, "the replay was given up"});
  const auto work = [&executor = parts_.executor, outcome, caller = *caller, row = *row, plan = *plan](
                        Cancel cancel, Deadline deadline, const std::function<void()>&) {
    *outcome = executor.replay(caller, row, plan, cancel, deadline);
    return reapi::ExecuteResponse();
  };
  const auto watch = parts_.operations.start(caller->tenant, *action, work);
  if (!watch.ok()) return to_grpc(watch.error());
  while (watch->wait(0, 0).stage != reapi::ExecutionStage::COMPLETED) {
    if (context->IsCancelled()) return {grpc::StatusCode::CANCELLED, "the client is gone"};
    watch->wait(watch->wait(0, 0).version, kPollMs);
  }
  if (!outcome->ok()) return to_grpc(outcome->error());
  *response = std::move(**outcome);
  return grpc::Status::OK;
}

}  // namespace hpcc
