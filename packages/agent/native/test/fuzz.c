// libFuzzer target: any bytes as the client's input stream, through the framing and every decoder, as client.c does it.
// What a decoder accepted is then walked the way the agent and its helpers walk it.
#include "wire.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static volatile size_t sum; // so that reading what was decoded is not optimized away

static size_t walk(struct texts texts) {
  size_t length = 0;
  const uint8_t *at = texts.items;
  for (uint32_t i = 0; i < texts.count; i++) length += strlen(texts_next(&at));
  return length;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  size_t at = 0;
  struct header header;
  static struct request request;
  while (frame_peek(data + at, size - at, &header) == FRAME_WHOLE) {
    // A copy of exactly its size: a read beyond the payload, even into the next frame, is an error.
    uint8_t *payload = malloc(header.length ? header.length : 1);
    memcpy(payload, data + at + HEADER_SIZE, header.length);
    if (request_decode(&header, payload, &request) == ACCEPTED) {
      if (header.kind == C_START) {
        const struct start *start = &request.start;
        if (start->argv.count == 0 || start->limit_count > MAX_LIMITS) abort();
        sum += walk(start->argv) + walk(start->env) + walk(start->groups) + strlen(start->cwd) + strlen(start->user);
      }
      if (header.kind == C_FILE) sum += strlen(request.file.path) + strlen(request.file.other);
      if (header.kind == C_CREDIT && request.credit.stream - 1u > 1) abort();
      if (header.kind == C_SIGNAL && (request.signal.signal > 64 || request.signal.scope > SCOPE_TREE)) abort();
    }
    free(payload);
    at += HEADER_SIZE + header.length;
  }
  return 0;
}
