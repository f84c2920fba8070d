// `hpcc stats [--json]`, `hpcc -s`: counters of the last build and of all time. `hpcc -z` zeroes them.
#include <cstdio>
#include <set>
#include <string>

#include "client/quarantine.h"
#include "cmd/tool.h"
#include "trust/audit_log.h"
#include "trust/row.h"

namespace hpcc {
namespace {

using ull = unsigned long long;

uint64_t get(const CounterValues& values, Counter counter) { return values.counters[static_cast<size_t>(counter)]; }

std::string json_counters(const CounterValues& values) {
  std::string out = "{";
  for (size_t i = 0; i < static_cast<size_t>(Counter::kCount); ++i) {
    if (i != 0) out += ",";
    out += "\"" + std::string(counter_name(static_cast<Counter>(i))) + "\":" + std::to_string(values.counters[i]);
  }
  return out + "}";
}

std::string json_reasons(const CounterValues& values) {
  std::string out;
  for (size_t i = 1; i < static_cast<size_t>(Bypass::kCount); ++i) {
    if (values.bypass[i] == 0) continue;
    out += (out.empty() ? "\"" : ",\"") + std::string(bypass_name(static_cast<Bypass>(i))) +
           "\":" + std::to_string(values.bypass[i]);
  }
  return "{" + out + "}";
}

void print_json(Store& store, const Quarantine& quarantine) {
  const CounterValues all = store.totals(), last = store.last_build();
  const StoreInfo info = store.info();
  printf(
      "{\"schema\":1,\"counters\":%s,\"bypass_reasons\":%s,\"since\":%llu,"
      "\"last_build\":{\"counters\":%s,\"bypass_reasons\":%s,\"since\":%llu},"
      "\"store\":{\"entries\":%llu,\"blobs\":%llu,\"size_bytes\":%llu,\"max_size_bytes\":%llu},\"quarantined\":%zu}\n",
      json_counters(all).c_str(), json_reasons(all).c_str(), static_cast<ull>(all.since_s), json_counters(last).c_str(),
      json_reasons(last).c_str(), static_cast<ull>(last.since_s), static_cast<ull>(info.entry_count),
      static_cast<ull>(info.blob_count), static_cast<ull>(info.size_bytes), static_cast<ull>(info.max_size_bytes),
      quarantine.find("").size());
}

std::string human_bytes(uint64_t bytes) {
  char text[32];
  const char* units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  double value = static_cast<double>(bytes);
  int unit = 0;
  while (value >= 1024 && unit < 4) {
    value /= 1024;
    ++unit;
  }
  snprintf(text, sizeof text, unit == 0 ? "%.0f %s" : "%.1f %s", value, units[unit]);
  return text;
}

struct Row {
  const char* label;
  std::string all, last;
};

void print_rows(const std::vector<Row>& rows) {
  for (const Row& row : rows) printf("  %-26s %14s %14s\n", row.label, row.last.c_str(), row.all.c_str());
}

std::string share(const CounterValues& values) {
  uint64_t hits = get(values, Counter::kLocalHit) + get(values, Counter::kRemoteHit);
  uint64_t all = hits + get(values, Counter::kLocalCompiled) + get(values, Counter::kRemoteCompiled);
  char text[32];
  if (all == 0) return "-";
  snprintf(text, sizeof text, "%.1f %%", 100.0 * static_cast<double>(hits) / static_cast<double>(all));
  return text;
}

std::string seconds(uint64_t ms) {
  char text[32];
  snprintf(text, sizeof text, "%llu.%llu s", static_cast<ull>(ms / 1000), static_cast<ull>(ms % 1000 / 100));
  return text;
}

void print_text(Store& store, const Quarantine& quarantine) {
  const CounterValues all = store.totals(), last = store.last_build();
  auto row = [&](const char* label, Counter counter) {
    return Row{label, std::to_string(get(all, counter)), std::to_string(get(last, counter))};
  };
  printf("  %-26s %14s %14s\n", "", "last build", "all time");
  print_rows({row("hits", Counter::kLocalHit),
              row("hits at a worker", Counter::kRemoteHit),
              row("compiled", Counter::kLocalCompiled),
              row("compiled by workers", Counter::kRemoteCompiled),
              row("image's compiler here", Counter::kFallbackImage),
              row("host's compiler", Counter::kFallbackHost),
              {"hit rate", share(all), share(last)},
              row("misses: new", Counter::kMissNoKey),
              row("misses: inputs changed", Counter::kMissInputs),
              row("misses: recache", Counter::kMissRecache),
              row("misses: blob gone", Counter::kMissBlob),
              row("compiled, not stored", Counter::kNotStored),
              row("bypassed", Counter::kBypass),
              row("links recorded", Counter::kLinksRecorded),
              row("errors", Counter::kError),
              row("corrupt items met", Counter::kCorrupt),
              row("evicted", Counter::kEvicted),
              {"time saved", seconds(get(all, Counter::kTimeSavedMs)), seconds(get(last, Counter::kTimeSavedMs))}});
  if (get(all, Counter::kVerified) + get(all, Counter::kVerifyDiffered) != 0) {
    print_rows(
        {row("compiled again, equal", Counter::kVerified), row("compiled again, DIFFERED", Counter::kVerifyDiffered)});
  }
  bool any = false;
  for (size_t i = 1; i < static_cast<size_t>(Bypass::kCount); ++i) {
    if (all.bypass[i] == 0) continue;
    if (!any) puts("\n  not cached, by reason");
    any = true;
    std::string name = "  " + std::string(bypass_name(static_cast<Bypass>(i)));
    print_rows({{name.c_str(), std::to_string(all.bypass[i]), std::to_string(last.bypass[i])}});
  }
  const StoreInfo info = store.info();
  printf("\n  cache %s of %s, %llu entries, %llu blobs\n", human_bytes(info.size_bytes).c_str(),
         human_bytes(info.max_size_bytes).c_str(), static_cast<ull>(info.entry_count),
         static_cast<ull>(info.blob_count));
  if (const size_t held = quarantine.find("").size(); held != 0) {
    printf("  %zu in quarantine, never served: %s (hpcc inspect KEY)\n", held, quarantine.path().c_str());
  }
}

// What the host's own compiler made in projects with an image (fallback = "host") since the counters were zero: each is
// named.
void print_host_objects(uint64_t since_s) {
  const std::string since = rfc3339_us(static_cast<int64_t>(since_s) * 1'000'000'000);
  Result<std::string> dir = state_directory();
  if (!dir.ok()) return;
  std::set<std::string> names;
  const Status read = read_log(*dir + "/up/local.tsv", [&](std::string_view line) {
    Result<SignedRow> row = decode_row(line);
    if (row.ok() && row->row.driver == "host" && row->row.start >= since) names.insert(row->row.name);
    return true;
  });
  if (!read.ok() && read.error().code != Code::kNotFound) {
    fprintf(stderr, "hpcc: %s\n", read.error().to_string().c_str());
  }
  if (!names.empty()) puts("\n  compiled by the host's compiler (fallback = \"host\")");
  for (const std::string& name : names) printf("    %s\n", name.c_str());
}

}  // namespace

int tool_stats(const Words& arguments) {
  bool json = false;
  for (const std::string& word : arguments) {
    if (word == "--json") {
      json = true;
    } else {
      return print_usage(arguments,
                         "hpcc stats [--json]\n\nCounters of the last build (compiles less than 5 minutes apart) and "
                         "of all time.");
    }
  }
  std::string ignored;
  ask_daemon("flush", &ignored);
  std::unique_ptr<Store> store = open_store();
  if (!store) return 1;
  Result<std::string> dir = state_directory();
  const Quarantine quarantine(dir.ok() ? *dir : std::string());
  json ? print_json(*store, quarantine) : print_text(*store, quarantine);
  if (!json) print_host_objects(store->totals().since_s);
  return 0;
}

int tool_zero(const Words&) {
  std::unique_ptr<Store> store = open_store();
  if (!store) return 1;
  store->zero_counters();
  puts("counters are zero");
  return 0;
}

}  // namespace hpcc
