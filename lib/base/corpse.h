/* SPDX-License-Identifier: BSD-3-Clause */
/* corpse.h: a vuswitch that is dead and not gone.
 *
 * A thread that sleeps in the kernel (in the close of a file whose server does not answer) outlives kill -9. Its process stays,
 * and with it what only the end of the process releases: its connections, listening sockets, locks and memory. Nothing of it
 * runs again, and the process after it has to serve the same ports.
 *
 * A process is taken for such a one if it is called as we are and each of its threads
 *   - is a zombie, or
 *   - is on its way out, or
 *   - has SIGKILL pending and sleeps: the kernel ends it before it could return to the program.
 * A first thread that is a zombie says nothing by itself: main() may have left the others alone. A thread with SIGKILL pending
 * that is running may be in the program still, for some microseconds: then the process is not dead yet.
 *
 * Who is in doubt is alive: a process of another pid namespace (it has no number here), one that /proc hides, one whose number
 * belongs to a process that was started after the socket was made. Its descriptors are nobody else's: a vuswitch passes none
 * of its sockets and locks on, and all are closed at exec.
 *
 * Context: any thread but an lcore. Nothing waits, but for a child in corpses_hang_up().
 */
#ifndef VUS_CORPSE_H
#define VUS_CORPSE_H

#include <stdbool.h>
#include <sys/types.h>

/* The process with this number. */
bool corpse_is(pid_t pid);

/* The one that listens at the socket file `path`, to which `connected` has just been connected. */
bool corpse_listens(int connected, const char *path);

/* All that hold a lock of flock() on this file. */
bool corpse_has_locked(int fd);

/* Says to the peers of every such process what its end would have said: shuts its unix sockets down, so that front ends see that
 * they are alone, and nobody can connect to it any more. It needs Linux 6.9, and the right to trace the process; without them the
 * sockets stay as they are. A child does it, as its end may close the last descriptor of a socket, and wait. 250 ms at most.
 * Before other threads are there. */
void corpses_hang_up(void);

/* A line of the log for each that is still there. One that is merely ending looks the same for a moment: not at once. */
void corpses_tell(void);

#endif
