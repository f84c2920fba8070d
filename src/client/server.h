// Server: hpccd's loop. Accepts launchers of the same user on a Unix socket and runs their commands through the Engine,
// a few worker threads sharing one epoll; ends when idle, when told to, or when its socket is no longer its own.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "client/engine.h"

namespace hpcc {

inline constexpr int64_t kDefaultIdleExitS = 600;

struct ServerOptions {
  std::string run_dir, socket_name;
  // How long to stay without work; asked every two seconds, so that a change of the configuration is noticed.
  std::function<int64_t()> idle_exit_s = [] { return kDefaultIdleExitS; };
  unsigned threads = 4;
};

class Server {
 public:
  Server(Engine& engine, ServerOptions options) : engine_(engine), options_(std::move(options)) {}
  ~Server();

  // Binds the socket (replacing a dead one). The caller holds the launcher's start lock.
  Status listen();
  // Serves until idle, stopped or orphaned.
  void run();
  void stop();

 private:
  struct Connection {
    Fd fd;
    FrameBuffer frames;
    std::unique_ptr<Compile> compile;
    std::vector<Fd> lent;  // see client/keeper.h
    bool peer_gone = false;
    uint64_t serial = 0;      // tells it from a later one with the same descriptor
    bool in_service = false;  // a thread has it; guarded by mutex_, like the next
    bool woken = false;       // its worker answered meanwhile
  };
  struct Kept {
    Fd fd;
    int64_t since_ns;
  };
  void work();
  bool accept_one();
  void serve(int fd);
  bool advance(Connection& connection);
  void keep(std::vector<Fd> lent);
  bool serve_kept(int fd);
  bool has_work();
  bool handle(Connection& connection, frame::Type type, const std::string& payload);
  void wake(int fd, uint64_t serial);
  bool arm(Connection& connection);
  void reassure();
  std::string control(const std::string& verb);
  bool is_orphaned() const;

  Engine& engine_;
  const ServerOptions options_;
  Fd listener_, epoll_, wake_;  // wake_: readable once the server stops
  uint64_t socket_ino_ = 0, socket_dev_ = 0;
  std::atomic<bool> stopping_{false};
  std::atomic<int64_t> last_activity_ns_{0};
  std::atomic<uint64_t> served_{0}, serials_{0};
  std::mutex mutex_;  // guards everything below
  std::unordered_map<int, std::unique_ptr<Connection>> connections_;
  std::unordered_map<int, Kept> kept_;  // of compilers whose launchers were killed
};

// One connection, blocking, in this process: the engine of HPCC_DAEMON=0.
void serve_connection(Engine& engine, Fd fd);

}  // namespace hpcc
