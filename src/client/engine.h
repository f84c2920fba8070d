// Engine: the local compiler cache. One Engine per process; one Compile per command, driven by a launcher's frames:
//   begin() → Answer; if it was kRun: events()*, finish() → what became of it; if it was kBusy: resume() once `wake`
//   was called, which gives the next Answer.
//
// Thread rule: Engine may be used from any thread; one Compile from one thread at a time.
#pragma once

#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "client/check.h"
#include "client/files.h"
#include "client/history.h"
#include "client/key.h"
#include "client/observation.h"
#include "client/outputs.h"
#include "client/place.h"
#include "client/quarantine.h"
#include "compiler/parse.h"
#include "store/store.h"
#include "wire/local.h"

namespace hpcc {

class ImageCompile;
class ImageMode;

struct Answer {
  frame::Type type = frame::Type::kExec;
  std::string payload;
};

class Engine {
 public:
  // `dir` is HPCC_DIR.
  Engine(std::unique_ptr<Store> store, const std::string& dir, std::string view, std::string build_id);
  ~Engine();

  Store& store() { return *store_; }
  Files& files() { return files_; }
  Quarantine& quarantine() { return quarantine_; }
  const std::string& build_id() const { return build_id_; }
  // For projects whose .hpcc names an image; nullptr until set, which is done before the first compile.
  ImageMode* image_mode() { return image_mode_.get(); }
  void set_image_mode(std::unique_ptr<ImageMode> mode);

  // One stored entry, resolved for a place.
  struct Loaded {
    uint64_t sequence;
    CompileResult result;
    std::unique_ptr<LoadedManifest> manifest;
  };
  using LoadedList = std::shared_ptr<const std::vector<std::shared_ptr<Loaded>>>;
  // Entries under a key, newest first; from memory while the store has nothing newer.
  LoadedList load(const DirectKey& key, const Place& place);
  void forget(const DirectKey& key, const Place& place);
  // Removes what is stored under a key in quarantine; asked again for each compile of it, as a locked store refuses.
  void remove_entries(const DirectKey& key, const Place& place);

  // Family of a driver file by content; asked once per digest.
  DriverKind driver_kind(const std::string& path, const FileFact& fact);
  // The processor as far as -march=native may look at it.
  const std::string& cpu_identity();

  // Whether HPCC_VERIFY asks for this hit to be compiled again. Each question counts: of hits that come at once, the
  // share that was asked for is chosen.
  bool wants_verification(const Request& request);

  // Remembers what became of a compile, for explain. Hits are kept in memory until flush().
  void note_hit(const std::string& object, const DirectKey& key, uint64_t sequence);
  std::optional<HitNote> last_hit(const std::string& object);
  Status flush();

 private:
  struct Cached {
    uint64_t version;
    LoadedList entries;
    std::list<std::string>::iterator age;
    size_t cost;
  };
  std::unique_ptr<Store> store_;
  Files files_;
  Quarantine quarantine_;
  std::unique_ptr<ImageMode> image_mode_;
  const std::string build_id_;
  std::mutex mutex_;  // guards everything below
  std::unordered_map<std::string, Cached> loaded_;
  std::list<std::string> ages_;  // newest first
  size_t cost_ = 0;
  std::unordered_map<BlobDigest, DriverKind, DigestHash> drivers_;
  std::optional<std::string> cpu_;
  std::unordered_map<std::string, HitNote> hits_;
  std::optional<uint64_t> choices_;  // of wants_verification(); begins at the store's counts
};

class Compile {
 public:
  // `caller_waits` tells whether the launcher is still there: a hit must not overwrite what a later command wrote.
  // `wake` may be called by any thread.
  Compile(Engine& engine, Request request, std::function<bool()> caller_waits, std::function<void()> wake);
  ~Compile();

  Answer begin();
  bool busy() const;   // a worker has it
  bool ready() const;  // and has answered
  Answer resume();
  Status events(std::string_view payload) { return decode_events(payload, &events_); }
  // Stores what the compile made, if it may be stored; of a hit that was compiled again, compares it.
  Answer finish(const Finish& finish);

 private:
  Answer begin_cacheable();
  std::optional<Answer> begin_in_image(const std::string& root);
  Answer unusable_project(const Error& error);
  Answer bypass(const BypassReason& reason);
  std::optional<BypassReason> prepare();
  std::optional<BypassReason> project_problem() const;
  std::optional<Answer> try_hit(bool* had_entries);
  std::optional<Answer> serve(const Engine::Loaded& entry);
  Answer run_traced(bool had_entries);
  Answer traced() const;
  // nullopt when the run proves nothing about the entry, and is a miss like any other.
  std::optional<Answer> finish_verification(const Finish& finish);
  Answer quarantine(const std::vector<std::string>& found, const Observed& observed, const ResultImage& stored,
                    const ResultImage& compiled);
  std::string quarantine_report(const std::vector<std::string>& found, const Observed& observed) const;
  ResultImage made(const Finish& finish) const;
  std::string unrepeatable() const;
  std::string finish_miss(const Finish& finish);
  std::string why_missed(bool had_entries);
  std::optional<HistoryRecord> last_result(uint64_t* sequence);
  std::vector<std::string> why_not(const Engine::Loaded& entry);
  Observed observe_run(const Finish& finish) const;
  std::string store_result(const Finish& finish, Observed& observed);
  Bypass time_problem(const Observed& observed) const;
  bool bound_by_path(const Observed& observed) const;
  std::string not_stored(Bypass reason, const std::string& detail);
  void write_history(const std::string& outcome, const std::string& why);
  void log(const std::string& text);
  std::string colour() const;

  Engine& engine_;
  Request request_;
  std::function<bool()> caller_waits_;
  std::function<void()> wake_;
  std::unique_ptr<ImageCompile> image_;  // it does everything, in a project whose .hpcc names an image
  int64_t begun_ns_ = 0;
  ParseResult parsed_;
  Invocation* invocation_ = nullptr;
  BypassReason link_;
  bool blob_lost_ = false;                    // an entry matched, but could not be served
  std::shared_ptr<Engine::Loaded> verified_;  // the entry that would have been served, compiled again to be compared
  std::string project_root_;                  // see find_project_root
  Place place_;
  EnvKey env_;
  std::string key_text_, why_, history_name_;
  DirectKey key_;
  uint32_t source_facts_ = 0;
  std::vector<Event> events_;
};

// A link is not cached; what went in and came out is recorded, so that a released binary can be tied to its compiles.
// Returns what became of it.
std::string record_link(Engine& engine, const Request& request, const BypassReason& link, const Finish& finish);
bool fails_when_different(const Request& request);  // HPCC_STRICT
// What a report of Quarantine begins with.
std::string quarantine_head(const Request& request, const DirectKey& key, const std::vector<std::string>& differences);
// One line in the file that the caller's HPCC_LOG names, if it does.
void append_log(const Request& request, const std::string& subject, const std::string& text);

}  // namespace hpcc
