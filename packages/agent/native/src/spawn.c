// vfork, not fork: the supervisor is stopped for the few system calls until execve, no page table is copied, and the
// reason of a failure needs no pipe, since the child writes it into memory that both share. The price is discipline: the
// child only makes system calls and writes to `plan`; it allocates nothing and returns from nothing.
#include "spawn.h"
#include "users.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static struct plan {
  const struct start *start;
  const int *files;
  const struct rlimit *own_nofile;
  struct identity identity;
  char **argv, **env;
  const char *path; // where to search, NULL when argv[0] names a path
  pid_t parent;
  volatile int stage, error;
  int tell; // where memory is not shared: a pipe that says them, and ends when execve succeeds
  char candidate[PATH_MAX + 1];
} plan;

static volatile bool memory_is_shared;

static char **pointers(struct texts texts) {
  char **list = malloc(((size_t)texts.count + 1) * sizeof *list);
  const uint8_t *at = texts.items;
  for (uint32_t i = 0; list && i < texts.count; i++) list[i] = (char *)(uintptr_t)texts_next(&at);
  if (list) list[texts.count] = NULL;
  return list;
}

static const char *path_of(char **env) {
  for (; *env; env++)
    if (strncmp(*env, "PATH=", 5) == 0) return *env + 5;
  return "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
}

static _Noreturn void give_up(int stage, int error) {
  plan.stage = stage;
  plan.error = error;
  const struct spawn_error reason = {stage, error};
  if (!memory_is_shared && write(plan.tell, &reason, sizeof reason) < 0) _exit(126);
  _exit(127);
}

static void set_limits(void) {
  // The agent raised its own limit of open files for itself; a command gets the one the agent was started with.
  bool nofile_given = false;
  for (uint32_t i = 0; i < plan.start->limit_count; i++) {
    const struct limit *limit = &plan.start->limits[i];
    struct rlimit value = {limit->soft, limit->hard};
    if (setrlimit(limit->resource, &value) < 0) give_up(STAGE_LIMITS, errno);
    if (limit->resource == RLIMIT_NOFILE) nofile_given = true;
  }
  if (!nofile_given) setrlimit(RLIMIT_NOFILE, plan.own_nofile);
}

// The bare system calls: libc's wrappers synchronize threads, which a vforked child must not start to do.
static void become_user(void) {
  const struct identity *who = &plan.identity;
  if (!who->change) return;
  if (syscall(SYS_setgroups, who->group_count, who->groups) < 0) {
    // Not root: fine as long as nothing would change.
    if (errno != EPERM || who->uid != geteuid() || who->gid != getegid() || plan.start->flags & START_GROUPS)
      give_up(STAGE_USER, errno);
  }
  if (syscall(SYS_setresgid, who->gid, who->gid, who->gid) < 0) give_up(STAGE_USER, errno);
  if (syscall(SYS_setresuid, who->uid, who->uid, who->uid) < 0) give_up(STAGE_USER, errno);
}

// execvpe by hand, with the command's own PATH: libc's would search the agent's, and hand a file without "#!" to a shell.
static int search_and_exec(void) {
  const char *name = plan.argv[0];
  size_t name_length = strlen(name);
  int error = ENOENT;
  for (const char *at = plan.path;; at++) {
    const char *end = strchr(at, ':');
    size_t length = end ? (size_t)(end - at) : strlen(at);
    if (length + 1 + name_length > PATH_MAX) {
      error = error == ENOENT ? ENAMETOOLONG : error;
    } else {
      memcpy(plan.candidate, at, length);
      if (length > 0) plan.candidate[length++] = '/';
      memcpy(plan.candidate + length, name, name_length + 1);
      execve(plan.candidate, plan.argv, plan.env);
      // What stands in the way in one folder may still be found in the next; that it was not allowed is remembered.
      if (errno == EACCES) error = EACCES;
      else if (errno != ENOENT && errno != ENOTDIR && errno != ESTALE && errno != ENODEV && errno != ETIMEDOUT) return errno;
    }
    if (end == NULL) return error;
    at = end;
  }
}

static _Noreturn void child(void) {
  setsid();
  for (int i = 0; i < 3; i++)
    if (dup2(plan.files[i], i) < 0) give_up(STAGE_FORK, errno);
  if (plan.start->flags & START_TTY && ioctl(0, TIOCSCTTY, 0) < 0) give_up(STAGE_TTY, errno);
  set_limits();
  become_user();
  if (*plan.start->cwd && chdir(plan.start->cwd) < 0) give_up(STAGE_CWD, errno);
  // If the supervisor is killed, its command goes with it at once. After the change of user, which clears this.
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != plan.parent) _exit(127);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  if (plan.path) give_up(STAGE_EXEC, search_and_exec());
  execve(plan.argv[0], plan.argv, plan.env);
  give_up(STAGE_EXEC, errno);
}

static pid_t fail(struct spawn_error *reason, int stage, int error) {
  *reason = (struct spawn_error){stage, error};
  return -1;
}

static void listen_to_child(const int told[2]) {
  close(told[1]);
  struct spawn_error reason;
  ssize_t got;
  do got = read(told[0], &reason, sizeof reason);
  while (got < 0 && errno == EINTR);
  close(told[0]);
  if (got != sizeof reason) return;
  plan.stage = reason.stage;
  plan.error = reason.error;
}

void spawn_probe(void) {
  pid_t pid = vfork();
  if (pid == 0) {
    memory_is_shared = true;
    _exit(0);
  }
  while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR) {}
}

pid_t spawn(const struct start *start, const int files[3], const struct rlimit *own_nofile, struct spawn_error *reason) {
  plan.start = start;
  plan.files = files;
  plan.own_nofile = own_nofile;
  plan.stage = 0;
  plan.parent = getpid();
  int unknown = identity_find(start->user, start->flags & START_GROUPS, start->groups, &plan.identity);
  if (unknown) return fail(reason, STAGE_USER, unknown);
  // The user must be able to open his own terminal again (/dev/tty needs no right, /dev/pts/N does).
  if (start->flags & START_TTY && plan.identity.change && fchown(files[0], plan.identity.uid, (gid_t)-1) < 0 && errno != EPERM)
    return fail(reason, STAGE_TTY, errno);
  plan.argv = pointers(start->argv);
  plan.env = pointers(start->env);
  pid_t pid = -1;
  int told[2] = {-1, -1};
  if (plan.argv == NULL || plan.env == NULL) {
    fail(reason, STAGE_FORK, ENOMEM);
  } else if (!memory_is_shared && pipe2(told, O_CLOEXEC) < 0) {
    fail(reason, STAGE_FORK, errno);
  } else {
    plan.path = strchr(plan.argv[0], '/') ? NULL : path_of(plan.env);
    plan.tell = told[1];
    pid = vfork();
    if (pid == 0) child();
    if (pid < 0) fail(reason, STAGE_FORK, errno);
    if (!memory_is_shared) listen_to_child(told);
  }
  free(plan.argv);
  free(plan.env);
  if (pid > 0 && plan.stage != 0) {
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {}
    return fail(reason, plan.stage, plan.error);
  }
  return pid;
}
