// What every measure gets: the tools side by side, a work directory, the report.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "bench/process.h"
#include "bench/project.h"
#include "bench/report.h"

namespace hpcc::bench {

enum class Kind { kNone, kHpcc, kHpccAlone, kCcache, kSccache, kStub, kStubAsks };

struct Tool {
  std::string name;
  Kind kind;
  std::string path;       // of the launcher; empty for kNone
  std::string extra_env;  // one more NAME=VALUE, or empty

  bool is_cache() const { return kind == Kind::kHpcc || kind == Kind::kHpccAlone || is_rival(); }
  bool is_rival() const { return kind == Kind::kCcache || kind == Kind::kSccache; }
  bool is_stub() const { return kind == Kind::kStub || kind == Kind::kStubAsks; }
};

enum class Amount { kQuick, kNormal, kFull };

struct Context {
  std::string work, gcc, gxx, ninja, stub_socket;
  std::string image_dir;  // an HPCC_DIR in which the toolchain image is, or is made
  std::string fetch;      // tools/fetch-source
  std::vector<Tool> tools;
  Amount amount = Amount::kNormal;
  Report report;

  // One of three by the amount asked for.
  int pick(int quick, int normal, int full) const;
  const Tool* find(Kind kind) const;
};

// A fresh cache of one tool: its directory and environment; ends its server when it goes out of scope.
class Session {
 public:
  Session(const Context& context, const Tool& tool, const std::string& name);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  const Tool& tool() const { return tool_; }
  const std::string& dir() const { return dir_; }
  const std::vector<std::string>& env() const { return env_; }
  // The command that compiles `unit` of the project at `root` into dir/obj, `extra` before the source.
  Command compile(const std::string& root, const Unit& unit, const std::vector<std::string>& extra) const;
  std::string object(const Unit& unit) const { return dir_ + "/obj/" + unit.object; }
  // Ends the server, keeps the cache.
  void stop_server() const;
  // Hits counted so far; -1 when the tool does not say.
  long hits() const;

 private:
  const Context& context_;
  Tool tool_;
  std::string dir_;
  std::vector<std::string> env_;
};

// Runs all, expects success of each, returns the wall times in ms.
std::vector<double> timed(Context& context, const std::vector<Command>& commands, unsigned parallel);
std::string text_of(const Command& command);
// Plain objects of units, where the stubs find them.
void fill_stub_dir(Context& context, const std::string& root, const std::vector<Unit>& units,
                   const std::vector<std::string>& extra);

void measure_hits(Context& context);        // one hit, wall
void measure_rate(Context& context);        // hits per second
void measure_rebuild(Context& context);     // all-hit rebuild under ninja
void measure_cold(Context& context);        // empty cache over no cache
void measure_memory(Context& context);      // launcher and daemon
void measure_first(Context& context);       // first answer in a fresh directory
void measure_remote(Context& context);      // compiles by a worker: steps, bytes, the client's processor time
void measure_microvm(Context& context);     // the same in a microVM: boot and warm

}  // namespace hpcc::bench
