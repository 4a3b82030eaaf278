// The agent: starts commands for the client at the other end of its stdin and stdout. PROTOCOL.md says how.
// One thread, one epoll loop; whatever may block happens in a helper process.
#include "agent.h"
#include "out.h"
#include "rendezvous.h"
#include "spawn.h"
#include "sweep.h"
#include "tree.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#ifndef AGENT_VERSION
#define AGENT_VERSION "0.1.0"
#endif

struct agent agent;

void watch_add(int fd, struct watch *watch, uint32_t events) {
  struct epoll_event event = {.events = events, .data.ptr = watch};
  // Fails only for want of kernel memory; a pipe that nobody watches would hang its command for ever.
  if (epoll_ctl(agent.epoll, EPOLL_CTL_ADD, fd, &event) < 0) agent_end(1, FATAL_INTERNAL, "epoll");
}

// Always before close: a supervisor that is just being forked still has a copy, and the kernel would keep reporting it.
void watch_remove(int fd) { epoll_ctl(agent.epoll, EPOLL_CTL_DEL, fd, NULL); }

_Noreturn void agent_end(int status, enum fatal code, const char *text) {
  if (code != 0) {
    uint8_t bytes[HEADER_SIZE + 256];
    struct frame frame = frame_begin(bytes, A_ERROR, 0);
    put_u8(&frame, code);
    put_text(&frame, text);
    out_push(bytes, frame_end(&frame));
    out_flush();
  }
  supervisors_end();
  _exit(status);
}

static void on_signal(struct watch *watch, uint32_t events) {
  (void)watch;
  (void)events;
}

static int signals;
static struct watch signal_watch = {on_signal};

static void take_signals(void) {
  struct signalfd_siginfo info[8];
  ssize_t got;
  bool children = false;
  while ((got = read(signals, info, sizeof info)) > 0) {
    for (size_t i = 0; i < (size_t)got / sizeof *info; i++) {
      if (info[i].ssi_signo == SIGCHLD) children = true;
      else agent_end(128 + (int)info[i].ssi_signo, FATAL_SIGNAL, "ended by a signal");
    }
  }
  if (children) supervisors_reap();
}

static void listen_to_signals(void) {
  // SIGPIPE is an error of write here; its default would end the agent without killing anything.
  struct sigaction ignore = {.sa_handler = SIG_IGN};
  sigaction(SIGPIPE, &ignore, NULL);
  sigset_t heard;
  sigemptyset(&heard);
  sigaddset(&heard, SIGCHLD);
  sigaddset(&heard, SIGTERM);
  sigaddset(&heard, SIGINT);
  sigaddset(&heard, SIGHUP);
  sigprocmask(SIG_SETMASK, &heard, NULL);
  signals = signalfd(-1, &heard, SFD_NONBLOCK | SFD_CLOEXEC);
}

static void raise_file_limit(void) {
  getrlimit(RLIMIT_NOFILE, &agent.own_nofile);
  struct rlimit most = {agent.own_nofile.rlim_max, agent.own_nofile.rlim_max};
  setrlimit(RLIMIT_NOFILE, &most);
}

// At end-of-file from the start: the stdin of commands without one, and the agent's 0 to 2 in supervisors.
static void open_null(void) {
  agent.null = open("/dev/null", O_RDWR | O_CLOEXEC);
  if (agent.null >= 0) return;
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) < 0) _exit(2);
  close(ends[1]);
  agent.null = ends[0];
}

static void send_hello(void) {
  if (pidfd_works()) agent.features |= FEATURE_PIDFD;
  if (prctl(PR_SET_CHILD_SUBREAPER, 1) == 0) agent.features |= FEATURE_SUBREAPER;
  if (tree_is_readable()) agent.features |= FEATURE_PROC | FEATURE_HANDOVER;
  if (access("/dev/ptmx", R_OK | W_OK) == 0) agent.features |= FEATURE_TTY;
  if (geteuid() == 0) agent.features |= FEATURE_USER;
  agent.features |= FEATURE_FILES;
  uint8_t bytes[HEADER_SIZE + 128];
  struct frame frame = frame_begin(bytes, A_HELLO, 0);
  put_bytes(&frame, "EXAG", 4);
  put_u16(&frame, WIRE_VERSION);
  put_u16(&frame, WIRE_VERSION);
  put_u32(&frame, agent.features);
  put_u32(&frame, (uint32_t)agent.pid);
  put_u32(&frame, getuid());
  put_u32(&frame, getgid());
  put_u32(&frame, MAX_PAYLOAD);
  put_u32(&frame, MAX_START);
  put_u32(&frame, STDIN_WINDOW);
  put_u32(&frame, MAX_COMMANDS);
#if defined(__x86_64__)
  put_u8(&frame, 1);
#elif defined(__aarch64__)
  put_u8(&frame, 2);
#else
#error "PROTOCOL.md has no number for this architecture"
#endif
  put_u8(&frame, 1);
  put_text(&frame, AGENT_VERSION);
  out_push(bytes, frame_end(&frame));
}

static struct watch client_watch, out_watch;

// What was stdin before the client came over a socket: nothing is said there any more, but its end is still the end.
static int lifeline = -1;

static void on_lifeline(struct watch *watch, uint32_t events) {
  (void)watch;
  (void)events;
  char ignored[256];
  ssize_t got = read(lifeline, ignored, sizeof ignored);
  if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) agent_end(0, 0, NULL);
}

static struct watch lifeline_watch = {on_lifeline};

static bool set_up(void) {
  agent.pid = getpid();
  if (fcntl(STDIN_FILENO, F_GETFD) < 0 || fcntl(STDOUT_FILENO, F_GETFD) < 0) return false;
  if (fcntl(STDERR_FILENO, F_GETFD) < 0) open("/dev/null", O_RDWR); // so that no pipe becomes number 2
  fcntl(STDIN_FILENO, F_SETFL, fcntl(STDIN_FILENO, F_GETFL) | O_NONBLOCK);
  fcntl(STDOUT_FILENO, F_SETFL, fcntl(STDOUT_FILENO, F_GETFL) | O_NONBLOCK);
  fcntl(STDOUT_FILENO, F_SETPIPE_SZ, 1 << 18); // it carries everything; larger leaves the cache. Not permitted, or no pipe, is fine
  raise_file_limit();
  listen_to_signals();
  open_null();
  spawn_probe();
  agent.epoll = epoll_create1(EPOLL_CLOEXEC);
  struct epoll_event in = {.events = EPOLLIN | EPOLLRDHUP, .data.ptr = &client_watch};
  struct epoll_event out = {.events = EPOLLOUT | EPOLLET, .data.ptr = &out_watch};
  if (agent.epoll < 0 || signals < 0 || epoll_ctl(agent.epoll, EPOLL_CTL_ADD, STDIN_FILENO, &in) < 0) return false;
  epoll_ctl(agent.epoll, EPOLL_CTL_ADD, STDOUT_FILENO, &out); // refused for a plain file, which never makes one wait
  watch_add(signals, &signal_watch, EPOLLIN);
  if (lifeline >= 0) watch_add(lifeline, &lifeline_watch, EPOLLIN);
  return true;
}

static void on_client(uint32_t events) {
  if (!client_paused()) client_ready();
  // Not read, because the client does not read either; but it may have gone.
  else if (events & (EPOLLHUP | EPOLLERR | EPOLLRDHUP)) agent_end(0, 0, NULL);
}

static void follow_pause(bool *was_paused) {
  bool paused = client_paused();
  if (paused == *was_paused) return;
  *was_paused = paused;
  struct epoll_event event = {.events = EPOLLRDHUP | (paused ? 0 : EPOLLIN), .data.ptr = &client_watch};
  epoll_ctl(agent.epoll, EPOLL_CTL_MOD, STDIN_FILENO, &event);
}

int main(int argc, char **argv) {
  const char *option = argc > 1 ? argv[1] : "";
  if (argc == 2 && strcmp(option, "--version") == 0) {
    puts(AGENT_VERSION);
    return 0;
  }
  if (argc == 3 && strcmp(option, "--sweep") == 0) return sweep(argv[2]);
  if (argc == 3 && strcmp(option, "--socket") == 0) lifeline = rendezvous(argv[2]);
  if (!set_up()) {
    fputs("agent: stdin and stdout must be pipes or sockets to a client; see PROTOCOL.md\n", stderr);
    return 2;
  }
  send_hello();
  bool paused = false, sweeping = false;
  for (;;) {
    if (!out_flush()) agent_end(0, 0, NULL); // nobody reads any more
    if (out_is_low()) outputs_resume();
    client_resume();
    follow_pause(&paused);
    struct epoll_event events[64];
    int count = epoll_wait(agent.epoll, events, 64, sweeping ? 1 : -1);
    bool signaled = false;
    for (int i = 0; i < count; i++) {
      struct watch *watch = events[i].data.ptr;
      if (watch == &client_watch) on_client(events[i].events);
      else if (watch == &out_watch) {
        if (events[i].events & (EPOLLERR | EPOLLHUP)) agent_end(0, 0, NULL);
        out_writable();
      } else if (watch == &signal_watch) signaled = true;
      else watch->ready(watch, events[i].events);
    }
    // Last: it may free supervisors that other events of this round are about.
    if (signaled) take_signals();
    sweeping = commands_sweep();
    commands_settle();
  }
}
