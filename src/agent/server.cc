#include "agent/server.h"

#include <fcntl.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/server_posix.h>
#include <hpcc/v1/agent.grpc.pb.h>
#include <linux/vm_sockets.h>
#include <signal.h>
#include <sys/socket.h>

#include <atomic>
#include <cerrno>

#include "agent/session.h"
#include "base/limits.h"
#include "base/message.h"
#include "vm/agent_contract.h"

namespace hpcc {
namespace {

constexpr int64_t kForeverMs = int64_t{1000} * 60 * 60 * 24 * 365;

class Service final : public v1::Agent::Service {
 public:
  Service(const Site& site, int first) : site_(site), first_(first) {}

  grpc::Status Session(grpc::ServerContext*, grpc::ServerReaderWriter<v1::AgentFrame, v1::HostFrame>* stream) override {
    if (busy_.exchange(true)) return {grpc::StatusCode::RESOURCE_EXHAUSTED, "another session is on"};
    Status state;
    {
      hpcc::Session session(site_, first_, [stream](const v1::AgentFrame& frame) { return stream->Write(frame); });
      for (v1::HostFrame frame; state.ok() && stream->Read(&frame);) state = session.receive(frame);
    }
    busy_ = false;
    if (state.ok()) return grpc::Status::OK;
    return {grpc::StatusCode::INVALID_ARGUMENT, state.error().to_string()};
  }

 private:
  const Site& site_;
  const int first_;
  std::atomic<bool> busy_{false};
};

// Where connections come from: vsock in a microVM, the driver's socket in a namespace.
class Listener {
 public:
  static Result<Listener> open(GuestKind kind) {
    if (kind == GuestKind::kNamespace) return Listener(Fd(kAgentControlFd), kind);
    Fd fd(socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!fd) return errno_error("vsock");
    struct sockaddr_vm address = {};
    address.svm_family = AF_VSOCK;
    address.svm_cid = VMADDR_CID_ANY;
    address.svm_port = kAgentVsockPort;
    if (bind(fd.get(), reinterpret_cast<struct sockaddr*>(&address), sizeof address) != 0 || listen(fd.get(), 4) != 0) {
      return errno_error("listen on vsock");
    }
    return Listener(std::move(fd), kind);
  }

  Result<Fd> next() {
    if (kind_ == GuestKind::kMicroVm) {
      Fd fd(accept4(fd_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
      if (!fd) return errno_error("accept");
      return fd;
    }
    TRY_ASSIGN(Message message, receive_message(fd_.get(), Deadline::after_ms(kForeverMs)));
    if (message.fds.size() != 1) return Error{Code::kInvalid, "no connection in the driver's message", 0};
    fcntl(message.fds[0].get(), F_SETFL, O_NONBLOCK);
    return std::move(message.fds[0]);
  }

 private:
  Listener(Fd fd, GuestKind kind) : fd_(std::move(fd)), kind_(kind) {}
  Fd fd_;
  GuestKind kind_;
};

}  // namespace

Status run_server(const Site& site, Fd first) {
  signal(SIGPIPE, SIG_IGN);
  TRY_ASSIGN(Listener listener, Listener::open(site.kind));
  Service service(site, first.get());
  grpc::ServerBuilder builder;
  builder.SetMaxReceiveMessageSize(static_cast<int>(limits::kGuestCompileBytes));
  builder.SetMaxSendMessageSize(static_cast<int>(limits::kGuestChunkBytes + limits::kGuestMessageBytes * 2));
  builder.SetSyncServerOption(grpc::ServerBuilder::SyncServerOption::NUM_CQS, 1);
  builder.RegisterService(&service);
  std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (!server) return Error{Code::kIo, "gRPC server does not start", 0};
  for (;;) {
    Result<Fd> connection = listener.next();
    if (!connection.ok()) {
      // The driver has gone: so has the reason for this guest. A failed accept is one peer's trouble.
      if (site.kind == GuestKind::kNamespace) {
        server->Shutdown(std::chrono::system_clock::now());
        return {};
      }
      if (errno != ECONNABORTED && errno != EINTR && errno != EPROTO) return connection.error();
      continue;
    }
    grpc::AddInsecureChannelFromFd(server.get(), connection->release());
  }
}

}  // namespace hpcc
