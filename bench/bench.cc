// hpcc_bench: the figures of docs/performance.md, side by side in one run with interleaved rounds.
//
//   hpcc_bench --hpcc PATH [--ccache PATH] [--sccache PATH] [--json FILE] [--dir DIR] [--only NAME,...]
//              [--quick|--full] [--fetch tools/fetch-source] [--image-dir DIR]
//
// --fetch: what gets the sources of real projects, for remote; --image-dir: an HPCC_DIR that has the toolchain image.
// ccache from PATH is always measured; --ccache adds a newer one. Everything happens in a fresh directory with a small
// fixed environment; daemons that it starts are ended.
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <map>

#include "bench/context.h"

namespace hpcc::bench {

int Context::pick(int quick, int normal, int full) const {
  switch (amount) {
    case Amount::kQuick: return quick;
    case Amount::kNormal: return normal;
    case Amount::kFull: return full;
  }
  return normal;
}

const Tool* Context::find(Kind kind) const {
  for (const Tool& tool : tools) {
    if (tool.kind == kind) return &tool;
  }
  return nullptr;
}

Session::Session(const Context& context, const Tool& tool, const std::string& name)
    : context_(context), tool_(tool), dir_(context.work + "/" + name + "-" + tool.name) {
  std::filesystem::remove_all(dir_);
  std::filesystem::create_directories(dir_ + "/obj");
  env_ = {"PATH=/usr/local/bin:/usr/bin:/bin", "HOME=" + dir_, "LANG=C.UTF-8", "TMPDIR=" + context.work};
  if (!tool.extra_env.empty()) env_.push_back(tool.extra_env);
  switch (tool.kind) {
    case Kind::kNone: break;
    case Kind::kHpccAlone: env_.push_back("HPCC_DAEMON=0"); [[fallthrough]];
    case Kind::kHpcc: env_.push_back("HPCC_DIR=" + dir_ + "/cache"); break;
    case Kind::kCcache: env_.push_back("CCACHE_DIR=" + dir_ + "/cache"); break;
    case Kind::kSccache:
      env_.push_back("SCCACHE_DIR=" + dir_ + "/cache");
      env_.push_back("SCCACHE_SERVER_UDS=" + dir_ + "/sccache.sock");
      env_.push_back("SCCACHE_DIRECT=true");
      break;
    case Kind::kStubAsks: env_.push_back("BENCH_STUB_SOCKET=" + context.stub_socket); [[fallthrough]];
    case Kind::kStub: env_.push_back("BENCH_STUB_DIR=" + context.work + "/stub-objects"); break;
  }
}

Session::~Session() { stop_server(); }

void Session::stop_server() const {
  if (tool_.kind == Kind::kHpcc) run({{tool_.path, "daemon", "stop"}, env_, dir_});
  if (tool_.kind == Kind::kSccache) run({{tool_.path, "--stop-server"}, env_, dir_});
}

Command Session::compile(const std::string& root, const Unit& unit, const std::vector<std::string>& extra) const {
  Command command{{}, env_, root};
  if (tool_.kind != Kind::kNone) command.argv.push_back(tool_.path);
  command.argv.push_back(unit.cxx ? context_.gxx : context_.gcc);
  command.argv.push_back("-O2");
  command.argv.insert(command.argv.end(), extra.begin(), extra.end());
  for (const std::string& word : {std::string("-c"), unit.source, std::string("-o"), object(unit)}) {
    command.argv.push_back(word);
  }
  return command;
}

long Session::hits() const {
  if (tool_.kind != Kind::kHpcc && tool_.kind != Kind::kHpccAlone) return -1;
  std::string text = output_of({{tool_.path, "stats", "--json"}, env_, dir_});
  size_t at = text.find("\"local_hit\":");
  return at == std::string::npos ? -1 : std::atol(text.c_str() + at + 12);
}

std::vector<double> timed(Context& context, const std::vector<Command>& commands, unsigned parallel) {
  std::vector<double> out;
  for (const Finished& done : run_all(commands, parallel)) {
    if (done.code != 0) context.report.note("exit code " + std::to_string(done.code) + ": " + text_of(commands[0]));
    out.push_back(done.wall_ms);
  }
  return out;
}

std::string text_of(const Command& command) {
  std::string out;
  for (const std::string& word : command.argv) out += (out.empty() ? "" : " ") + word;
  // The work directory's random name says nothing.
  std::string prefix = command.cwd.substr(0, command.cwd.rfind('/'));
  for (size_t at; prefix.size() > 1 && (at = out.find(prefix)) != std::string::npos;) {
    out.replace(at, prefix.size(), "$W");
  }
  return out;
}

void fill_stub_dir(Context& context, const std::string& root, const std::vector<Unit>& units,
                   const std::vector<std::string>& extra) {
  std::string dir = context.work + "/stub-objects";
  std::filesystem::create_directories(dir);
  std::vector<Command> commands;
  for (const Unit& unit : units) {
    Command command{{unit.cxx ? context.gxx : context.gcc, "-O2"}, {"PATH=/usr/bin:/bin"}, root};
    command.argv.insert(command.argv.end(), extra.begin(), extra.end());
    std::string object = dir + "/" + unit.object;
    for (const std::string& word : {std::string("-MD"), std::string("-MF"), object + ".d", std::string("-c"),
                                    unit.source, std::string("-o"), object}) {
      command.argv.push_back(word);
    }
    commands.push_back(command);
  }
  timed(context, commands, 4);
}

namespace {

std::string on_path(const std::string& name) {
  for (const char* dir : {"/usr/local/bin/", "/usr/bin/", "/bin/"}) {
    if (access((dir + name).c_str(), X_OK) == 0) return dir + name;
  }
  return "";
}

// The server that stub-asks asks: answers one byte, as little as a daemon can do.
pid_t start_stub_server(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) return 0;
  if (listen(listener, 128) != 0) return 0;
  pid_t pid = fork();
  if (pid != 0) {
    close(listener);
    return pid;
  }
  for (;;) {
    int peer = accept(listener, nullptr, nullptr);
    char byte;
    if (peer >= 0 && read(peer, &byte, 1) == 1 && write(peer, &byte, 1) < 0) _exit(1);
    close(peer);
  }
}

struct Options {
  std::string hpcc, ccache, sccache, json, dir, only, fetch, image_dir;
  Amount amount = Amount::kNormal;
};

Options parse(int argc, char** argv) {
  Options options;
  std::map<std::string, std::string*> values = {{"--hpcc", &options.hpcc}, {"--ccache", &options.ccache},
                                                {"--sccache", &options.sccache}, {"--json", &options.json},
                                                {"--dir", &options.dir}, {"--only", &options.only},
                                                {"--fetch", &options.fetch}, {"--image-dir", &options.image_dir}};
  for (int i = 1; i < argc; ++i) {
    std::string word = argv[i];
    if (values.contains(word) && i + 1 < argc) {
      *values[word] = argv[++i];
    } else if (word == "--quick" || word == "--full") {
      options.amount = word == "--quick" ? Amount::kQuick : Amount::kFull;
    } else {
      std::printf("usage: hpcc_bench --hpcc PATH [--ccache PATH] [--sccache PATH] [--json FILE] [--dir DIR]\n"
                  "                  [--only hit,rate,rebuild,cold,memory,first,remote,microvm] [--quick|--full]\n"
                  "                  [--fetch tools/fetch-source] [--image-dir DIR]\n");
      std::exit(word == "--help" ? 0 : 2);
    }
  }
  return options;
}

void add_tool(Context& context, const std::string& name, Kind kind, const std::string& path, const char* version_flag) {
  if (path.empty() || access(path.c_str(), X_OK) != 0) {
    context.report.note(name + " is not here and was not measured");
    return;
  }
  context.tools.push_back({name, kind, std::filesystem::absolute(path), ""});
  if (!version_flag) return;
  std::string version = output_of({{context.tools.back().path, version_flag}, {"PATH=/usr/bin:/bin"}, "/"});
  context.report.machine(name, version.substr(0, version.find('\n')));
}

void add_tools(Context& context, const Options& options, const std::string& self) {
  std::string stub = std::filesystem::path(self).parent_path() / "hpcc_bench_stub";
  context.tools.push_back({"none", Kind::kNone, "", ""});
  add_tool(context, "hpcc", Kind::kHpcc, options.hpcc, "--version");
  add_tool(context, "hpcc-alone", Kind::kHpccAlone, options.hpcc, nullptr);
  add_tool(context, "ccache", Kind::kCcache, on_path("ccache"), "--version");
  // Off by default in Debian's ccache: remembers digests by inode, as hpcc does.
  add_tool(context, "ccache-inode", Kind::kCcache, on_path("ccache"), nullptr);
  if (context.tools.back().name == "ccache-inode") context.tools.back().extra_env = "CCACHE_INODECACHE=1";
  if (!options.ccache.empty()) add_tool(context, "ccache-new", Kind::kCcache, options.ccache, "--version");
  if (!options.sccache.empty()) add_tool(context, "sccache", Kind::kSccache, options.sccache, "--version");
  add_tool(context, "stub", Kind::kStub, stub, nullptr);
  add_tool(context, "stub-asks", Kind::kStubAsks, stub, nullptr);
  std::string version = output_of({{context.gcc, "--version"}, {"PATH=/usr/bin:/bin"}, "/"});
  context.report.machine("gcc", version.substr(0, version.find('\n')));
}

void measure_all(Context& context, const std::string& only) {
  const std::pair<const char*, void (*)(Context&)> measures[] = {
      {"hit", measure_hits},   {"rate", measure_rate},     {"rebuild", measure_rebuild},
      {"cold", measure_cold}, {"memory", measure_memory}, {"first", measure_first},
      {"remote", measure_remote}, {"microvm", measure_microvm}};
  for (const auto& [name, measure] : measures) {
    if (only.empty() || ("," + only + ",").find("," + std::string(name) + ",") != std::string::npos) measure(context);
  }
}

int main_of_bench(int argc, char** argv) {
  Options options = parse(argc, argv);
  std::string base = options.dir.empty() ? std::filesystem::temp_directory_path().string() : options.dir;
  std::string work = base + "/hpcc-bench-XXXXXX";
  if (!mkdtemp(work.data())) return 2;
  Context context;
  context.work = work;
  context.gcc = on_path("gcc");
  context.gxx = on_path("g++");
  context.ninja = on_path("ninja");
  context.amount = options.amount;
  context.fetch = options.fetch;
  const char* home = std::getenv("HOME");
  context.image_dir = options.image_dir;
  if (context.image_dir.empty()) context.image_dir = std::string(home ? home : "/root") + "/.cache/hpcc-test-image";
  context.stub_socket = work + "/stub.sock";
  describe_machine(&context.report);
  add_tools(context, options, std::filesystem::canonical("/proc/self/exe"));
  pid_t server = start_stub_server(context.stub_socket);
  measure_all(context, options.only);
  context.report.print_goals();
  if (!options.json.empty()) write_file(options.json, context.report.json());
  if (server > 0) {
    kill(server, SIGTERM);
    waitpid(server, nullptr, 0);
  }
  std::filesystem::remove_all(work);
  return 0;
}

}  // namespace
}  // namespace hpcc::bench

int main(int argc, char** argv) { return hpcc::bench::main_of_bench(argc, argv); }
