// `hpcc daemon start|stop|status`.
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>

#include "base/fd.h"
#include "cmd/tool.h"
#include "launcher/engine_link.h"
#include "wire/local.h"

namespace hpcc {
namespace {

constexpr int kAnswerMs = 5000;

Result<std::string> ask(int fd, std::string_view verb) {
  TRY(send_frame(fd, frame::Type::kControl, encode_string(verb), kAnswerMs));
  frame::Type type;
  FrameBuffer frames;
  TRY_ASSIGN(std::string payload, receive_frame(fd, frames, &type, kAnswerMs));
  return decode_string(payload);
}

int stop(int fd) {
  Result<std::string> answer = ask(fd, "stop");
  if (!answer.ok()) {
    fprintf(stderr, "hpcc: the daemon does not stop: %s\n", answer.error().to_string().c_str());
    return 1;
  }
  // Its end of the connection closes when it has flushed and goes.
  char byte;
  struct pollfd wait = {fd, POLLIN, 0};
  while (poll(&wait, 1, kAnswerMs) == 1 && recv(fd, &byte, 1, 0) > 0) {
  }
  puts("daemon stopped");
  return 0;
}

}  // namespace

bool ask_daemon(std::string_view verb, std::string* answer) {
  launcher::Places places;
  if (!launcher::find_places(&places)) return false;
  Fd fd(launcher::connect_running(places));
  if (!fd) return false;
  Result<std::string> text = ask(fd.get(), verb);
  if (!text.ok()) return false;
  *answer = std::move(text).value();
  return true;
}

int tool_daemon(const Words& arguments) {
  const std::string verb = arguments.size() == 1 ? arguments[0] : "--help";
  launcher::Places places;
  if (verb != "start" && verb != "stop" && verb != "status") {
    return print_usage(arguments.empty() ? Words{"--help"} : arguments,
                       "hpcc daemon start|stop|status\n\nThe daemon starts by itself with the first compile and ends "
                       "after 10 idle minutes (HPCC_IDLE_EXIT_S).");
  }
  if (!launcher::find_places(&places)) {
    fprintf(stderr, "hpcc: no directory for the daemon: set HPCC_DIR or HOME\n");
    return 1;
  }
  Fd fd(verb == "start" ? launcher::connect_daemon(places) : launcher::connect_running(places));
  if (!fd) {
    printf(verb == "start" ? "the daemon cannot be started (see hpcc doctor)\n" : "no daemon is running\n");
    return verb == "stop" ? 0 : 1;
  }
  if (verb == "stop") return stop(fd.get());
  Result<std::string> status = ask(fd.get(), "status");
  if (!status.ok()) {
    fprintf(stderr, "hpcc: the daemon does not answer: %s\n", status.error().to_string().c_str());
    return 1;
  }
  printf("daemon running\n%ssocket %s/%s\n", status->c_str(), places.run_dir.c_str(), places.name);
  return 0;
}

}  // namespace hpcc
