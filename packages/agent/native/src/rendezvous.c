// The client proves by a token, which it reads from stdout, that it is the one at the other end of it.
#include "rendezvous.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { TOKEN = 16 };

static int listen_at(const char *path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (strlen(path) >= sizeof address.sun_path) return -1;
  strcpy(address.sun_path, path);
  int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (listener < 0) return -1;
  // Whoever reaches it may connect: its client may be another user than this one.
  mode_t mask = umask(0);
  bool heard = bind(listener, (struct sockaddr *)&address, sizeof address) == 0 && listen(listener, 1) == 0;
  umask(mask);
  if (heard) return listener;
  close(listener);
  return -1;
}

static bool say(const uint8_t *bytes, size_t length) {
  while (length > 0) {
    ssize_t written = write(STDOUT_FILENO, bytes, length);
    if (written < 0 && errno != EINTR) return false;
    if (written > 0) bytes += written, length -= (size_t)written;
  }
  return true;
}

// The one that said the token; -1 when the client declined on stdin, or that is at its end.
static int accept_client(int listener, const uint8_t token[TOKEN]) {
  uint8_t said[TOKEN];
  size_t got = 0;
  int caller = -1;
  for (;;) {
    struct pollfd waits[2] = {{.fd = STDIN_FILENO, .events = POLLIN}, {.fd = caller < 0 ? listener : caller, .events = POLLIN}};
    if (poll(waits, 2, -1) < 0) continue;
    if (waits[0].revents) {
      uint8_t declined;
      if (read(STDIN_FILENO, &declined, 1) < 0) continue;
      break;
    }
    if (caller < 0) {
      caller = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
      got = 0;
      continue;
    }
    ssize_t length = read(caller, said + got, TOKEN - got);
    if (length > 0) got += (size_t)length;
    if (got == TOKEN && memcmp(said, token, TOKEN) == 0) return caller;
    if (length > 0 && got < TOKEN) continue;
    close(caller);
    caller = -1;
  }
  if (caller >= 0) close(caller);
  return -1;
}

int rendezvous(const char *path) {
  uint8_t offer[4 + TOKEN] = "EXAS";
  if (getrandom(offer + 4, TOKEN, 0) != TOKEN) return -1;
  int listener = listen_at(path);
  if (listener < 0) return -1;
  int client = say(offer, sizeof offer) ? accept_client(listener, offer + 4) : -1;
  close(listener);
  unlink(path);
  if (client < 0) return -1;
  // Stdout stays open, for whoever carries it would take its end for ours.
  int lifeline = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
  if (lifeline < 0 || fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3) < 0) _exit(2);
  if (dup2(client, STDIN_FILENO) < 0 || dup2(client, STDOUT_FILENO) < 0) _exit(2);
  close(client);
  return lifeline;
}
