#include "client/guest_outputs.h"

#include "base/limits.h"
#include "client/image_action.h"
#include "client/place.h"
#include "compiler/depfile.h"
#include "compiler/logical.h"

namespace hpcc {
namespace {

Place logical_place() {
  Place place;
  place.root = kLogicalRoot;
  return place;
}

// As a list that is written anew for each command where that gives what the compiler wrote, else as it is.
std::string take_dep(const std::string& text, const Invocation& invocation, CompileResult* result) {
  Result<DepFile> dep = decode_depfile(text);
  if (dep.ok() && encode_depfile(*dep, invocation.family) == text) return encode_dep_list(*dep, logical_place());
  result->bound_names = bound_names_text(invocation);
  return text;
}

}  // namespace

Collected collect_guest_outputs(const Invocation& invocation, const ScanPlace& place,
                                const remote::RemoteResult& result, Store& store, HeldBlobs& held) {
  Collected out;
  out.result.stdout_text = result.stdout_text;
  out.result.stderr_text = result.stderr_text;
  auto refuse = [&](Bypass problem, const std::string& detail) {
    out.problem = problem;
    out.detail = detail;
    return out;
  };
  for (size_t i = 0; i < invocation.outputs.size(); ++i) {
    const OutputFile& wanted = invocation.outputs[i];
    const std::string path = guest_output_path(wanted.path, place);
    const remote::RemoteOutput* found = nullptr;
    for (const remote::RemoteOutput& output : result.outputs) {
      if (output.path == path) found = &output;
    }
    if (!found && !wanted.optional && result.exit_code == 0) return refuse(Bypass::kOutputMissing, wanted.path);
    if (!found) continue;
    StoredOutput stored{wanted.kind, static_cast<uint32_t>(i), found->content.digest, found->content.size_bytes,
                        found->executable};
    const auto at_hand = held.find(stored.digest);
    if (at_hand != held.end() && at_hand->second.size() != stored.size_bytes) {
      return refuse(Bypass::kReceiptRefused, wanted.path + " is of another size than the worker says");
    }
    if (wanted.kind == OutputKind::kDepFile) {
      Result<std::string> text = at_hand != held.end() ? at_hand->second : store.get_blob(stored.digest);
      if (!text.ok()) return refuse(Bypass::kStoreError, text.error().to_string());
      std::string kept = take_dep(*text, invocation, &out.result);
      stored.digest = BlobDigest::of(kept);
      stored.size_bytes = kept.size();
      held.emplace(stored.digest, std::move(kept));
    }
    out.bytes += stored.size_bytes;
    out.result.outputs.push_back(stored);
  }
  return out;
}

Result<std::string> render_guest_dep(const std::string& text, const Invocation& invocation, const Place& place) {
  TRY_ASSIGN(DepFile dep, decode_depfile(text));
  const bool exact = encode_depfile(dep, invocation.family) == text;
  if (!exact) return from_logical(text, place.root);
  TRY_ASSIGN(DepFile here, decode_dep_list(encode_dep_list(dep, logical_place()), place));
  here.targets = dep_targets(invocation);
  return encode_depfile(here, invocation.family);
}

}  // namespace hpcc
