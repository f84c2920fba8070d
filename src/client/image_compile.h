// ImageCompile: one command of a project whose .hpcc names an image. scan → input tree → Action → local store → worker
// → outputs; or, with a reason, the image's own compiler on this machine.
//
//   begin() → Answer; kBusy: a worker is asked, `wake` is called when resume() has something to do;
//   kRun: finish() when the launcher reports.
//
// A hit that HPCC_VERIFY chooses, here or at the worker, is compiled by a worker and compared; where that cannot be, it
// is served as it is.
//
// Nothing that a guest or a worker says becomes a key or takes an input away: its failed probes can only add inputs, of
// which digest and name are this client's own.
//
// Used by one thread at a time; `wake` is called by another.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "client/config.h"
#include "client/engine.h"
#include "client/image_mode.h"
#include "compiler/include_scan.h"
#include "model/probes.h"
#include "wire/remote.h"

namespace hpcc {

class ImageCompile {
 public:
  using Wake = std::function<void()>;
  ImageCompile(Engine& engine, const Request& request, const std::string& root, const ProjectFile& project,
               const std::function<bool()>& caller_waits, Wake wake);
  ~ImageCompile();  // a compile that a worker still has is cancelled
  ImageCompile(const ImageCompile&) = delete;
  ImageCompile& operator=(const ImageCompile&) = delete;

  Answer begin();
  bool ready() const;  // resume() has something to do
  bool busy() const { return asked_ != 0; }
  Answer resume();
  Answer finish(const Finish& finish);

 private:
  // What the link's thread leaves here.
  struct Inbox {
    std::mutex mutex;
    std::optional<remote::RemoteResult> result;
    HeldBlobs blobs;
    Wake wake;
  };

  // What a worker gave.
  struct Made {
    Collected collected;
    Probes probes;
    HeldBlobs blobs;
    int exit_code = 0;
    bool cached = false;  // the row says: from the worker's cache
    std::string worker;
  };
  // A hit that is compiled again: an entry of the store, or what the worker's cache gave.
  struct Verified {
    std::shared_ptr<Engine::Loaded> entry;
    Made made;
    ActionDigest action;
  };

  std::optional<BypassReason> prepare();
  std::optional<BypassReason> check_outputs();
  std::optional<BypassReason> scan();
  void add_left_directories();
  std::optional<BypassReason> digest_inputs();
  bool names_resolved_paths() const;
  std::optional<BypassReason> check_time(uint32_t facts);
  void build_action();
  std::optional<Answer> try_hit();
  std::optional<Answer> serve(const Engine::Loaded& entry);
  Answer ask();
  Answer take(const remote::RemoteResult& result, HeldBlobs blobs);
  bool leaves_link(const std::string& path) const;
  std::optional<BypassReason> unseen() const;
  // `added`: the tree has something that the guest looked for in vain; it is then an input of the next round.
  std::optional<BypassReason> add_missing(const Probes& probes, bool* added);
  std::optional<BypassReason> check_added();
  bool asked_for_output(const Probes& probes) const;
  Answer accept(const remote::RemoteResult& result, bool cached, Probes probes, HeldBlobs blobs);
  Answer deliver(Made made, const std::string& how, bool stores);
  Answer finish_verification(Made made);
  Answer quarantine(Made made, const std::vector<std::string>& found, const ResultImage& stored,
                    const ResultImage& compiled, const std::string& stored_by);
  Answer unverified(const BypassReason& reason);
  Result<ResultImage> image_of(const CompileResult& result, int exit_code, const HeldBlobs& blobs);
  void store_result(const Made& made);
  Manifest manifest_of(const Probes& probes);
  std::map<std::string, std::set<std::string>> absent_names(const Probes& probes);
  Answer done(const CompileResult& result, int exit_code);
  Answer refused(const std::string& why);
  Answer locally(const BypassReason& reason);
  Result<std::vector<std::string>> image_words(const std::string& tree);
  bool is_reachable() const;
  std::string why_local() const;
  std::string remedies(bool image_is_here) const;
  std::string name_missing_compiler(std::string messages) const;
  std::string record_name() const;
  void record(const Finish* finish);  // nullptr: how it ended is not known
  void add_outputs(AuditRow* row);
  std::vector<std::string> plain_places() const;
  bool names_own_place(std::string_view text) const;
  bool wants_own_place() const;
  std::vector<std::string> local_arguments() const;
  void render_dep_file();
  bool wants_colour() const;
  std::string why_compiled();
  bool removes_old_object(const std::string& messages) const;
  void write_history(const std::string& outcome);
  void log(const std::string& text) const;

  Engine& engine_;
  ImageMode& mode_;
  const Request& request_;
  const ProjectFile project_;
  const std::function<bool()>& caller_waits_;
  const Wake wake_;
  int64_t begun_ns_ = 0;
  std::string timing_;  // of the rounds so far, for HPCC_LOG

  Place place_;
  ScanPlace scan_place_;
  Family family_ = Family::kGcc;
  std::vector<std::string> argv_;  // response files expanded
  ParseResult parsed_;
  Invocation* invocation_ = nullptr;
  EnvKey env_;
  std::unique_ptr<ProjectView> view_;
  std::set<std::string> outputs_;  // below the root
  std::vector<std::string> files_, directories_;
  std::vector<std::string> added_, added_directories_;  // what a guest looked for in vain
  std::string absolute_;                                // see ScanResult
  std::vector<TreeFile> inputs_;
  bool cacheable_ = true;
  bool coloured_ = false;
  int rounds_ = 0;

  ReapiCommand command_;
  SizedDigest input_root_;
  remote::Submit submit_;
  ActionDigest action_;
  DirectKey key_;  // of the first round's Action
  std::string key_text_, why_, history_name_;

  std::optional<Verified> verified_;
  bool quarantined_ = false;
  bool compiles_anew_ = false;  // the worker's cache is not asked
  std::string refusal_;         // under HPCC_STRICT: what is told, and fails the build

  std::shared_ptr<Inbox> inbox_;
  uint64_t asked_ = 0;                // id of what the link was asked, 0: nothing
  uint64_t asked_s_ = 0;              // when, in Unix time
  std::vector<SeenNote> asked_seen_;  // what was known of workers' logs then
  BypassReason local_reason_;
  std::vector<std::string> lone_outputs_;  // made for a local run
  bool is_query_ = false;                  // what no worker is meant to do
  bool plain_ = false;                     // runs here as it was given: the user's words, paths and variables
  bool on_host_ = false, awaits_record_ = false;
};

}  // namespace hpcc
