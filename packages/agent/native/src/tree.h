// Finding and signalling the descendants of the calling process.
#pragma once
#include <stdbool.h>
#include <sys/types.h>

struct walk {
  int signal;
  pid_t group;              // only members of this process group; 0: all
  bool (*spare)(pid_t pid); // children of the caller that are left out with all below them; may be NULL
};

// Sends the signal once to every descendant that a walk finds, parents first. Returns how many that were (the dead
// ones not counted), or -1 when /proc cannot be read.
int tree_signal(const struct walk *walk);

bool tree_is_readable(void);
bool pidfd_works(void);

// Holds a process, so that its number stays its own; -1 where that cannot be, or when there is none.
int pidfd_of(pid_t pid);
// By what it is held with; where that is -1, by its number.
bool process_signal(int pidfd, pid_t pid, int signal);
