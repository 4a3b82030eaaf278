// One process per running command, because only a parent knows its children: as a subreaper it inherits every
// descendant that loses its parent, whatever that did to hide (setsid, double fork, empty environment), so "waitpid says there
// is no child" is the exact fact "the tree is empty". A supervisor whose tree is empty is as good as new and takes the
// next command; this saves a fork per start.
//
// It ends, with its tree, when the agent is gone: the socket's end says so, and the parent-death signal where
// something else keeps the socket open. Both are only listened to, never fatal, since a dead supervisor kills nobody.
#include "supervisor.h"
#include "files.h"
#include "orders.h"
#include "spawn.h"
#include "tree.h"
#include "wire.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef SYS_close_range
#define SYS_close_range 436
#endif

enum { SOCKET = 3, SIGNALS = 4, PARENT_DIED = SIGUSR1, MAX_KILLS = 64 };

static const struct supervisor_setup *setup;
static int own_priority;
static bool inherits; // what becomes an orphan in the tree, as a subreaper

static struct {
  uint32_t command; // 0: idle
  pid_t main;       // 0 once reaped: then nothing is signalled by this number again
  pid_t group;      // stays: a group outlives its leader
  uint64_t started;
  bool killing, doomed;
  unsigned rounds;
  uint32_t killed;                 // processes that ended since the first of the requests below
  uint32_t kills[MAX_KILLS];       // their numbers, answered when the tree is empty
  unsigned kills_waiting;
} job;

static uint64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static void report(const struct report *report, const void *extra, size_t extra_length) {
  struct iovec part[2] = {{(void *)(uintptr_t)report, sizeof *report}, {(void *)(uintptr_t)extra, extra_length}};
  struct msghdr message = {.msg_iov = part, .msg_iovlen = 2};
  // May wait: the agent always reads these. If it is gone, the next look at the socket says so.
  while (sendmsg(SOCKET, &message, MSG_NOSIGNAL) < 0 && errno == EINTR) {}
}

static void report_signaled(uint32_t command, uint32_t request, uint32_t count, int error) {
  report(&(struct report){.kind = REPORT_SIGNALED, .command = command, .request = request, .value = (int32_t)count, .error = error}, NULL, 0);
}

static void became_empty(void) {
  if (job.command != 0) {
    report(&(struct report){.kind = REPORT_EMPTY, .command = job.command}, NULL, 0);
    for (unsigned i = 0; i < job.kills_waiting; i++) report_signaled(job.command, job.kills[i], job.killed, 0);
  }
  if (job.doomed) _exit(0);
  if (job.killing) setpriority(PRIO_PROCESS, 0, own_priority); // the next command inherits it
  memset(&job, 0, sizeof job);
}

static void reap(void) {
  for (;;) {
    int status;
    pid_t pid = waitpid(-1, &status, WNOHANG);
    if (pid > 0 && job.killing) job.killed++;
    if (pid > 0 && pid == job.main) {
      job.main = 0;
      report(&(struct report){.kind = REPORT_EXIT, .command = job.command, .value = status, .nanoseconds = now() - job.started}, NULL, 0);
    } else if (pid < 0 && errno == ECHILD) {
      if (job.command != 0 || job.doomed) became_empty();
      return;
    } else if (pid == 0) {
      return;
    }
  }
}

static void kill_round(void) {
  int killed = tree_signal(&(struct walk){.signal = SIGKILL});
  // Without /proc only what is known by number can be reached; the rest of the tree still is waited for. Where orphans are
  // init's, whoever was forked behind the walk's back is in no tree any more, but in the group, and all of that in one step.
  if ((killed < 0 || !inherits) && job.main != 0) kill(-job.main, SIGKILL);
  job.rounds++;
}

static void start_killing(void) {
  // Among thousands of racing processes the killer needs the processor most. Not permitted to everybody, and not needed.
  if (!job.killing) setpriority(PRIO_PROCESS, 0, -20);
  job.killing = true;
  kill_round();
}

static void on_signal_order(const struct order *order) {
  int error = 0;
  int count = 0;
  bool current = order->command == job.command && job.command != 0;
  if (order->scope == SCOPE_TREE && order->signal == SIGKILL) {
    if (current && job.kills_waiting == MAX_KILLS) {
      error = EAGAIN;
    } else if (current) {
      job.kills[job.kills_waiting++] = order->request;
      start_killing();
      return;
    }
  } else if (!current) {
    error = ESRCH;
  } else if (order->scope == SCOPE_TREE || (order->scope == SCOPE_GROUP && job.main == 0)) {
    count = tree_signal(&(struct walk){.signal = order->signal, .group = order->scope == SCOPE_GROUP ? job.group : 0});
    if (count < 0) {
      count = 0;
      if (job.main == 0) error = ENOENT;
      else if (kill(-job.main, order->signal) < 0) error = errno;
      else count = 1;
    } else if (count == 0) {
      error = ESRCH;
    }
  } else if (job.main == 0) {
    error = ESRCH;
  } else {
    if (kill(order->scope == SCOPE_GROUP ? -job.main : job.main, order->signal) < 0) error = errno;
    else count = 1;
  }
  report_signaled(order->command, order->request, (uint32_t)count, error);
}

static void on_start_order(const struct order *order, const uint8_t *payload, uint32_t length, const int *files, int file_count) {
  struct start start;
  struct spawn_error reason = {STAGE_FORK, EMFILE};
  pid_t pid = -1;
  // Descriptors that did not arrive mean that there was no room for them.
  if (file_count == 3 && start_decode(payload, length, &start)) pid = spawn(&start, files, &setup->own_nofile, &reason);
  for (int i = 0; i < file_count; i++) close(files[i]);
  if (pid < 0) {
    report(&(struct report){.kind = REPORT_FAILED, .command = order->command, .value = reason.stage, .error = reason.error}, NULL, 0);
    return;
  }
  job.command = order->command;
  job.main = job.group = pid;
  job.started = now();
  report(&(struct report){.kind = REPORT_STARTED, .command = order->command, .value = pid}, NULL, 0);
}

static void on_file_order(const struct order *order, const uint8_t *payload, uint32_t length, const int *files, int file_count) {
  static uint8_t result[REPORT_PAYLOAD];
  size_t result_length = 0;
  struct file file;
  int error = EMFILE;
  if (file_count == 1 && file_decode(payload, length, &file)) error = file_run(&file, files[0], result, &result_length);
  for (int i = 0; i < file_count; i++) close(files[i]);
  report(&(struct report){.kind = REPORT_RESULT, .command = order->command, .error = error}, result, error ? 0 : result_length);
}

static bool take_order(void) {
  static union { struct order order; uint8_t bytes[sizeof(struct order) + INLINE_PAYLOAD]; } buffer;
  union { struct cmsghdr header; uint8_t bytes[CMSG_SPACE(3 * sizeof(int))]; } control;
  struct iovec part = {&buffer, sizeof buffer};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
  ssize_t length = recvmsg(SOCKET, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
  if (length < 0 && (errno == EAGAIN || errno == EINTR)) return false;
  if (length < (ssize_t)sizeof(struct order)) {
    job.doomed = true;
    return false;
  }
  int files[3], file_count = 0;
  struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  if (header && header->cmsg_type == SCM_RIGHTS) {
    file_count = (int)((header->cmsg_len - CMSG_LEN(0)) / sizeof(int));
    memcpy(files, CMSG_DATA(header), (size_t)file_count * sizeof(int));
  }
  const struct order *order = &buffer.order;
  const uint8_t *payload = order->has_payload ? buffer.bytes + sizeof *order : setup->payload;
  uint32_t payload_length = order->has_payload ? (uint32_t)((size_t)length - sizeof *order) : setup->payload_length;
  if (order->kind == ORDER_SIGNAL) on_signal_order(order);
  else if (order->kind == ORDER_START) on_start_order(order, payload, payload_length, files, file_count);
  else on_file_order(order, payload, payload_length, files, file_count);
  return true;
}

static void close_from(int first) {
  if (syscall(SYS_close_range, first, ~0u, 0) == 0) return;
  DIR *open_files = opendir("/proc/self/fd");
  if (open_files) {
    for (struct dirent *entry; (entry = readdir(open_files)) != NULL;) {
      int fd = atoi(entry->d_name);
      if (entry->d_name[0] != '.' && fd >= first && fd != dirfd(open_files)) close(fd);
    }
    closedir(open_files);
    return;
  }
  struct rlimit files;
  getrlimit(RLIMIT_NOFILE, &files);
  for (int fd = first; fd < (int)files.rlim_cur; fd++) close(fd);
}

// Leaves everything of the agent's behind: another command's pipe end held here would keep that pipe from ending.
static void settle_in(void) {
  // In this order no descriptor more is needed than there are: the agent may have used the last one.
  for (int i = 0; i < 3; i++) dup2(setup->null, i);
  if (setup->socket != SOCKET) dup3(setup->socket, SOCKET, O_CLOEXEC);
  close_from(SOCKET + 1);

  // A group of its own in the agent's session: when the agent dies, the kernel continues a supervisor that was stopped.
  setpgid(0, 0);
  struct sigaction standard = {.sa_handler = SIG_DFL};
  for (int i = 1; i <= 64; i++) sigaction(i, &standard, NULL);
  sigset_t all, heard;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, NULL);
  sigemptyset(&heard);
  sigaddset(&heard, SIGCHLD);
  sigaddset(&heard, PARENT_DIED);
  int signals = signalfd(-1, &heard, SFD_NONBLOCK | SFD_CLOEXEC);
  if (signals != SIGNALS) _exit(1);

  own_priority = getpriority(PRIO_PROCESS, 0);
  prctl(PR_SET_NAME, SUPERVISOR_NAME);
  inherits = prctl(PR_SET_CHILD_SUBREAPER, 1) == 0;
  prctl(PR_SET_PDEATHSIG, PARENT_DIED);
  if (getppid() != setup->agent) _exit(0); // it died before we asked to be told
}

_Noreturn void supervisor_run(const struct supervisor_setup *given) {
  setup = given;
  settle_in();
  struct pollfd waits[2] = {{.fd = SOCKET, .events = POLLIN}, {.fd = SIGNALS, .events = POLLIN}};
  for (;;) {
    // Between two rounds of killing: until somebody was reaped. The time only matters when nothing dies, because what
    // was killed sleeps uninterruptibly or was forked behind the walk's back.
    int timeout = !job.killing ? -1 : job.rounds < 100 ? 1 : 20;
    poll(waits, 2, timeout);
    if (waits[1].revents) {
      struct signalfd_siginfo info[8];
      while (read(SIGNALS, info, sizeof info) > 0) {}
      // Anybody may send this signal; only a changed parent makes it true.
      if (getppid() != setup->agent) job.doomed = true;
      reap();
    }
    if (waits[0].revents & POLLIN) while (!job.doomed && take_order()) {}
    else if (waits[0].revents) job.doomed = true;
    if (job.doomed) {
      waits[0].fd = -1;
      job.killing = true;
    }
    if (job.killing) {
      reap();
      if (job.killing) kill_round();
    }
  }
}
