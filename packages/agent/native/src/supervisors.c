// The agent's side of its helper processes: a pool of idle ones, one order channel each, and their deaths.
#include "agent.h"
#include "supervisor.h"
#include "tree.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

// A burst of 64 concurrent starts finds 64 ready ones the second time; each idle one costs about 50 KB.
enum { MAX_IDLE = 64 };

static struct supervisor *idle, *all;
static int idle_count;

// False when the socket is at its end.
static bool take_reports(struct supervisor *supervisor) {
  static union { struct report report; uint8_t bytes[sizeof(struct report) + REPORT_PAYLOAD]; } buffer;
  for (;;) {
    ssize_t length = recv(supervisor->socket, &buffer, sizeof buffer, MSG_DONTWAIT);
    if (length < 0) return errno == EAGAIN || errno == EINTR;
    if (length < (ssize_t)sizeof(struct report)) return false;
    command_report(supervisor, &buffer.report, buffer.bytes + sizeof(struct report), (size_t)length - sizeof(struct report));
  }
}

static void drop_socket(struct supervisor *supervisor) {
  if (supervisor->socket < 0) return;
  watch_remove(supervisor->socket);
  close(supervisor->socket);
  supervisor->socket = -1;
}

static void ready(struct watch *watch, uint32_t events) {
  (void)events;
  struct supervisor *supervisor = (struct supervisor *)watch;
  // At its end: it is dying, and SIGCHLD will tell how.
  if (supervisor->socket >= 0 && !take_reports(supervisor)) drop_socket(supervisor);
}

static struct supervisor *fork_one(const uint8_t *payload, uint32_t length) {
  struct supervisor *supervisor = calloc(1, sizeof *supervisor);
  if (supervisor == NULL) return NULL;
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
    free(supervisor);
    return NULL;
  }
  pid_t pid = fork();
  if (pid == 0) {
    supervisor_run(&(struct supervisor_setup){
        .socket = pair[1], .null = agent.null, .agent = agent.pid, .payload = payload, .payload_length = length, .own_nofile = agent.own_nofile});
  }
  int error = errno;
  close(pair[1]);
  if (pid < 0) {
    close(pair[0]);
    free(supervisor);
    errno = error;
    return NULL;
  }
  supervisor->watch.ready = ready;
  supervisor->socket = pair[0];
  supervisor->pid = pid;
  supervisor->all_next = all;
  if (all) all->all_previous = supervisor;
  all = supervisor;
  watch_add(supervisor->socket, &supervisor->watch, EPOLLIN);
  return supervisor;
}

struct supervisor *supervisor_acquire(const uint8_t *payload, uint32_t length) {
  if (length > INLINE_PAYLOAD || idle == NULL) return fork_one(payload, length);
  struct supervisor *supervisor = idle;
  idle = supervisor->next;
  idle_count--;
  return supervisor;
}

bool supervisor_order(struct supervisor *supervisor, const struct order *order, const uint8_t *payload, uint32_t length, const int *files, int file_count) {
  struct order head = *order;
  head.has_payload = length <= INLINE_PAYLOAD;
  struct iovec part[2] = {{&head, sizeof head}, {(void *)(uintptr_t)payload, head.has_payload ? length : 0}};
  union { struct cmsghdr header; uint8_t bytes[CMSG_SPACE(3 * sizeof(int))]; } control;
  struct msghdr message = {.msg_iov = part, .msg_iovlen = 2};
  if (file_count > 0) {
    memset(&control, 0, sizeof control);
    message.msg_control = &control;
    message.msg_controllen = CMSG_SPACE((size_t)file_count * sizeof(int));
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN((size_t)file_count * sizeof(int));
    memcpy(CMSG_DATA(header), files, (size_t)file_count * sizeof(int));
  }
  if (supervisor->socket < 0) {
    errno = EPIPE;
    return false;
  }
  ssize_t sent;
  do sent = sendmsg(supervisor->socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
  while (sent < 0 && errno == EINTR);
  return sent >= 0;
}

void supervisor_release(struct supervisor *supervisor) {
  supervisor->command = NULL;
  if (supervisor->socket < 0) return;
  if (idle_count < MAX_IDLE) {
    supervisor->next = idle;
    idle = supervisor;
    idle_count++;
  } else {
    // Makes it end, but not before what it still had to say has been read.
    shutdown(supervisor->socket, SHUT_WR);
  }
}

static struct supervisor *find(pid_t pid) {
  struct supervisor *supervisor = all;
  while (supervisor && supervisor->pid != pid) supervisor = supervisor->all_next;
  return supervisor;
}

bool supervisors_own(pid_t pid) { return find(pid) != NULL; }

static void died(struct supervisor *supervisor, int status) {
  // What it still said before it died (EXIT, perhaps EMPTY) counts.
  if (supervisor->socket >= 0) take_reports(supervisor);
  drop_socket(supervisor);
  for (struct supervisor **at = &idle; *at; at = &(*at)->next) {
    if (*at != supervisor) continue;
    *at = supervisor->next;
    idle_count--;
    break;
  }
  if (supervisor->all_previous) supervisor->all_previous->all_next = supervisor->all_next;
  else all = supervisor->all_next;
  if (supervisor->all_next) supervisor->all_next->all_previous = supervisor->all_previous;
  signals_lost(supervisor);
  if (supervisor->command) command_supervisor_died(supervisor->command, status);
  free(supervisor);
}

void supervisors_reap(void) {
  for (;;) {
    int status;
    pid_t pid = waitpid(-1, &status, WNOHANG | WUNTRACED);
    if (pid <= 0) return;
    struct supervisor *supervisor = find(pid);
    if (supervisor == NULL) continue; // an orphan that the agent inherited
    // A command may stop its own supervisor, and with it the only one who could end that command.
    if (WIFSTOPPED(status)) kill(pid, SIGCONT);
    else died(supervisor, status);
  }
}

static void pause_milliseconds(long milliseconds) {
  nanosleep(&(struct timespec){.tv_nsec = milliseconds * 1000000}, NULL);
}

// Every way out of the agent goes through here. Supervisors kill their trees when their socket ends; one that does not
// manage to within two seconds is killed itself, and its processes, which then fall to the agent, by the agent.
void supervisors_end(void) {
  for (struct supervisor *supervisor = all; supervisor; supervisor = supervisor->all_next) drop_socket(supervisor);
  for (int waited = 0; waited < 10000; waited++) {
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG | WUNTRACED)) > 0) {
      struct supervisor *supervisor = find(pid);
      if (WIFSTOPPED(status)) kill(pid, SIGCONT);
      else if (supervisor) supervisor->pid = 0;
    }
    if (pid < 0 && errno == ECHILD) return;
    tree_signal(&(struct walk){.signal = SIGKILL, .spare = supervisors_own});
    if (waited == 2000)
      for (struct supervisor *supervisor = all; supervisor; supervisor = supervisor->all_next)
        if (supervisor->pid > 0) kill(supervisor->pid, SIGKILL);
    pause_milliseconds(1);
  }
}
