// The ring behind out.h. Three marks keep its size bounded whatever the client does: above DATA_MARK no pipe is read,
// above REQUEST_MARK no request is read (requests cause answers), and the rest is room for what then can still come: the
// final facts of MAX_COMMANDS commands (under 160 bytes each) and 1,024 answers to signals.
#include "out.h"
#include "wire.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

enum { SIZE = 2 << 20, DATA_MARK = 128 << 10, LOW_MARK = 64 << 10, REQUEST_MARK = 1 << 20 };

static uint8_t ring[SIZE];
static size_t head, used; // `head` is the oldest byte
static bool blocked;      // the last write said EAGAIN; wait for the event instead of asking again

// The `length` bytes that begin `offset` after the oldest one, as one or two pieces.
static int pieces(size_t offset, size_t length, struct iovec piece[2]) {
  size_t at = (head + offset) % SIZE;
  size_t first = length < SIZE - at ? length : SIZE - at;
  piece[0] = (struct iovec){ring + at, first};
  piece[1] = (struct iovec){ring, length - first};
  return length > first ? 2 : 1;
}

static void store(size_t offset, const uint8_t *bytes, size_t length) {
  struct iovec piece[2];
  int count = pieces(offset, length, piece);
  memcpy(piece[0].iov_base, bytes, piece[0].iov_len);
  if (count == 2) memcpy(piece[1].iov_base, bytes + piece[0].iov_len, piece[1].iov_len);
}

void out_push(const uint8_t *frame, size_t length) {
  // Cannot happen while the marks hold. Dying is the safe end: the supervisors see it and kill everything.
  if (length > SIZE - used) abort();
  store(used, frame, length);
  used += length;
}

ptrdiff_t out_relay(int fd, size_t limit, uint32_t command, uint8_t kind) {
  struct iovec piece[2];
  int count = pieces(used + HEADER_SIZE, limit, piece);
  ptrdiff_t got = readv(fd, piece, count);
  if (got <= 0) return got;
  uint8_t header[HEADER_SIZE];
  header_write(header, (uint32_t)got, command, kind);
  store(used, header, HEADER_SIZE);
  used += HEADER_SIZE + (size_t)got;
  return got;
}

bool out_has_room(void) { return used < DATA_MARK; }
bool out_is_low(void) { return used < LOW_MARK; }
bool out_accepts_requests(void) { return used < REQUEST_MARK; }
size_t out_pending(void) { return used; }
void out_writable(void) { blocked = false; }

bool out_flush(void) {
  while (used > 0 && !blocked) {
    struct iovec piece[2];
    int count = pieces(0, used, piece);
    ptrdiff_t written = writev(STDOUT_FILENO, piece, count);
    if (written < 0) {
      if (errno == EINTR) continue;
      if (errno != EAGAIN) return false;
      blocked = true;
      break;
    }
    used -= (size_t)written;
    // An empty ring starts at its beginning again: a quiet agent keeps using the same few cached pages.
    head = used == 0 ? 0 : (head + (size_t)written) % SIZE;
  }
  return true;
}
