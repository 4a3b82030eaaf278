// A command from START to CLOSED (or a file operation from FILE to RESULT). Its facts arrive in any order (pipes,
// supervisor, client); they are noted where they happen, and what follows from them is sent by `settle` when all events
// of a round are in, so that "CLOSED is last" is decided in one place.
#include "agent.h"
#include "out.h"
#include "tree.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BUCKETS = 2 * MAX_COMMANDS };

static struct command *buckets[BUCKETS];
static struct command *spare;     // freed ones, kept: a steady load allocates nothing
static struct command *settling;
static struct command *lost;      // their supervisor died; waiting until the agent has killed what it inherited

struct command *command_find(uint32_t id) {
  struct command *command = buckets[id % BUCKETS];
  while (command && command->id != id) command = command->bucket_next;
  return command;
}

struct command *command_new(uint32_t id) {
  struct command *command = spare;
  if (command) spare = command->bucket_next;
  else command = malloc(sizeof *command);
  if (command == NULL) return NULL;
  memset(command, 0, sizeof *command);
  command->id = id;
  command->out[0].fd = command->out[1].fd = command->in.fd = -1;
  command->out[0].command = command->out[1].command = command->in.command = command;
  command->bucket_next = buckets[id % BUCKETS];
  buckets[id % BUCKETS] = command;
  agent.command_count++;
  return command;
}

static void forget(struct command *command) {
  struct command **at = &buckets[command->id % BUCKETS];
  while (*at != command) at = &(*at)->bucket_next;
  *at = command->bucket_next;
  input_close(&command->in);
  for (int i = 0; i < 2; i++) {
    output_close(&command->out[i]);
    if (command->out[i].enlarged) agent.enlarged_count--;
  }
  free(command->result);
  command->freed = true;
  agent.command_count--;
}

void command_settle_later(struct command *command) {
  if (command->settling || command->freed) return;
  command->settling = true;
  command->settle_next = settling;
  settling = command;
}

static void tell(const struct command *command, uint8_t kind) {
  uint8_t buffer[HEADER_SIZE];
  struct frame frame = frame_begin(buffer, kind, command->id);
  out_push(buffer, frame_end(&frame));
}

static void tell_failed(struct command *command, uint8_t stage, int error) {
  uint8_t buffer[HEADER_SIZE + 64];
  struct frame frame = frame_begin(buffer, A_FAILED, command->id);
  put_u8(&frame, stage);
  put_error(&frame, error);
  out_push(buffer, frame_end(&frame));
  command->failed = true;
  for (int i = 0; i < 2; i++) output_close(&command->out[i]);
  command_settle_later(command);
}

static void tell_closed(struct command *command) {
  uint8_t buffer[HEADER_SIZE + 16];
  struct frame frame = frame_begin(buffer, A_CLOSED, command->id);
  put_u64(&frame, command->out[0].discarded);
  put_u64(&frame, command->out[1].discarded);
  out_push(buffer, frame_end(&frame));
  forget(command);
}

static void tell_result(struct command *command) {
  static uint8_t buffer[HEADER_SIZE + 64 + REPORT_PAYLOAD];
  struct frame frame = frame_begin(buffer, A_RESULT, command->id);
  put_error(&frame, command->result_error);
  put_bytes(&frame, command->result, command->result_length);
  out_push(buffer, frame_end(&frame));
  forget(command);
}

static void tell_empty(struct command *command) {
  if (command->empty) return;
  command->empty = true;
  tell(command, A_EMPTY);
  command_settle_later(command);
}

static void tell_exit(struct command *command, int status, uint64_t nanoseconds, bool is_lost) {
  if (command->exited) return;
  command->exited = true;
  uint8_t buffer[HEADER_SIZE + 16];
  struct frame frame = frame_begin(buffer, A_EXIT, command->id);
  put_u8(&frame, WIFSIGNALED(status) ? 2 : 1);
  put_u8(&frame, (uint8_t)((WIFSIGNALED(status) && WCOREDUMP(status) ? 1 : 0) | (is_lost ? 2 : 0)));
  put_u16(&frame, 0);
  put_u32(&frame, (uint32_t)(WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status)));
  put_u64(&frame, nanoseconds);
  out_push(buffer, frame_end(&frame));
  for (int i = 0; i < 2; i++) output_note_exit(&command->out[i]);
  command_settle_later(command);
}

static void settle(struct command *command) {
  bool silent = command->out[0].fd < 0 && command->out[1].fd < 0;
  bool ended = silent && command->unanswered == 0;
  if (command->is_file) {
    if (command->result_known && ended) tell_result(command);
    return;
  }
  if (command->exited && !command->drained && output_is_drained(&command->out[0]) && output_is_drained(&command->out[1])) {
    command->drained = true;
    tell(command, A_DRAINED);
  }
  // Once the tree is empty, too, CLOSED says it.
  if (command->drained && silent && !command->silent && !command->empty) {
    command->silent = true;
    tell(command, A_OUTPUT_ENDED);
  }
  if (ended && (command->failed || (command->drained && command->empty))) tell_closed(command);
}

void commands_settle(void) {
  while (settling) {
    struct command *command = settling;
    settling = command->settle_next;
    command->settling = false;
    settle(command);
    if (!command->freed || command->settling) continue;
    command->bucket_next = spare;
    spare = command;
  }
}

static void close_all(const int *files, int count) {
  for (int i = 0; i < count; i++)
    if (files[i] >= 0) close(files[i]);
}

static bool make_pipe(int *ours, int *theirs, bool we_read) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) < 0) return false;
  *ours = ends[we_read ? 0 : 1];
  *theirs = ends[we_read ? 1 : 0];
  fcntl(*ours, F_SETFL, O_NONBLOCK);
  return true;
}

// An idle supervisor may have died a moment ago: then the next one is asked.
static int hand_out(struct command *command, const struct order *order, const uint8_t *payload, uint32_t length, const int *files, int count) {
  for (int attempt = 0; attempt < 100; attempt++) {
    struct supervisor *supervisor = supervisor_acquire(payload, length);
    if (supervisor == NULL) return errno;
    if (supervisor_order(supervisor, order, payload, length, files, count)) {
      supervisor->command = command;
      command->supervisor = supervisor;
      return 0;
    }
    int error = errno;
    if (error != EPIPE && error != ECONNRESET) {
      supervisor_release(supervisor);
      return error;
    }
  }
  return EAGAIN;
}

void command_start(const struct request *request, const uint8_t *payload, uint32_t length) {
  const struct start *start = &request->start;
  struct command *command = command_new(request->command);
  if (command == NULL) {
    refuse(C_START, request->command, REFUSED_TOO_MANY);
    return;
  }
  command->tty = start->flags & START_TTY;
  command->offers = start->flags & START_OFFER;
  int ours[3] = {-1, -1, -1}, theirs[3] = {-1, -1, -1};
  uint8_t stage = STAGE_FORK;
  bool made;
  if (command->tty) {
    stage = STAGE_TTY;
    ours[1] = terminal_open(start->columns, start->rows, &theirs[1]);
    // Its own number for writing: epoll keeps one entry per number.
    made = ours[1] >= 0 && (ours[0] = fcntl(ours[1], F_DUPFD_CLOEXEC, 3)) >= 0;
  } else {
    made = make_pipe(&ours[1], &theirs[1], true) && make_pipe(&ours[2], &theirs[2], true) &&
           (!(start->flags & START_STDIN) || make_pipe(&ours[0], &theirs[0], false));
  }
  int files[3] = {command->tty ? theirs[1] : theirs[0] >= 0 ? theirs[0] : agent.null, theirs[1], command->tty ? theirs[1] : theirs[2]};
  int error = errno;
  if (made) {
    // Watched before it runs, so that which of its pipes was written to first is not lost.
    output_open(&command->out[0], command, 1, ours[1], start->credit[0]);
    if (ours[2] >= 0) output_open(&command->out[1], command, 2, ours[2], start->credit[1]);
    if (ours[0] >= 0) input_open(&command->in, command, ours[0]);
    stage = STAGE_FORK;
    error = hand_out(command, &(struct order){.kind = ORDER_START, .command = command->id}, payload, length, files, 3);
  } else {
    close_all(ours, 3);
  }
  close_all(theirs, 3);
  if (!made || error) tell_failed(command, stage, error);
}

void command_file(const struct request *request, const uint8_t *payload, uint32_t length) {
  struct command *command = command_new(request->command);
  if (command == NULL) {
    refuse(C_FILE, request->command, REFUSED_TOO_MANY);
    return;
  }
  command->is_file = command->started = true;
  uint8_t op = request->file.op;
  bool reads = op == FILE_READ || op == FILE_LIST, writes = op == FILE_WRITE;
  int ours = -1, theirs = -1, error = 0;
  if ((reads || writes) && !make_pipe(&ours, &theirs, reads)) error = errno;
  if (ours >= 0 && reads) output_open(&command->out[0], command, 1, ours, request->file.credit);
  if (ours >= 0 && writes) input_open(&command->in, command, ours);
  int file = theirs >= 0 ? theirs : agent.null;
  if (error == 0) error = hand_out(command, &(struct order){.kind = ORDER_FILE, .command = command->id}, payload, length, &file, 1);
  close_all(&theirs, 1);
  if (error == 0) return;
  command->result_known = true;
  command->result_error = error;
  output_close(&command->out[0]);
  command_settle_later(command);
}

static void started(struct command *command, int32_t pid) {
  command->started = true;
  uint8_t buffer[HEADER_SIZE + 4];
  struct frame frame = frame_begin(buffer, A_STARTED, command->id);
  put_u32(&frame, (uint32_t)pid);
  out_push(buffer, frame_end(&frame));
  bool second_first = command->out[1].stopped_at && command->out[1].stopped_at < command->out[0].stopped_at;
  output_arm(&command->out[second_first ? 1 : 0]);
  output_arm(&command->out[second_first ? 0 : 1]);
}

static void release(struct command *command) {
  struct supervisor *supervisor = command->supervisor;
  command->supervisor = NULL;
  supervisor_release(supervisor);
}

static void result(struct command *command, int error, const uint8_t *bytes, size_t length) {
  command->result_known = true;
  command->result_error = error;
  command->result = length > 0 ? malloc(length) : NULL;
  if (command->result) {
    memcpy(command->result, bytes, length);
    command->result_length = (uint32_t)length;
  } else if (length > 0) {
    command->result_error = ENOMEM;
  }
  input_close(&command->in);
  command_settle_later(command);
}

void command_report(struct supervisor *supervisor, const struct report *report, const uint8_t *extra, size_t extra_length) {
  struct command *command = supervisor->command;
  if (report->kind == REPORT_SIGNALED) {
    signal_answered(supervisor, report); // perhaps about the command before
    return;
  }
  if (command == NULL || command->id != report->command) return;
  switch (report->kind) {
    case REPORT_STARTED:
      started(command, report->value);
      break;
    case REPORT_FAILED:
      release(command);
      tell_failed(command, (uint8_t)report->value, report->error);
      break;
    case REPORT_EXIT:
      tell_exit(command, report->value, report->nanoseconds, false);
      break;
    case REPORT_EMPTY:
      release(command);
      tell_empty(command);
      break;
    default: // REPORT_RESULT
      release(command);
      result(command, report->error, extra, extra_length);
  }
}

void command_supervisor_died(struct command *command, int status) {
  command->supervisor = NULL;
  if (command->is_file) {
    // A helper only dies in the middle of an operation when the client gave that up.
    output_close(&command->out[0]);
    result(command, ECANCELED, NULL, 0);
  } else {
    // Not even STARTED was said: it may run all the same, so that FAILED, too, waits until nothing is left.
    if (command->started) tell_exit(command, status, 0, true);
    command->lost = true;
    command->lost_next = lost;
    lost = command;
  }
}

bool commands_sweep(void) {
  if (lost == NULL) return false;
  static int quiet_rounds;
  int killed = tree_signal(&(struct walk){.signal = SIGKILL, .spare = supervisors_own});
  // Twice nothing: a single look at /proc may miss one that is just moving from its dead parent to the agent.
  quiet_rounds = killed > 0 ? 0 : quiet_rounds + 1;
  if (quiet_rounds < 2) return true;
  quiet_rounds = 0;
  while (lost) {
    struct command *command = lost;
    lost = command->lost_next;
    if (command->started) tell_empty(command);
    else tell_failed(command, STAGE_FORK, EOWNERDEAD);
    signals_tree_empty(command->id);
  }
  return false;
}
