// hpcc-scheduler: wiring only.
//   --init DIR   makes what is missing under DIR: authority, certificates, keys
//   --up DIR     serves with DIR/scheduler, writes DIR/client/client.toml for clients of this machine
//   --client OUT --tenant NAME --up DIR   makes OUT, the up/client of another user or machine, of tenant NAME
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <string>

#include "base/fs.h"
#include "cmd/arguments.h"
#include "rpc/authority.h"
#include "scheduler/server.h"
#include "wire/client_config.h"

namespace hpcc {
namespace {

struct Arguments {
  std::string init, up, client, tenant;
  std::string listen = "127.0.0.1:0", advertise;
  int ready_fd = -1;
};

Status parse_arguments(int argc, char** argv, Arguments* out) {
  const NamedArgument known[] = {{"--init", &out->init},
                                 {"--up", &out->up},
                                 {"--client", &out->client},
                                 {"--tenant", &out->tenant},
                                 {"--listen", &out->listen},
                                 {"--advertise", &out->advertise},
                                 {"--ready-fd", nullptr, &out->ready_fd}};
  TRY(decode_arguments(argc, argv, known));
  if (out->init.empty() == out->up.empty()) return Error{Code::kInvalid, "wants --init or --up"};
  if (out->client.empty() != out->tenant.empty()) return Error{Code::kInvalid, "--client and --tenant go together"};
  if (out->client.empty() || out->init.empty()) return {};
  return Error{Code::kInvalid, "--client goes with --up"};
}

Status init(const std::string& dir) {
  TRY(init_certificates(dir, CertificateNames()));
  for (const char* key : {"/scheduler/signing.key", "/worker/receipt.key"}) {
    TRY_ASSIGN([[maybe_unused]] const SigningKey made, SigningKey::load_or_create(dir + key));
  }
  return {};
}

Status write_client_config(const std::string& dir, const std::string& address, const std::string& key) {
  TRY_ASSIGN(const std::string certificate, read_file(dir + "/cert.pem", 65536));
  TRY_ASSIGN(const Peer client, decode_peer(certificate));
  const std::string text = encode_client_config({address, client.identity.tenant, key});
  return replace_file(dir + "/client.toml", text, 0600, Sync::kNo);
}

// With the address that the scheduler has now.
Status add_client(const Arguments& arguments) {
  TRY_ASSIGN(const ClientConfig own, load_client_config(arguments.up + "/client/client.toml"));
  TRY(init_client(arguments.up, arguments.client, arguments.tenant, arguments.tenant));
  return write_client_config(arguments.client, own.scheduler, own.scheduler_key);
}

Status serve(const Arguments& arguments, const sigset_t& signals) {
  TRY_ASSIGN(const TlsMaterial tls, read_tls(arguments.up + "/scheduler"));
  TRY_ASSIGN(SigningKey key, SigningKey::load(arguments.up + "/scheduler/signing.key"));
  SchedulerOptions options;
  options.listen = arguments.listen;
  options.advertise = arguments.advertise;
  TRY_ASSIGN(const std::unique_ptr<SchedulerServer> server, SchedulerServer::start(options, tls, std::move(key)));
  // The port is taken anew at each start, so this is written at each.
  TRY(write_client_config(arguments.up + "/client", server->address(), server->public_key().hex()));
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
  if (const hpcc::Status wrong = hpcc::parse_arguments(argc, argv, &arguments); !wrong.ok()) {
    fprintf(stderr,
            "hpcc-scheduler: %s\n"
            "usage: hpcc-scheduler --init DIR | --up DIR [--listen HOST:PORT] [--advertise HOST:PORT]\n"
            "                                    [--ready-fd N]\n"
            "       hpcc-scheduler --up DIR --client OUT --tenant NAME\n"
            "  --advertise: where others reach it, when --listen is an address that nobody can dial (0.0.0.0)\n",
            wrong.error().message.c_str());
    return 2;
  }
  const auto end = [](const hpcc::Status& done) {
    if (!done.ok()) fprintf(stderr, "hpcc-scheduler: %s\n", done.error().to_string().c_str());
    return done.ok() ? 0 : 1;
  };
  if (!arguments.init.empty()) return end(hpcc::init(arguments.init));
  if (!arguments.client.empty()) return end(hpcc::add_client(arguments));
  // Before any thread, so that all of them leave these to sigwait().
  sigset_t signals;
  sigemptyset(&signals);
  for (int number : {SIGINT, SIGTERM}) sigaddset(&signals, number);
  sigprocmask(SIG_BLOCK, &signals, nullptr);
  signal(SIGPIPE, SIG_IGN);
  return end(hpcc::serve(arguments, signals));
}
