// The local socket's frames: one codec, shared by the freestanding launcher and by wire/. Header-only, no allocation,
// no libstdc++ symbols.
//
// frame   := u32 magic, u32 type, u32 length, payload[length]       all integers in host order: one machine, one build
// string  := u32 size, bytes
// list    := u32 count, string*
// request := u32 flags, u32 umask, string build_id, string driver, string cwd, string pwd, list argv, list env
// Version history: the build id in the request is the version; both ends must have the same.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>

namespace hpcc::frame {

inline constexpr uint32_t kMagic = 0x43435048;  // "HPCC"
inline constexpr uint32_t kMaxLength = 64u << 20;

enum class Type : uint32_t {
  // launcher → engine
  kCompile = 1,  // request
  kEvents = 2,   // chunk of observed paths, see Event below
  kFinish = 3,   // i32 exit code, u32 finish flags, u64 start_ns (CLOCK_REALTIME), u64 wall_ns, string out, string err
  kControl = 4,  // string verb: "status", "stop", "flush"
  kLend = 5,     // empty; with it come descriptors of a traced compile: the listener and the pipes (client/keeper.h)
  // engine → launcher
  kDone = 16,    // i32 exit code, string stdout, string stderr
  kRun = 17,     // u32 run flags, u32 argv inserts: list prefix arguments (after argv[0]), list suffix arguments
  kExec = 18,    // string reason
  kStored = 19,  // string note
  kText = 20,    // answer to kControl
  kRefused = 21,  // in place of kStored, under HPCC_STRICT only: string why the build must fail
  kBusy = 32,    // empty: a worker is at it; the next frame comes within the same time again
};

// request flags
inline constexpr uint32_t kRecache = 1, kStderrTty = 2, kStdoutTty = 4;
// run flags
inline constexpr uint32_t kTrace = 1, kCapture = 2, kReport = 4;
// kHold: what is captured is not passed on; the answer to kFinish is kDone with the text to print. kCommand: the first
// list is the whole command, its first word the program's absolute path.
inline constexpr uint32_t kHold = 8, kCommand = 16;
// kNoStdin: the program's standard input is empty.
inline constexpr uint32_t kNoStdin = 32;
// finish flags
inline constexpr uint32_t kUntraced = 1, kTruncated = 2, kForeign = 4, kNetwork = 8;

// Reason of kExec: the engine is of another build of hpcc.
inline constexpr char kOtherBuild[] = "other build of hpcc";

// What HPCC_STRICT ends a compile with that the compiler did not fail.
inline constexpr int kStrictExit = 125;

// Descriptors that one kLend frame may carry.
inline constexpr size_t kLentDescriptors = 3;

// Event: u8 op, u8 state, u16 path length, u32 pid, u64 dev, ino, size, i64 mtime_ns, ctime_ns, bytes of path. `state`
// is what the tracer itself saw at that path just before it let the system call go on. Paths are absolute, or relative
// to the request's cwd. A path comes once for each op, of the first process that looked; kExec each time, and kRead
// again from another process or after a kExec.
enum class Op : uint8_t {
  kRead = 1,   // open for reading
  kStat = 2,   // stat, access
  kLstat = 3,  // lstat: the link itself
  kReadlink = 4,
  kExec = 5,
  kWrite = 6,   // open for writing or creating, rename onto, link, symlink, mkdir, truncate
  kRemove = 7,  // unlink, rmdir, rename away
  kList = 8,    // opened as a directory
};
enum class State : uint8_t { kAbsent = 0, kFile = 1, kDirectory = 2, kLink = 3, kSpecial = 4, kError = 5 };

struct Writer {
  char* data;
  size_t capacity;
  size_t size = 0;
  bool overflow = false;

  void raw(const void* p, size_t n) {
    if (n > capacity - size) {
      overflow = true;
      return;
    }
    memcpy(data + size, p, n);
    size += n;
  }
  void u8(uint8_t v) { raw(&v, 1); }
  void u16(uint16_t v) { raw(&v, 2); }
  void u32(uint32_t v) { raw(&v, 4); }
  void u64(uint64_t v) { raw(&v, 8); }
  void string(const char* s, size_t n) {
    u32(static_cast<uint32_t>(n));
    raw(s, n);
  }
};

struct Reader {
  const char* data;
  size_t size;
  size_t at = 0;
  bool failed = false;

  bool raw(void* p, size_t n) {
    if (failed || n > size - at) {
      failed = true;
      memset(p, 0, n);
      return false;
    }
    memcpy(p, data + at, n);
    at += n;
    return true;
  }
  uint8_t u8() {
    uint8_t v;
    raw(&v, 1);
    return v;
  }
  uint16_t u16() {
    uint16_t v;
    raw(&v, 2);
    return v;
  }
  uint32_t u32() {
    uint32_t v;
    raw(&v, 4);
    return v;
  }
  uint64_t u64() {
    uint64_t v;
    raw(&v, 8);
    return v;
  }
  // Points into the frame; nullptr (and failed) when the frame is too short.
  const char* string(uint32_t* n) {
    *n = u32();
    if (failed || *n > size - at) {
      failed = true;
      *n = 0;
      return nullptr;
    }
    const char* p = data + at;
    at += *n;
    return p;
  }
};

}  // namespace hpcc::frame
