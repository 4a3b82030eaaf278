// Who a command runs as: names and numbers from /etc/passwd and /etc/group.
#pragma once
#include "wire.h"

#include <sys/types.h>

struct identity {
  bool change; // false: stay who the agent is
  uid_t uid;
  gid_t gid;
  size_t group_count;
  gid_t *groups; // owned by users.c, valid until the next lookup
};

// 0, or an errno: ENOENT for an unknown user or group.
int identity_find(const char *user, bool groups_given, struct texts groups, struct identity *identity);
