// hpccd: the user's daemon. Started by the launcher with its directory, socket and view; wiring only.
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>

#include "base/fs.h"
#include "build_id.h"
#include "client/config.h"
#include "client/image_mode.h"
#include "client/server.h"
#include "cmd/arguments.h"
#include "launcher/view.h"

namespace hpcc {
namespace {

struct Arguments {
  std::string dir, view;
  ServerOptions server;
  int ready_fd = -1;
};

Status parse_arguments(int argc, char** argv, Arguments* out) {
  const NamedArgument known[] = {{"--dir", &out->dir},
                                 {"--view", &out->view},
                                 {"--run-dir", &out->server.run_dir},
                                 {"--socket", &out->server.socket_name},
                                 {"--ready-fd", nullptr, &out->ready_fd}};
  TRY(decode_arguments(argc, argv, known));
  const bool complete = !out->dir.empty() && !out->server.run_dir.empty() && !out->server.socket_name.empty();
  return complete ? Status() : Error{Code::kInvalid, "wants --dir, --run-dir and --socket"};
}

// Seconds; 0 when the environment names none.
int idle_exit_of_environment() {
  const char* text = getenv("HPCC_IDLE_EXIT_S");
  const Result<int> idle = decode_number("HPCC_IDLE_EXIT_S", text ? text : "", 1);
  return idle.ok() ? *idle : 0;
}

int serve(const Arguments& arguments) {
  char view[128];
  // A daemon must see the files its launchers see; they find it by the view they had.
  if (!describe_view(view, sizeof view) || arguments.view != view) {
    fprintf(stderr, "hpccd: started for view %s but sees %s\n", arguments.view.c_str(), view);
    return 1;
  }
  Result<std::unique_ptr<Store>> store = Store::open(arguments.dir);
  if (!store.ok()) {
    fprintf(stderr, "hpccd: %s\n", store.error().to_string().c_str());
    return 1;
  }
  Engine engine(std::move(store).value(), arguments.dir, view, HPCC_BUILD_ID);
  engine.set_image_mode(std::make_unique<ImageMode>(engine.store(), engine.files(), arguments.dir, program_directory(),
                                                    Link::kRemote));
  AppliedConfig config(arguments.dir, engine.store());
  ServerOptions options = arguments.server;
  options.idle_exit_s = [&] {
    if (!config.refresh()) engine.store().count(Counter::kError);
    if (const int idle = idle_exit_of_environment(); idle > 0) return int64_t{idle};
    return config.values().idle_exit_s.value_or(kDefaultIdleExitS);
  };
  unsigned processors = std::thread::hardware_concurrency();
  options.threads = processors < 2 ? 2 : processors > 16 ? 16 : processors;
  Server server(engine, options);
  Status listening = server.listen();
  if (!listening.ok()) {
    fprintf(stderr, "hpccd: %s\n", listening.error().to_string().c_str());
    return 1;
  }
  if (arguments.ready_fd >= 0) {
    if (write(arguments.ready_fd, "r", 1) != 1) return 1;
    close(arguments.ready_fd);
  }
  server.run();
  engine.image_mode()->stop();  // its thread wakes connections of the server
  return 0;
}

}  // namespace
}  // namespace hpcc

int main(int argc, char** argv) {
  hpcc::Arguments arguments;
  if (const hpcc::Status wrong = hpcc::parse_arguments(argc, argv, &arguments); !wrong.ok()) {
    fprintf(stderr, "hpccd: %s\nhpccd is started by hpcc; see `hpcc daemon --help`\n", wrong.error().message.c_str());
    return 2;
  }
  signal(SIGPIPE, SIG_IGN);
  signal(SIGIO, SIG_IGN);  // a broken read lease (client/files.cc) announces itself so
  umask(0);                // outputs carry the caller's umask explicitly
  signal(SIGXFSZ, SIG_IGN);
  // The limits are those of whoever came first; they are not meant for a process that serves all.
  for (auto resource : {RLIMIT_NOFILE, RLIMIT_FSIZE, RLIMIT_CPU, RLIMIT_AS, RLIMIT_DATA}) {
    struct rlimit limit;
    if (getrlimit(resource, &limit) != 0) continue;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(resource, &limit);
  }
  return hpcc::serve(arguments);
}
