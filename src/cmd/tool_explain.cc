// `hpcc explain FILE`: what became of the last compile of a source or an output, and why it was no hit.
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "base/fs.h"
#include "client/history.h"
#include "cmd/tool.h"

namespace hpcc {

int tool_explain(const Words& arguments) {
  if (arguments.size() != 1 || arguments[0] == "--help") {
    return print_usage(arguments,
                       "hpcc explain FILE\n\nFILE is a source or an output. Says what became of its last compile, and "
                       "what changed since the one before:\nthe option, header, environment variable, toolchain file "
                       "or newly present path.");
  }
  char here[4096];
  if (!getcwd(here, sizeof here)) return 1;
  std::string ignored;
  ask_daemon("flush", &ignored);
  std::unique_ptr<Store> store = open_store();
  if (!store) return 1;
  const std::string path = lexically_normal(join_path(here, arguments[0]));
  std::optional<HistoryRecord> record = read_history(*store, path);
  std::optional<HistoryRecord> of_source = read_history(*store, source_history_name(here, arguments[0]));
  if (of_source && (!record || of_source->when_ns > record->when_ns)) record = of_source;
  const std::string object = record && !record->object.empty() ? record->object : path;
  const std::optional<HitNote> hit = read_hit_note(*store, object);
  const int64_t hit_ns = hit ? hit->when_ns : 0;
  if (std::optional<std::string> link = store->history("link:" + path); link && !record) {
    printf("links are not cached; what went in and came out:\n%s", link->c_str());
    return 0;
  }
  if (!record && hit_ns == 0) {
    printf("%s: hpcc knows no compile of it\n", path.c_str());
    return 1;
  }
  printf("output   %s\n", object.c_str());
  if (!record) {
    puts("outcome  hit (stored by a compile of another checkout or output)");
    printf("key      %s\n", hit->key.hex().c_str());
    return 0;
  }
  if (hit_ns > record->when_ns) puts("now      hit");
  printf("outcome  %s\n", record->outcome.c_str());
  const std::string key = hit_ns > record->when_ns ? hit->key.hex() : record->key;  // of what lies there now
  if (!key.empty()) printf("key      %s\n", key.c_str());
  if (!record->why.empty()) {
    puts("why it was compiled:");
    std::string_view why = record->why;
    while (!why.empty()) {
      std::string_view line = why.substr(0, why.find('\n'));
      why.remove_prefix(std::min(why.size(), line.size() + 1));
      printf("  %.*s\n", static_cast<int>(line.size()), line.data());
    }
  }
  return 0;
}

}  // namespace hpcc
