// `hpcc -C`, `-c`, `-M SIZE`, `-p`, `hpcc inspect HASH`: the store itself.
#include <cctype>
#include <cerrno>
#include <cstdio>
#include <cstdlib>

#include "client/history.h"
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

// "10G", "500M", "1.5GiB", "1000000": powers of 1024 for K, M, G, T (with or without i and B).
bool parse_size(const std::string& text, uint64_t* out) {
  char* end = nullptr;
  errno = 0;
  double value = strtod(text.c_str(), &end);
  if (end == text.c_str() || errno != 0 || !(value > 0)) return false;
  double factor = 1;
  const char unit = static_cast<char>(toupper(static_cast<unsigned char>(*end)));
  if (unit == 'K' || unit == 'M' || unit == 'G' || unit == 'T') {
    for (const char* p = "KMGT";; ++p) {
      factor *= 1024;
      if (*p == unit) break;
    }
    ++end;
    if (*end == 'i') ++end;
  }
  if (*end == 'B' || *end == 'b') ++end;
  if (*end != 0 || value * factor > 1e18) return false;
  *out = static_cast<uint64_t>(value * factor);
  return true;
}

}  // namespace

int tool_clear(const Words&) {
  std::unique_ptr<Store> store = open_store();
  return store ? report(store->clear(), "cache cleared") : 1;
}

int tool_cleanup(const Words&) {
  std::unique_ptr<Store> store = open_store();
  return store ? report(store->evict(), "cache cleaned up") : 1;
}

int tool_max_size(const Words& arguments) {
  uint64_t bytes = 0;
  if (arguments.size() != 1 || !parse_size(arguments[0], &bytes)) {
    puts("usage: hpcc -M SIZE\n\nSets the size limit of the cache: 5G, 500M, 1.5GiB. The default is 10 GiB.");
    return arguments.size() == 1 && arguments[0] == "--help" ? 0 : 2;
  }
  std::unique_ptr<Store> store = open_store();
  if (!store) return 1;
  Status set = store->set_max_size(bytes);
  if (set.ok()) set = store->evict();
  return report(set, ("maximum size is " + std::to_string(bytes) + " bytes").c_str());
}

int tool_config(const Words&) {
  Result<std::string> dir = state_directory();
  std::unique_ptr<Store> store = open_store();
  if (!dir.ok() || !store) return 1;
  printf("directory = %s\nmax_size_bytes = %llu\n", dir->c_str(), static_cast<ull>(store->info().max_size_bytes));
  for (const char* name : {"HPCC_DIR", "HPCC_CONFIG", "HPCC_DISABLE", "HPCC_DAEMON", "HPCC_RECACHE", "HPCC_LOG",
                           "HPCC_STRICT", "HPCC_IDLE_EXIT_S"}) {
    const char* value = getenv(name);
    printf("%s = %s\n", name, value ? value : "(unset)");
  }
  return 0;
}

int tool_inspect(const Words& arguments) {
  if (arguments.size() != 1 || arguments[0] == "--help") {
    puts("usage: hpcc inspect HASH\n\nHASH is a key, manifest, result or blob, or a prefix of one.");
    return arguments.size() == 1 ? 0 : 2;
  }
  std::string ignored;
  ask_daemon("flush", &ignored);
  std::unique_ptr<Store> store = open_store();
  if (!store) return 1;
  int found = 0;
  Status done = store->inspect(arguments[0], [&](std::string_view kind, std::string_view hash, std::string_view text) {
    printf("%.*s %.*s\n%.*s\n", static_cast<int>(kind.size()), kind.data(), static_cast<int>(hash.size()), hash.data(),
           static_cast<int>(text.size()), text.data());
    ++found;
  });
  if (!done.ok()) return report(done, "");
  if (found == 0) fprintf(stderr, "hpcc: nothing stored begins with %s\n", arguments[0].c_str());
  return found == 0 ? 1 : 0;
}

}  // namespace hpcc
