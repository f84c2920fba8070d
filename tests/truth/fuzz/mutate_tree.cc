// Mutations of the files: what people, editors and version control do to a tree.
#include <algorithm>

#include "base/fs.h"
#include "walk.h"

namespace hpcc::fuzz {
namespace {

constexpr size_t kMostEntries = 48;

bool is_text(const std::string& path) {
  return path.ends_with(".h") || path.ends_with(".c") || path.ends_with(".cc") || path.ends_with(".S");
}
bool is_header(const std::string& path) { return path.ends_with(".h") && path != "src/av.h"; }

// The sources of compiles that come up more often than the rest.
std::string pick_file(Source& source, const Tree& tree, bool (*wanted)(const std::string&)) {
  std::vector<std::string> files;
  for (std::string& path : tree.files()) {
    if (wanted(path)) files.push_back(std::move(path));
  }
  return files.empty() ? std::string() : source.rng.pick(files);
}

bool any_file(const std::string& path) { return path != ".hpcc"; }

// Puts new text into a file the way an editor would: in place or by a rename, with the time moved on or put back.
void rewrite(Source& source, State* state, const std::string& path, std::string text, const char* what) {
  const Inode old = *state->tree.file(path);
  uint32_t inode = state->tree.entries.at(path).inode;
  const bool replace = source.rng.chance(30), same_time = text.size() == old.text->size() && source.rng.chance(50);
  if (replace) inode = source.inode();
  state->tree.put(path, inode, std::move(text), same_time ? old.mtime_s : source.tick(), old.mode);
  state->what += std::string(what) + (replace ? " by rename " : " ") + path + (same_time ? " (time kept)" : "") + "; ";
}

// Another digit for one that is a literal of its own: the size stays.
bool edit_digit(Source& source, State* state) {
  const std::string path = pick_file(source, state->tree, any_file);
  if (path.empty()) return false;
  std::string text = *state->tree.file(path)->text;
  std::vector<size_t> places;
  for (size_t i = 1; i + 1 < text.size(); ++i) {
    const bool literal = text[i] >= '1' && text[i] <= '9' && text[i + 1] >= '0' && text[i + 1] <= '9';
    if (literal && (text[i - 1] == ' ' || text[i - 1] == '=')) places.push_back(i + source.rng.below(2));
  }
  if (places.empty()) return false;
  char& digit = text[source.rng.pick(places)];
  digit = digit == '9' ? '1' : static_cast<char>(digit + 1);
  rewrite(source, state, path, std::move(text), "edit");
  return true;
}

std::vector<std::string> snippets_of(const std::string& text) {
  std::vector<std::string> out;
  for (size_t at = 0; at < text.size();) {
    size_t end = text.find("\n\n", at);
    end = end == std::string::npos ? text.size() : end + 2;
    out.push_back(text.substr(at, end - at));
    at = end;
  }
  return out;
}

bool edit_snippets(Source& source, State* state) {
  const std::string path = pick_file(source, state->tree, is_text);
  if (path.empty() || path.ends_with(".S") || path == "src/av.h") return false;
  std::vector<std::string> pieces = snippets_of(*state->tree.file(path)->text);
  const size_t action = source.rng.below(3);
  if (action != 1 || pieces.size() < 2) {
    const std::string fresh = make_snippet(source, state->command.compiler, is_header(path)) + "\n";
    if (action == 0 || pieces.empty()) {
      pieces.push_back(fresh);
    } else {
      pieces[source.rng.below(pieces.size())] = fresh;
    }
  } else {
    pieces.erase(pieces.begin() + static_cast<std::ptrdiff_t>(source.rng.below(pieces.size())));
  }
  if (pieces.size() > 10) pieces.resize(6);
  std::string text;
  for (const std::string& piece : pieces) text += piece;
  rewrite(source, state, path, std::move(text), "rewrite");
  return true;
}

// Below a directory that is a link now, or where something else is.
bool blocked(const Tree& tree, const std::string& path) {
  return path.starts_with("inc/three/") && tree.has("inc/three");
}

// A header where there was none: found by a probe, or earlier in the search path than the one used so far.
bool add_header(Source& source, State* state) {
  if (state->tree.entries.size() >= kMostEntries) return false;
  const std::string path = include_directory(source) + "/" + header_name(source);
  if (state->tree.has(path) || blocked(state->tree, path)) return false;
  std::string text;
  for (size_t i = source.rng.below(4); i > 0; --i) text += make_snippet(source, state->command.compiler, true) + "\n";
  state->tree.put(path, source.inode(), text, source.tick());
  state->what += "add " + path + "; ";
  return true;
}

bool remove_file(Source& source, State* state) {
  const std::string path = pick_file(source, state->tree, is_header);
  if (path.empty() || path.find("/tw") != std::string::npos) return false;
  state->tree.erase(path);
  state->what += "remove " + path + "; ";
  return true;
}

bool move_file(Source& source, State* state) {
  const std::string from = pick_file(source, state->tree, is_header);
  const std::string to =
      include_directory(source) + "/" + (source.rng.chance(70) ? std::string(basename_of(from)) : header_name(source));
  if (from.empty() || from == to || from.find("/tw") != std::string::npos || blocked(state->tree, to)) {
    return false;
  }
  const Entry entry = state->tree.entries.at(from);
  const Inode inode = state->tree.inodes.at(entry.inode);
  state->tree.erase(to);
  state->tree.erase(from);
  state->tree.entries[to] = entry;
  state->tree.inodes[entry.inode] = inode;
  state->what += "rename " + from + " to " + to + "; ";
  return true;
}

bool swap_files(Source& source, State* state) {
  const std::string a = pick_file(source, state->tree, is_header), b = pick_file(source, state->tree, is_header);
  if (a.empty() || a == b) return false;
  std::swap(state->tree.entries.at(a), state->tree.entries.at(b));
  state->what += "swap " + a + " and " + b + "; ";
  return true;
}

std::string to_root(const std::string& path) {
  std::string out;
  for (char c : path) out += c == '/' ? "../" : "";
  return out;
}

// A file becomes a link to another (or to itself under another name), or a link a file again.
bool relink(Source& source, State* state) {
  Tree& tree = state->tree;
  const std::string path = pick_file(source, tree, is_header), other = pick_file(source, tree, is_header);
  if (path.empty() || other.empty()) return false;
  const Inode inode = *tree.file(path);
  switch (source.rng.below(4)) {
    case 0: {
      const std::string moved = "data/moved-" + std::to_string(source.next_snippet++) + ".h";
      tree.entries[moved] = tree.entries.at(path);
      tree.put_link(path, to_root(path) + moved);
      state->what += "symlink " + path + " to its old content; ";
      return true;
    }
    case 1:
      if (path == other) return false;
      tree.put_link(path, to_root(path) + other);
      state->what += "symlink " + path + " to " + other + "; ";
      return true;
    case 2: {
      if (path == other) return false;
      const Entry entry = tree.entries.at(other);
      tree.erase(path);
      tree.entries[path] = entry;
      state->what += "hard link " + path + " to " + other + "; ";
      return true;
    }
    default:
      tree.put(path, source.inode(), *inode.text, source.rng.chance(50) ? inode.mtime_s : source.tick(), inode.mode);
      state->what += "copy of itself in place of " + path + "; ";
      return true;
  }
}

bool relink_twins(Source& source, State* state) {
  Tree& tree = state->tree;
  const Inode* one = tree.file("src/tw1.h");
  if (one == nullptr) return false;
  const Inode inode = *one;
  switch (source.rng.below(3)) {
    case 0:
      tree.put("src/tw2.h", source.inode(), *inode.text, inode.mtime_s, inode.mode);
      break;
    case 1:
      tree.put("src/tw2.h", source.inode(), *inode.text, source.tick(), inode.mode);
      break;
    default:
      tree.erase("src/tw2.h");
      tree.entries["src/tw2.h"] = tree.entries.at("src/tw1.h");
  }
  state->what += "other kinship of src/tw1.h and src/tw2.h; ";
  return true;
}

// A whole directory replaced by a link to another, or the other way round.
bool relink_directory(Source& source, State* state) {
  Tree& tree = state->tree;
  const Entry* link = tree.has("inc/three") ? &tree.entries.at("inc/three") : nullptr;
  if (link != nullptr && link->kind == Entry::Kind::kLink) {
    tree.erase("inc/three");
    state->what += "remove link inc/three; ";
    return true;
  }
  for (const auto& [path, entry] : tree.entries) {
    if (path.starts_with("inc/three/")) return false;
  }
  tree.put_link("inc/three", source.rng.chance(50) ? "one" : "two");
  state->what += "link inc/three to another directory; ";
  return true;
}

bool touch(Source& source, State* state) {
  const std::string path = pick_file(source, state->tree, any_file);
  if (path.empty()) return false;
  state->tree.inodes.at(state->tree.entries.at(path).inode).mtime_s = source.tick();
  state->what += "touch " + path + "; ";
  return true;
}

bool change_mode(Source& source, State* state) {
  const std::string path = source.rng.chance(30) ? "tools/as" : pick_file(source, state->tree, any_file);
  if (state->tree.file(path) == nullptr) return false;
  static constexpr unsigned kModes[] = {0644, 0755, 0444, 0600};
  state->tree.inodes.at(state->tree.entries.at(path).inode).mode = source.rng.pick(kModes);
  state->what += "chmod " + path + "; ";
  return true;
}

// An old output in the way: a file of its own mode, or a link.
bool plant_output(Source& source, State* state) {
  Tree& tree = state->tree;
  const std::string path = state->command.object();
  if (tree.has(path)) {
    tree.erase(path);
  } else if (source.rng.chance(70)) {
    tree.put(path, source.inode(), "not an object\n", source.tick(), source.rng.chance(50) ? 0600 : 0755);
  } else {
    tree.put("out/elsewhere", source.inode(), "old\n", source.tick());
    tree.put_link(path, to_root(path) + "out/elsewhere");
  }
  state->what += "old output " + path + "; ";
  return true;
}

bool mark_project(Source& source, State* state) {
  Tree& tree = state->tree;
  const char* name = source.rng.chance(50) ? ".hpcc" : ".git";
  if (tree.has(name)) {
    tree.erase(name);
  } else if (name[1] == 'g') {
    tree.put_directory(name);
  } else {
    tree.put(name, source.inode(), "", source.tick());
  }
  state->what += std::string(name) + "; ";
  return true;
}

}  // namespace

bool mutate_tree(Source& source, State* state) {
  struct Row {
    unsigned weight;
    bool (*mutate)(Source&, State*);
  };
  static constexpr Row kRows[] = {{30, edit_digit},      {16, edit_snippets}, {12, add_header}, {8, remove_file},
                                  {8, move_file},        {4, swap_files},     {8, relink},      {3, relink_twins},
                                  {2, relink_directory}, {6, touch},          {3, change_mode}, {2, plant_output},
                                  {1, mark_project}};
  std::vector<unsigned> weights;
  for (const Row& row : kRows) weights.push_back(row.weight);
  return kRows[source.rng.weighted(weights)].mutate(source, state);
}

}  // namespace hpcc::fuzz
