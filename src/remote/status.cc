#include "remote/status.h"

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

std::string json_text(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    char escaped[8];
    const bool plain = static_cast<unsigned char>(c) >= 0x20 && c != '"' && c != '\\';
    if (!plain) snprintf(escaped, sizeof escaped, "\\u%04x", static_cast<unsigned>(c));
    out += plain ? std::string(1, c) : escaped;
  }
  return out + "\"";
}

std::string json_member(const char* name, std::string_view text) { return json_text(name) + ":" + json_text(text); }
std::string json_member(const char* name, uint64_t number) { return json_text(name) + ":" + std::to_string(number); }

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

Status wait_for_worker(const std::string& client_dir, const std::string& address, Deadline deadline) {
  for (;;) {
    Result<v1::StatusResponse> status = ask_status(client_dir, deadline);
    if (status.ok()) {
      for (const v1::WorkerStatus& worker : status->workers()) {
        if (worker.address() == address) return {};
      }
    }
    if (deadline.passed()) {
      return status.ok() ? Error{Code::kTimeout, "the worker has not registered with the scheduler", 0}
                         : status.error();
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
  std::string workers;
  for (const v1::WorkerStatus& worker : status.workers()) {
    std::string images, sessions;
    for (const std::string& image : worker.images()) images += (images.empty() ? "" : ",") + json_text(image);
    for (const v1::Session& session : worker.sessions()) {
      sessions += (sessions.empty() ? "{" : ",{") + json_member("tenant", session.tenant()) + "," +
                  json_member("vm", session.vm()) + "," + json_member("driver", session.driver()) + "," +
                  json_member("image", session.image()) + "," + json_member("compiles", session.compiles()) + "," +
                  json_member("busy", session.busy()) + "," + json_member("age_ms", session.age_ms()) + "}";
    }
    workers += (workers.empty() ? "{" : ",{") + json_member("name", worker.name()) + "," +
               json_member("address", worker.address()) + "," + json_member("driver", worker.driver()) + "," +
               json_member("slots", worker.slots()) + "," + json_member("busy", worker.busy()) + "," +
               json_member("heard_ms_ago", worker.heard_ms_ago()) + "," + json_member("build", worker.build()) + "," +
               json_member("sessions_total", worker.sessions_total()) + ",\"images\":[" + images + "],\"sessions\":[" +
               sessions + "]}";
  }
  return json_member("leases", status.leases()) + "," + json_member("uptime_ms", status.uptime_ms()) +
         ",\"workers\":[" + workers + "]";
}

}  // namespace hpcc
