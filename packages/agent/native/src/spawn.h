// Starting one process: everything between a decoded START and a successful execve.
#pragma once
#include "wire.h"

#include <sys/resource.h>
#include <sys/types.h>

struct spawn_error {
  int stage, error;
};

// Files 0, 1, 2 of the command. Returns its pid, or -1 with the reason.
pid_t spawn(const struct start *start, const int files[3], const struct rlimit *own_nofile, struct spawn_error *reason);

// Once, in the agent: does a vforked child share our memory? Emulators of foreign processors make it an ordinary fork.
void spawn_probe(void);
