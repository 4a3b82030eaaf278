// Decodes the client's frames and builds the agent's. Everything the client sends is taken for hostile here and nowhere
// else: past request_decode lengths are inside the payload, texts end in NUL and numbers are in their range.
#include "wire.h"

#include <stdio.h>
#include <string.h>

struct cursor {
  const uint8_t *at, *end;
  bool bad; // sticky, so that a decoder reads all its fields first and asks once
};

static uint64_t take(struct cursor *cursor, unsigned size) {
  if (cursor->bad || (size_t)(cursor->end - cursor->at) < size) {
    cursor->bad = true;
    return 0;
  }
  uint64_t value = 0;
  for (unsigned i = 0; i < size; i++) value |= (uint64_t)cursor->at[i] << (8 * i);
  cursor->at += size;
  return value;
}

static uint8_t take_u8(struct cursor *cursor) { return (uint8_t)take(cursor, 1); }
static uint16_t take_u16(struct cursor *cursor) { return (uint16_t)take(cursor, 2); }
static uint32_t take_u32(struct cursor *cursor) { return (uint32_t)take(cursor, 4); }
static uint64_t take_u64(struct cursor *cursor) { return take(cursor, 8); }

static const char *take_text(struct cursor *cursor) {
  uint32_t length = take_u32(cursor);
  if (cursor->bad || length == 0 || (size_t)(cursor->end - cursor->at) < length ||
      memchr(cursor->at, 0, length) != cursor->at + length - 1) {
    cursor->bad = true;
    return "";
  }
  const char *text = (const char *)cursor->at;
  cursor->at += length;
  return text;
}

static struct texts take_texts(struct cursor *cursor) {
  struct texts texts = {.count = take_u32(cursor), .items = cursor->at};
  // A count beyond the bytes that are left ends at the first missing item: no loop is longer than the payload.
  for (uint32_t i = 0; i < texts.count && !cursor->bad; i++) take_text(cursor);
  return texts;
}

const char *texts_next(const uint8_t **at) {
  const uint8_t *item = *at;
  uint32_t length = item[0] | (uint32_t)item[1] << 8 | (uint32_t)item[2] << 16 | (uint32_t)item[3] << 24;
  *at = item + 4 + length;
  return (const char *)item + 4;
}

static bool finished(const struct cursor *cursor) { return !cursor->bad && cursor->at == cursor->end; }

enum framing frame_peek(const uint8_t *bytes, size_t length, struct header *header) {
  if (length < HEADER_SIZE) return FRAME_INCOMPLETE;
  struct cursor cursor = {.at = bytes, .end = bytes + HEADER_SIZE};
  header->length = take_u32(&cursor);
  header->command = take_u32(&cursor);
  header->kind = take_u8(&cursor);
  if (cursor.at[0] || cursor.at[1] || cursor.at[2]) return FRAME_FATAL;
  uint32_t limit = header->kind == C_START ? MAX_START : header->kind == C_FILE ? MAX_FILE : MAX_PAYLOAD;
  if (header->length > limit) return FRAME_FATAL;
  return length - HEADER_SIZE < header->length ? FRAME_INCOMPLETE : FRAME_WHOLE;
}

bool start_decode(const uint8_t *payload, uint32_t length, struct start *start) {
  struct cursor cursor = {.at = payload, .end = payload + length};
  start->flags = take_u8(&cursor);
  bool zero = take_u8(&cursor) == 0 && take_u16(&cursor) == 0;
  start->credit[0] = take_u32(&cursor);
  start->credit[1] = take_u32(&cursor);
  start->columns = take_u16(&cursor);
  start->rows = take_u16(&cursor);
  start->cwd = take_text(&cursor);
  start->user = take_text(&cursor);
  start->groups = take_texts(&cursor);
  start->limit_count = take_u32(&cursor);
  if (start->limit_count > MAX_LIMITS) return false;
  for (uint32_t i = 0; i < start->limit_count; i++) {
    struct limit *limit = &start->limits[i];
    limit->resource = take_u8(&cursor);
    limit->soft = take_u64(&cursor);
    limit->hard = take_u64(&cursor);
    if (limit->resource >= 16) return false;
  }
  start->argv = take_texts(&cursor);
  start->env = take_texts(&cursor);
  if (!finished(&cursor) || !zero || start->flags > 15 || start->argv.count == 0) return false;
  if (!(start->flags & START_GROUPS) && start->groups.count != 0) return false;
  const uint8_t *at = start->argv.items;
  return *texts_next(&at) != '\0';
}

bool file_decode(const uint8_t *payload, uint32_t length, struct file *file) {
  struct cursor cursor = {.at = payload, .end = payload + length};
  memset(file, 0, sizeof *file);
  file->other = "";
  file->op = take_u8(&cursor);
  file->path = take_text(&cursor);
  uint8_t flags = 0; // those that this op knows
  switch (file->op) {
    case FILE_READ:
      file->offset = take_u64(&cursor);
      file->length = take_u64(&cursor);
      file->credit = take_u32(&cursor);
      break;
    case FILE_WRITE:
      flags = 31;
      file->flags = take_u8(&cursor);
      file->mode = take_u32(&cursor);
      file->offset = take_u64(&cursor);
      break;
    case FILE_LIST:
      flags = 1;
      file->flags = take_u8(&cursor);
      file->credit = take_u32(&cursor);
      break;
    case FILE_MKDIR:
      flags = 1;
      file->mode = take_u32(&cursor);
      file->flags = take_u8(&cursor);
      break;
    case FILE_REMOVE:
      flags = REMOVE_RECURSIVE | REMOVE_FORCE;
      file->flags = take_u8(&cursor);
      break;
    case FILE_STAT:
      flags = 1;
      file->flags = take_u8(&cursor);
      break;
    case FILE_ACCESS:
      flags = 7;
      file->flags = take_u8(&cursor);
      break;
    case FILE_RENAME: case FILE_SYMLINK: case FILE_LINK: case FILE_MKDTEMP: case FILE_MKSTEMP:
      file->other = take_text(&cursor);
      break;
    case FILE_COPY:
      flags = 1;
      file->other = take_text(&cursor);
      file->flags = take_u8(&cursor);
      break;
    case FILE_READLINK: case FILE_REALPATH:
      break;
    case FILE_CHMOD:
      file->mode = take_u32(&cursor);
      break;
    case FILE_CHOWN:
      flags = 1;
      file->uid = take_u32(&cursor);
      file->gid = take_u32(&cursor);
      file->flags = take_u8(&cursor);
      break;
    case FILE_UTIMES:
      file->offset = take_u64(&cursor);
      file->length = take_u64(&cursor);
      break;
    case FILE_TRUNCATE:
      file->length = take_u64(&cursor);
      break;
    default:
      return false;
  }
  return finished(&cursor) && !(file->flags & ~flags) && file->mode <= 07777;
}

static bool is_output(uint8_t stream) { return stream == 1 || stream == 2; }

enum refusal request_decode(const struct header *header, const uint8_t *payload, struct request *request) {
  struct cursor cursor = {.at = payload, .end = payload + header->length};
  request->kind = header->kind;
  request->command = header->command;
  bool global = header->kind == C_HELLO || header->kind == C_PING;
  if (header->kind < C_HELLO || header->kind > C_PING) return REFUSED_KIND;
  if (global != (header->command == 0)) return REFUSED_ZERO;
  bool valid = true;
  switch (header->kind) {
    case C_HELLO:
      valid = take_u32(&cursor) == 0x47415845 /* "EXAG" */;
      request->hello.version = take_u16(&cursor);
      valid = take_u16(&cursor) == 0 && valid;
      request->hello.features = take_u32(&cursor);
      break;
    case C_START:
      return start_decode(payload, header->length, &request->start) ? ACCEPTED : REFUSED_MALFORMED;
    case C_FILE:
      return file_decode(payload, header->length, &request->file) ? ACCEPTED : REFUSED_MALFORMED;
    case C_STDIN:
      request->data.bytes = payload;
      request->data.length = header->length;
      return header->length > 0 ? ACCEPTED : REFUSED_MALFORMED;
    case C_STDIN_EOF:
      break;
    case C_CREDIT:
      request->credit.stream = take_u8(&cursor);
      request->credit.bytes = take_u32(&cursor);
      valid = is_output(request->credit.stream);
      break;
    case C_SIGNAL:
      request->signal.request = take_u32(&cursor);
      request->signal.signal = take_u8(&cursor);
      request->signal.scope = take_u8(&cursor);
      valid = take_u16(&cursor) == 0 && request->signal.signal <= 64 && request->signal.scope <= SCOPE_TREE;
      break;
    case C_DISCARD: case C_CLOSE_OUTPUT:
      request->streams = take_u8(&cursor);
      valid = !(request->streams & ~6);
      break;
    case C_RESIZE:
      request->resize.columns = take_u16(&cursor);
      request->resize.rows = take_u16(&cursor);
      break;
    case C_HANDOVER_ASK: case C_HANDOVER_TAKEN: case C_HANDOVER_REFUSED:
      request->stream = take_u8(&cursor);
      valid = is_output(request->stream);
      break;
    default: // C_PING
      request->nonce = take_u32(&cursor);
  }
  return valid && finished(&cursor) ? ACCEPTED : REFUSED_MALFORMED;
}

static void put(struct frame *frame, uint64_t value, unsigned size) {
  for (unsigned i = 0; i < size; i++) *frame->at++ = (uint8_t)(value >> (8 * i));
}

void put_u8(struct frame *frame, uint8_t value) { put(frame, value, 1); }
void put_u16(struct frame *frame, uint16_t value) { put(frame, value, 2); }
void put_u32(struct frame *frame, uint32_t value) { put(frame, value, 4); }
void put_u64(struct frame *frame, uint64_t value) { put(frame, value, 8); }

void put_bytes(struct frame *frame, const void *bytes, size_t length) {
  if (length > 0) memcpy(frame->at, bytes, length); // nothing may also be NULL
  frame->at += length;
}

void put_text(struct frame *frame, const char *text) {
  size_t length = strlen(text) + 1;
  put_u32(frame, (uint32_t)length);
  put_bytes(frame, text, length);
}

void put_error(struct frame *frame, int error) {
  char unknown[16];
  put_text(frame, error == 0 ? "" : error_name(error, unknown));
}

void header_write(uint8_t *to, uint32_t length, uint32_t command, uint8_t kind) {
  struct frame frame = {.start = to, .at = to};
  put_u32(&frame, length);
  put_u32(&frame, command);
  put_u32(&frame, kind);
}

struct frame frame_begin(uint8_t *buffer, uint8_t kind, uint32_t command) {
  header_write(buffer, 0, command, kind);
  return (struct frame){.start = buffer, .at = buffer + HEADER_SIZE};
}

size_t frame_end(struct frame *frame) {
  size_t size = (size_t)(frame->at - frame->start);
  struct frame length = {.start = frame->start, .at = frame->start};
  put_u32(&length, (uint32_t)(size - HEADER_SIZE));
  return size;
}
