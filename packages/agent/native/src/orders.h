// What the agent and its helper processes say to each other, over one SOCK_SEQPACKET pair each. Same program, same
// machine: plain structs. Both name the command, since an order about one may cross the report that ended it.
#pragma once
#include <stdint.h>
#include <sys/types.h>

enum {
  INLINE_PAYLOAD = 32768,   // fits a default socket buffer several times; larger STARTs are inherited by a fresh fork
  REPORT_PAYLOAD = 16384,   // a RESULT: two paths at most
};

enum order_kind { ORDER_START, ORDER_FILE, ORDER_SIGNAL };
struct order {
  uint32_t kind, command, request;
  uint8_t signal, scope;
  uint16_t has_payload; // followed by the client's payload; else (START) it was inherited by the fork
};

enum report_kind { REPORT_STARTED, REPORT_FAILED, REPORT_EXIT, REPORT_EMPTY, REPORT_SIGNALED, REPORT_RESULT };
struct report {
  uint32_t kind, command;
  int32_t value;  // STARTED: pid. FAILED: stage. EXIT: wait status. SIGNALED: count
  int32_t error;  // FAILED, SIGNALED, RESULT: errno
  uint32_t request;
  uint32_t reserved;
  uint64_t nanoseconds; // EXIT
};
