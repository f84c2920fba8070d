// The initramfs of a microVM (newc cpio, not compressed): the agent as /init and the empty directories it mounts on, as
// vm/agent_contract.h says. The same agent gives the same bytes.
#pragma once

#include <string>
#include <string_view>

namespace hpcc {

std::string make_initramfs(std::string_view agent);

}  // namespace hpcc
