// The helper process: runs one command (or file operation) at a time for the agent.
#pragma once
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

#define SUPERVISOR_NAME "agent-command" // as the kernel shows it

struct supervisor_setup {
  int socket, null;         // inherited by the fork; everything else is closed
  pid_t agent;
  const uint8_t *payload;   // a START too long for the socket, inherited with the memory
  uint32_t payload_length;
  struct rlimit own_nofile;
};

_Noreturn void supervisor_run(const struct supervisor_setup *setup);
