// The process tree, read from /proc. What makes it exact is elsewhere (the caller is a subreaper: whatever becomes an
// orphan becomes its child, and an empty waitpid means an empty tree); this file only has to find most of it quickly, and
// must never signal a process that is not of the tree. Direct children are safe, since only the caller can reap them.
// Anything deeper may be reaped by its own parent and its number given to a stranger, so it is held by a pidfd first
// and looked at afterwards.
#include "tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
#ifndef SYS_pidfd_send_signal
#define SYS_pidfd_send_signal 424
#endif

enum { MAX_FOUND = 65536 };

struct member {
  pid_t pid, parent;
};

// Static: pages that are never touched cost nothing, and a tree of any size needs no allocation while it is killed.
static struct member found[MAX_FOUND];
static int found_count;

static bool pidfd_missing;

int pidfd_of(pid_t pid) { return (int)syscall(SYS_pidfd_open, pid, 0); }

bool process_signal(int pidfd, pid_t pid, int signal) {
  return (pidfd >= 0 ? syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0) : kill(pid, signal)) == 0;
}

bool pidfd_works(void) {
  int fd = pidfd_of(getpid());
  if (fd >= 0) close(fd);
  return fd >= 0;
}

static void add(pid_t pid, pid_t parent) {
  // What does not fit is found by the next walk: KILL repeats until the tree is empty.
  if (found_count < MAX_FOUND) found[found_count++] = (struct member){pid, parent};
}

struct status {
  char state;
  pid_t parent, group;
};

static bool status_read(pid_t pid, struct status *status) {
  char path[40], text[512];
  snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  ssize_t length = read(fd, text, sizeof text - 1);
  close(fd);
  if (length <= 0) return false;
  text[length] = '\0';
  // The name is in parentheses and may hold any byte, also ')': the last one ends it.
  char *after = strrchr(text, ')');
  int parent, group;
  if (after == NULL || sscanf(after + 1, " %c %d %d", &status->state, &parent, &group) != 3) return false;
  status->parent = parent;
  status->group = group;
  return true;
}

// Adds what one thread has forked. False when this kernel has no such file.
static bool add_children_of_thread(const char *path, pid_t parent) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return errno != ENOENT || access("/proc/thread-self/children", F_OK) == 0;
  char text[4096];
  ssize_t length;
  pid_t pid = 0;
  while ((length = read(fd, text, sizeof text)) > 0) {
    for (ssize_t i = 0; i < length; i++) {
      if (text[i] >= '0' && text[i] <= '9') {
        pid = pid * 10 + (text[i] - '0');
      } else if (pid > 0) {
        add(pid, parent);
        pid = 0;
      }
    }
  }
  close(fd);
  return true;
}

static bool add_children(pid_t parent) {
  char path[80];
  snprintf(path, sizeof path, "/proc/%d/task", (int)parent);
  DIR *threads = opendir(path);
  if (threads == NULL) return true; // it ended meanwhile: its children have become the caller's
  bool supported = true;
  for (struct dirent *thread; supported && (thread = readdir(threads)) != NULL;) {
    if (thread->d_name[0] == '.') continue;
    snprintf(path, sizeof path, "/proc/%d/task/%.20s/children", (int)parent, thread->d_name);
    supported = add_children_of_thread(path, parent);
  }
  closedir(threads);
  return supported;
}

// For kernels without CONFIG_PROC_CHILDREN: every process is read once, then sorted out by parents.
static void add_by_scan(pid_t root, const struct walk *walk) {
  static struct member all[MAX_FOUND];
  int count = 0;
  DIR *proc = opendir("/proc");
  if (proc == NULL) return;
  for (struct dirent *entry; count < MAX_FOUND && (entry = readdir(proc)) != NULL;) {
    struct status status;
    pid_t pid = (pid_t)atoi(entry->d_name);
    if (pid > 0 && status_read(pid, &status)) all[count++] = (struct member){pid, status.parent};
  }
  closedir(proc);
  for (int at = -1; at < found_count; at++) {
    pid_t parent = at < 0 ? root : found[at].pid;
    for (int i = 0; i < count; i++)
      if (all[i].parent == parent && !(at < 0 && walk->spare && walk->spare(all[i].pid))) add(all[i].pid, parent);
  }
}

bool tree_is_readable(void) {
  struct status status;
  return status_read(getpid(), &status) && status.parent == getppid();
}

static bool signal_child(pid_t pid, const struct walk *walk) {
  struct status status;
  bool known = status_read(pid, &status);
  if (known && (status.state == 'Z' || (walk->group && status.group != walk->group))) return false;
  return kill(pid, walk->signal) == 0;
}

static bool signal_descendant(const struct member *member, pid_t root, const struct walk *walk) {
  int fd = pidfd_missing ? -1 : pidfd_of(member->pid);
  if (fd < 0 && !pidfd_missing) {
    if (errno == ESRCH || errno == EINVAL) return false;
    pidfd_missing = errno == ENOSYS || errno == EPERM;
  }
  // Only now, with the process held, does its parent prove that it is one of ours.
  struct status status;
  bool ours = status_read(member->pid, &status) && (status.parent == member->parent || status.parent == root) &&
              status.state != 'Z' && (walk->group == 0 || status.group == walk->group);
  bool sent = ours && process_signal(fd, member->pid, walk->signal);
  if (fd >= 0) close(fd);
  return sent;
}

int tree_signal(const struct walk *walk) {
  pid_t root = getpid();
  int count = 0;
  found_count = 0;
  bool scanned = !add_children(root);
  if (scanned) add_by_scan(root, walk);
  if (found_count == 0 && !tree_is_readable()) return -1;
  for (int at = 0; at < found_count; at++) {
    struct member member = found[at];
    if (member.parent == root && walk->spare && walk->spare(member.pid)) continue;
    // Read who its children are before it dies and they move; signal it before them, so that it forks no more.
    if (!scanned) add_children(member.pid);
    if (member.parent == root ? signal_child(member.pid, walk) : signal_descendant(&member, root, walk)) count++;
  }
  return count;
}
