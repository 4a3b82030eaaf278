// Measures the agent from a small C client: latency of a no-op, starts per second at 1, 8 and 64 at a time, relay throughput.
// Prints figures only; build with `cc -O2 -Isrc test/bench.c src/wire.c src/errname.c`, run with the agent's path.
#include "wire.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int to, from;
static uint8_t in[1 << 22];
static size_t have, at;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void send_all(const uint8_t *bytes, size_t length) {
  while (length > 0) {
    ssize_t n = write(to, bytes, length);
    if (n <= 0) abort();
    bytes += n;
    length -= (size_t)n;
  }
}

static uint32_t u32(const uint8_t *b) { return b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24; }

// The next frame of the agent, in place.
static uint8_t *next(void) {
  for (;;) {
    if (have - at >= HEADER_SIZE && have - at >= HEADER_SIZE + u32(in + at)) {
      uint8_t *frame = in + at;
      at += HEADER_SIZE + u32(frame);
      return frame;
    }
    memmove(in, in + at, have - at);
    have -= at;
    at = 0;
    ssize_t n = read(from, in + have, sizeof in - have);
    if (n <= 0) abort();
    have += (size_t)n;
  }
}

static void start(uint32_t id, const char *const *argv, uint32_t count, uint32_t credit) {
  uint8_t buffer[4096];
  struct frame f = frame_begin(buffer, C_START, id);
  put_u32(&f, 0);
  put_u32(&f, credit);
  put_u32(&f, credit);
  put_u32(&f, 0);
  put_text(&f, "");
  put_text(&f, "");
  put_u32(&f, 0);
  put_u32(&f, 0);
  put_u32(&f, count);
  for (uint32_t i = 0; i < count; i++) put_text(&f, argv[i]);
  put_u32(&f, 1);
  put_text(&f, "PATH=/usr/bin:/bin");
  send_all(buffer, frame_end(&f));
}

static int by_value(const void *a, const void *b) {
  double d = *(const double *)a - *(const double *)b;
  return d < 0 ? -1 : d > 0;
}

int main(int argc, char **argv) {
  if (argc < 2) return 2;
  int down[2], up[2];
  if (pipe(down) || pipe(up)) return 2;
  if (fork() == 0) {
    dup2(down[0], 0);
    dup2(up[1], 1);
    close(down[0]); close(down[1]); close(up[0]); close(up[1]);
    execl(argv[1], argv[1], (char *)NULL);
    _exit(127);
  }
  close(down[0]);
  close(up[1]);
  to = down[1];
  from = up[0];
  uint8_t buffer[64];
  struct frame hello = frame_begin(buffer, C_HELLO, 0);
  put_bytes(&hello, "EXAG", 4);
  put_u32(&hello, 1);
  put_u32(&hello, 0);
  send_all(buffer, frame_end(&hello));
  const char *const noop[] = {"/bin/true"};
  uint32_t id = 1;
  static double times[4000];
  for (int i = 0; i < 1200; i++) {
    double begun = now();
    start(id++, noop, 1, 1000);
    while (next()[8] != A_CLOSED) {}
    times[i] = now() - begun;
  }
  qsort(times + 200, 1000, sizeof *times, by_value);
  printf("no-op START..CLOSED: p50 %.3f ms, p99 %.3f ms\n", times[700] * 1e3, times[1190] * 1e3);
  for (int width = 1; width <= 64; width *= 8) {
    int total = 4000, begun = 0, ended = 0;
    double from_time = now();
    while (ended < total) {
      while (begun < total && begun - ended < width) {
        start(id++, noop, 1, 1000);
        begun++;
      }
      if (next()[8] == A_CLOSED) ended++;
    }
    printf("starts per second, %d at a time: %.0f\n", width, total / (now() - from_time));
  }
  const char *const sizes[] = {"bs=64k", "bs=4k", "bs=100"};
  const char *const counts[] = {"count=16384", "count=131072", "count=500000"};
  for (int i = 0; i < 3; i++) {
    const char *const dd[] = {"dd", "if=/dev/zero", "status=none", sizes[i], counts[i]};
    double begun = now();
    uint64_t bytes = 0, ungranted = 0;
    uint32_t command = id++;
    start(command, dd, 5, 4 << 20);
    for (;;) {
      uint8_t *frame = next();
      if (frame[8] == A_CLOSED) break;
      if (frame[8] != A_STDOUT) continue;
      bytes += u32(frame);
      ungranted += u32(frame);
      if (ungranted < 1 << 20) continue;
      struct frame credit = frame_begin(buffer, C_CREDIT, command);
      put_u8(&credit, 1);
      put_u32(&credit, (uint32_t)ungranted);
      send_all(buffer, frame_end(&credit));
      ungranted = 0;
    }
    double relayed = (double)bytes / (now() - begun) / 1e6;
    // The same without an agent: a pipe from the same program to this reader.
    begun = now();
    char line[200];
    snprintf(line, sizeof line, "exec dd if=/dev/zero status=none %s %s", sizes[i], counts[i]);
    FILE *raw = popen(line, "r");
    uint64_t raw_bytes = 0;
    for (ssize_t n; (n = read(fileno(raw), in, 65536)) > 0;) raw_bytes += (uint64_t)n;
    pclose(raw);
    double direct = (double)raw_bytes / (now() - begun) / 1e6;
    printf("dd %s: relay %.0f MB/s, direct pipe %.0f MB/s, ratio %.2f\n", sizes[i], relayed, direct, relayed / direct);
  }
  close(to);
  wait(NULL);
  return 0;
}
