/* SPDX-License-Identifier: BSD-3-Clause */
/* stall.h: what the kernel objects of one port cost lcores: who adds to it, when it is too much (X3).
 *
 * An lcore touches two things that are a peer's: guest memory, where a page fault may wait for what the peer does to its
 * file, and the interrupt's descriptor, a write to which takes as long as the peer has prepared. Neither can be broken off by
 * us. So the time is added up: a *meter* takes charges from any thread and rings the control thread, an *account* is control's,
 * and holds the sums against two buckets.
 *
 * A bucket holds `burst` and is filled at `rate`. While it is empty the port is down; it comes back when its debt has been paid
 * at that rate, but not before a rest that doubles from STALL_REST_S to STALL_REST_MAX_S with each time it is sent down soon
 * after it came back. So over any time T the lcores have waited for burst + rate * T, and for the one call that was under way
 * when the bucket ran out.
 *
 * Context: stall_charge() on any thread; all else on the control thread.
 * Units: nanoseconds; `now` is clock_ns().
 * Ownership: of the embedder; a meter outlives those that charge it.
 */
#ifndef VUS_STALL_H
#define VUS_STALL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum stall_kind {
	STALL_MEMORY,	 /* page faults in guest memory: waited, or cleared pages */
	STALL_INTERRUPT, /* writes to an interrupt's descriptor */
	STALL_KINDS,
};

enum {
	STALL_REST_S = 1,
	STALL_REST_MAX_S = 60,
	/* Up for so long, and the next rest is STALL_REST_S again. */
	STALL_FORGIVE_S = 60,
};

struct stall_meter {
	_Atomic uint64_t ns[STALL_KINDS]; /* not taken yet */
	atomic_bool rung;
	int alarm_fd; /* an eventfd of ours, written when there is something to take; -1: none */
};

/* Adds a stall, and rings. */
void stall_charge(struct stall_meter *meter, enum stall_kind kind, uint64_t ns);
/* What was charged since the last call. */
void stall_take(struct stall_meter *meter, uint64_t ns[STALL_KINDS]);

struct stall_bound {
	uint64_t burst_ns; /* 0: no bound */
	uint64_t rate_ns;  /* a second */
};

struct stall_account {
	struct stall_bound bound[STALL_KINDS];
	/* What the buckets lack: more than `burst` is debt. As of `at_ns`. */
	uint64_t level_ns[STALL_KINDS];
	uint64_t at_ns;
	/* Charged since the bucket was last full, and when that ended. */
	uint64_t recent_ns[STALL_KINDS], since_ns[STALL_KINDS];
	uint64_t total_ns[STALL_KINDS];
	uint64_t rests;		 /* how often the port was sent down */
	uint64_t rest_ns;	 /* the last one, without the debt */
	uint64_t rest_until_ns;
};

void stall_account_add(struct stall_account *account, const uint64_t ns[STALL_KINDS], uint64_t now);
/* Whether a bucket is empty; then why, for people, in `text`: "its memory kept an lcore waiting 1.2 s within 3 s". */
bool stall_account_over(struct stall_account *account, uint64_t now, char *text, size_t size);
/* How long it takes until no bucket is empty any more. */
uint64_t stall_account_owes(struct stall_account *account, uint64_t now);
/* The port is sent down: how long it has to stay down. Also for other reasons to send it down: then it has no debt. */
uint64_t stall_account_rest(struct stall_account *account, uint64_t now);

#endif
