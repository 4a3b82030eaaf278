// Reads the client's frames and carries them out. Frames are used where they lie in the buffer; what is cut off at its
// end is moved to its front. Only a START may be larger than the buffer, which then grows for that one frame.
#include "agent.h"
#include "out.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BUFFER = 4 * (HEADER_SIZE + MAX_PAYLOAD) };

static uint8_t standard[BUFFER];
static uint8_t *buffer = standard;
static size_t capacity = BUFFER, used;
static bool paused;

void refuse(uint8_t kind, uint32_t command, enum refusal code) {
  uint8_t bytes[HEADER_SIZE + 4];
  struct frame frame = frame_begin(bytes, A_REFUSED, command);
  put_u8(&frame, kind);
  put_u8(&frame, code);
  put_u16(&frame, 0);
  out_push(bytes, frame_end(&frame));
}

static void hello(const struct request *request) {
  if (request->hello.version != WIRE_VERSION || request->hello.features & ~agent.features)
    agent_end(1, FATAL_HELLO, "the client's HELLO chooses what was not offered");
  agent.chosen = request->hello.features;
  agent.hello_done = true;
}

static void pong(uint32_t nonce) {
  uint8_t bytes[HEADER_SIZE + 4];
  struct frame frame = frame_begin(bytes, A_PONG, 0);
  put_u32(&frame, nonce);
  out_push(bytes, frame_end(&frame));
}

static void on_streams(struct command *command, uint8_t kind, uint8_t streams) {
  for (int i = 0; i < 2; i++) {
    if (!(streams & (2 << i))) continue;
    if (kind == C_DISCARD) output_discard(&command->out[i]);
    else output_close(&command->out[i]);
  }
  // The terminal hangs up when its last number here is closed.
  if (kind == C_CLOSE_OUTPUT && command->tty && streams & 2) input_close(&command->in);
}

static enum refusal on_handover(struct command *command, const struct request *request) {
  struct output *output = &command->out[request->stream - 1];
  if (request->kind == C_HANDOVER_TAKEN) output_taken(output);
  else if (request->kind == C_HANDOVER_REFUSED) output_refused(output);
  else if (!output_offer(output)) return REFUSED_IMPOSSIBLE;
  return ACCEPTED;
}

static enum refusal carry_out(const struct request *request, const uint8_t *payload, uint32_t length) {
  if (request->kind == C_PING) {
    pong(request->nonce);
    return ACCEPTED;
  }
  if (request->kind == C_SIGNAL) {
    signal_request(request);
    return ACCEPTED;
  }
  struct command *command = command_find(request->command);
  if (request->kind == C_START || request->kind == C_FILE) {
    if (command) return REFUSED_IN_USE;
    if (agent.command_count >= MAX_COMMANDS) return REFUSED_TOO_MANY;
    if (request->kind == C_START) command_start(request, payload, length);
    else command_file(request, payload, length);
    return ACCEPTED;
  }
  if (command == NULL) return ACCEPTED; // late
  switch (request->kind) {
    case C_STDIN:
      return input_data(&command->in, request->data.bytes, request->data.length);
    case C_STDIN_EOF:
      input_eof(&command->in);
      return ACCEPTED;
    case C_CREDIT:
      output_credit(&command->out[request->credit.stream - 1], request->credit.bytes);
      return ACCEPTED;
    case C_DISCARD: case C_CLOSE_OUTPUT:
      on_streams(command, request->kind, request->streams);
      return ACCEPTED;
    case C_RESIZE:
      if (!command->tty) return REFUSED_IMPOSSIBLE;
      if (command->out[0].fd >= 0) terminal_resize(command->out[0].fd, request->resize.columns, request->resize.rows);
      return ACCEPTED;
    default:
      return on_handover(command, request);
  }
}

static void on_frame(const struct header *header, const uint8_t *payload) {
  static struct request request;
  enum refusal code = request_decode(header, payload, &request);
  if (!agent.hello_done || header->kind == C_HELLO) {
    if (agent.hello_done || header->kind != C_HELLO || code != ACCEPTED) agent_end(1, FATAL_HELLO, "a HELLO was expected once, first");
    hello(&request);
    return;
  }
  if (code == ACCEPTED) code = carry_out(&request, payload, header->length);
  if (code != ACCEPTED) refuse(header->kind, header->command, code);
}

static void grow(size_t needed) {
  if (needed <= capacity) return;
  uint8_t *larger = malloc(needed);
  if (larger == NULL) agent_end(1, FATAL_INTERNAL, "no memory for a START frame");
  memcpy(larger, buffer, used);
  if (buffer != standard) free(buffer);
  buffer = larger;
  capacity = needed;
}

static void shrink(void) {
  if (buffer == standard || used > BUFFER) return;
  memcpy(standard, buffer, used);
  free(buffer);
  buffer = standard;
  capacity = BUFFER;
}

static void take_frames(void) {
  size_t at = 0;
  struct header header;
  enum framing framing = FRAME_INCOMPLETE;
  while (out_accepts_requests() && (framing = frame_peek(buffer + at, used - at, &header)) == FRAME_WHOLE) {
    on_frame(&header, buffer + at + HEADER_SIZE);
    at += HEADER_SIZE + header.length;
    framing = FRAME_INCOMPLETE;
  }
  if (framing == FRAME_FATAL) agent_end(1, FATAL_MALFORMED, "a malformed or oversized frame");
  used -= at;
  if (at > 0) {
    memmove(buffer, buffer + at, used);
    shrink();
  }
  // Only when the rest is a cut-off frame is its length known to be within the limits.
  if (used >= HEADER_SIZE && out_accepts_requests()) grow(HEADER_SIZE + header.length);
  paused = !out_accepts_requests();
}

bool client_paused(void) { return paused; }

void client_resume(void) {
  if (paused && out_accepts_requests()) take_frames();
}

void client_ready(void) {
  ssize_t got = read(STDIN_FILENO, buffer + used, capacity - used);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got <= 0) agent_end(0, 0, NULL); // the dead man's switch
  used += (size_t)got;
  take_frames();
}
