// The one queue to the client: a ring that pipes are read into and that is written to stdout, so that a byte of output
// is copied by the kernel only, and nothing is allocated per chunk.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Sends a finished small frame. Never fails: see OUT_* in out.c for why there is room.
void out_push(const uint8_t *frame, size_t length);

// Reads at most `limit` bytes from `fd` into the queue as one frame. Like read(2): 0 is end-of-file, -1 is errno.
ptrdiff_t out_relay(int fd, size_t limit, uint32_t command, uint8_t kind);

bool out_has_room(void);        // may pipes be read?
bool out_is_low(void);          // ... again, after they might not?
bool out_accepts_requests(void); // may the client be read?

// Writes what can be written. False when nobody reads any more.
bool out_flush(void);
void out_writable(void);        // stdout became writable
size_t out_pending(void);
