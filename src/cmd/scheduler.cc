// hpcc-scheduler: wiring only.
//   --init DIR   makes what is missing under DIR: authority, certificates, keys
//   --up DIR     serves with DIR/scheduler, writes DIR/client/client.toml for clients of this machine
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "base/fs.h"
#include "rpc/authority.h"
#include "scheduler/server.h"

namespace hpcc {
namespace {

struct Arguments {
  std::string init, up;
  std::string listen = "127.0.0.1:0";
  int ready_fd = -1;
};

bool parse_arguments(int argc, char** argv, Arguments* out) {
  for (int i = 1; i < argc; i += 2) {
    const std::string_view name = argv[i];
    if (i + 1 == argc) return false;
    if (name == "--init")
      out->init = argv[i + 1];
    else if (name == "--up")
      out->up = argv[i + 1];
    else if (name == "--listen")
      out->listen = argv[i + 1];
    else if (name == "--ready-fd")
      out->ready_fd = atoi(argv[i + 1]);
    else
      return false;
  }
  return out->init.empty() != out->up.empty();
}

Status init(const std::string& dir) {
  TRY(init_certificates(dir, CertificateNames()));
  for (const char* key : {"/scheduler/signing.key", "/worker/receipt.key"}) {
    TRY_ASSIGN([[maybe_unused]] const SigningKey made, SigningKey::load_or_create(dir + key));
  }
  return {};
}

// The port is taken anew at each start, so this is written at each.
Status write_client_config(const std::string& dir, const SchedulerServer& server) {
  TRY_ASSIGN(const std::string certificate, read_file(dir + "/client/cert.pem", 65536));
  TRY_ASSIGN(const Peer client, decode_peer(certificate));
  const std::string path = dir + "/client/client.toml", temporary = path + ".new";
  const std::string text = "# Written by hpcc-scheduler.\nscheduler = \"" + server.address() + "\"\ntenant = \"" +
                           client.identity.tenant + "\"\nscheduler_key = \"" + server.public_key().hex() + "\"\n";
  Fd fd(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd) return errno_error("cannot write " + temporary);
  TRY(write_fd(fd.get(), text, temporary));
  if (::rename(temporary.c_str(), path.c_str()) != 0) return errno_error("cannot rename to " + path);
  return {};
}

Status serve(const Arguments& arguments, const sigset_t& signals) {
  TRY_ASSIGN(const TlsMaterial tls, read_tls(arguments.up + "/scheduler"));
  TRY_ASSIGN(SigningKey key, SigningKey::load(arguments.up + "/scheduler/signing.key"));
  SchedulerOptions options;
  options.listen = arguments.listen;
  TRY_ASSIGN(const std::unique_ptr<SchedulerServer> server, SchedulerServer::start(options, tls, std::move(key)));
  TRY(write_client_config(arguments.up, *server));
  if (arguments.ready_fd >= 0) {
    TRY(write_fd(arguments.ready_fd, server->address() + "\n", "the ready descriptor"));
    ::close(arguments.ready_fd);
  }
  int signal_number = 0;
  sigwait(&signals, &signal_number);
  return {};
}

}  // namespace
}  // namespace hpcc

int main(int argc, char** argv) {
  hpcc::Arguments arguments;
  if (!hpcc::parse_arguments(argc, argv, &arguments)) {
    fprintf(stderr, "usage: hpcc-scheduler --init DIR | --up DIR [--listen HOST:PORT] [--ready-fd N]\n");
    return 2;
  }
  // Before any thread, so that all of them leave these to sigwait().
  sigset_t signals;
  sigemptyset(&signals);
  for (int number : {SIGINT, SIGTERM}) sigaddset(&signals, number);
  sigprocmask(SIG_BLOCK, &signals, nullptr);
  signal(SIGPIPE, SIG_IGN);
  const hpcc::Status done = arguments.init.empty() ? hpcc::serve(arguments, signals) : hpcc::init(arguments.init);
  if (done.ok()) return 0;
  fprintf(stderr, "hpcc-scheduler: %s\n", done.error().to_string().c_str());
  return 1;
}
