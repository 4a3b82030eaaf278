// A process's environment is read as the process's own user: root alone may not look into others' without the right to
// trace them, which a container does not give.
#include "sweep.h"
#include "supervisor.h"
#include "tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

// Supervisors end by themselves once their agent is dead and their tree, also what hides from this walk, is empty.
enum { PAUSE_MILLISECONDS = 2, PATIENCE = 1000, ROUNDS = 5000, MAX_OWNERS = 256 };

struct owner {
  uid_t uid;
  gid_t gid;
};

static const char *wanted;
static size_t wanted_length;

// Whether the environment has the entry; its parts are read one by one, for together they may be large.
static bool is_marked(pid_t pid) {
  char path[40], text[4096];
  snprintf(path, sizeof path, "/proc/%d/environ", (int)pid);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  size_t matched = 0; // of the wanted one, with its NUL; SIZE_MAX: this entry is another
  bool found = false;
  ssize_t length;
  while (!found && (length = read(fd, text, sizeof text)) > 0) {
    for (ssize_t i = 0; !found && i < length; i++) {
      if (matched != SIZE_MAX) matched = text[i] == wanted[matched] ? matched + 1 : SIZE_MAX;
      if (matched == wanted_length + 1) found = true;
      else if (text[i] == '\0') matched = 0;
    }
  }
  close(fd);
  return found;
}

static bool is_supervisor(pid_t pid) {
  char path[40], name[32] = "";
  snprintf(path, sizeof path, "/proc/%d/comm", (int)pid);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  ssize_t length = read(fd, name, sizeof name - 1);
  close(fd);
  return length > 0 && strcmp(name, SUPERVISOR_NAME "\n") == 0;
}

// How many are left, of those whom this user may look at.
static int kill_marked(bool sparing) {
  int count = 0;
  DIR *proc = opendir("/proc");
  if (proc == NULL) return 0;
  for (struct dirent *entry; (entry = readdir(proc)) != NULL;) {
    pid_t pid = (pid_t)atoi(entry->d_name);
    if (pid <= 0 || pid == getpid()) continue;
    int held = pidfd_of(pid);
    if (is_marked(pid)) {
      count++;
      if (!sparing || !is_supervisor(pid)) process_signal(held, pid, SIGKILL);
    }
    if (held >= 0) close(held);
  }
  closedir(proc);
  return count;
}

static int owners_of_processes(struct owner owners[MAX_OWNERS]) {
  int count = 0;
  DIR *proc = opendir("/proc");
  if (proc == NULL) return 0;
  for (struct dirent *entry; (entry = readdir(proc)) != NULL && count < MAX_OWNERS;) {
    struct stat stat;
    if (atoi(entry->d_name) <= 0 || fstatat(dirfd(proc), entry->d_name, &stat, 0) < 0 || stat.st_uid == 0) continue;
    int at = 0;
    while (at < count && (owners[at].uid != stat.st_uid || owners[at].gid != stat.st_gid)) at++;
    if (at == count) owners[count++] = (struct owner){stat.st_uid, stat.st_gid};
  }
  closedir(proc);
  return count;
}

static int kill_marked_as(const struct owner *owner, bool sparing) {
  pid_t pid = fork();
  if (pid == 0) {
    if (setresgid(owner->gid, owner->gid, owner->gid) < 0 || setresuid(owner->uid, owner->uid, owner->uid) < 0) _exit(0);
    _exit(kill_marked(sparing) > 0);
  }
  int status = 0;
  while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR) {}
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

static int round_of_all(bool sparing) {
  static struct owner owners[MAX_OWNERS];
  int left = kill_marked(sparing);
  int count = geteuid() == 0 ? owners_of_processes(owners) : 0;
  for (int i = 0; i < count; i++) left += kill_marked_as(&owners[i], sparing);
  return left;
}

int sweep(const char *entry) {
  wanted = entry;
  wanted_length = strlen(entry);
  for (int round = 0; round < ROUNDS; round++) {
    if (round_of_all(round < PATIENCE) == 0) return 0;
    nanosleep(&(struct timespec){.tv_nsec = PAUSE_MILLISECONDS * 1000000}, NULL);
  }
  return 1;
}
