#include "client/server.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/fs.h"
#include "base/limits.h"
#include "client/keeper.h"

namespace hpcc {
namespace {

constexpr int kReplyTimeoutMs = 10000;
constexpr int kExhaustedNapMs = 20;
constexpr int kUpkeepMs = 2000;       // how often idleness and orphanhood are looked at
constexpr int kLongestCompileMs = 24 * 3600 * 1000;
constexpr int kFirstFrameWaitMs = 2;  // a launcher sends its request right after connect

bool peer_is_owner(int fd) {
  struct ucred peer;
  socklen_t size = sizeof peer;
  return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && peer.uid == geteuid();
}

// False when the connection has served its purpose.
bool send_answer(int fd, const Answer& answer) {
  return send_frame(fd, answer.type, answer.payload, kReplyTimeoutMs).ok() &&
         (answer.type == frame::Type::kRun || answer.type == frame::Type::kBusy);
}

// One frame of a compile. False ends the connection.
bool drive(Engine& engine, std::unique_ptr<Compile>& compile, int fd, const std::function<void()>& wake,
           frame::Type type, const std::string& payload) {
  const auto misspoken = [&engine] {
    engine.store().count(Counter::kError);
    return false;
  };
  switch (type) {
    case frame::Type::kCompile: {
      Result<Request> request = decode_request(payload);
      if (!request.ok() || compile) return misspoken();
      auto waits = [fd] {
        struct pollfd peer = {fd, POLLRDHUP, 0};
        return poll(&peer, 1, 0) == 0;
      };
      if (!waits()) return false;
      compile = std::make_unique<Compile>(engine, std::move(request).value(), waits, wake);
      return send_answer(fd, compile->begin());
    }
    case frame::Type::kEvents:
      return (compile && compile->events(payload).ok()) || misspoken();
    case frame::Type::kLend:
      return compile != nullptr || misspoken();
    case frame::Type::kFinish: {
      Result<Finish> finish = decode_finish(payload);
      if (!finish.ok() || !compile) return misspoken();
      Answer answer = compile->finish(*finish);
      (void)send_frame(fd, answer.type, answer.payload, kReplyTimeoutMs).ok();
      return false;
    }
    case frame::Type::kControl:
    case frame::Type::kDone:
    case frame::Type::kRun:
    case frame::Type::kExec:
    case frame::Type::kStored:
    case frame::Type::kText:
    case frame::Type::kRefused:
    case frame::Type::kBusy:
      return misspoken();
  }
  return misspoken();
}

}  // namespace

void serve_connection(Engine& engine, Fd fd) {
  std::unique_ptr<Compile> compile;
  FrameBuffer frames;
  const auto nobody = [] {};  // to wake: no worker is asked here
  std::vector<Fd> lent;
  for (;;) {
    frame::Type type;
    // A compile may take hours; the launcher's end closes when it dies.
    Result<std::string> payload = receive_frame(fd.get(), frames, &type, kLongestCompileMs, &lent);
    if (payload.ok() && drive(engine, compile, fd.get(), nobody, type, *payload)) continue;
    if (payload.ok()) break;
    const Code code = payload.error().code;
    if (code == Code::kInvalid) engine.store().count(Counter::kError);
    if (code == Code::kNotFound || code == Code::kIo) tend_all(std::move(lent), kLongestCompileMs);
    break;
  }
  (void)engine.flush().ok();
}

Server::~Server() {
  if (listener_ && !is_orphaned()) unlink(join_path(options_.run_dir, options_.socket_name).c_str());
}

Status Server::listen() {
  // From inside the directory: the path may be longer than a socket address. The daemon's own directory is "/" later.
  if (chdir(options_.run_dir.c_str()) != 0) return errno_error("chdir " + options_.run_dir);
  struct sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (options_.socket_name.size() >= sizeof address.sun_path) return Error{Code::kInvalid, "socket name too long", 0};
  memcpy(address.sun_path, options_.socket_name.data(), options_.socket_name.size());
  listener_.reset(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!listener_) return errno_error("socket");
  unlink(options_.socket_name.c_str());
  const mode_t old = umask(077);
  int bound = bind(listener_.get(), reinterpret_cast<struct sockaddr*>(&address), sizeof address);
  umask(old);
  if (bound != 0) return errno_error("bind " + join_path(options_.run_dir, options_.socket_name));
  struct stat info;
  if (lstat(options_.socket_name.c_str(), &info) != 0) return errno_error("stat " + options_.socket_name);
  socket_ino_ = info.st_ino;
  socket_dev_ = info.st_dev;
  if (::listen(listener_.get(), 1024) != 0) return errno_error("listen");
  if (chdir("/") != 0) return errno_error("chdir /");
  epoll_.reset(epoll_create1(EPOLL_CLOEXEC));
  struct epoll_event event = {};
  event.events = EPOLLIN | EPOLLET;  // wakes one worker for each new connection
  event.data.fd = listener_.get();
  if (!epoll_ || epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, listener_.get(), &event) != 0) return errno_error("epoll");
  wake_.reset(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  event.events = EPOLLIN;
  event.data.fd = wake_.get();
  if (!wake_ || epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, wake_.get(), &event) != 0) return errno_error("eventfd");
  return {};
}

void Server::stop() {
  stopping_.store(true);
  const uint64_t one = 1;
  (void)!write(wake_.get(), &one, sizeof one);
}

bool Server::is_orphaned() const {
  struct stat info;
  return lstat(join_path(options_.run_dir, options_.socket_name).c_str(), &info) != 0 || info.st_ino != socket_ino_ ||
         info.st_dev != socket_dev_;
}

void Server::run() {
  last_activity_ns_.store(monotonic_ns());
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < options_.threads; ++i) threads.emplace_back([this] { work(); });
  int64_t flushed_at = 0;
  for (int64_t idle_exit_s = options_.idle_exit_s(); !stopping_.load(); idle_exit_s = options_.idle_exit_s()) {
    struct pollfd wait = {wake_.get(), POLLIN, 0};
    poll(&wait, 1, kUpkeepMs);
    reassure();
    const bool busy = has_work();
    const int64_t active_at = last_activity_ns_.load();
    const int64_t idle_s = (monotonic_ns() - active_at) / 1000000000;
    if (active_at > flushed_at) {
      flushed_at = monotonic_ns();
      (void)engine_.flush().ok();
    }
    if (!busy && (idle_s >= idle_exit_s || is_orphaned())) stop();
  }
  for (std::thread& thread : threads) thread.join();
  (void)engine_.flush().ok();
}

void Server::work() {
  while (!stopping_.load()) {
    struct epoll_event event;
    int ready = epoll_wait(epoll_.get(), &event, 1, 500);
    if (ready != 1 || event.data.fd == wake_.get()) continue;
    last_activity_ns_.store(monotonic_ns());
    if (event.data.fd == listener_.get()) {
      while (accept_one()) {
      }
    } else if (!serve_kept(event.data.fd)) {
      serve(event.data.fd);
    }
  }
}

// Takes over for a launcher that was killed.
void Server::keep(std::vector<Fd> lent) {
  std::lock_guard lock(mutex_);
  for (Fd& fd : lent) {
    if (!may_keep(fd.get()) || kept_.size() >= limits::kKeptDescriptors) continue;
    struct epoll_event event = {};
    event.events = EPOLLIN | EPOLLONESHOT;
    event.data.fd = fd.get();
    if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd.get(), &event) != 0) continue;
    const int number = fd.get();
    kept_[number] = Kept{std::move(fd), monotonic_ns()};
  }
}

// False when fd is none of the kept ones.
bool Server::serve_kept(int fd) {
  {
    std::lock_guard lock(mutex_);
    if (kept_.find(fd) == kept_.end()) return false;
  }
  // EPOLLONESHOT: no other thread serves it.
  const bool goes_on = tend(fd);
  std::lock_guard lock(mutex_);
  struct epoll_event event = {};
  event.events = EPOLLIN | EPOLLONESHOT;
  event.data.fd = fd;
  if (goes_on && epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &event) == 0) return true;
  // Others may hold the same description: closing would not take it out of the set.
  epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
  kept_.erase(fd);
  return true;
}

// Whether a compile or a compiler depends on this daemon.
bool Server::has_work() {
  std::lock_guard lock(mutex_);
  const int64_t oldest_ns = monotonic_ns() - int64_t{kLongestCompileMs} * 1000000;
  for (const auto& [fd, kept] : kept_) {
    if (kept.since_ns > oldest_ns) return true;
  }
  return !connections_.empty();
}

// Serves one waiting connection. False when none waits.
bool Server::accept_one() {
  Fd fd(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!fd && (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)) {
    poll(nullptr, 0, kExhaustedNapMs);  // the edge is gone: the waiting connection is tried again
    return !stopping_.load();
  }
  if (!fd) return errno == EINTR || errno == ECONNABORTED;
  if (!peer_is_owner(fd.get())) return true;
  auto connection = std::make_unique<Connection>();
  connection->fd = std::move(fd);
  const int number = connection->fd.get();
  connection->serial = serials_.fetch_add(1);
  struct pollfd wait = {number, POLLIN, 0};
  poll(&wait, 1, kFirstFrameWaitMs);
  if (!advance(*connection)) {
    if (connection->peer_gone) keep(std::move(connection->lent));
    return true;
  }
  std::lock_guard lock(mutex_);
  if (connections_.size() >= limits::kConnections) return true;
  Connection& kept = *(connections_[number] = std::move(connection));
  struct epoll_event event = {};
  // A worker's answer may have come already, and have found nobody to wake.
  event.events = EPOLLIN | EPOLLONESHOT | (kept.compile && kept.compile->ready() ? EPOLLOUT : 0u);
  event.data.fd = number;
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, number, &event) != 0) connections_.erase(number);
  return true;
}

void Server::serve(int fd) {
  Connection* connection;
  {
    std::lock_guard lock(mutex_);
    auto found = connections_.find(fd);
    if (found == connections_.end()) return;
    connection = found->second.get();
    connection->in_service = true;
    connection->woken = false;
  }
  // EPOLLONESHOT: no other thread has this connection until it is armed again.
  bool open = advance(*connection);
  if (!open && connection->peer_gone) keep(std::move(connection->lent));
  if (open && connection->compile && connection->compile->ready()) {
    open = send_answer(fd, connection->compile->resume());
  }
  std::unique_ptr<Connection> gone;  // ends behind the lock: giving a compile up takes a moment
  std::lock_guard lock(mutex_);
  connection->in_service = false;
  if (open && arm(*connection)) return;
  gone = std::move(connections_[fd]);
  connections_.erase(fd);
}

// Called with mutex_ held.
bool Server::arm(Connection& connection) {
  const int fd = connection.fd.get();
  struct epoll_event event = {};
  event.events = EPOLLIN | EPOLLONESHOT | (connection.woken ? EPOLLOUT : 0u);
  event.data.fd = fd;
  return epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &event) == 0;
}

// A worker has answered: some thread is to resume the compile. A socket can always be written to, which is how it is
// told; whoever has the connection now looks again before it lets go.
void Server::wake(int fd, uint64_t serial) {
  std::lock_guard lock(mutex_);
  auto found = connections_.find(fd);
  if (found == connections_.end() || found->second->serial != serial) return;
  found->second->woken = true;
  if (!found->second->in_service) (void)arm(*found->second);
}

// Launchers whose compile is at a worker hear that this daemon lives.
void Server::reassure() {
  std::lock_guard lock(mutex_);
  for (const auto& [fd, connection] : connections_) {
    if (connection->in_service || !connection->compile || !connection->compile->busy()) continue;
    (void)send_frame(fd, frame::Type::kBusy, {}, 0).ok();
  }
}

// Takes what has arrived and handles whole frames. False when the connection is done.
bool Server::advance(Connection& connection) {
  char chunk[65536];
  for (;;) {
    ssize_t got = receive_some(connection.fd.get(), chunk, sizeof chunk, &connection.lent);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN) return true;
    connection.peer_gone = got <= 0;
    if (got <= 0) return false;
    connection.frames.feed(chunk, static_cast<size_t>(got));
    for (;;) {
      frame::Type type;
      std::string payload;
      Result<bool> whole = connection.frames.next(&type, &payload);
      if (!whole.ok()) {
        engine_.store().count(Counter::kError);
        return false;
      }
      if (!*whole) break;
      if (!handle(connection, type, payload)) return false;
    }
  }
}

bool Server::handle(Connection& connection, frame::Type type, const std::string& payload) {
  if (type == frame::Type::kControl) {
    Result<std::string> verb = decode_string(payload);
    if (!verb.ok()) return false;
    return send_frame(connection.fd.get(), frame::Type::kText, encode_string(control(*verb)), kReplyTimeoutMs).ok();
  }
  if (type == frame::Type::kCompile) served_.fetch_add(1);
  auto wake_it = [this, fd = connection.fd.get(), serial = connection.serial] { wake(fd, serial); };
  return drive(engine_, connection.compile, connection.fd.get(), wake_it, type, payload);
}

std::string Server::control(const std::string& verb) {
  if (verb == "flush") {
    Status done = engine_.flush();
    return done.ok() ? "ok" : done.error().to_string();
  }
  if (verb == "stop") {
    stop();
    return "ok";
  }
  if (verb == "status") return "pid " + std::to_string(getpid()) + "\nserved " + std::to_string(served_.load()) + "\n";
  return "unknown verb";
}

}  // namespace hpcc
