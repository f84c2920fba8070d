// `hpcc audit verify [FILE] [--key HEX]`, `hpcc replay ROW`, and the rows that `hpcc inspect` finds. Rows are numbered
// from 1, as in all messages.
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <deque>
#include <tuple>

#include "base/fs.h"
#include "cmd/tool.h"
#include "trust/audit_log.h"
#include "trust/seen.h"

namespace hpcc {
namespace {

// "" without a state directory.
std::string up_path(const char* name) {
  Result<std::string> dir = state_directory();
  return dir.ok() ? *dir + "/up/" + name : "";
}

struct VerifyWords {
  std::string file;
  std::optional<PublicKey> key;
};

constexpr const char* kAuditUsage =
    "hpcc audit verify [FILE] [--key HEX]\n\nChecks every signature of an audit log, its tree against its checkpoint, "
    "and that against what this client saw.\nFILE is $HPCC_DIR/up/audit.tsv unless given. HEX is the worker's public "
    "receipt key, needed for a log that is not this machine's.";

bool parse_words(const Words& words, VerifyWords* out) {
  if (words.empty() || words[0] != "verify") return false;
  for (size_t i = 1; i < words.size(); ++i) {
    if (words[i] == "--key" && i + 1 < words.size()) {
      out->key = PublicKey::from_hex(words[++i]);
      if (!out->key) return false;
    } else if (out->file.empty() && !words[i].starts_with("-")) {
      out->file = words[i];
    } else {
      return false;
    }
  }
  if (out->file.empty()) out->file = up_path("audit.tsv");
  return !out->file.empty();
}

Result<PublicKey> local_worker_key() {
  TRY_ASSIGN(SigningKey key, SigningKey::load(up_path("worker/receipt.key")));
  return key.public_key();
}

std::vector<std::string> seen_of(const std::string& file) {
  std::string worker;
  Status read = read_log(file, [&](std::string_view line) {
    Result<SignedRow> row = decode_row(line);
    if (row.ok()) worker = row->row.worker;
    return worker.empty();
  });
  if (!read.ok() || worker.empty()) return {};
  return SeenCheckpoints(up_path("client/seen")).kept(worker);
}

void print_column(const char* name, std::string_view value) {
  if (!value.empty()) printf("  %-16s %.*s\n", name, static_cast<int>(value.size()), value.data());
}

// `number`: in the worker's log; 0 for a client's own record.
void print_row(const SignedRow& signed_row, const std::string& digest, uint64_t number) {
  const AuditRow& row = signed_row.row;
  printf("row %s\n", digest.c_str());
  print_column("number", number == 0 ? "" : std::to_string(number));
  print_column("row_id", row.row_id);
  print_column("start", row.start);
  print_column("disposition", disposition_name(row.disposition));
  print_column("name", row.name);
  print_column("flags", row.flags);
  print_column("exit", std::to_string(row.exit));
  print_column("duration_ms", std::to_string(row.duration_ms));
  const std::array<std::pair<const char*, const std::string*>, 17> texts = {{
      {"image_digest", &row.image_digest},
      {"source_digest", &row.source_digest},
      {"output_digest", &row.output_digest},
      {"object_digest", &row.object_digest},
      {"action_digest", &row.action_digest},
      {"stdio_digest", &row.stdio_digest},
      {"probes_digest", &row.probes_digest},
      {"tenant", &row.tenant},
      {"principal", &row.principal},
      {"worker", &row.worker},
      {"driver", &row.driver},
      {"vm", &row.vm},
      {"rootfs_hash", &row.rootfs_hash},
      {"kernel_digest", &row.kernel_digest},
      {"agent_digest", &row.agent_digest},
      {"grant_digest", &row.grant_digest},
      {"compiled_row_id", &row.compiled_row_id},
  }};
  for (const auto& [name, text] : texts) print_column(name, *text);
  print_column("peak_rss_kib", std::to_string(row.peak_rss_kib));
  print_column("cpu_ms", std::to_string(row.cpu_ms));
  const bool local = signed_row.signature.empty();
  const char* kWhether[] = {"yes", "no: a flag was redacted", "no: no worker ran it"};
  print_column("replayable", kWhether[static_cast<size_t>(row.replayable)]);
  print_column("signed", local ? "no: asserted by the client" : "yes");
}

bool row_matches(const AuditRow& row, const std::string& digest, std::string_view wanted) {
  if (row.name == wanted || basename_of(row.name) == wanted) return true;
  if (wanted.size() < 4) return false;  // shorter prefixes are accidents
  const std::array<std::string_view, 6> digests = {
      digest, row.output_digest, row.object_digest, row.action_digest, row.source_digest, row.row_id};
  for (std::string_view one : digests) {
    if (!one.empty() && one.starts_with(wanted)) return true;
  }
  return false;
}

}  // namespace

int tool_audit(const Words& arguments) {
  VerifyWords words;
  if (!parse_words(arguments, &words)) return print_usage(arguments, kAuditUsage);
  Result<PublicKey> key = words.key ? Result<PublicKey>(*words.key) : local_worker_key();
  if (!key.ok()) {
    fprintf(stderr, "hpcc: no key to check the log with (give --key HEX): %s\n", key.error().to_string().c_str());
    return 1;
  }
  const std::vector<std::string> seen = seen_of(words.file);
  Result<LogReport> report = verify_log(words.file, *key, seen);
  if (!report.ok()) {
    fprintf(stderr, "hpcc: %s\n", report.error().to_string().c_str());
    return 1;
  }
  if (report->unsigned_rows > 0 && report->unsigned_rows == report->rows &&
      report->problems.size() == report->unsigned_rows) {
    printf("%s: no row is signed: this client asserts them (hpcc inspect shows them), and nothing proves them\n",
           words.file.c_str());
    return 1;
  }
  for (const std::string& problem : report->problems) printf("WRONG  %s\n", problem.c_str());
  for (const std::string& note : report->notes) printf("note   %s\n", note.c_str());
  if (seen.empty()) puts("note   this client keeps no checkpoint of that worker: a rewritten history would not show");
  const bool proved = report->proved_rows == report->rows;
  const char* good = proved ? "the tree and all signatures hold" : "all signatures hold; not all of the tree is proved";
  printf("%s: %llu rows, %llu proved by the checkpoint, key %s: %s\n", words.file.c_str(),
         static_cast<unsigned long long>(report->rows), static_cast<unsigned long long>(report->proved_rows),
         key->hex().c_str(), report->problems.empty() ? good : "NOT as it was signed");
  return report->problems.empty() ? 0 : 1;
}

namespace {

constexpr size_t kShortestPrefix = 8;  // of a row's digest or id
constexpr int kNotReplayed = 3;

Result<std::string> find_row(const std::string& wanted) {
  if (wanted.find('\t') != wanted.npos) return wanted.substr(0, wanted.find('\n'));
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(wanted.data(), wanted.data() + wanted.size(), number);
  const bool is_number = error == std::errc() && end == wanted.data() + wanted.size();
  if (!is_number && wanted.size() < kShortestPrefix) {
    return Error{Code::kInvalid, "a row is named by its number, eight or more digits of its digest or id, or itself"};
  }
  std::vector<std::string> found;
  uint64_t rows = 0;
  TRY(read_log(up_path("audit.tsv"), [&](std::string_view line) {
    ++rows;
    if (is_number) {
      if (rows == number) found.emplace_back(line);
      return true;
    }
    Result<SignedRow> row = decode_row(line);
    if (BlobDigest::of(line).hex().starts_with(wanted) || (row.ok() && row->row.row_id.starts_with(wanted))) {
      found.emplace_back(line);
    }
    return true;
  }));
  if (found.size() == 1) return found[0];
  if (!found.empty()) return Error{Code::kInvalid, std::to_string(found.size()) + " rows begin with " + wanted};
  const std::string has = "; the log has rows 1 to " + std::to_string(rows);
  return Error{Code::kNotFound, "no row " + wanted + (rows == 0 ? ": the log is empty" : is_number ? has : "")};
}

}  // namespace

// Only hpcc-remote can ask a worker; it prints what came of it and its exit code is ours.
int tool_replay(const Words& arguments) {
  if (arguments.size() != 1 || arguments[0].starts_with("-")) {
    return print_usage(
        arguments,
        "hpcc replay ROW\n\nHas the worker run a row's compile again, from the inputs in its store, in a newly booted "
        "sandbox, and compares.\nROW is a number in $HPCC_DIR/up/audit.tsv (the first row is 1), eight or more digits "
        "of a row's digest or id, or\nthe row itself. Exit code: 0 equal, 1 something differs, 3 it could not be "
        "replayed.");
  }
  const auto fail = [](const Error& error) {
    fprintf(stderr, "hpcc: not replayed: %s\n", error.to_string().c_str());
    return kNotReplayed;
  };
  Result<std::string> line = find_row(arguments[0]);
  if (!line.ok()) return fail(line.error());
  Result<SignedRow> row = decode_row(*line);
  if (!row.ok()) return fail(row.error());
  printf("row       %s %s %s\n", row->row.row_id.c_str(), std::string(disposition_name(row->row.disposition)).c_str(),
         row->row.name.c_str());
  if (row->row.disposition == Disposition::kHit) {
    printf("          of a hit: the compile that it served is replayed, row %s\n", row->row.compiled_row_id.c_str());
  }
  fflush(stdout);
  const std::string program = program_directory() + "/hpcc-remote", client = up_path("client");
  execl(program.c_str(), program.c_str(), "--client-dir", client.c_str(), "--replay", line->c_str(), nullptr);
  return fail(errno_error("run " + program));
}

namespace {

constexpr size_t kMostRows = 100;

struct FoundRow {
  SignedRow row;
  std::string digest;
  uint64_t number;
};

// The last rows of a log that match.
std::deque<FoundRow> last_matching(const char* name, const Words& wanted) {
  const bool local = name == std::string_view("local.tsv");
  std::deque<FoundRow> found;
  uint64_t number = 0;
  Status read = read_log(up_path(name), [&](std::string_view line) {
    Result<SignedRow> row = decode_row(line);
    ++number;
    if (!row.ok()) return true;  // `audit verify` tells of those
    const std::string digest = BlobDigest::of(line).hex();
    const bool any = std::any_of(wanted.begin(), wanted.end(),
                                 [&](const std::string& one) { return row_matches(row->row, digest, one); });
    if (any) found.push_back({std::move(*row), digest, local ? 0 : number});
    if (found.size() > kMostRows) found.pop_front();
    return true;
  });
  if (!read.ok() && read.error().code != Code::kNotFound) {
    fprintf(stderr, "hpcc: %s\n", read.error().to_string().c_str());
  }
  return found;
}

}  // namespace

int print_matching_rows(const Words& wanted) {
  std::vector<FoundRow> found;
  for (const char* name : {"audit.tsv", "local.tsv"}) {
    std::deque<FoundRow> of_log = last_matching(name, wanted);
    std::move(of_log.begin(), of_log.end(), std::back_inserter(found));
  }
  std::stable_sort(found.begin(), found.end(), [](const FoundRow& a, const FoundRow& b) {
    return std::tie(a.row.row.start, a.number) > std::tie(b.row.row.start, b.number);
  });
  if (!found.empty()) print_row(found[0].row, found[0].digest, found[0].number);
  if (found.size() > 1) puts("older rows");
  for (size_t i = 1; i < std::min(found.size(), kMostRows); ++i) {
    const AuditRow& row = found[i].row.row;
    printf("  %.12s  %.19s  %-8s  exit %-3d %s\n", found[i].digest.c_str(), row.start.c_str(),
           std::string(disposition_name(row.disposition)).c_str(), row.exit, row.name.c_str());
  }
  if (found.size() > kMostRows) printf("(the last %zu rows; a longer prefix finds fewer)\n", kMostRows);
  return static_cast<int>(found.size());
}

}  // namespace hpcc
