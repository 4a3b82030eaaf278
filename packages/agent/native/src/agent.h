// The agent's own state: what a command is to it, and which file does what with it.
#pragma once
#include "orders.h"
#include "wire.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

// Something that epoll watches. First member of whatever owns the descriptor.
struct watch {
  void (*ready)(struct watch *watch, uint32_t events);
};

struct supervisor {
  struct watch watch;
  int socket;
  pid_t pid;
  struct command *command; // NULL: idle
  struct supervisor *next; // in the idle list
  struct supervisor *all_next, *all_previous;
};

// One direction of one command's output, or the terminal.
struct output {
  struct watch watch;
  struct command *command;
  int fd;              // -1: at its end, closed or taken over
  uint8_t stream;      // 1, 2
  bool armed;          // epoll watches it
  bool discarding;
  bool drained;        // nothing is left of what was in the pipe at EXIT
  bool offered;        // a HANDOVER waits for its answer
  bool offer_refused;  // by the client: not offered again unasked
  bool enlarged;
  bool waits_for_room; // in the list of those that the full queue stopped
  uint32_t credit;
  uint64_t relayed, discarded;
  uint64_t drain_left; // bytes of the pipe at EXIT that are still to be read
  uint64_t stopped_at; // order in which the two of a command became readable before STARTED
  struct output *next_waiting;
};

struct input {
  struct watch watch;
  struct command *command;
  int fd;              // -1: none, or closed
  bool is_pipe;        // it had one
  bool eof;            // close it when the buffer is empty
  bool closed_told;
  bool writable;
  uint8_t last;        // last byte typed on a terminal
  uint32_t window;     // what the client may still send
  uint32_t consumed;   // taken by the process, not yet given back as credit
  uint32_t used, start; // of the buffer
  uint8_t *buffer;     // STDIN_WINDOW bytes once the pipe was full for the first time
};

struct command {
  uint32_t id;
  bool is_file, tty, offers;
  bool started, failed, exited, drained, silent, empty, lost, result_known, freed;
  bool settling;                 // in the list of those to look at when this round's events are done
  struct supervisor *supervisor; // NULL once its tree is empty
  struct output out[2];
  struct input in;
  uint32_t unanswered;           // signals
  int result_error;
  uint8_t *result;
  uint32_t result_length;
  struct command *bucket_next, *settle_next, *lost_next;
};

extern struct agent {
  int epoll, null;
  pid_t pid;
  uint32_t features, chosen;
  struct rlimit own_nofile;
  bool hello_done;
  uint32_t command_count, enlarged_count;
} agent;

// main.c
void watch_add(int fd, struct watch *watch, uint32_t events);
void watch_remove(int fd);
_Noreturn void agent_end(int status, enum fatal code, const char *text);

// client.c: takes the client's frames apart and carries them out
void client_begin(void);
void client_ready(void);
bool client_paused(void);
void client_resume(void);
void refuse(uint8_t kind, uint32_t command, enum refusal code);

// command.c: the life of a command, its facts in their order
struct command *command_find(uint32_t id);
struct command *command_new(uint32_t id);
void command_start(const struct request *request, const uint8_t *payload, uint32_t length);
void command_file(const struct request *request, const uint8_t *payload, uint32_t length);
void command_report(struct supervisor *supervisor, const struct report *report, const uint8_t *extra, size_t extra_length);
void command_supervisor_died(struct command *command, int status);
void command_settle_later(struct command *command);
void commands_settle(void);
bool commands_sweep(void); // orphans of dead supervisors; true: call again soon

// output.c: pipes to the client
void output_open(struct output *output, struct command *command, uint8_t stream, int fd, uint32_t credit);
void output_arm(struct output *output);
void output_close(struct output *output);
void output_note_exit(struct output *output);
bool output_is_drained(struct output *output);
void output_credit(struct output *output, uint32_t bytes);
void output_discard(struct output *output);
bool output_offer(struct output *output);
void output_taken(struct output *output);
void output_refused(struct output *output);
void outputs_resume(void); // the queue has room again

// input.c: the client to pipes
void input_open(struct input *input, struct command *command, int fd);
enum refusal input_data(struct input *input, const uint8_t *bytes, uint32_t length);
void input_eof(struct input *input);
void input_close(struct input *input);

// signals.c: SIGNAL frames and their answers
void signal_request(const struct request *request);
void signal_answered(struct supervisor *supervisor, const struct report *report);
void signals_lost(struct supervisor *supervisor);
void signals_tree_empty(uint32_t command);

// supervisors.c: the pool of helper processes
struct supervisor *supervisor_acquire(const uint8_t *payload, uint32_t length);
bool supervisor_order(struct supervisor *supervisor, const struct order *order, const uint8_t *payload, uint32_t length, const int *files, int file_count);
void supervisor_release(struct supervisor *supervisor);
void supervisors_reap(void);
void supervisors_end(void); // kill everything, wait until it is dead
bool supervisors_own(pid_t pid);

// terminal.c
int terminal_open(uint16_t columns, uint16_t rows, int *child); // the agent's side, or -1 and errno
bool terminal_resize(int fd, uint16_t columns, uint16_t rows);
