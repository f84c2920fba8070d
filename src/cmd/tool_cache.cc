// `hpcc -C`, `-c`, `-M SIZE`, `-p`, `hpcc inspect FILE|HASH`: the store itself.
#include <sys/stat.h>

#include <cstdio>
#include <cstdlib>

#include "base/fs.h"
#include "base/limits.h"
#include "client/config.h"
#include "client/history.h"
#include "client/quarantine.h"
#include "cmd/tool.h"

namespace hpcc {
namespace {

using ull = unsigned long long;

int report(const Status& status, const char* done) {
  if (!status.ok()) {
    fprintf(stderr, "hpcc: %s\n", status.error().to_string().c_str());
    return 1;
  }
  puts(done);
  return 0;
}

// Of a regular file's content, in hex; "" when there is none.
std::string file_digest(const std::string& path) {
  struct stat info;
  if (stat(path.c_str(), &info) != 0 || !S_ISREG(info.st_mode)) return "";
  const Result<std::string> bytes = read_file(path, limits::kOutputBytes);
  return bytes.ok() ? BlobDigest::of(*bytes).hex() : "";
}

int print_quarantined(const std::string& prefix) {
  Result<std::string> dir = state_directory();
  if (!dir.ok()) return 0;
  int found = 0;
  const Quarantine quarantine(*dir);
  for (const auto& [key, text] : quarantine.find(prefix)) {
    printf("quarantine %s\n%s/%s\n%s", key.c_str(), quarantine.path().c_str(), key.c_str(), text.c_str());
    ++found;
  }
  return found;
}

}  // namespace

int tool_clear(const Words&) {
  std::unique_ptr<Store> store = open_store();
  Result<std::string> dir = state_directory();
  if (!store || !dir.ok()) return 1;
  Status cleared = store->clear();
  if (cleared.ok()) cleared = Quarantine(*dir).clear();
  return report(cleared, "cache cleared");
}

int tool_cleanup(const Words&) {
  std::unique_ptr<Store> store = open_store();
  return store ? report(store->evict(), "cache cleaned up") : 1;
}

int tool_max_size(const Words& arguments) {
  const std::optional<uint64_t> bytes = arguments.size() == 1 ? parse_size(arguments[0]) : std::nullopt;
  if (!bytes) {
    return print_usage(arguments,
                       "hpcc -M SIZE\n\nSets the size limit of the cache: 5G (or 5), 500M, 1.5GiB, 0 for none. The "
                       "default is 10 GiB.");
  }
  std::unique_ptr<Store> store = open_store();
  if (!store) return 1;
  if (Result<std::string> dir = state_directory(); dir.ok()) {
    Result<Config> config = load_config(*dir);
    if (config.ok() && config->max_size_bytes) {
      fprintf(stderr, "hpcc: the limit is set by max_size in %s: change it there\n", config_path(*dir).c_str());
      return 1;
    }
  }
  Status set = store->set_max_size(*bytes);
  if (set.ok()) set = store->evict();
  return report(set, ("maximum size is " + std::to_string(*bytes) + " bytes").c_str());
}

int tool_config(const Words&) {
  Result<std::string> dir = state_directory();
  std::unique_ptr<Store> store = open_store();
  if (!dir.ok() || !store) return 1;
  const std::string file = config_path(*dir);
  printf("directory = %s\nconfig file = %s\nmax_size_bytes = %llu\n", dir->c_str(),
         file.empty() ? "(none)" : file.c_str(), static_cast<ull>(store->info().max_size_bytes));
  for (const char* name : {"HPCC_DIR", "HPCC_CONFIG", "HPCC_DISABLE", "HPCC_DAEMON", "HPCC_RECACHE", "HPCC_LOG",
                           "HPCC_STRICT", "HPCC_VERIFY", "HPCC_IDLE_EXIT_S", "HPCC_TRACER", "HPCC_GUEST_KERNEL"}) {
    const char* value = getenv(name);
    printf("%s = %s\n", name, value ? value : "(unset)");
  }
  return 0;
}

int tool_inspect(const Words& arguments) {
  if (arguments.size() != 1 || arguments[0] == "--help") {
    return print_usage(
        arguments,
        "hpcc inspect FILE | HASH\n\nFILE is an object, or anything else that a compile made: looked up by its "
        "content; or a source, by its name.\nHASH is the digest of a key (also one in quarantine), manifest, result or "
        "blob, or of an audit row's output, object,\naction, inputs or the row itself, a row's id, or the first digits "
        "of one. Of several rows the newest is shown in full.");
  }
  const std::string content = file_digest(arguments[0]);
  const std::string hash = content.empty() ? arguments[0] : content;
  std::string ignored;
  ask_daemon("flush", &ignored);
  std::unique_ptr<Store> store = open_store();
  if (!store) return 1;
  int found = 0;
  Status done = store->inspect(hash, [&](std::string_view kind, std::string_view name, std::string_view text) {
    printf("%.*s %.*s\n%.*s\n", static_cast<int>(kind.size()), kind.data(), static_cast<int>(name.size()), name.data(),
           static_cast<int>(text.size()), text.data());
    ++found;
  });
  found += print_matching_rows(content.empty() ? Words{hash} : Words{hash, std::string(basename_of(arguments[0]))});
  found += print_quarantined(hash);
  if (found != 0) return 0;
  if (!content.empty()) {
    fprintf(stderr, "hpcc: %s (%s): no stored result and no audit row has it\n", arguments[0].c_str(), content.c_str());
    return 1;
  }
  if (!done.ok()) return report(done, "");
  fprintf(stderr, "hpcc: nothing stored begins with %s, and there is no such file\n", arguments[0].c_str());
  return 1;
}

}  // namespace hpcc
