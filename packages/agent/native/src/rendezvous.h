// Another pipe to the client than stdin and stdout: see "Rendezvous" in PROTOCOL.md.
#pragma once

// Offers a socket at `path`, and waits until the client has chosen. When it chose the socket, that is 0 and 1 afterwards,
// and what was 0 before is returned, to be watched: its end is still the end. Otherwise nothing has changed, and -1 is
// returned.
int rendezvous(const char *path);
