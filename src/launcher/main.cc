// hpcc: the launcher. Prefix of every compile, so it is small: hands the command to an engine and does what it answers.
//
//   hpcc COMPILER ARG...   hpcc wrap COMPILER ARG...   hpcc NAME=VALUE... COMPILER ARG...   COMPILER → hpcc (symlink)
//   hpcc VERB ...          everything else is hpcc-tool's
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "build_id.h"
#include "launcher/engine_link.h"
#include "launcher/project.h"
#include "launcher/run.h"
#include "launcher/sys.h"

extern char** environ;

namespace hpcc::launcher {
namespace {

constexpr int kReplyDeadlineMs = 8000;

const char* const kVerbs[] = {"stats", "explain", "inspect", "doctor", "daemon", "help",  "version", "config",
                              "image", "worker",  "up",      "down",   "status", "audit", "replay",  nullptr};

bool is_verb(Text word) {
  if (word.size == 0 || word.data[0] == '-') return true;
  for (const char* const* verb = kVerbs; *verb; ++verb) {
    if (word == Text(*verb)) return true;
  }
  return false;
}

bool is_assignment(const char* word) {
  const char* equals = strchr(word, '=');
  if (!equals || equals == word) return false;
  for (const char* p = word; p < equals; ++p) {
    bool letter = (*p >= 'A' && *p <= 'Z') || (*p >= 'a' && *p <= 'z') || *p == '_' || (*p >= '0' && *p <= '9');
    if (!letter) return false;
  }
  return true;
}

// Whether `path` is hpcc itself: this file, or a link to some file named hpcc (another copy of it).
bool is_hpcc(const char* path, const struct stat& info) {
  struct stat self;
  if (stat("/proc/self/exe", &self) == 0 && self.st_dev == info.st_dev && self.st_ino == info.st_ino) return true;
  char target[4096];
  ssize_t size = readlink(path, target, sizeof target);
  return size > 0 && basename_of(Text(target, static_cast<size_t>(size))) == Text("hpcc");
}

bool is_program(const char* path, bool* passed_over) {
  struct stat info;
  if (stat(path, &info) != 0 || !S_ISREG(info.st_mode) || access(path, X_OK) != 0) return false;
  if (!is_hpcc(path, info)) return true;
  *passed_over = true;
  return false;
}

// The compiler as execvp would find it, hpcc's own links passed over.
// `passed_over`: a link to hpcc stood before it. The driver looks itself up by argv[0] and must not find that link.
bool find_program(const char* name, Path* out, bool* passed_over) {
  struct stat info;
  if (strchr(name, '/') && !(stat(name, &info) == 0 && is_hpcc(name, info))) {
    *out += name;
    return !out->bad;
  }
  *passed_over = strchr(name, '/') != nullptr;
  name = basename_of(name).data;  // a link to hpcc named with its directory stands for the compiler of that name
  const char* path = getenv("PATH");
  if (!path) path = "/bin:/usr/bin";
  for (const char* at = path;; ++at) {
    const char* end = strchr(at, ':');
    Path candidate;
    size_t size = end ? static_cast<size_t>(end - at) : strlen(at);
    candidate += size ? Text(at, size) : Text(".");
    candidate += "/";
    candidate += name;
    if (!candidate.bad && is_program(candidate.c_str(), passed_over)) {
      *out = candidate;
      return true;
    }
    if (!end) return false;
    at = end;
  }
}

[[noreturn]] void become(const char* program, char** argv) {
  if (*program == 0) {
    fprintf(stderr, "hpcc: %s: command not found\n", argv[0]);
    _exit(127);
  }
  execv(program, argv);
  int error = errno;
  fprintf(stderr, "hpcc: cannot run %s: %s\n", program, strerror(error));
  _exit(error == ENOENT ? 127 : 126);
}

[[noreturn]] void become_tool(char** argv) {
  Path tool;
  if (!sibling("hpcc-tool", &tool)) {
    fprintf(stderr, "hpcc: cannot tell where hpcc is installed (no /proc): run hpcc-tool directly\n");
    _exit(126);
  }
  become(tool.c_str(), argv);
}

uint32_t request_flags() {
  uint32_t flags = 0;
  if (env_flag("HPCC_RECACHE")) flags |= frame::kRecache;
  if (isatty(2)) flags |= frame::kStderrTty;
  if (isatty(1)) flags |= frame::kStdoutTty;
  return flags;
}

void put_list(Buffer* out, char** words, bool* ok) {
  uint32_t count = 0;
  while (words[count]) ++count;
  *ok = *ok && out->append(&count, sizeof count);
  for (uint32_t i = 0; i < count; ++i) {
    uint32_t size = static_cast<uint32_t>(strlen(words[i]));
    *ok = *ok && out->append(&size, sizeof size) && out->append(words[i], size);
  }
}

void put_string(Buffer* out, const char* text, bool* ok) {
  uint32_t size = static_cast<uint32_t>(strlen(text));
  *ok = *ok && out->append(&size, sizeof size) && out->append(text, size);
}

bool build_request(const char* driver, char** argv, Buffer* out) {
  char cwd[4096];
  if (!getcwd(cwd, sizeof cwd)) return false;
  mode_t mask = umask(0);
  umask(mask);
  uint32_t head[2] = {request_flags(), static_cast<uint32_t>(mask)};
  bool ok = out->append(head, sizeof head);
  put_string(out, HPCC_BUILD_ID, &ok);
  put_string(out, driver, &ok);
  put_string(out, cwd, &ok);
  const char* pwd = getenv("PWD");
  put_string(out, pwd ? pwd : "", &ok);
  put_list(out, argv, &ok);
  put_list(out, environ, &ok);
  return ok;
}

struct Engine {
  int fd = -1;
  bool is_daemon = false;
};

Engine connect_engine(const Places& places) {
  const char* daemon = getenv("HPCC_DAEMON");
  if (daemon && strcmp(daemon, "0") == 0) return {spawn_engine(places), false};
  int fd = connect_daemon(places);
  return fd >= 0 ? Engine{fd, true} : Engine{spawn_engine(places), false};
}

// Sends the request and waits for the answer: as receive_frame. While a worker compiles, the engine says so.
int ask(int engine, Buffer& request, frame::Type* type, Buffer* reply) {
  if (!send_frame(engine, frame::Type::kCompile, request.data(), request.size())) return -1;
  int got;
  do {
    got = receive_frame(engine, type, reply, kReplyDeadlineMs);
  } while (got == 1 && *type == frame::Type::kBusy);
  return got;
}

[[noreturn]] void finish_done(Buffer& reply) {
  frame::Reader in{reply.data(), reply.size()};
  int code = static_cast<int>(in.u32());
  uint32_t out_size = 0, err_size = 0;
  const char* out = in.string(&out_size);
  const char* err = in.string(&err_size);
  write_all(1, out, out_size);
  write_all(2, err, err_size);
  _exit(code);
}

bool is_complete_done(Buffer& reply) {
  frame::Reader in{reply.data(), reply.size()};
  uint32_t size = 0;
  in.u32();
  in.string(&size);
  in.string(&size);
  return !in.failed && in.at == in.size;
}

// No engine can be had: the build goes on, unless the user said that it must not, or this machine's compiler would make
// other objects than the project's image.
[[noreturn]] void without_engine(const char* driver, char** argv) {
  if (env_flag("HPCC_STRICT")) {
    fprintf(stderr, "hpcc: no daemon and no engine can be started, and HPCC_STRICT is set (see hpcc doctor)\n");
    _exit(frame::kStrictExit);
  }
  Path project;
  if (find_image_project(&project)) {
    fprintf(stderr,
            "hpcc: no engine can be started (see hpcc doctor), and %s names the image that compiles here. "
            "HPCC_DISABLE=1 takes this machine's compiler.\n",
            project.c_str());
    _exit(frame::kStrictExit);
  }
  become(driver, argv);
}

// The engine is of another build than this launcher, which was replaced a moment ago: it cannot answer.
bool is_other_build(frame::Type type, Buffer& reply) {
  if (type != frame::Type::kExec) return false;
  frame::Reader in{reply.data(), reply.size()};
  uint32_t size = 0;
  const char* reason = in.string(&size);
  return Text(reason, reason ? size : 0) == Text(frame::kOtherBuild);
}

int compile(char** argv) {
  static Path driver;  // argv[0] may point into it
  bool passed_over = false;
  // A compiler that is not on this machine may be in the project's image: the engine decides.
  if (!find_program(argv[0], &driver, &passed_over)) driver.text[driver.size = 0] = 0;
  if (passed_over && driver.size != 0) argv[0] = driver.text;
  if (env_flag("HPCC_DISABLE")) become(driver.c_str(), argv);
  Places places;
  Buffer request(frame::kMaxLength), reply(frame::kMaxLength);
  if (!find_places(&places) || !build_request(driver.c_str(), argv, &request)) without_engine(driver.c_str(), argv);
  Engine engine = connect_engine(places);
  if (engine.fd < 0) without_engine(driver.c_str(), argv);
  frame::Type type;
  int got = ask(engine.fd, request, &type, &reply);
  if (got == 0 && engine.is_daemon) abandon_daemon(places, engine.fd);
  if (engine.is_daemon && (got < 0 || (got == 1 && is_other_build(type, reply)))) {
    // It was just about to end, or it died, or hpcc was replaced: once more without it.
    close(engine.fd);
    engine = {spawn_engine(places), false};
    if (engine.fd >= 0) got = ask(engine.fd, request, &type, &reply);
  }
  if (got <= 0 || is_other_build(type, reply)) {
    if (engine.fd >= 0) close(engine.fd);
    without_engine(driver.c_str(), argv);
  }
  if (type == frame::Type::kDone && is_complete_done(reply)) finish_done(reply);
  if (type == frame::Type::kRun) {
    return run_compiler(driver.c_str(), argv, engine.fd, reply, engine.is_daemon ? &places : nullptr);
  }
  close(engine.fd);
  become(driver.c_str(), argv);
}

}  // namespace

int main_of_hpcc(int argc, char** argv) {
  // Descriptors 0-2 must be taken, or a socket would become the compiler's standard error.
  for (int fd = 0; fd < 3; ++fd) {
    if (fcntl(fd, F_GETFD) < 0) open("/dev/null", O_RDWR);
  }
  if (argc < 1) return 127;
  Text name = basename_of(argv[0]);
  if (!name.starts_with("hpcc")) return compile(argv);
  int at = 1;
  bool wrapped = false;
  for (; at < argc; ++at) {
    if (is_assignment(argv[at])) {
      putenv(argv[at]);
    } else if (!wrapped && Text(argv[at]) == Text("wrap")) {
      wrapped = true;
    } else {
      break;
    }
  }
  if (at >= argc && at > 1) {
    fprintf(stderr, "hpcc: no compiler given (see hpcc --help)\n");
    return 2;
  }
  const bool asks_help = wrapped && at < argc && Text(argv[at]) == Text("--help");
  if (at >= argc || asks_help || (!wrapped && is_verb(argv[at]))) {
    argv[at - 1] = argv[0];
    become_tool(argv + at - 1);
  }
  return compile(argv + at);
}

}  // namespace hpcc::launcher

int main(int argc, char** argv) { return hpcc::launcher::main_of_hpcc(argc, argv); }
