// A command's pipes to the client. A pipe is watched only while it may be read: without credit, before STARTED, or while
// the queue to the client is full it is taken out of epoll altogether (a masked descriptor still reports hang-ups, for ever).
#include "agent.h"
#include "out.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { OFFER_AFTER = 65536, ENLARGED_SIZE = 1 << 20, MAX_ENLARGED = 32 };

static struct output *first_waiting, *last_waiting;
static uint64_t stops;

static void disarm(struct output *output) {
  if (!output->armed) return;
  watch_remove(output->fd);
  output->armed = false;
}

void output_arm(struct output *output) {
  if (output->fd < 0 || output->armed || output->offered || output->waits_for_room) return;
  watch_add(output->fd, &output->watch, EPOLLIN);
  output->armed = true;
}

static void wait_for_room(struct output *output) {
  disarm(output);
  if (output->waits_for_room) return;
  output->waits_for_room = true;
  output->next_waiting = NULL;
  if (first_waiting) last_waiting->next_waiting = output;
  else first_waiting = output;
  last_waiting = output;
}

static void forget_waiting(struct output *output) {
  if (!output->waits_for_room) return;
  output->waits_for_room = false;
  struct output **at = &first_waiting, *previous = NULL;
  while (*at != output) {
    previous = *at;
    at = &previous->next_waiting;
  }
  *at = output->next_waiting;
  if (last_waiting == output) last_waiting = previous;
}

void outputs_resume(void) {
  struct output *output = first_waiting;
  first_waiting = last_waiting = NULL;
  while (output) {
    struct output *next = output->next_waiting;
    output->waits_for_room = false;
    output_arm(output);
    output = next;
  }
}

void output_close(struct output *output) {
  if (output->fd < 0) return;
  disarm(output);
  forget_waiting(output);
  close(output->fd);
  output->fd = -1;
  output->drained = true;
  output->offered = false;
  command_settle_later(output->command);
}

static size_t bytes_inside(const struct output *output) {
  int count = 0;
  return ioctl(output->fd, FIONREAD, &count) == 0 && count > 0 ? (size_t)count : 0;
}

static void was_read(struct output *output, size_t length) {
  if (!output->command->exited || output->drained) return;
  output->drain_left = output->drain_left > length ? output->drain_left - length : 0;
  command_settle_later(output->command);
}

static void discard(struct output *output) {
  static uint8_t nowhere[65536];
  ssize_t got = read(output->fd, nowhere, sizeof nowhere);
  if (got > 0) {
    output->discarded += (uint64_t)got;
    was_read(output, (size_t)got);
  } else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
    output_close(output);
  }
}

static void relay(struct output *output) {
  size_t limit = output->credit < MAX_PAYLOAD ? output->credit : MAX_PAYLOAD;
  ptrdiff_t got = out_relay(output->fd, limit, output->command->id, output->stream == 1 ? A_STDOUT : A_STDERR);
  if (got > 0) {
    output->credit -= (uint32_t)got;
    output->relayed += (uint64_t)got;
    was_read(output, (size_t)got);
    if (output->command->offers && output->relayed >= OFFER_AFTER && !output->offer_refused) output_offer(output);
  } else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
    // A terminal says EIO when the last process has closed it.
    output_close(output);
  }
}

static void ready(struct watch *watch, uint32_t events) {
  struct output *output = (struct output *)watch;
  if (output->fd < 0 || !output->armed) return;
  if (!output->command->started) {
    output->stopped_at = ++stops;
    disarm(output);
  } else if (output->discarding) {
    discard(output);
  } else if (!(events & EPOLLIN) || (output->credit == 0 && events & EPOLLHUP && bytes_inside(output) == 0)) {
    output_close(output); // hung up and empty: end-of-file needs no credit
  } else if (output->credit == 0) {
    disarm(output);
  } else if (!out_has_room()) {
    wait_for_room(output);
  } else {
    relay(output);
  }
}

void output_open(struct output *output, struct command *command, uint8_t stream, int fd, uint32_t credit) {
  output->watch.ready = ready;
  output->command = command;
  output->stream = stream;
  output->fd = fd;
  output->credit = credit;
  output_arm(output);
}

void output_credit(struct output *output, uint32_t bytes) {
  output->credit = bytes > UINT32_MAX - output->credit ? UINT32_MAX : output->credit + bytes;
  if (bytes > 0 && output->command->started) output_arm(output);
}

void output_discard(struct output *output) {
  output->discarding = true;
  output->offered = false;
  forget_waiting(output);
  if (output->command->started) output_arm(output);
}

void output_note_exit(struct output *output) {
  if (output->fd >= 0) output->drain_left = bytes_inside(output);
}

bool output_is_drained(struct output *output) {
  if (output->fd < 0 || output->drained) return true;
  if (output->offered) return false; // the answer decides who reads the rest
  if (output->command->tty) {
    // A terminal does not count reliably what is inside; ask whether anything is.
    struct pollfd now = {.fd = output->fd, .events = POLLIN};
    poll(&now, 1, 0);
    output->drained = !(now.revents & POLLIN);
  } else {
    output->drained = output->drain_left == 0;
  }
  return output->drained;
}

// Gives the pipe itself to the client. Until it answers nobody reads, so that no byte can be lost or come twice.
bool output_offer(struct output *output) {
  struct command *command = output->command;
  if (!(agent.chosen & FEATURE_HANDOVER) || output->fd < 0 || output->offered || output->discarding || command->tty ||
      command->is_file || !command->started)
    return false;
  if (!output->enlarged && agent.enlarged_count < MAX_ENLARGED && fcntl(output->fd, F_SETPIPE_SZ, ENLARGED_SIZE) >= 0) {
    output->enlarged = true;
    agent.enlarged_count++;
  }
  disarm(output);
  forget_waiting(output);
  output->offered = true;
  uint8_t buffer[HEADER_SIZE + 32];
  struct frame frame = frame_begin(buffer, A_HANDOVER, command->id);
  put_u32(&frame, output->stream);
  put_u32(&frame, (uint32_t)output->fd);
  put_u32(&frame, (uint32_t)agent.pid);
  put_u64(&frame, output->relayed);
  out_push(buffer, frame_end(&frame));
  return true;
}

void output_taken(struct output *output) {
  if (output->offered) output_close(output);
}

void output_refused(struct output *output) {
  if (!output->offered) return;
  output->offered = false;
  output->offer_refused = true;
  output_arm(output);
  command_settle_later(output->command);
}
