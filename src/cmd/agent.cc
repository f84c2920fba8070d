// hpcc-agent: first process of a guest (see agent/agent.h). Started by a kernel as /init, or by the namespace driver.
#include <unistd.h>

#include <cstdio>
#include <cstring>

#include "agent/agent.h"
#include "vm/agent_contract.h"

int main(int argc, char** argv) {
  if (getpid() != 1) {
    fprintf(stderr, "hpcc-agent: runs only as first process of a guest; hpcc-worker starts it\n");
    return 2;
  }
  const bool in_namespace = argc == 2 && strcmp(argv[1], hpcc::kAgentNamespaceFlag) == 0;
  return hpcc::run_agent(in_namespace ? hpcc::GuestKind::kNamespace : hpcc::GuestKind::kMicroVm);
}
