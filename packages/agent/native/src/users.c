// Reads /etc/passwd and /etc/group itself: libc's getpwnam may ask a name service over a socket, and the agent must
// also work in an image that has neither files nor services (numbers always work).
#include "users.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_GROUPS = 65536, LINE = 65536 }; // NGROUPS_MAX; a group's line holds all its members

static gid_t found_groups[MAX_GROUPS];
static char line[LINE];

// Splits at ':' in place. A line with fewer fields is not an entry.
static bool split(char *text, char *fields[], int count) {
  text[strcspn(text, "\n")] = '\0';
  for (int i = 0; i < count; i++) {
    fields[i] = text;
    text = strchr(text, ':');
    if (text == NULL) return i == count - 1;
    *text++ = '\0';
  }
  return true;
}

static bool number(const char *text, uint32_t *value) {
  if (*text == '\0' || strlen(text) > 10) return false;
  uint64_t sum = 0;
  for (; *text; text++) {
    if (*text < '0' || *text > '9') return false;
    sum = sum * 10 + (uint64_t)(*text - '0');
  }
  *value = (uint32_t)sum;
  return sum < UINT32_MAX; // 2^32-1 means "do not change" to the kernel
}

static bool passwd_find(const char *user, uid_t uid, bool by_name, char name[256], uid_t *found_uid, gid_t *found_gid) {
  FILE *passwd = fopen("/etc/passwd", "re");
  bool found = false;
  while (passwd && !found && fgets(line, LINE, passwd)) {
    char *field[4];
    uint32_t entry_uid, entry_gid;
    if (!split(line, field, 4) || !number(field[2], &entry_uid) || !number(field[3], &entry_gid)) continue;
    if (by_name ? strcmp(field[0], user) != 0 : entry_uid != uid) continue;
    found = true;
    snprintf(name, 256, "%s", field[0]);
    *found_uid = entry_uid;
    *found_gid = entry_gid;
  }
  if (passwd) fclose(passwd);
  return found;
}

static bool group_find(const char *group, gid_t *gid) {
  if (number(group, gid)) return true;
  FILE *groups = fopen("/etc/group", "re");
  bool found = false;
  while (groups && !found && fgets(line, LINE, groups)) {
    char *field[3];
    found = split(line, field, 3) && strcmp(field[0], group) == 0 && number(field[2], gid);
  }
  if (groups) fclose(groups);
  return found;
}

static bool is_member(char *members, const char *name) {
  for (char *rest = members, *member; (member = strsep(&rest, ",")) != NULL;)
    if (strcmp(member, name) == 0) return true;
  return false;
}

static size_t groups_of(const char *name, gid_t primary) {
  size_t count = 0;
  found_groups[count++] = primary;
  FILE *groups = fopen("/etc/group", "re");
  while (groups && count < MAX_GROUPS && fgets(line, LINE, groups)) {
    char *field[4];
    gid_t gid;
    if (split(line, field, 4) && number(field[2], &gid) && gid != primary && is_member(field[3], name))
      found_groups[count++] = gid;
  }
  if (groups) fclose(groups);
  return count;
}

int identity_find(const char *user, bool groups_given, struct texts groups, struct identity *identity) {
  *identity = (struct identity){.groups = found_groups};
  if (*user == '\0' && !groups_given) return 0;
  identity->change = true;
  char name[256] = "", wanted[256];
  if (strlen(user) >= sizeof wanted) return ENOENT;
  strcpy(wanted, user);
  char *group = strchr(wanted, ':');
  if (group) *group++ = '\0';
  if (*user == '\0') {
    identity->uid = getuid();
    identity->gid = getgid();
  } else if (!passwd_find(wanted, 0, true, name, &identity->uid, &identity->gid)) {
    if (!number(wanted, &identity->uid)) return ENOENT;
    identity->gid = identity->uid;
    passwd_find(NULL, identity->uid, false, name, &identity->uid, &identity->gid);
  }
  if (group && !group_find(group, &identity->gid)) return ENOENT;
  if (groups_given) {
    const uint8_t *at = groups.items;
    for (uint32_t i = 0; i < groups.count; i++) {
      if (i == MAX_GROUPS) return EINVAL;
      if (!group_find(texts_next(&at), &found_groups[i])) return ENOENT;
    }
    identity->group_count = groups.count;
  } else if (*name) {
    identity->group_count = groups_of(name, identity->gid);
  }
  return 0;
}
