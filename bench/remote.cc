// Measures of image mode: a farm of `hpcc up` on this machine, the sources of real projects, one compile after the
// other. Every round compiles with another -D, so that each is a new action over the same files.
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>

#include "bench/context.h"

namespace hpcc::bench {
namespace {

namespace fs = std::filesystem;

constexpr size_t kQuickUnits = 8;

Summary single(double value) { return {value, value, value, 1}; }

struct Project {
  std::string name, root;
  std::vector<Unit> units;
  std::vector<std::string> flags;
};

// A farm with its client state; ended with its daemon when it goes out of scope.
class Farm {
 public:
  Farm(Context& context, const std::string& driver) : context_(context), dir_(context.work + "/farm-" + driver) {
    fs::create_directories(dir_ + "/up");
    env_ = {"PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin", "HOME=" + dir_, "LANG=C.UTF-8", "HPCC_DIR=" + dir_};
    std::vector<std::string> image_env = env_;
    image_env.back() = "HPCC_DIR=" + context.image_dir;
    const std::string hpcc = context.find(Kind::kHpcc)->path;
    const std::string said = output_of({{hpcc, "image", "build", "debian-gcc"}, image_env, dir_});
    const size_t at = said.rfind("sha256:");
    if (at == std::string::npos) {
      context.report.note("remote: no image could be made");
      return;
    }
    image_ = said.substr(at, 71);
    fs::create_directory_symlink(context.image_dir + "/up/images", dir_ + "/up/images");
    const double start = now_ms();
    // "isolation  qemu-tcg: one microVM …"
    const std::string told = output_of({{hpcc, "up", "--driver", driver}, env_, dir_});
    const size_t from = told.find("isolation  ");
    if (from == std::string::npos) {
      context.report.note("remote: hpcc up --driver " + driver + " failed");
      return;
    }
    isolation_ = told.substr(from + 11, told.find(':', from) - from - 11);
    up_ms_ = now_ms() - start;
    up_ = true;
  }
  ~Farm() {
    const std::string hpcc = context_.find(Kind::kHpcc)->path;
    run({{hpcc, "down"}, env_, dir_});
    run({{hpcc, "daemon", "stop"}, env_, dir_});
  }
  Farm(const Farm&) = delete;
  Farm& operator=(const Farm&) = delete;

  bool up() const { return up_; }
  double up_ms() const { return up_ms_; }
  const std::string& isolation() const { return isolation_; }  // "namespace", "qemu-kvm", "qemu-tcg"
  const std::string& dir() const { return dir_; }
  std::string log() const { return dir_ + "/bench.log"; }

  void prepare(const Project& project) const { write_file(project.root + "/.hpcc", "image = \"" + image_ + "\"\n"); }
  void empty_store() const { run({{context_.find(Kind::kHpcc)->path, "-C"}, env_, dir_}); }
  Command compile(const Project& project, const Unit& unit, const std::string& extra) const {
    Command command = plain(project, unit, extra);
    command.argv.insert(command.argv.begin(), context_.find(Kind::kHpcc)->path);
    command.argv.insert(command.argv.end(), {"-c", unit.source, "-o", "bench-" + unit.object});
    command.env.push_back("HPCC_LOG=" + log());
    return command;
  }
  Command plain(const Project& project, const Unit& unit, const std::string& extra) const {
    Command command{{unit.cxx ? context_.gxx : context_.gcc}, env_, project.root};
    command.argv.insert(command.argv.end(), project.flags.begin(), project.flags.end());
    command.argv.push_back(extra);
    return command;
  }
  double counter(const std::string& name) const {
    const std::string text = output_of({{context_.find(Kind::kHpcc)->path, "stats", "--json"}, env_, dir_});
    const size_t at = text.find("\"" + name + "\":");
    return at == std::string::npos ? 0 : std::atof(text.c_str() + at + name.size() + 3);
  }

 private:
  Context& context_;
  const std::string dir_;
  std::vector<std::string> env_;
  std::string image_, isolation_;
  double up_ms_ = 0;
  bool up_ = false;
};

double cpu_of_process(pid_t pid) {
  clockid_t clock;
  timespec t{};
  if (pid <= 0 || clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &t) != 0) return 0;
  return static_cast<double>(t.tv_sec) * 1e3 + static_cast<double>(t.tv_nsec) / 1e6;
}

double cpu_of_children() {
  rusage usage{};
  getrusage(RUSAGE_CHILDREN, &usage);
  auto ms = [](const timeval& t) { return static_cast<double>(t.tv_sec) * 1e3 + static_cast<double>(t.tv_usec) / 1e3; };
  return ms(usage.ru_utime) + ms(usage.ru_stime);
}

// Processor time of the client's three parts.
struct ClientCpu {
  double launcher = 0, daemon = 0, remote = 0;
  static ClientCpu now(const Farm& farm) {
    return {cpu_of_children(), cpu_of_process(find_process("hpccd", farm.dir())),
            cpu_of_process(find_process("hpcc-remote", farm.dir()))};
  }
};

std::string objects_name(const std::string& source) {
  std::string name = source.substr(0, source.rfind('.')) + ".o";
  for (char& c : name) {
    if (c == '/') c = '-';
  }
  return name;
}

std::string home() {
  const char* home = std::getenv("HOME");
  return home ? home : "/root";
}

Project fetch(Context& context, const std::string& package, const std::vector<std::string>& folders,
              const std::string& extension, std::vector<std::string> flags) {
  Project project{package, context.work + "/" + package, {}, std::move(flags)};
  if (context.fetch.empty()) return project;
  std::string tree =
      output_of({{context.fetch, package}, {"PATH=/usr/bin:/bin:/usr/sbin:/sbin", "HOME=" + home()}, "/"});
  while (!tree.empty() && tree.back() == '\n') tree.pop_back();
  if (tree.empty() || !fs::is_directory(tree)) return project;
  fs::copy(tree, project.root, fs::copy_options::recursive | fs::copy_options::copy_symlinks);
  for (const std::string& folder : folders) {
    for (const auto& entry : fs::directory_iterator(project.root + "/" + folder)) {
      const std::string file = entry.path().filename();
      const bool other = file.find("_test") != std::string::npos || file.find("windows") != std::string::npos ||
                         file.find("_bench") != std::string::npos || file.find("testutil") != std::string::npos;
      if (entry.path().extension() != extension || other) continue;
      const std::string source = folder + "/" + file;
      project.units.push_back({source, objects_name(source), extension == ".cc"});
    }
  }
  std::sort(project.units.begin(), project.units.end(),
            [](const Unit& a, const Unit& b) { return a.source < b.source; });
  // --quick looks at a few only: what is sent once for all of them then weighs more.
  if (context.amount == Amount::kQuick && project.units.size() > kQuickUnits) project.units.resize(kQuickUnits);
  return project;
}

std::vector<Project> fetch_all(Context& context) {
  std::vector<Project> found;
  found.push_back(fetch(context, "libzstd", {"lib/common", "lib/compress", "lib/decompress", "lib/dictBuilder"}, ".c",
                        {"-O2", "-Ilib", "-Ilib/common", "-DXXH_NAMESPACE=ZSTD_", "-DZSTD_DISABLE_ASM"}));
  found.push_back(fetch(context, "leveldb", {"db", "table", "util"}, ".cc",
                        {"-std=c++17", "-O2", "-I.", "-Iinclude", "-DLEVELDB_PLATFORM_POSIX=1"}));
  std::erase_if(found, [&](const Project& project) {
    if (project.units.empty()) context.report.note("remote: no sources of " + project.name);
    return project.units.empty();
  });
  return found;
}

// "…: compiled by worker local, us: scan 12, …, in all 4711" → microseconds by step.
std::vector<std::map<std::string, double>> read_phases(const std::string& path) {
  std::vector<std::map<std::string, double>> out;
  std::ifstream in(path);
  for (std::string line; std::getline(in, line);) {
    size_t at = line.find("compiled by worker");
    at = at == std::string::npos ? at : line.find("us: ", at);
    if (at == std::string::npos) continue;
    std::map<std::string, double> phases;
    for (at += 4; at < line.size();) {
      const size_t end = std::min(line.find(", ", at), line.size());
      const std::string step = line.substr(at, end - at);
      const size_t blank = step.rfind(' ');
      if (blank != std::string::npos) phases[step.substr(0, blank)] += std::atof(step.c_str() + blank + 1);
      at = end + 2;
    }
    out.push_back(std::move(phases));
  }
  return out;
}

void report_phases(Context& context, const Project& project, const std::string& log, const std::string& command) {
  std::map<std::string, std::vector<double>> steps;
  for (const auto& phases : read_phases(log)) {
    for (const auto& [name, us] : phases) steps[name].push_back(us / 1000);
    auto value = [&](const char* name) { return phases.contains(name) ? phases.at(name) : 0; };
    steps["overhead: all but the guest"].push_back((value("in all") - value("guest")) / 1000);
  }
  for (const auto& [name, values] : steps) {
    context.report.add(Row{"remote", project.name + ": " + name, "hpcc", "ms", summarize(values), command});
  }
}

// Bytes that -E and zstd -1 would send for all units.
double preprocessed_bytes(const Farm& farm, const Project& project) {
  double bytes = 0;
  const std::string file = project.root + "/bench-e.i";
  for (const Unit& unit : project.units) {
    Command command = farm.plain(project, unit, "-E");
    command.argv.insert(command.argv.end(), {unit.source, "-o", file});
    run(command);
    run({{"/usr/bin/zstd", "-q", "-f", "-1", file, "-o", file + ".zst"}, command.env, project.root});
    std::error_code error;
    const auto size = fs::file_size(file + ".zst", error);
    bytes += error ? 0 : static_cast<double>(size);
  }
  return bytes;
}

void bytes_per_unit(Context& context, const Farm& farm, const Project& project) {
  const double count = static_cast<double>(project.units.size());
  const double before = farm.counter("bytes_sent"), remote = farm.counter("remote_compiled");
  for (const Unit& unit : project.units) run(farm.compile(project, unit, "-DBENCH_COLD"));
  const double sent = farm.counter("bytes_sent") - before;
  if (farm.counter("remote_compiled") - remote != count) {
    context.report.note("remote: " + std::to_string(static_cast<int>(farm.counter("remote_compiled") - remote)) +
                        " of " + std::to_string(project.units.size()) + " units of " + project.name +
                        " were compiled by the worker");
  }
  const double with_e = preprocessed_bytes(farm, project);
  const std::string command = text_of(farm.compile(project, project.units[0], "-DBENCH_COLD"));
  context.report.add(
      Row{"remote", project.name + ": sent, cold, by TU", "hpcc", "KiB", single(sent / count / 1024), command});
  context.report.add(
      Row{"remote", project.name + ": -E and zstd -1, by TU", "none", "KiB", single(with_e / count / 1024), ""});
  context.report.add(
      Ratio{"remote " + project.name + ": bytes sent, cold, over -E and zstd -1", sent / with_e, Goal::kAtMost, 0.05});
}

// One unit edited, all else known: what a rebuild after an edit sends.
void bytes_of_an_edit(Context& context, const Farm& farm, const Project& project) {
  const double count = static_cast<double>(project.units.size());
  const double before = farm.counter("bytes_sent");
  for (const Unit& unit : project.units) run(farm.compile(project, unit, "-DBENCH_KNOWN"));
  const double sent = farm.counter("bytes_sent") - before,
               with_e = context.report.median("remote", project.name + ": -E and zstd -1, by TU", "none");
  context.report.add(
      Row{"remote", project.name + ": sent, files known, by TU", "hpcc", "KiB", single(sent / count / 1024), ""});
  context.report.add(Ratio{"remote " + project.name + ": bytes sent, files known, over -E and zstd -1",
                           sent / count / 1024 / with_e, Goal::kAtMost, 0.05});
}

void cpu_per_unit(Context& context, const Farm& farm, const Project& project, int rounds) {
  const double count = static_cast<double>(project.units.size());
  std::map<std::string, std::vector<double>> ms;
  for (int round = 0; round < rounds; ++round) {
    const std::string extra = "-DBENCH_ROUND=" + std::to_string(round);
    const ClientCpu before = ClientCpu::now(farm);
    for (const Unit& unit : project.units) run(farm.compile(project, unit, extra));
    const ClientCpu after = ClientCpu::now(farm);
    ms["launcher"].push_back((after.launcher - before.launcher) / count);
    ms["hpccd"].push_back((after.daemon - before.daemon) / count);
    ms["hpcc-remote"].push_back((after.remote - before.remote) / count);
    ms["client CPU by TU"].push_back(ms["launcher"].back() + ms["hpccd"].back() + ms["hpcc-remote"].back());
    const double start = cpu_of_children();
    for (const Unit& unit : project.units) {
      Command command = farm.plain(project, unit, "-E");
      command.argv.insert(command.argv.end(), {unit.source, "-o", "/dev/null"});
      run(command);
    }
    ms["-E CPU by TU"].push_back((cpu_of_children() - start) / count);
  }
  const std::string command = text_of(farm.compile(project, project.units[0], "-DBENCH_ROUND=0"));
  for (const auto& [name, values] : ms) {
    context.report.add(
        Row{"remote", project.name + ": " + name, name[0] == '-' ? "none" : "hpcc", "ms", summarize(values), command});
  }
  context.report.add(Ratio{"remote " + project.name + ": client CPU by TU, ms",
                           summarize(ms["client CPU by TU"]).median, Goal::kAtMost, 5});
  const double of_e = summarize(ms["-E CPU by TU"]).median;
  context.report.add(Ratio{"remote " + project.name + ": client CPU over that of -E",
                           summarize(ms["client CPU by TU"]).median / of_e, Goal::kReport, 0});
}

void one_project(Context& context, const Farm& farm, const Project& project) {
  farm.prepare(project);
  settle();
  bytes_per_unit(context, farm, project);
  bytes_of_an_edit(context, farm, project);
  unlink(farm.log().c_str());
  cpu_per_unit(context, farm, project, context.pick(1, 3, 5));
  report_phases(context, project, farm.log(), text_of(farm.compile(project, project.units[0], "-DBENCH_ROUND=0")));
}

}  // namespace

void measure_remote(Context& context) {
  if (!context.find(Kind::kHpcc)) return;
  Farm farm(context, "namespace");
  if (!farm.up()) return;
  context.report.add(Row{"remote", "hpcc up --driver namespace", "hpcc", "ms", single(farm.up_ms()), ""});
  for (const Project& project : fetch_all(context)) one_project(context, farm, project);
}

void measure_microvm(Context& context) {
  if (!context.find(Kind::kHpcc)) return;
  Farm farm(context, "qemu");
  if (!farm.up()) return;
  const std::string& how = farm.isolation();
  context.report.machine("microvm", how);
  context.report.add(Row{"microvm", "hpcc up --driver qemu (" + how + ")", "hpcc", "ms", single(farm.up_ms()), ""});
  Project project{"units", context.work + "/microvm", write_single_units(context.work + "/microvm"), {"-O2"}};
  farm.prepare(project);
  settle();
  const double before = farm.counter("remote_compiled");
  int done = 0;
  auto compile = [&](const Unit& unit, const std::string& what, int round) {
    const Command command = farm.compile(project, unit, "-DBENCH_ROUND=" + std::to_string(round));
    const double ms = timed(context, {command}, 1)[0];
    ++done;
    context.report.add(Row{"microvm", what + " (" + how + ")", "hpcc", "ms", single(ms), text_of(command)});
    return ms;
  };
  compile(project.units[0], "first compile with its boot, " + project.units[0].source, 0);
  for (const Unit& unit : project.units) {
    std::vector<double> times;
    for (int round = 1; round <= context.pick(2, 5, 9); ++round) {
      const Command command = farm.compile(project, unit, "-DBENCH_ROUND=" + std::to_string(round));
      times.push_back(timed(context, {command}, 1)[0]);
      ++done;
    }
    context.report.add(Row{"microvm", "warm, " + unit.source + " (" + how + ")", "hpcc", "ms", summarize(times),
                           text_of(farm.compile(project, unit, "-DBENCH_ROUND=1"))});
  }
  if (farm.counter("remote_compiled") - before != done)
    context.report.note("microvm: not every compile went to the worker");
  report_phases(context, {"microvm", "", {}, {}}, farm.log(), "");
}

}  // namespace hpcc::bench
