// Signals that were passed on to a supervisor and are not answered yet. Kept here, because every SIGNAL is answered,
// also when the supervisor dies with the question.
#include "agent.h"
#include "out.h"

#include <errno.h>
#include <signal.h>

enum { MAX_WAITING = 1024 };

static struct waiting {
  struct supervisor *supervisor; // NULL: it died; the answer comes when the agent has emptied the tree
  uint32_t command, request;
  bool kills_tree;
} waiting[MAX_WAITING];
static unsigned count;

static void answer(uint32_t command, uint32_t request, uint32_t processes, int error) {
  uint8_t buffer[HEADER_SIZE + 64];
  struct frame frame = frame_begin(buffer, A_SIGNALED, command);
  put_u32(&frame, request);
  put_u32(&frame, processes);
  put_error(&frame, error);
  out_push(buffer, frame_end(&frame));
}

// While one waits its command is not CLOSED, so that CLOSED is the last frame and the number still means the same.
static void add(struct command *command, struct supervisor *supervisor, uint32_t request, bool kills_tree) {
  waiting[count++] = (struct waiting){supervisor, command->id, request, kills_tree};
  command->unanswered++;
}

static void remove_at(unsigned i) {
  struct command *command = command_find(waiting[i].command);
  waiting[i] = waiting[--count];
  command->unanswered--;
  command_settle_later(command);
}

void signal_answered(struct supervisor *supervisor, const struct report *report) {
  for (unsigned i = 0; i < count; i++) {
    if (waiting[i].supervisor != supervisor || waiting[i].command != report->command || waiting[i].request != report->request) continue;
    answer(report->command, report->request, (uint32_t)report->value, report->error);
    remove_at(i);
    return;
  }
}

void signals_lost(struct supervisor *supervisor) {
  for (unsigned i = count; i-- > 0;) {
    if (waiting[i].supervisor != supervisor) continue;
    waiting[i].supervisor = NULL;
    if (waiting[i].kills_tree && supervisor->command && supervisor->command->id == waiting[i].command) continue;
    answer(waiting[i].command, waiting[i].request, 0, ESRCH);
    remove_at(i);
  }
}

void signals_tree_empty(uint32_t command) {
  for (unsigned i = count; i-- > 0;) {
    if (waiting[i].supervisor != NULL || waiting[i].command != command) continue;
    answer(command, waiting[i].request, 0, 0);
    remove_at(i);
  }
}

static void pass_on(struct command *command, const struct request *request, bool kills_tree) {
  struct order order = {.kind = ORDER_SIGNAL, .command = command->id, .request = request->signal.request,
                        .signal = request->signal.signal, .scope = request->signal.scope};
  int error = count == MAX_WAITING ? EAGAIN : 0;
  // Its socket is full because it is stopped or busy: not asked, rather than waited for.
  if (error == 0 && !supervisor_order(command->supervisor, &order, NULL, 0, NULL, 0)) error = errno;
  // Dying this moment: as if it had died with the question.
  if (error == 0 || (kills_tree && (error == EPIPE || error == ECONNRESET)))
    add(command, command->supervisor, request->signal.request, kills_tree);
  else
    answer(command->id, request->signal.request, 0, error == EPIPE || error == ECONNRESET ? ESRCH : EAGAIN);
}

void signal_request(const struct request *request) {
  struct command *command = command_find(request->command);
  bool kills = request->signal.signal == SIGKILL;
  bool kills_tree = kills && request->signal.scope == SCOPE_TREE;
  uint32_t number = request->signal.request;
  if (command == NULL) {
    answer(request->command, number, 0, ESRCH);
  } else if (command->is_file) {
    // Not over although the helper is released: only its last bytes are on their way.
    if (kills && command->supervisor) kill(command->supervisor->pid, SIGKILL);
    answer(command->id, number, 0, kills ? 0 : EINVAL);
  } else if (command->lost && !command->empty) {
    // The agent is killing it already.
    if (kills_tree && count < MAX_WAITING) add(command, NULL, number, true);
    else answer(command->id, number, 0, kills_tree ? EAGAIN : ESRCH);
  } else if (command->supervisor == NULL) {
    answer(command->id, number, 0, kills_tree ? 0 : ESRCH); // an empty tree is what KILL wants
  } else {
    pass_on(command, request, kills_tree);
  }
}
