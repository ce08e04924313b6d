/* SPDX-License-Identifier: BSD-3-Clause */
/* fg_switch: the program under test as a child process.
 *
 * fg_switch_start() runs the binary named by the environment variable VUSWITCH with its ports'
 * sockets in a private folder, without hugepages, devices or root, and returns when it is ready.
 * fg_switch_stop() ends it as a service manager would and fails unless it ends well: in time, with
 * status 0, without a sanitizer's report, and leaving no socket behind.
 * The child never outlives the test (PR_SET_PDEATHSIG). Its output is kept in a file and shown when
 * something is wrong.
 *
 * FG_LEND in the environment gives it a port more that takes guests' frames where they lie: a device that sends nowhere.
 *
 * FG_BACKEND=testpmd in the environment runs DPDK's testpmd in its stead (ports in pairs, io mode):
 * it proves the fake guest against a back end that is not ours, and shows that a test can fail.
 *
 * Thread-safety: one thread. Functions return 0 or -errno; a report goes to stderr.
 */
#ifndef FG_SWITCH_H
#define FG_SWITCH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <jansson.h>

enum { FG_PORTS_MAX = 20, FG_PATH_MAX = 108 };

struct fg_switch_options {
	const char *const
		*ports;		 /* names; a NULL ends them. "name,mode=client" passes options on */
	const char *const *args; /* further arguments behind the "--", or NULL */
	const char *const *eal;	 /* further EAL arguments, or NULL */
	const char *lcores;	 /* NULL: FG_LCORES, or two CPUs of ours */
};

struct fg_switch {
	pid_t pid;
	bool stand_in; /* testpmd: no counters, no control socket */
	int input;     /* testpmd ends when its input does */
	char dir[64];
	char control[FG_PATH_MAX];
	char log[FG_PATH_MAX];
	struct fg_switch_options opt;
};

/* What the process has open and mapped, from /proc. */
struct fg_usage {
	unsigned int fds;
	unsigned int threads; /* but those that close what peers gave */
	unsigned int guest_maps; /* mappings of fake guests' memory */
	uint64_t guest_bytes;	 /* bytes in them */
	uint64_t rss_kib; /* its own: guests' pages come and go with where their buffers lie */
	uint64_t guest_kib; /* those pages */
	bool sanitizer;	  /* RSS means nothing */
};

int fg_switch_start(struct fg_switch *, const struct fg_switch_options *);
int fg_switch_stop(struct fg_switch *);
/* Ends it with SIGKILL, or starts it again in the same folder with the same arguments. */
void fg_switch_kill(struct fg_switch *);
int fg_switch_restart(struct fg_switch *);
bool fg_switch_alive(struct fg_switch *);

/* The path of a port's socket, in a static buffer that lives until four more calls. */
const char *fg_switch_socket(const struct fg_switch *, const char *port);

int fg_switch_usage(const struct fg_switch *, struct fg_usage *);

/* Returns when it has seen that the connections are gone which were closed before: one more to its control socket ends, and it
 * closes that. */
void fg_switch_settle(const struct fg_switch *);

/* What the control socket answers to a command about @name (NULL: about none), or NULL. The
 * caller's. */
json_t *fg_switch_query(const struct fg_switch *, const char *command, const char *name);
/* ... to a whole line of JSON. */
json_t *fg_switch_ask(const struct fg_switch *, const char *line);

/* The longest round of an lcore since the start or the last reset, in µs; @reset: from here on anew. 0 of the stand-in. */
double fg_longest_round_us(const struct fg_switch *, bool reset);

/* A counter of a port by its path in the JSON ("rx_ok", "tx_drop.no_buffer"); -1 without one. */
int64_t fg_counter(const struct fg_switch *, const char *port, const char *path);

/* Shows the child's output on stderr. */
void fg_switch_show_log(const struct fg_switch *);

#endif
