#include "state.h"

#include <algorithm>
#include <set>

#include "base/fs.h"
#include "base/sha256.h"

namespace hpcc::fuzz {
namespace {

std::vector<std::string> split(std::string_view text, char at) {
  std::vector<std::string> out;
  while (!text.empty()) {
    size_t end = std::min(text.find(at), text.size());
    if (end > 0) out.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(text.size(), end + 1));
  }
  return out;
}

class Hasher {
 public:
  void add(std::string_view text) {
    uint64_t size = text.size();
    sha_.update(&size, sizeof size);
    sha_.update(text);
  }
  void add(uint64_t value) { sha_.update(&value, sizeof value); }
  std::string finish() {
    uint8_t bytes[Sha256::kBytes];
    sha_.finish(bytes);
    std::string out;
    for (uint8_t byte : bytes) {
      out += "0123456789abcdef"[byte >> 4];
      out += "0123456789abcdef"[byte & 15];
    }
    return out.substr(0, 24);
  }

 private:
  Sha256 sha_;
};

// Every part of a path: a directory made or removed on the way may be what is named.
void add_names(std::vector<std::string>* names, const std::string& path) {
  for (std::string& part : split(path, '/')) {
    if (part != "." && part != "..") names->push_back(std::move(part));
  }
}

// Which files of equal content are one inode, or share a second: gcc and clang may ask.
std::string identity_of(const Tree& tree, const std::string& path) {
  const Entry& entry = tree.entries.at(path);
  const Inode& inode = tree.inodes.at(entry.inode);
  std::string out;
  for (const auto& [other, at] : tree.entries) {
    if (at.kind != Entry::Kind::kFile || other == path) continue;
    const Inode& with = tree.inodes.at(at.inode);
    if (at.inode == entry.inode) {
      out += "=" + other;
    } else if (*with.text == *inode.text && with.mtime_s == inode.mtime_s) {
      out += "~" + other;
    }
  }
  return out;
}

std::string shape_of(const Tree& tree, const std::string& path) {
  const Entry& entry = tree.entries.at(path);
  switch (entry.kind) {
    case Entry::Kind::kLink:
      return "link " + entry.target;
    case Entry::Kind::kDirectory:
      return "directory";
    case Entry::Kind::kFile:
      break;
  }
  const Inode& inode = tree.inodes.at(entry.inode);
  return "file " + std::to_string(inode.mode) + " " + identity_of(tree, path) + "\n" + *inode.text;
}

void compare_trees(const Tree& before, const Tree& now, std::vector<Change>* out) {
  std::set<std::string> paths;
  for (const auto& [path, entry] : before.entries) paths.insert(path);
  for (const auto& [path, entry] : now.entries) paths.insert(path);
  for (const std::string& path : paths) {
    const bool was = before.has(path), is = now.has(path);
    if (was && is && shape_of(before, path) == shape_of(now, path)) continue;
    // Either mark moves the project's root, and with it every path that is told from there.
    const bool marks_root = path == ".git" || path == ".hpcc";
    Change change{(!was ? "added " : !is ? "removed " : "changed ") + path, {}};
    add_names(&change.names, path);
    if (marks_root) change.names.insert(change.names.end(), {"<root>", "root:"});
    for (const Tree* tree : {&before, &now}) {
      if (!tree->has(path)) continue;
      const Entry& entry = tree->entries.at(path);
      if (entry.kind == Entry::Kind::kLink) add_names(&change.names, entry.target);
    }
    out->push_back(std::move(change));
  }
}

void compare_flags(const Command& before, const Command& now, std::vector<Change>* out) {
  // As the compiler saw them: another directory spells other paths.
  auto spelled = [](const Command& command) {
    std::vector<std::string> flags;
    for (const std::string& flag : command.flags) flags.push_back(expand(flag, "@W@", command.up()));
    return flags;
  };
  std::vector<std::string> gone = spelled(before), come;
  for (const std::string& flag : spelled(now)) {
    auto at = std::find(gone.begin(), gone.end(), flag);
    if (at == gone.end()) {
      come.push_back(flag);
    } else {
      gone.erase(at);
    }
  }
  // "text:" and "root:" paths are printed as typed or as <root>/...; the last component is in both.
  auto names = [](const std::string& flag) {
    std::vector<std::string> words{flag};
    for (const std::string& part : split(flag, ' ')) {
      words.push_back(part.substr(0, part.find("@")));
      if (part.find('/') != std::string::npos) words.emplace_back(basename_of(part));
    }
    std::erase(words, "");
    // Colour is no part of a key: a result is refused because its messages are "coloured otherwise".
    if (flag.find("color") != std::string::npos) words.emplace_back("coloured");
    return words;
  };
  for (const std::string& flag : gone) out->push_back({"dropped " + flag, names(flag)});
  for (const std::string& flag : come) out->push_back({"new " + flag, names(flag)});
  auto without = [](std::vector<std::string> flags, const std::vector<std::string>& left_out) {
    std::erase_if(flags, [&](const auto& flag) { return std::count(left_out.begin(), left_out.end(), flag) != 0; });
    return flags;
  };
  if (without(spelled(before), gone) != without(spelled(now), come)) out->push_back({"reordered flags", {"order"}});
}

// A response file is named by the options in it.
void add_response_words(const State& state, Change* change) {
  const Inode* file = state.tree.file("opts.rsp");
  if (file == nullptr || change->what.find(".rsp") == std::string::npos) return;
  for (std::string& word : split(*file->text, '\n')) change->names.push_back(std::move(word));
}

void compare_commands(const State& a, const State& b, std::vector<Change>* out) {
  const Command &before = a.command, &now = b.command;
  compare_flags(before, now, out);
  for (Change& change : *out) {
    add_response_words(a, &change);
    add_response_words(b, &change);
  }
  if (before.compiler != now.compiler) {
    out->push_back({"compiler", {compiler_name(before.compiler), compiler_name(now.compiler), "compiler driver"}});
  }
  if (before.mode != now.mode) out->push_back({"mode", {before.mode, now.mode}});
  if (before.source != now.source) out->push_back({"source", {"source", before.source, now.source}});
  if (before.absolute != now.absolute)
    out->push_back({"spelling of the source", {std::string(basename_of(now.source))}});
  if (before.cwd != now.cwd) out->push_back({"working directory", {"directory", now.source}});
  if (before.root != now.root) out->push_back({"checkout", {"checkout", "directory", kRootNames[now.root]}});
  if (before.object() != now.object()) {
    out->push_back(
        {"output name", {"output", std::string(basename_of(before.object())), std::string(basename_of(now.object()))}});
  }
  std::set<std::string> variables;
  for (const auto& [name, value] : before.env) variables.insert(name);
  for (const auto& [name, value] : now.env) variables.insert(name);
  for (const std::string& name : variables) {
    auto was = before.env.find(name), is = now.env.find(name);
    if (was != before.env.end() && is != now.env.end() && was->second == is->second) continue;
    out->push_back({"variable " + name, {name}});
  }
}

}  // namespace

const Inode* Tree::file(const std::string& path) const {
  auto at = entries.find(path);
  return at == entries.end() || at->second.kind != Entry::Kind::kFile ? nullptr : &inodes.at(at->second.inode);
}

void Tree::put(const std::string& path, uint32_t inode, std::string text, int64_t mtime_s, unsigned mode) {
  if (file(path) == nullptr || entries[path].inode != inode) erase(path);
  entries[path] = {Entry::Kind::kFile, inode, ""};
  inodes[inode] = {make_text(std::move(text)), mode, mtime_s};
}

void Tree::put_link(const std::string& path, std::string target) {
  erase(path);
  entries[path] = {Entry::Kind::kLink, 0, std::move(target)};
}

void Tree::put_directory(const std::string& path) {
  erase(path);
  entries[path] = {Entry::Kind::kDirectory, 0, ""};
}

void Tree::erase(const std::string& path) {
  auto at = entries.find(path);
  if (at == entries.end()) return;
  const Entry gone = at->second;
  entries.erase(at);
  if (gone.kind != Entry::Kind::kFile) return;
  for (const auto& [other, entry] : entries) {
    if (entry.kind == Entry::Kind::kFile && entry.inode == gone.inode) return;
  }
  inodes.erase(gone.inode);
}

std::vector<std::string> Tree::files() const {
  std::vector<std::string> out;
  for (const auto& [path, entry] : entries) {
    if (entry.kind == Entry::Kind::kFile) out.push_back(path);
  }
  return out;
}

const char* compiler_name(Compiler compiler) {
  switch (compiler) {
    case Compiler::kGcc:
      return "gcc";
    case Compiler::kGxx:
      return "g++";
    case Compiler::kClang:
      return "clang";
    case Compiler::kClangxx:
      return "clang++";
  }
  return "";
}

std::string expand(std::string_view text, std::string_view root, std::string_view up) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    if (text.compare(at, 3, "@W@") == 0) {
      out += root;
      at += 3;
    } else if (text.compare(at, 3, "@R@") == 0) {
      out += up;
      at += 3;
    } else {
      out += text[at++];
    }
  }
  return out;
}

std::vector<std::string> Command::argv() const {
  std::vector<std::string> out{compiler_name(compiler)};
  auto add = [&](const std::string& words) {
    for (const std::string& word : split(words, ' ')) out.push_back(expand(word, "@W@", up()));
  };
  for (const std::string& flag : flags) add(flag);
  add(mode);
  add(absolute ? "@W@/" + source : cwd.empty() ? source : "../" + source);
  if (!output.empty()) add("-o " + (cwd.empty() ? output : "../" + output));
  return out;
}

std::string Command::object() const {
  if (!output.empty()) return output;
  std::string name(basename_of(source));
  name = name.substr(0, name.rfind('.')) + (mode == "-S" ? ".s" : ".o");
  return cwd.empty() ? name : cwd + "/" + name;
}

std::string digest(const State& state) {
  Hasher hasher;
  for (const auto& [path, entry] : state.tree.entries) {
    hasher.add(path);
    hasher.add(shape_of(state.tree, path));
  }
  for (const std::string& word : state.command.argv()) hasher.add(word);
  for (const auto& [name, value] : state.command.env) hasher.add(name + "=" + value);
  hasher.add(state.command.cwd);
  hasher.add(state.command.root);
  return hasher.finish();
}

std::vector<Change> differences(const State& before, const State& now) {
  std::vector<Change> out;
  compare_trees(before.tree, now.tree, &out);
  compare_commands(before, now, &out);
  for (Change& change : out) {
    if (change.what.ends_with(" " + now.command.source)) change.names.push_back("source file");
  }
  return out;
}

}  // namespace hpcc::fuzz
