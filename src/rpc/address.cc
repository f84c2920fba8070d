#include "rpc/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <charconv>
#include <cstdint>

namespace hpcc {
namespace {

std::string host_of(const std::string& address) { return address.substr(0, address.rfind(':')); }

// All addresses of the machine.
bool is_wildcard(std::string host) {
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  struct in_addr four;
  struct in6_addr six;
  if (host.empty() || host == "*") return true;
  if (inet_aton(host.c_str(), &four) != 0) return four.s_addr == INADDR_ANY;
  if (inet_pton(AF_INET6, host.c_str(), &six) != 1) return false;
  const bool maps_any = IN6_IS_ADDR_V4MAPPED(&six) && six.s6_addr32[3] == INADDR_ANY;
  return IN6_IS_ADDR_UNSPECIFIED(&six) || maps_any;
}

bool has_port(const std::string& address) {
  const size_t colon = address.rfind(':');
  if (colon == std::string::npos) return false;
  uint16_t port = 0;
  const char* end = address.data() + address.size();
  const auto [stop, error] = std::from_chars(address.data() + colon + 1, end, port);
  return error == std::errc() && stop == end && port != 0;
}

}  // namespace

Status check_addresses(const std::string& listen, const std::string& advertise) {
  if (!advertise.empty()) {
    if (has_port(advertise) && !is_wildcard(host_of(advertise))) return {};
    return Error{Code::kInvalid, "--advertise wants HOST:PORT that can be dialled, not " + advertise};
  }
  if (!is_wildcard(host_of(listen))) return {};
  return Error{Code::kInvalid, "listening on " + listen +
                                   ", an address that nobody can dial: name where others reach it with "
                                   "--advertise HOST:PORT"};
}

std::string dialled_address(const std::string& listen, const std::string& advertise, int port) {
  return advertise.empty() ? host_of(listen) + ":" + std::to_string(port) : advertise;
}

}  // namespace hpcc
