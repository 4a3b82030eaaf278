// The C side of test/vectors.json: reads one frame of the client per line, as hex, and prints what the agent takes it for.
#include "wire.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void print_text(const char *text) {
  putchar('"');
  for (; *text; text++) {
    if (*text == '"' || *text == '\\') putchar('\\');
    putchar(*text);
  }
  putchar('"');
}

static void print_texts(const char *name, struct texts texts) {
  printf(",\"%s\":[", name);
  const uint8_t *at = texts.items;
  for (uint32_t i = 0; i < texts.count; i++) {
    if (i) putchar(',');
    print_text(texts_next(&at));
  }
  putchar(']');
}

static void print_start(const struct start *start) {
  printf(",\"flags\":%d,\"stdoutCredit\":%u,\"stderrCredit\":%u,\"columns\":%d,\"rows\":%d,\"cwd\":", start->flags,
         start->credit[0], start->credit[1], start->columns, start->rows);
  print_text(start->cwd);
  printf(",\"user\":");
  print_text(start->user);
  print_texts("groups", start->groups);
  printf(",\"limits\":[");
  for (uint32_t i = 0; i < start->limit_count; i++)
    printf("%s{\"resource\":%d,\"soft\":\"%" PRIu64 "\",\"hard\":\"%" PRIu64 "\"}", i ? "," : "", start->limits[i].resource,
           start->limits[i].soft, start->limits[i].hard);
  putchar(']');
  print_texts("argv", start->argv);
  print_texts("env", start->env);
}

static void print_file(const struct file *file) {
  printf(",\"op\":%d,\"path\":", file->op);
  print_text(file->path);
  printf(",\"other\":");
  print_text(file->other);
  printf(",\"flags\":%d,\"mode\":%u,\"offset\":\"%" PRIu64 "\",\"length\":\"%" PRIu64 "\",\"uid\":%u,\"gid\":%u,\"credit\":%u",
         file->flags, file->mode, file->offset, file->length, file->uid, file->gid, file->credit);
}

static void print(const struct request *request) {
  printf("{\"kind\":%d,\"command\":%u", request->kind, request->command);
  switch (request->kind) {
    case C_HELLO: printf(",\"version\":%d,\"features\":%u", request->hello.version, request->hello.features); break;
    case C_START: print_start(&request->start); break;
    case C_STDIN:
      printf(",\"bytes\":\"");
      for (uint32_t i = 0; i < request->data.length; i++) printf("%02x", request->data.bytes[i]);
      putchar('"');
      break;
    case C_CREDIT: printf(",\"stream\":%d,\"bytes\":%u", request->credit.stream, request->credit.bytes); break;
    case C_SIGNAL:
      printf(",\"request\":%u,\"signal\":%d,\"scope\":%d", request->signal.request, request->signal.signal, request->signal.scope);
      break;
    case C_DISCARD: case C_CLOSE_OUTPUT: printf(",\"streams\":%d", request->streams); break;
    case C_RESIZE: printf(",\"columns\":%d,\"rows\":%d", request->resize.columns, request->resize.rows); break;
    case C_HANDOVER_ASK: case C_HANDOVER_TAKEN: case C_HANDOVER_REFUSED: printf(",\"stream\":%d", request->stream); break;
    case C_FILE: print_file(&request->file); break;
    case C_PING: printf(",\"nonce\":%u", request->nonce); break;
    default: break;
  }
  puts("}");
}

int main(void) {
  static char line[1 << 20];
  while (fgets(line, sizeof line, stdin)) {
    size_t length = strcspn(line, "\n") / 2;
    // On the heap and exactly as long, so that the sanitizer sees a read beyond it.
    uint8_t *bytes = malloc(length + 1);
    for (size_t i = 0; i < length; i++) {
      unsigned byte = 0;
      sscanf(line + 2 * i, "%2x", &byte);
      bytes[i] = (uint8_t)byte;
    }
    uint8_t *exact = malloc(length ? length : 1);
    memcpy(exact, bytes, length);
    free(bytes);
    struct header header;
    struct request request;
    enum framing framing = frame_peek(exact, length, &header);
    enum refusal code = framing == FRAME_WHOLE ? request_decode(&header, exact + HEADER_SIZE, &request) : ACCEPTED;
    if (framing == FRAME_FATAL) puts("{\"fatal\":true}");
    else if (framing == FRAME_INCOMPLETE) puts("{\"incomplete\":true}");
    else if (code != ACCEPTED) printf("{\"refused\":%d}\n", (int)code);
    else print(&request);
    free(exact);
  }
  return 0;
}
