// What a sandbox driver and the agent agree on about a guest's start; both include it.
//
// microVM: the kernel unpacks an initramfs that holds the agent as /init and the empty directories /dev, /proc, /run,
// /sys, /image. The verified root is made by the kernel itself (dm-mod.create= on its command line, DM_INIT) before
// /init runs; the command line also has hpcc.root=<block device>, which the agent mounts read-only on /image
// (squashfs).
// Without hpcc.root= the agent ends at once: a guest without a verified root never serves. The agent then listens on
// vsock port kAgentVsockPort and serves one connection after the other; when it cannot go on it resets the machine.
//
// namespace: the driver starts the agent as first process of new namespaces with the image's tree bound on /image, a
// tmpfs on /run, and descriptor kAgentControlFd, a SOCK_SEQPACKET socket; each message on it carries one connected
// stream.
#pragma once

namespace hpcc {

inline constexpr unsigned kAgentVsockPort = 1024;
inline constexpr int kAgentControlFd = 3;
inline constexpr char kAgentRootArgument[] = "hpcc.root=";  // kernel command line
inline constexpr char kAgentNamespaceFlag[] = "--namespace";
inline constexpr char kGuestImageDir[] = "/image";

}  // namespace hpcc
