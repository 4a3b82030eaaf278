// The frames of PROTOCOL.md as C values. Pure: no descriptor, no allocation, so that it can be fuzzed and tested by itself.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
  WIRE_VERSION = 1,
  HEADER_SIZE = 12,
  MAX_PAYLOAD = 65536,
  MAX_START = 4 * 1024 * 1024,
  MAX_FILE = 16384,
  MAX_COMMANDS = 4096,
  MAX_LIMITS = 16,
  STDIN_WINDOW = 131072,
};

enum kind {
  C_HELLO = 0x01, C_START, C_STDIN, C_STDIN_EOF, C_CREDIT, C_SIGNAL, C_DISCARD, C_CLOSE_OUTPUT,
  C_RESIZE, C_HANDOVER_ASK, C_HANDOVER_TAKEN, C_HANDOVER_REFUSED, C_FILE, C_PING,
  A_HELLO = 0x81, A_STARTED, A_FAILED, A_STDOUT, A_STDERR, A_STDIN_CREDIT, A_STDIN_CLOSED, A_EXIT,
  A_DRAINED, A_EMPTY, A_CLOSED, A_SIGNALED, A_HANDOVER, A_RESULT, A_REFUSED, A_PONG, A_ERROR,
  A_OUTPUT_ENDED,
};

enum feature {
  FEATURE_PIDFD = 1, FEATURE_SUBREAPER = 2, FEATURE_PROC = 4, FEATURE_HANDOVER = 8,
  FEATURE_FILES = 16, FEATURE_TTY = 32, FEATURE_USER = 64,
};

enum stage { STAGE_FORK = 1, STAGE_LIMITS, STAGE_TTY, STAGE_USER, STAGE_CWD, STAGE_EXEC };
enum refusal {
  ACCEPTED, REFUSED_MALFORMED, REFUSED_KIND, REFUSED_IN_USE, REFUSED_ZERO, REFUSED_TOO_MANY,
  REFUSED_CREDIT, REFUSED_IMPOSSIBLE, REFUSED_AFTER_EOF,
};
enum fatal { FATAL_MALFORMED = 1, FATAL_HELLO, FATAL_SIGNAL, FATAL_INTERNAL };
enum scope { SCOPE_PROCESS, SCOPE_GROUP, SCOPE_TREE };
enum start_flag { START_STDIN = 1, START_TTY = 2, START_OFFER = 4, START_GROUPS = 8 };

enum file_op {
  FILE_READ = 1, FILE_WRITE, FILE_LIST, FILE_STAT, FILE_MKDIR, FILE_REMOVE, FILE_RENAME, FILE_SYMLINK,
  FILE_LINK, FILE_READLINK, FILE_REALPATH, FILE_CHMOD, FILE_CHOWN, FILE_UTIMES, FILE_TRUNCATE,
  FILE_ACCESS, FILE_COPY, FILE_MKDTEMP, FILE_MKSTEMP,
};
enum write_flag { WRITE_CREATE = 1, WRITE_EXCLUSIVE = 2, WRITE_APPEND = 4, WRITE_TRUNCATE = 8, WRITE_SYNC = 16 };
enum remove_flag { REMOVE_RECURSIVE = 1, REMOVE_FORCE = 2 };

struct header {
  uint32_t length, command;
  uint8_t kind;
};

// A texts list that was checked once; its items are walked in place, so that a START is never copied.
struct texts {
  uint32_t count;
  const uint8_t *items;
};

struct limit {
  uint8_t resource;
  uint64_t soft, hard;
};

struct start {
  uint8_t flags;
  uint32_t credit[2];
  uint16_t columns, rows;
  const char *cwd, *user;
  struct texts groups, argv, env;
  uint32_t limit_count;
  struct limit limits[MAX_LIMITS];
};

struct file {
  uint8_t op, flags;
  const char *path, *other;
  uint64_t offset, length; // also atime and mtime, as bits
  uint32_t mode, uid, gid, credit;
};

// A frame of the client, decoded.
struct request {
  uint8_t kind;
  uint32_t command;
  union {
    struct { uint16_t version; uint32_t features; } hello;
    struct start start;
    struct { const uint8_t *bytes; uint32_t length; } data;
    struct { uint8_t stream; uint32_t bytes; } credit;
    struct { uint32_t request; uint8_t signal, scope; } signal;
    uint8_t streams;
    uint8_t stream;
    struct { uint16_t columns, rows; } resize;
    struct file file;
    uint32_t nonce;
  };
};

enum framing { FRAME_INCOMPLETE, FRAME_WHOLE, FRAME_FATAL };

// Looks at the front of the input: is a whole frame there? A header is judged as soon as its twelve bytes are there,
// so that a hostile length is never waited for, let alone allocated.
enum framing frame_peek(const uint8_t *bytes, size_t length, struct header *header);

// Points into `payload`, which must outlive the request.
enum refusal request_decode(const struct header *header, const uint8_t *payload, struct request *request);

// Parts of it that helpers use on the payload that the agent passed on to them.
bool start_decode(const uint8_t *payload, uint32_t length, struct start *start);
bool file_decode(const uint8_t *payload, uint32_t length, struct file *file);
const char *texts_next(const uint8_t **at);

// Building payloads. The caller knows that there is room: all frames built here are of bounded, small size.
struct frame {
  uint8_t *start, *at;
};
struct frame frame_begin(uint8_t *buffer, uint8_t kind, uint32_t command);
size_t frame_end(struct frame *frame);
void header_write(uint8_t *to, uint32_t length, uint32_t command, uint8_t kind);
void put_u8(struct frame *frame, uint8_t value);
void put_u16(struct frame *frame, uint16_t value);
void put_u32(struct frame *frame, uint32_t value);
void put_u64(struct frame *frame, uint64_t value);
void put_bytes(struct frame *frame, const void *bytes, size_t length);
void put_text(struct frame *frame, const char *text);
void put_error(struct frame *frame, int error); // 0 is the empty text

const char *error_name(int error, char unknown[16]);
