// The client's bytes to a command's stdin. They are written straight from the frame; only what a full pipe does not take
// is kept, at most the window the client was given, so that a process that does not read costs one buffer and stops nobody.
#include "agent.h"
#include "out.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/uio.h>
#include <termios.h>
#include <unistd.h>

static void tell(struct input *input, uint8_t kind, uint32_t bytes) {
  uint8_t buffer[HEADER_SIZE + 4];
  struct frame frame = frame_begin(buffer, kind, input->command->id);
  if (kind == A_STDIN_CREDIT) put_u32(&frame, bytes);
  out_push(buffer, frame_end(&frame));
}

static void took(struct input *input, uint8_t last, size_t length) {
  input->last = last;
  input->consumed += (uint32_t)length;
  if (input->consumed < STDIN_WINDOW / 4 || input->eof) return;
  input->window += input->consumed;
  tell(input, A_STDIN_CREDIT, input->consumed);
  input->consumed = 0;
}

// Nobody reads any more.
static void broken(struct input *input) {
  input_close(input);
  if (input->closed_told || input->eof) return;
  input->closed_told = true;
  tell(input, A_STDIN_CLOSED, 0);
}

static void finish(struct input *input) {
  if (!input->command->tty) {
    input_close(input);
    return;
  }
  // A terminal has no half-close. The end is a character, which only means something while lines are read.
  struct termios modes;
  if (tcgetattr(input->fd, &modes) == 0 && modes.c_lflag & ICANON) {
    uint8_t end[2] = {modes.c_cc[VEOF], modes.c_cc[VEOF]};
    if (write(input->fd, end, input->last == '\n' ? 1 : 2) < 0 && errno == EAGAIN) {
      input->writable = false;
      return;
    }
  }
  input_close(input);
}

// Writes what is kept. False when it could not all be written now.
static bool flush(struct input *input) {
  while (input->used > 0) {
    uint32_t first = STDIN_WINDOW - input->start < input->used ? STDIN_WINDOW - input->start : input->used;
    struct iovec part[2] = {{input->buffer + input->start, first}, {input->buffer, input->used - first}};
    ssize_t written = writev(input->fd, part, input->used > first ? 2 : 1);
    if (written < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN) input->writable = false;
      else broken(input);
      return false;
    }
    uint32_t last = (input->start + (uint32_t)written - 1) % STDIN_WINDOW;
    input->start = (input->start + (uint32_t)written) % STDIN_WINDOW;
    input->used -= (uint32_t)written;
    took(input, input->buffer[last], (size_t)written);
  }
  return true;
}

static void ready(struct watch *watch, uint32_t events) {
  struct input *input = (struct input *)watch;
  if (input->fd < 0) return;
  if (events & EPOLLERR || (events & EPOLLHUP && !(events & EPOLLOUT))) {
    broken(input);
    return;
  }
  input->writable = true;
  if (flush(input) && input->eof) finish(input);
}

void input_open(struct input *input, struct command *command, int fd) {
  input->watch.ready = ready;
  input->command = command;
  input->fd = fd;
  input->is_pipe = true;
  input->writable = true;
  input->last = '\n';
  input->window = STDIN_WINDOW;
  watch_add(fd, &input->watch, EPOLLOUT | EPOLLET);
}

void input_close(struct input *input) {
  if (input->fd < 0) return;
  watch_remove(input->fd);
  close(input->fd);
  input->fd = -1;
  free(input->buffer);
  input->buffer = NULL;
  input->used = 0;
}

static void keep(struct input *input, const uint8_t *bytes, uint32_t length) {
  uint32_t at = (input->start + input->used) % STDIN_WINDOW;
  uint32_t first = STDIN_WINDOW - at < length ? STDIN_WINDOW - at : length;
  memcpy(input->buffer + at, bytes, first);
  memcpy(input->buffer, bytes + first, length - first);
  input->used += length;
}

enum refusal input_data(struct input *input, const uint8_t *bytes, uint32_t length) {
  if (!input->is_pipe) return REFUSED_IMPOSSIBLE;
  if (input->closed_told) return ACCEPTED;
  if (input->eof || length > input->window) {
    // What follows could not be told from what should have come here: better an early end than a hole.
    enum refusal code = input->eof ? REFUSED_AFTER_EOF : REFUSED_CREDIT;
    input->eof = true;
    input_close(input);
    return code;
  }
  input->window -= length;
  while (input->used == 0 && input->writable && length > 0) {
    ssize_t written = write(input->fd, bytes, length);
    if (written < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN) {
        input->writable = false;
        break;
      }
      broken(input);
      return ACCEPTED;
    }
    took(input, bytes[written - 1], (size_t)written);
    bytes += written;
    length -= (uint32_t)written;
  }
  if (length == 0) return ACCEPTED;
  if (input->buffer == NULL) input->buffer = malloc(STDIN_WINDOW);
  if (input->buffer == NULL) broken(input);
  else keep(input, bytes, length);
  return ACCEPTED;
}

void input_eof(struct input *input) {
  if (input->eof || input->closed_told || input->fd < 0) return;
  input->eof = true;
  if (input->used == 0) finish(input);
}
