// What is left of an agent that was killed together with its supervisors: see "Sweep" in PROTOCOL.md.
#pragma once

// Kills every process with this `NAME=VALUE` in its environment until there is none. 0 when none is left, else 1.
int sweep(const char *entry);
