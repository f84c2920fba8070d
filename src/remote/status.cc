#include "remote/status.h"

#include <google/protobuf/util/json_util.h>
#include <grpcpp/client_context.h>
#include <hpcc/v1/scheduler.grpc.pb.h>
#include <poll.h>

#include "rpc/status.h"
#include "rpc/tls.h"
#include "wire/client_config.h"

namespace hpcc {
namespace {

constexpr int kMessageBytes = 1 << 20;
constexpr int kRetryMs = 100;

std::string seconds(uint64_t ms) { return std::to_string(ms / 1000) + "." + std::to_string(ms / 100 % 10) + " s"; }

}  // namespace

Result<v1::StatusResponse> ask_status(const std::string& client_dir, Deadline deadline) {
  TRY_ASSIGN(ClientConfig config, load_client_config(client_dir + "/client.toml"));
  TRY_ASSIGN(TlsMaterial tls, read_tls(client_dir));
  auto scheduler = v1::Scheduler::NewStub(dial_tls(config.scheduler, "scheduler.hpcc", tls, kMessageBytes));
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(deadline.remaining_ms()));
  v1::StatusResponse response;
  const grpc::Status status = scheduler->GetStatus(&context, v1::GetStatusRequest(), &response);
  if (!status.ok()) return from_grpc(status, "scheduler " + config.scheduler);
  return response;
}

Status wait_for_worker(const std::string& client_dir, Deadline deadline) {
  for (;;) {
    Result<v1::StatusResponse> status = ask_status(client_dir, deadline);
    if (status.ok() && status->workers_size() > 0) return {};
    if (deadline.passed()) {
      return status.ok() ? Error{Code::kTimeout, "no worker has registered with the scheduler", 0} : status.error();
    }
    poll(nullptr, 0, kRetryMs);
  }
}

std::string status_text(const v1::StatusResponse& status) {
  std::string out = "leases     " + std::to_string(status.leases()) + " in " + seconds(status.uptime_ms()) + "\n";
  for (const v1::WorkerStatus& worker : status.workers()) {
    out += "worker     " + worker.name() + " at " + worker.address() + ", " + worker.driver() + ", " +
           std::to_string(worker.busy()) + " of " + std::to_string(worker.slots()) + " slots busy, heard " +
           seconds(worker.heard_ms_ago()) + " ago\n";
    for (const std::string& image : worker.images()) out += "  image    " + image + "\n";
    for (const v1::Session& session : worker.sessions()) {
      out += "  session  tenant " + session.tenant() + ", VM " + session.vm() + " (" + session.driver() + "), " +
             std::to_string(session.compiles()) + " compiles, " + std::to_string(session.busy()) + " running, " +
             seconds(session.age_ms()) + " old\n           image " + session.image() + "\n";
    }
    if (worker.sessions_total() > static_cast<uint32_t>(worker.sessions_size())) {
      out += "  sessions " + std::to_string(worker.sessions_total()) + " with those of other tenants\n";
    }
  }
  if (status.workers_size() == 0) out += "workers    none\n";
  return out;
}

std::string status_json(const v1::StatusResponse& status) {
  google::protobuf::util::JsonPrintOptions options;
  options.always_print_primitive_fields = true;
  options.preserve_proto_field_names = true;
  std::string out;
  (void)google::protobuf::util::MessageToJsonString(status, &out, options).ok();
  return out + "\n";
}

}  // namespace hpcc
