// hpcc-remote: hpccd's part that speaks gRPC, with its socket as descriptor 3; and what `hpcc up` and `hpcc status` ask
// of the scheduler. Wiring only.
#include <fcntl.h>
#include <signal.h>

#include <cstdio>
#include <string>
#include <string_view>

#include "remote/process.h"
#include "remote/status.h"

namespace hpcc {
namespace {

constexpr int kSocket = 3;
constexpr int kStatusMs = 5000, kWorkerMs = 60'000;

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
  return 0;
}

int main_of_remote(int argc, char** argv) {
  signal(SIGPIPE, SIG_IGN);
  if (argc < 3 || argc > 4 || std::string_view(argv[1]) != "--client-dir") {
    fprintf(stderr, "hpcc-remote is started by hpccd\n");
    return 2;
  }
  const std::string client_dir = argv[2];
  if (argc == 3) return serve(client_dir);
  const std::string_view what = argv[3];
  if (what != "--wait-worker") return print_status(client_dir, what);
  Status there = wait_for_worker(client_dir, Deadline::after_ms(kWorkerMs));
  return there.ok() ? 0 : fail(there.error());
}

}  // namespace
}  // namespace hpcc

int main(int argc, char** argv) { return hpcc::main_of_remote(argc, argv); }
