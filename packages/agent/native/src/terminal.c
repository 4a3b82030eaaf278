// Pseudo terminals, without libc's openpt family: the name of the other side is not needed where the kernel can open it
// directly, which also works in a container whose /dev/pts is mounted elsewhere.
#include "agent.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#ifndef TIOCGPTPEER
#define TIOCGPTPEER _IO('T', 0x41)
#endif

int terminal_open(uint16_t columns, uint16_t rows, int *child) {
  int fd = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) return -1;
  int unlock = 0;
  *child = -1;
  if (ioctl(fd, TIOCSPTLCK, &unlock) == 0) {
    *child = ioctl(fd, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
    unsigned number;
    char path[32];
    if (*child < 0 && ioctl(fd, TIOCGPTN, &number) == 0) {
      snprintf(path, sizeof path, "/dev/pts/%u", number);
      *child = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC);
    }
  }
  if (*child >= 0 && terminal_resize(fd, columns, rows)) return fd;
  int error = errno;
  if (*child >= 0) close(*child);
  close(fd);
  errno = error;
  return -1;
}

bool terminal_resize(int fd, uint16_t columns, uint16_t rows) {
  struct winsize size = {.ws_col = columns, .ws_row = rows};
  return ioctl(fd, TIOCSWINSZ, &size) == 0;
}
