// The file operations of PROTOCOL.md, run in a helper process: each may block.
#pragma once
#include "wire.h"

// `pipe` is where READ and LIST write to and WRITE reads from. Returns an errno; on 0 the result's bytes are in `result`
// (REPORT_PAYLOAD bytes of room).
int file_run(const struct file *file, int pipe, uint8_t *result, size_t *result_length);
