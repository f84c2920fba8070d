#include "walk.h"

#include <algorithm>

namespace hpcc::fuzz {
namespace {

constexpr unsigned kSame = 10, kUndo = 12, kCheckout = 14, kRevertFiles = 5, kRace = 4, kFreshProject = 1;  // percent
constexpr size_t kRemembered = 120, kNear = 12;

// As version control puts files back: new inodes for what differs, the times those of now or kept.
void as_checkout(Source& source, const Tree& present, Tree* tree) {
  std::map<uint32_t, uint32_t> renamed;
  for (auto& [path, entry] : tree->entries) {
    if (entry.kind != Entry::Kind::kFile) continue;
    const Inode* now = present.file(path);
    const bool same = now != nullptr && *now->text == *tree->inodes.at(entry.inode).text;
    if (!same && renamed.count(entry.inode) == 0) renamed[entry.inode] = source.inode();
  }
  for (auto& [path, entry] : tree->entries) {
    if (entry.kind == Entry::Kind::kFile && renamed.count(entry.inode) != 0) entry.inode = renamed[entry.inode];
  }
  std::map<uint32_t, Inode> inodes;
  for (auto& [number, inode] : tree->inodes) {
    inodes[renamed.count(number) != 0 ? renamed[number] : number] = inode;
  }
  tree->inodes = std::move(inodes);
}

void mutate(Source& source, State* state) {
  size_t count = 1;
  if (source.rng.chance(15)) ++count;
  if (source.rng.chance(4)) ++count;
  for (size_t i = 0; i < count; ++i) {
    bool done = false;
    for (size_t tries = 0; !done && tries < 20; ++tries) {
      done = source.rng.chance(58) ? mutate_tree(source, state) : mutate_command(source, state);
    }
  }
}

}  // namespace

State Walk::go_back() {
  const size_t chosen = source_.rng.below(kUndo + kCheckout + kRevertFiles);
  if (chosen < kUndo) {
    State state = past_[past_.size() - std::min<size_t>(2, past_.size())];
    state.what = "undo; ";
    return state;
  }
  const size_t reach = source_.rng.chance(70) ? std::min(kNear, past_.size()) : past_.size();
  State state = past_[past_.size() - 1 - source_.rng.below(reach)];
  if (source_.rng.chance(50)) as_checkout(source_, past_.back().tree, &state.tree);
  state.what = "back to an earlier state; ";
  if (chosen >= kUndo + kCheckout) {
    state.command = past_.back().command;
    state.what = "files back to an earlier state; ";
  }
  return state;
}

State Walk::go_forth() {
  State state = past_.back();
  state.what.clear();
  mutate(source_, &state);
  recover(&state);
  return state;
}

// Without the directory of the assembler's files most compiles fail, and some options are never cached; a walk does not
// see that it is stuck.
void Walk::recover(State* state) {
  std::vector<std::string>& flags = state->command.flags;
  const std::string needed = "-Wa,-I@R@/data";
  if (!source_.rng.chance(25)) return;
  if (std::find(flags.begin(), flags.end(), needed) == flags.end()) flags.push_back(needed);
  std::erase_if(flags, [](const std::string& flag) {
    return flag == "-nostdinc" || flag.starts_with("-save-temps") || flag.starts_with("-fdump");
  });
}

// What a timestamp cannot tell: a change right after a compile began, or two changes and compiles in one tick.
void Walk::race(std::vector<State>* out) {
  State first = past_.back();
  State second = go_forth();
  // What the overlapped compile leaves must be told from the files.
  if (first.tree.has(first.command.object()) || second.tree.has(first.command.object())) {
    out->push_back(second);
    return;
  }
  first.quiet = true;
  first.settle = source_.rng.chance(50);
  first.what = "before a race; ";
  second.settle = false;
  if (source_.rng.chance(50)) {
    // Change, compile, change back, compile: as fast as can be.
    State between = second;
    between.quiet = true;
    out->push_back(first);
    out->push_back(between);
    second = first;
    second.quiet = false;
    second.settle = false;
    second.what = "back within a tick; ";
  } else {
    out->push_back(first);
    second.overlap_us = static_cast<int>(source_.rng.below(source_.rng.chance(50) ? 3000 : 40000));
    second.what += "while compiling; ";
  }
  out->push_back(second);
}

std::vector<State> Walk::next() {
  std::vector<State> out;
  if (past_.empty() || source_.rng.below(200) < kFreshProject) {
    past_.clear();
    out.push_back(generate_project(source_));
  } else if (source_.rng.chance(kRace)) {
    race(&out);
  } else if (source_.rng.chance(kSame)) {
    out.push_back(past_.back());
    out.back().what = "same again; ";
  } else if (source_.rng.chance(kUndo + kCheckout + kRevertFiles)) {
    out.push_back(go_back());
  } else {
    out.push_back(go_forth());
  }
  State& last = out.back();
  if (out.size() == 1) {
    last.settle = source_.rng.chance(75);
    last.overlap_us = -1;
  }
  for (State& state : out) state.alone = source_.rng.chance(8);
  past_.push_back(last);
  past_.back().overlap_us = -1;
  past_.back().quiet = false;
  if (past_.size() > kRemembered) past_.erase(past_.begin());
  return out;
}

}  // namespace hpcc::fuzz
