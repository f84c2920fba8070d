// hpcc-tool: the commands of hpcc. One table of verbs; each verb is a function in tool_<verb>.cc.
#include "cmd/tool.h"

#include <signal.h>
#include <sys/stat.h>

#include <cstdio>
#include <cstring>

#include "build_id.h"

namespace hpcc {
namespace {

constexpr Verb kTable[] = {
    {"stats", "stats [--json]", "hits, misses by cause, bypasses by reason, time saved, size", tool_stats},
    {"-s", nullptr, nullptr, tool_stats},
    {"explain", "explain FILE", "why a source or output was compiled and not a hit", tool_explain},
    {"inspect", "inspect HASH", "a key, manifest, result or blob by (a prefix of) its digest", tool_inspect},
    {"doctor", "doctor", "check this machine's setup; debugger settings of this project", tool_doctor},
    {"daemon", "daemon start|stop|status", "the background process", tool_daemon},
    {"-z", "-z", "zero the counters", tool_zero},
    {"-C", "-C", "clear the cache", tool_clear},
    {"-c", "-c", "clean up: down to the size limit, orphans removed", tool_cleanup},
    {"-M", "-M SIZE", "set the size limit (default 10 GiB)", tool_max_size},
    {"-p", "-p", "print the configuration", tool_config},
    {"config", nullptr, nullptr, tool_config},
    {"compile", nullptr, nullptr, tool_compile},
};

int help(FILE* out) {
  fprintf(out,
          "usage: hpcc COMPILER ARG...        compile through the cache\n"
          "       hpcc NAME=VALUE... COMPILER ARG...\n\ncommands:\n");
  for (const Verb& verb : kTable) {
    if (verb.usage) fprintf(out, "  hpcc %-28s %s\n", verb.usage, verb.summary);
  }
  return out == stdout ? 0 : 2;
}

}  // namespace

int tool_main(int argc, char** argv) {
  if (argc < 2) return help(stdout);
  const std::string_view name = argv[1];
  if (name == "--version" || name == "version" || name == "-V") {
    printf("hpcc %s (build %s)\n", HPCC_VERSION, HPCC_BUILD_ID);
    return 0;
  }
  if (name == "--help" || name == "help" || name == "-h") return help(stdout);
  for (const Verb& verb : kTable) {
    if (name == verb.name) return verb.run({argv + 2, argv + argc});
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
