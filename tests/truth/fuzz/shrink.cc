#include "shrink.h"

#include <algorithm>
#include <set>

namespace hpcc::fuzz {
namespace {

using States = std::vector<State>;

class Shrinker {
 public:
  Shrinker(States states, const Fails& fails, size_t budget) : best_(std::move(states)), fails_(fails), left_(budget) {}

  States run() {
    if (!shorten()) return {};
    bool smaller = true;
    while (smaller && left_ > 0) {
      smaller = drop_states();
      smaller |= drop_paths();
      smaller |= drop_words();
      smaller |= drop_pieces();
      smaller |= calm();
    }
    return best_;
  }

 private:
  bool try_states(const States& states) {
    if (left_ == 0) return false;
    --left_;
    if (!fails_(states)) return false;
    best_ = states;
    return true;
  }

  // The shortest end of the walk that fails; a failure needs at most what was stored before it.
  bool shorten() {
    const States all = best_;
    for (size_t count = 2; count < all.size() && left_ > 0; count *= 2) {
      if (try_states(States(all.end() - static_cast<std::ptrdiff_t>(count), all.end()))) return true;
    }
    return try_states(all);
  }

  bool drop_states() {
    bool any = false;
    for (size_t chunk = best_.size() / 2; chunk > 0; chunk /= 2) {
      for (size_t at = 0; at + chunk < best_.size();) {
        States fewer = best_;
        const auto from = fewer.begin() + static_cast<std::ptrdiff_t>(at);
        fewer.erase(from, from + static_cast<std::ptrdiff_t>(chunk));
        if (try_states(fewer)) {
          any = true;
        } else {
          at += chunk;
        }
      }
    }
    return any;
  }

  template <typename Change>
  bool change_all(const Change& change) {
    States other = best_;
    bool changed = false;
    for (State& state : other) changed |= change(&state);
    return changed && try_states(other);
  }

  bool drop_paths() {
    std::set<std::string> paths;
    for (const State& state : best_) {
      for (const auto& [path, entry] : state.tree.entries) paths.insert(path);
    }
    bool any = false;
    for (const std::string& path : paths) {
      if (path == "out") continue;
      any |= change_all([&](State* state) {
        const bool there = state->tree.has(path);
        state->tree.erase(path);
        return there;
      });
    }
    return any;
  }

  bool drop_words() {
    std::set<std::string> flags, variables;
    for (const State& state : best_) {
      flags.insert(state.command.flags.begin(), state.command.flags.end());
      for (const auto& [name, value] : state.command.env) variables.insert(name);
    }
    bool any = false;
    for (const std::string& flag : flags) {
      any |= change_all([&](State* state) { return std::erase(state->command.flags, flag) != 0; });
    }
    for (const std::string& name : variables) {
      any |= change_all([&](State* state) { return state->command.env.erase(name) != 0; });
    }
    return any;
  }

  // The same piece of text goes wherever it stands.
  bool drop_pieces() {
    std::set<std::string> pieces;
    for (const State& state : best_) {
      for (const auto& [number, inode] : state.tree.inodes) {
        const std::string& text = *inode.text;
        for (size_t at = 0; at < text.size();) {
          const size_t end = std::min(
              text.size(), text.find("\n\n", at) == std::string::npos ? text.size() : text.find("\n\n", at) + 2);
          pieces.insert(text.substr(at, end - at));
          at = end;
        }
      }
    }
    bool any = false;
    for (const std::string& piece : pieces) {
      any |= change_all([&](State* state) {
        bool found = false;
        for (auto& [number, inode] : state->tree.inodes) {
          const size_t at = inode.text->find(piece);
          if (at == std::string::npos) continue;
          inode.text = make_text(inode.text->substr(0, at) + inode.text->substr(at + piece.size()));
          found = true;
        }
        return found;
      });
    }
    return any;
  }

  // Without hurry, daemon quirks and odd names, if it still fails.
  bool calm() {
    bool any = change_all([](State* state) { return state->alone && !(state->alone = false); });
    any |= change_all([](State* state) { return !state->settle && (state->settle = true); });
    any |= change_all([](State* state) { return state->command.root != 0 && (state->command.root = 0) == 0; });
    any |= change_all([](State* state) { return !state->command.cwd.empty() && (state->command.cwd = "").empty(); });
    any |= change_all([](State* state) { return state->command.absolute && !(state->command.absolute = false); });
    any |= change_all([](State* state) { return state->command.mask != 022 && (state->command.mask = 022) != 0; });
    return any;
  }

  States best_;
  const Fails& fails_;
  size_t left_;
};

}  // namespace

std::vector<State> shrink(std::vector<State> states, const Fails& fails, size_t budget) {
  return Shrinker(std::move(states), fails, budget).run();
}

}  // namespace hpcc::fuzz
