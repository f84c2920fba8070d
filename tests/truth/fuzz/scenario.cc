// A shrunk failure as a scenario of the truth matrix: state A, one `via` for each state between, the change to B.
#include <set>

#include "base/fs.h"
#include "shrink.h"

namespace hpcc::fuzz {
namespace {

std::string quote(const std::string& text) {
  std::string out = "\"";
  for (char c : text) {
    if (c == '\n') {
      out += "\\n";
    } else {
      if (c == '"' || c == '\\') out += '\\';
      out += c;
    }
  }
  return out + "\"";
}

// All checkouts lie side by side: the first is @W@, the default, the others are named in full.
std::string place(unsigned root, const std::string& path) {
  static constexpr const char* kMarks[kRoots] = {"", "@X@/", "@L@/"};
  return kMarks[root] + path;
}

std::string in_root(std::string text, unsigned root) {
  static constexpr const char* kMarks[kRoots] = {"@W@", "@X@", "@L@"};
  for (size_t at; root != 0 && (at = text.find("@W@")) != std::string::npos;) text.replace(at, 3, kMarks[root]);
  return text;
}

std::string command_text(const State& state) {
  std::string out;
  for (const std::string& word : state.command.argv()) {
    if (out.empty()) {
      out = is_cxx(state.command.compiler) ? "CXX" : "CC";
    } else {
      out += " " + (word.find('$') != std::string::npos ? "'" + word + "'" : word);
    }
  }
  return in_root(out, state.command.root);
}

std::string env_text(const State& state) {
  std::string out;
  for (const auto& [name, value] : state.command.env) {
    out += (out.empty() ? "" : ", ") + quote(name) + ": " + quote(in_root(value, state.command.root));
  }
  return "{" + out + "}";
}

// Everything that is no plain file with default mode, as changes made after the files are written.
void add_rest(const Tree& tree, unsigned root, std::vector<std::string>* out) {
  std::map<uint32_t, std::string> first;
  for (const auto& [path, entry] : tree.entries) {
    const std::string where = quote(place(root, path));
    if (entry.kind == Entry::Kind::kDirectory) {
      out->push_back("sh(\"mkdir -p " + place(root, path) + "\")");
    } else if (entry.kind == Entry::Kind::kLink) {
      out->push_back("symlink(" + quote(entry.target) + ", " + where + ")");
    } else {
      auto [at, fresh] = first.emplace(entry.inode, path);
      const Inode& inode = tree.inodes.at(entry.inode);
      if (!fresh) out->push_back("hardlink(" + quote(place(root, at->second)) + ", " + where + ")");
      if (fresh && inode.mode != 0644)
        out->push_back("chmod(" + where + ", 0o" +
                       (inode.mode & 0100   ? "755"
                        : inode.mode & 0200 ? "600"
                                            : "444") +
                       ")");
      if (fresh) out->push_back("touch(" + where + ", " + std::to_string(inode.mtime_s) + ")");
    }
  }
}

void add_changes(const Tree& before, const Tree& now, unsigned root, std::vector<std::string>* out) {
  for (const auto& [path, entry] : before.entries) {
    auto next = now.entries.find(path);
    if (next == now.entries.end() || next->second != entry) out->push_back("remove(" + quote(place(root, path)) + ")");
  }
  Tree rest;
  for (const auto& [path, entry] : now.entries) {
    auto old = before.entries.find(path);
    const bool stays = old != before.entries.end() && old->second == entry;
    if (entry.kind == Entry::Kind::kFile) {
      const Inode& inode = now.inodes.at(entry.inode);
      auto was = before.inodes.find(entry.inode);
      const bool same = stays && was != before.inodes.end() && *was->second.text == *inode.text;
      if (!same) out->push_back("write(" + quote(place(root, path)) + ", " + quote(*inode.text) + ")");
      if (same && was->second.mode == inode.mode && was->second.mtime_s == inode.mtime_s) continue;
      rest.inodes[entry.inode] = inode;
    } else if (stays) {
      continue;
    }
    rest.entries[path] = entry;
  }
  add_rest(rest, root, out);
}

std::string join(const std::vector<std::string>& items) {
  std::string out;
  for (const std::string& item : items) out += item + ", ";
  return "(" + out + ")";
}

std::string cwd_text(const State& state) {
  const std::string base = state.command.root == 0 ? "@W@" : state.command.root == 1 ? "@X@" : "@L@";
  return state.command.cwd.empty() ? base : base + "/" + state.command.cwd;
}

}  // namespace

std::string scenario_text(const std::string& name, const std::vector<State>& states, const std::string& remark) {
  const State &a = states.front(), &b = states.back();
  Tree present[kRoots];
  std::string out = "# " + remark + "\n";
  if (states.size() > 2) out += "# The states between use the command of the first here; see the walk for theirs.\n";
  std::string files;
  for (const std::string& path : a.tree.files()) {
    files +=
        (files.empty() ? "" : ",\n   ") + quote(place(a.command.root, path)) + ": " + quote(*a.tree.file(path)->text);
  }
  std::vector<std::string> setup;
  add_rest(a.tree, a.command.root, &setup);
  present[a.command.root] = a.tree;
  std::vector<std::string> via, change;
  for (size_t i = 1; i < states.size(); ++i) {
    const State& state = states[i];
    std::vector<std::string>* list = i + 1 == states.size() ? &change : &via;
    add_changes(present[state.command.root], state.tree, state.command.root, list);
    present[state.command.root] = state.tree;
  }
  out += "S(" + quote(name) + ", {" + files + "},\n  " + quote(command_text(a)) + ",\n  setup=" + join(setup);
  if (!via.empty()) out += ",\n  via=" + join(via);
  out += ",\n  change=" + join(change) + ",\n  cmd_b=" + quote(command_text(b)) + ",\n  env=" + env_text(a) +
         ", env_b=" + env_text(b) + ", cwd=" + quote(cwd_text(a)) + ", cwd_b=" + quote(cwd_text(b));
  out += std::string(",\n  compilers=(") + (is_clang(b.command.compiler) ? "\"clang\"" : "\"gcc\"") + ",)";
  return out +
         ",\n  expect=EITHER, populate=\"any\", reason=\"found by the fuzzer: the result must be the compiler's\")\n";
}

}  // namespace hpcc::fuzz
