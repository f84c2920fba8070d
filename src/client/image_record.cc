// What becomes of a command that no worker ran: the words for people, and the client's own row.
#include <sys/stat.h>

#include <algorithm>
#include <cctype>
#include <cstring>

#include "base/fs.h"
#include "client/image_action.h"
#include "client/image_compile.h"
#include "compiler/logical.h"

namespace hpcc {

// Why no worker compiles it.
std::string ImageCompile::why_local() const {
  const std::string& detail = local_reason_.detail;
  const Bypass reason = local_reason_.reason;
  if (reason == Bypass::kNoWorker) return detail;
  if (reason == Bypass::kLink) return "it compiles " + detail + " and links in one command: use -c, then link";
  if (reason == Bypass::kSeveralSources) return "it compiles several sources in one command";
  if (reason == Bypass::kOutsideRoot) return detail + " lies outside of the project " + place_.root;
  if (reason == Bypass::kNativeCpu) return detail + " means the processor of one machine";
  return std::string(bypass_name(reason)) + (detail.empty() ? "" : " " + detail);
}

// What would help, of the things that are wrong.
std::string ImageCompile::remedies(bool image_is_here) const {
  std::string out;
  const auto add = [&](const std::string& remedy) { out += "\nhpcc: " + remedy; };
  if (local_reason_.reason == Bypass::kOutsideRoot) {
    add("move it below " + place_.root + ", or " + std::string(kProjectFile) + " to a directory above both");
  } else if (!image_is_here) {
    add("`hpcc image build debian-gcc` or `hpcc image add DIR` brings the image, `hpcc up` starts a worker");
  }
  add("fallback = \"host\" in " + join_path(place_.root, kProjectFile) + " would let this machine's compiler do it");
  return out;
}

// The agent's or bubblewrap's own words where the image has no such program.
std::string ImageCompile::name_missing_compiler(std::string messages) const {
  for (const char* speaker : {"hpcc-agent: ", "bwrap: execvp "}) {
    const std::string text = speaker + argv_[0] + ": No such file or directory\n";
    if (messages == text) return "hpcc: " + argv_[0] + " is not in image " + project_.image + "\n";
  }
  return messages;
}

std::string ImageCompile::record_name() const {
  const std::string& name = invocation_ ? invocation_->source : local_reason_.link_output;
  if (name.empty()) return "";
  std::optional<std::string> below = project_path(join_path(request_.cwd, name), scan_place_);
  return below ? std::string(kLogicalRoot) + "/" + *below : name;
}

// Before anything is made of the outputs: as the compiler wrote them, they are what a worker's row would name.
void ImageCompile::record(const Finish* finish) {
  AuditRow row;
  row.image_digest = project_.image;
  row.disposition = is_query_ ? Disposition::kBypass : Disposition::kFallback;
  row.driver = on_host_ ? "host" : "namespace";
  row.name = record_name();
  row.exit = finish ? finish->exit_code : kExitUnknown;
  if (!command_.arguments.empty() && !wants_own_place()) {  // then it is another command
    row.action_digest = action_.hex();
    row.source_digest = input_root_.digest.hex();
  }
  if (finish) row.duration_ms = finish->wall_ns / 1'000'000;
  if (finish && finish->exit_code == 0) add_outputs(&row);
  if (finish && !plain_ && !on_host_) {
    row.stdio_digest = stdio_digest_of(BlobDigest::of(finish->stdout_text), BlobDigest::of(finish->stderr_text));
  }
  mode_.record_local(std::move(row), on_host_ ? argv_ : local_arguments());
  awaits_record_ = false;
}

void ImageCompile::add_outputs(AuditRow* row) {
  std::vector<OutputName> names;
  const auto add = [&](const std::string& output) -> std::string {
    const std::string path = join_path(request_.cwd, output);
    const std::optional<std::string> below = project_path(path, scan_place_);
    struct stat info;
    if (stat(path.c_str(), &info) != 0 || !S_ISREG(info.st_mode)) return "";
    const Result<FileFact> fact = engine_.files().fact(path);
    if (!fact.ok()) return "";
    names.push_back({below ? *below : path, fact->digest.hex(), (info.st_mode & 0100) != 0});
    return fact->digest.hex();
  };
  if (invocation_) {
    for (const OutputFile& output : invocation_->outputs) {
      const std::string digest = add(output.path);
      if (output.kind == OutputKind::kObject) row->object_digest = digest;
    }
  } else if (!local_reason_.link_output.empty()) {
    row->object_digest = add(local_reason_.link_output);
  }
  row->output_digest = outputs_digest(std::move(names));
}

// Where the project is, by the name that $PWD has for it first.
std::vector<std::string> ImageCompile::plain_places() const {
  std::vector<std::string> places = {place_.root};
  if (!scan_place_.root_alias.empty()) places.insert(places.begin(), scan_place_.root_alias);
  return places;
}

// Such a path is not in a guest, whether a file is asked for by it or it is only data.
bool ImageCompile::names_own_place(std::string_view text) const {
  if (place_.root == kLogicalRoot) return false;
  const auto ends_name = [&](size_t at) {
    return at == text.size() || !(std::isalnum(static_cast<unsigned char>(text[at])) || strchr("_-.+", text[at]));
  };
  for (const std::string& place : plain_places()) {
    for (size_t at = text.find(place); at != std::string_view::npos; at = text.find(place, at + 1)) {
      if (ends_name(at + place.size())) return true;
    }
  }
  return false;
}

// Whether a source includes by absolute paths, or could: an option's value holds one. No other command sees the project
// at its own place as well, which no guest does.
bool ImageCompile::wants_own_place() const {
  if (local_reason_.reason == Bypass::kAbsoluteInclude || !absolute_.empty()) return true;
  const std::vector<std::string> words = logical_arguments(family_, argv_, scan_place_);
  return std::any_of(words.begin(), words.end(), [&](const auto& word) { return names_own_place(word); });
}

std::vector<std::string> ImageCompile::local_arguments() const {
  if (plain_) return plain_arguments(argv_, plain_places(), is_query_ ? Compiles::kNo : Compiles::kYes);
  std::vector<std::string> words =
      guest_arguments({*invocation_, argv_, request_.env, scan_place_, project_.date_time, wants_colour()});
  if (!wants_own_place()) return words;
  for (const std::string& place : plain_places()) {
    words.insert(words.begin() + 1, "-ffile-prefix-map=" + place + "=" + kLogicalRoot);
  }
  return words;
}

}  // namespace hpcc
