// hpcc-tool: the commands of hpcc. One table of verbs; each verb is a function in tool_<verb>.cc.
#include "cmd/tool.h"

#include <signal.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdio>
#include <cstring>

#include "build_id.h"

namespace hpcc {
namespace {

constexpr Verb kTable[] = {
    {"stats", "stats [--json]", "hits, misses by cause, bypasses by reason, time saved, size", 1, tool_stats},
    {"-s", nullptr, nullptr, 1, tool_stats},
    {"explain", "explain FILE", "why a source or output was compiled and not a hit", 1, tool_explain},
    {"inspect", "inspect FILE|HASH", "where an object comes from; a key, result, blob or row by its digest", 1,
     tool_inspect},
    {"audit", "audit verify [FILE] [--key HEX]", "check an audit log: every signature, the tree, its checkpoint", 4,
     tool_audit},
    {"replay", "replay ROW", "run an audit row's compile again in a new sandbox; compare", 1, tool_replay},
    {"doctor", "doctor", "check this machine's setup; debugger settings of this project", 0, tool_doctor},
    {"daemon", "daemon start|stop|status", "the background process", 1, tool_daemon},
    {"image", "image build|add|list|rm", "toolchain images for remote compiles", 3, tool_image},
    {"worker", "worker preflight", "what sandbox drivers need of this machine, and what is missing", 1, tool_worker},
    {"up", "up [--driver qemu|namespace]", "start a scheduler and a worker on this machine", 2, tool_up},
    {"down", "down", "stop them", 0, tool_down},
    {"status", "status [--json]", "workers, sessions, microVMs", 1, tool_status},
    {"-z", "-z", "zero the counters", 0, tool_zero},
    {"-C", "-C", "clear the cache", 0, tool_clear},
    {"-c", "-c", "clean up: down to the size limit, orphans removed", 0, tool_cleanup},
    {"-M", "-M SIZE", "set the size limit (default 10 GiB)", 1, tool_max_size},
    {"-p", "-p", "print the configuration", 0, tool_config},
    {"config", nullptr, nullptr, 0, tool_config},
    {"compile", nullptr, nullptr, 6, tool_compile},
};

int help(FILE* out) {
  fprintf(out,
          "usage: hpcc COMPILER ARG...        compile through the cache\n"
          "       hpcc wrap COMPILER ARG...   the same\n"
          "       hpcc NAME=VALUE... COMPILER ARG...\n\ncommands:\n");
  for (const Verb& verb : kTable) {
    if (verb.usage) fprintf(out, "  hpcc %-28s %s\n", verb.usage, verb.summary);
  }
  return out == stdout ? 0 : 2;
}

// No verb acts on a command line it does not understand: asking for help must never clear a cache.
int run(const Verb& verb, const Words& arguments) {
  const bool wants_help = std::find(arguments.begin(), arguments.end(), "--help") != arguments.end();
  if (!wants_help && arguments.size() <= verb.max_arguments) return verb.run(arguments);
  if (wants_help && verb.usage && verb.max_arguments > 0) return verb.run({"--help"});
  FILE* out = wants_help ? stdout : stderr;
  fprintf(out, "usage: hpcc %s\n\n%s\n", verb.usage ? verb.usage : verb.name, verb.summary ? verb.summary : "");
  return wants_help ? 0 : 2;
}

}  // namespace

int print_usage(const Words& arguments, const char* text) {
  const bool asked = arguments.size() == 1 && arguments[0] == "--help";
  fprintf(asked ? stdout : stderr, "usage: %s\n", text);
  return asked ? 0 : 2;
}

int tool_main(int argc, char** argv) {
  if (argc < 2) return help(stdout);
  const std::string_view name = argv[1];
  if (name == "--version" || name == "version" || name == "-V") {
    printf("hpcc %s (build %s)\n", HPCC_VERSION, HPCC_BUILD_ID);
    return 0;
  }
  if (name == "--help" || name == "help" || name == "-h") return help(stdout);
  for (const Verb& verb : kTable) {
    if (name == verb.name) return run(verb, {argv + 2, argv + argc});
  }
  fprintf(stderr, "hpcc: unknown command %s\n", argv[1]);
  return help(stderr);
}

}  // namespace hpcc

int main(int argc, char** argv) {
  signal(SIGPIPE, SIG_IGN);
  signal(SIGIO, SIG_IGN);
  return hpcc::tool_main(argc, argv);
}
