// hpcc-remote: hpccd's part that speaks gRPC, with its socket as descriptor 3; what `hpcc up` and `hpcc status` ask of
// the scheduler, and `hpcc replay` of a worker. Wiring only.
#include <fcntl.h>
#include <signal.h>

#include <cstdio>
#include <string>
#include <string_view>

#include "remote/process.h"
#include "remote/replay.h"
#include "remote/status.h"

namespace hpcc {
namespace {

constexpr int kSocket = 3;
constexpr int kStatusMs = 5000, kWorkerMs = 60'000;
constexpr int kReplayMs = 16 * 60 * 1000;  // the worker gives up before
constexpr int kDiffers = 1, kNotReplayed = 3;

int fail(const Error& error) {
  fprintf(stderr, "hpcc-remote: %s\n", error.to_string().c_str());
  return 1;
}

int serve(const std::string& client_dir) {
  if (fcntl(kSocket, F_SETFD, FD_CLOEXEC) != 0) {
    fprintf(stderr, "hpcc-remote is started by hpccd\n");
    return 2;
  }
  RemoteProcess process(Fd(kSocket), client_dir);
  Status status = process.run();
  return status.ok() ? 0 : fail(status.error());
}

int print_status(const std::string& client_dir, std::string_view how) {
  Result<v1::StatusResponse> status = ask_status(client_dir, Deadline::after_ms(kStatusMs));
  if (!status.ok()) return fail(status.error());
  const std::string text = how == "--status-json" ? status_json(*status) : status_text(*status);
  fputs(text.c_str(), stdout);
  return status->workers_size() > 0 ? 0 : 1;
}

int replay(const std::string& client_dir, const std::string& row) {
  Result<Replayed> done = replay_row(client_dir, row, Deadline::after_ms(kReplayMs));
  if (!done.ok()) {
    fprintf(stderr, "hpcc: not replayed: %s\n", done.error().to_string().c_str());
    return kNotReplayed;
  }
  const AuditRow& is = done->replay.row;
  printf("replayed  by worker %s in VM %s (%s), %llu ms; row %llu\n", is.worker.c_str(), is.vm.c_str(),
         is.driver.c_str(), static_cast<unsigned long long>(is.duration_ms),
         static_cast<unsigned long long>(done->row_number));
  for (const std::string& difference : done->replay.differences) printf("differs   %s\n", difference.c_str());
  if (!done->replay.differences.empty()) return kDiffers;
  printf("equal     exit code %d, outputs %s\n", is.exit, is.output_digest.empty() ? "none" : is.output_digest.c_str());
  return 0;
}

int main_of_remote(int argc, char** argv) {
  signal(SIGPIPE, SIG_IGN);
  if (argc < 3 || argc > 5 || std::string_view(argv[1]) != "--client-dir") {
    fprintf(stderr, "hpcc-remote is started by hpccd\n");
    return 2;
  }
  const std::string client_dir = argv[2];
  if (argc == 3) return serve(client_dir);
  const std::string_view what = argv[3];
  const bool of_row = what == "--replay", of_worker = what == "--wait-worker";
  const bool known = of_row || of_worker || what == "--status" || what == "--status-json";
  if (!known || (argc == 5) != (of_row || of_worker)) {
    fprintf(stderr, "hpcc-remote: %s is not understood\n", argv[3]);
    return 2;
  }
  if (argc == 4) return print_status(client_dir, what);
  if (of_row) return replay(client_dir, argv[4]);
  Status there = wait_for_worker(client_dir, argv[4], Deadline::after_ms(kWorkerMs));
  return there.ok() ? 0 : fail(there.error());
}

}  // namespace
}  // namespace hpcc

int main(int argc, char** argv) { return hpcc::main_of_remote(argc, argv); }
