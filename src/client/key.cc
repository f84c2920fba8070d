#include "client/key.h"

#include <algorithm>
#include <map>

#include "base/fs.h"

namespace hpcc {
namespace {

// One line per fact: "tag value". Newlines and backslashes are escaped, so that lines cannot be forged by a value.
class KeyText {
 public:
  void line(std::string_view tag, std::string_view value) {
    text_ += tag;
    text_ += ' ';
    for (char c : value) {
      if (c == '\\') {
        text_ += "\\\\";
      } else if (c == '\n') {
        text_ += "\\n";
      } else {
        text_ += c;
      }
    }
    text_ += '\n';
  }
  std::string take() { return std::move(text_); }

 private:
  std::string text_;
};

// "root:inc" for an absolute path under the root, "text:..." for any other.
std::string anchored(std::string_view path, const Place& place) {
  if (!path.empty() && path[0] == '/' && is_under(path, place.root) && place.root != "/") {
    return "root:" + std::string(path.substr(std::min(path.size(), place.root.size() + 1)));
  }
  return "text:" + std::string(path);
}

std::string anchored_list(std::string_view list, const Place& place) {
  std::string out;
  for (;;) {
    size_t colon = list.find(':');
    out += anchored(list.substr(0, colon), place);
    if (colon == std::string_view::npos) return out;
    out += ':';  // no element holds one
    list.remove_prefix(colon + 1);
  }
}

std::string option_text(const KeyArg& arg, const Place& place) {
  std::string out = arg.option;
  if (!arg.has_value) return out;
  out += ' ';
  switch (arg.role) {
    case KeyRole::kText:
      return out + arg.value;
    case KeyRole::kPath:
      return out + anchored(arg.value, place);
    case KeyRole::kPrefixMap: {
      size_t equals = arg.value.rfind('=');
      if (equals == std::string::npos) return out + arg.value;
      std::string_view value = arg.value;
      return out + anchored(value.substr(0, equals), place) + "=" + anchored(value.substr(equals + 1), place);
    }
  }
  return out;
}

std::string_view family_name(Family family) { return family == Family::kGcc ? "gcc" : "clang"; }

using Lines = std::vector<std::pair<std::string_view, std::string_view>>;

Lines split_lines(std::string_view text) {
  Lines lines;
  while (!text.empty()) {
    size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
    size_t space = line.find(' ');
    lines.emplace_back(line.substr(0, space),
                       space == std::string_view::npos ? std::string_view() : line.substr(space + 1));
  }
  return lines;
}

// "-I text:inc" as people write it: "-I inc"; a path under the root as "<root>/inc".
std::string as_spelled(std::string_view option) {
  size_t space = option.find(' ');
  if (space == std::string_view::npos) return std::string(option);
  std::string_view name = option.substr(0, space), value = option.substr(space + 1);
  std::string out(name);
  if (!name.ends_with('=')) out += ' ';
  if (value.starts_with("text:")) return out + std::string(value.substr(5));
  if (value.starts_with("root:")) return out + "<root>/" + std::string(value.substr(5));
  return out + std::string(value);
}

// The elements of a value that anchored_list made, as people write them; empty when it is no list.
std::vector<std::string> list_elements(std::string_view value) {
  std::vector<std::string> out;
  while (value.starts_with("text:") || value.starts_with("root:")) {
    std::string element(value.starts_with("root:") ? "<root>/" : "");
    value.remove_prefix(5);
    const size_t end = value.find(':');
    element += value.substr(0, end);
    out.push_back(std::move(element));
    value.remove_prefix(end == std::string_view::npos ? value.size() : end + 1);
  }
  return value.empty() ? out : std::vector<std::string>();
}

// "gone /a, new /b", or how the order differs; "" when the values are no lists. Lists are long: only what differs.
std::string list_change(std::string_view before, std::string_view now) {
  const std::vector<std::string> olds = list_elements(before), news = list_elements(now);
  if (olds.empty() || news.empty()) return "";
  std::string out;
  const auto add = [&](const char* how, const std::vector<std::string>& from, const std::vector<std::string>& other) {
    for (const std::string& element : from) {
      if (std::find(other.begin(), other.end(), element) != other.end()) continue;
      out += (out.empty() ? "" : ", ") + std::string(how) + " " + (element.empty() ? "an empty entry" : element);
    }
  };
  add("gone", olds, news);
  add("new", news, olds);
  if (!out.empty()) return out;
  size_t at = 0;
  while (at < olds.size() && at < news.size() && olds[at] == news[at]) ++at;
  if (at >= news.size() || at >= olds.size()) return "an entry is repeated";
  return "other order, first at " + news[at] + " (was " + olds[at] + ")";
}

std::string describe(std::string_view tag, std::string_view value) {
  if (tag == "option") return "option " + as_spelled(value);
  if (tag == "env") return "environment variable " + std::string(value);
  if (tag == "map") return "project file .hpcc (its directory is mapped to " + std::string(value) + ")";
  if (tag == "driver") return "compiler driver " + std::string(value);
  if (tag == "source") return "source file content " + std::string(value);
  if (tag == "map") return "a .hpcc file at the project's root, which maps it to " + std::string(value);
  return std::string(tag) + " " + std::string(value);
}

std::string change_sentence(std::string_view tag, std::string_view before, std::string_view now) {
  if (tag == "driver")
    return "the compiler driver changed (content was " + std::string(before) + ", now " + std::string(now) + ")";
  if (tag == "source")
    return "the source file changed (content was " + std::string(before) + ", now " + std::string(now) + ")";
  if (tag == "directory") {
    return "the working directory, as seen from the project's root (where .hpcc or .git is), changed: was " +
           std::string(before) + ", now " + std::string(now);
  }
  if (tag == "env") {
    std::string_view name = before.substr(0, before.find('='));
    const std::string entries = list_change(before.substr(name.size() + 1), now.substr(name.size() + 1));
    if (!entries.empty()) return "environment variable " + std::string(name) + " changed: " + entries;
    return "environment variable " + std::string(name) + " changed: was " + std::string(before) + ", now " +
           std::string(now);
  }
  return std::string(tag) + " changed: was " + std::string(before) + ", now " + std::string(now);
}

// Lines of `from` that `other` has fewer of.
Lines missing_in(const Lines& from, const Lines& other) {
  std::map<std::pair<std::string_view, std::string_view>, int> count;
  for (const auto& line : other) ++count[line];
  Lines out;
  for (const auto& line : from) {
    if (count[line]-- <= 0) out.push_back(line);
  }
  return out;
}

}  // namespace

std::string encode_key_text(const KeyInputs& in) {
  const Invocation& invocation = in.invocation;
  KeyText text;
  text.line("format", "1");
  text.line("family", family_name(invocation.family));
  text.line("name", in.driver_name);
  text.line("driver", in.driver.hex());
  for (const KeyArg& arg : invocation.key_args) text.line("option", option_text(arg, in.place));
  std::string dep = "none";
  if (invocation.dep.wanted) {
    dep = invocation.dep.user_headers_only ? "-MMD" : "-MD";
    if (invocation.dep.phony_targets) dep += " -MP";
  }
  text.line("dependencies", dep);
  for (const OutputFile& output : invocation.outputs) {
    text.line("output", std::to_string(static_cast<int>(output.kind)));
  }
  for (const EnvKey::Variable& variable : in.env.variables) {
    bool list = variable.role == KeyRole::kPath;
    text.line("env", variable.name + "=" + (list ? anchored_list(variable.value, in.place) : variable.value));
  }
  text.line("directory", anchored(in.place.cwd, in.place));
  if (!in.place.pwd.empty()) text.line("pwd", in.place.pwd);
  if (in.place.logical_root) text.line("map", "/hpcc/w");
  if (!in.cpu.empty()) text.line("cpu", in.cpu);
  text.line("source", in.source.hex());
  return text.take();
}

DirectKey direct_key(std::string_view key_text) { return DirectKey::of(key_text); }

std::vector<std::string> explain_key_change(std::string_view before, std::string_view now) {
  const Lines old_lines = split_lines(before), new_lines = split_lines(now);
  Lines gone = missing_in(old_lines, new_lines), come = missing_in(new_lines, old_lines);
  std::vector<std::string> out;
  for (const auto& [tag, value] : gone) {
    auto same_thing = [&, tag = tag, value = value](const auto& line) {
      if (line.first != tag || tag == "option" || tag == "output") return false;
      return tag != "env" || line.second.substr(0, line.second.find('=')) == value.substr(0, value.find('='));
    };
    auto other = std::find_if(come.begin(), come.end(), same_thing);
    if (other != come.end()) {
      out.push_back(change_sentence(tag, value, other->second));
      come.erase(other);
    } else {
      out.push_back("gone: " + describe(tag, value));
    }
  }
  for (const auto& [tag, value] : come) out.push_back("new: " + describe(tag, value));
  if (out.empty() && before != now) {
    for (size_t i = 0; i < old_lines.size() && i < new_lines.size(); ++i) {
      if (old_lines[i] == new_lines[i]) continue;
      out.push_back("the order changed: " + describe(old_lines[i].first, old_lines[i].second) + " was where now is " +
                    describe(new_lines[i].first, new_lines[i].second));
      break;
    }
  }
  return out;
}

}  // namespace hpcc
