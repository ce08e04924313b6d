/* SPDX-License-Identifier: BSD-3-Clause */
/* port_rxq.h: a receive queue of a port, as one lcore polls it. Embedded in the driver's own queue.
 *
 * Groups of cache lines, each with one writer: what lcores only read, what the lcore that polls the queue writes (a line for
 * what it always needs, one for a queue whose frames wait for their time), and what control alone uses.
 *
 * Context: control adds a queue to a poll set and takes it out; between the two, one lcore polls it.
 * Ownership: of the driver. A queue is freed only after every lcore has left it.
 */
#ifndef VUS_PORT_RXQ_H
#define VUS_PORT_RXQ_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lines.h"
#include "node.h"
#include "role.h"

struct burst;
struct disposal_account;
struct disposal_job;
struct port;

/* Private bytes of the bridge (bridge_private.h) and of the balancer (balance.h) in a queue. */
enum { PORT_RXQ_BRIDGE_BYTES = 32, PORT_RXQ_BALANCE_BYTES = 24 };

/* A word that a guest writes: (*at & mask) differs from `idle` once frames have come. */
struct port_word {
	const uint16_t *at;
	uint16_t mask, idle;
};

/* How long the frames of a queue of a port with rate-from-vm wait (lcore_pace.c). */
struct port_rxq_pace {
	uint64_t until; /* TSC; 0: nothing waits, as the last visit found */
	uint64_t since; /* TSC when something began to wait; 0: nothing waits */
	bool took;	/* the last visit that had an allowance took something */
};

struct port_rxq {
	struct port *port;
	uint16_t index;
	uint16_t slot;	 /* its place with the lcore that polls it, as long as that does; set before it is in the poll set */
	uint32_t joined; /* when it got there: no other queue of that place, and no other time, has this number */
	bool ready;	/* control's: the queue wants to be polled */
	bool unproven;	/* wake_fd may never be heard of (a device's interrupt): not relied on before it has woken
			 * an lcore once */
	int wake_fd;	/* readable or edge-triggered when frames come after arm(); -1: none, an lcore that sleeps looks
			 * again every millisecond */
	struct disposal_account *account; /* control's: whose peer gave wake_fd, so that a call on it may sleep; NULL: ours */
	struct disposal_job *waking; /* control's: wake_fd is on its way into an lcore's set */
	int lcore;	/* control's: whose poll set has the queue, -1 none */
	_Atomic bool unwatched; /* the kernel would not take wake_fd into its lcore's set: it is looked at as one without */
	_Atomic bool withdrawn; /* it could not be taken out of the poll set yet: it is hot until it can */
	struct burst **aside; /* where its lcore keeps a burst that it has set aside, and a spare one else; port_rxq_room() */
	_Alignas(64) uint8_t bridge_priv[PORT_RXQ_BRIDGE_BYTES] OWNED_BY(lcore_thread);
	/* What the lcore that polls this queue counts; anyone reads. Cycles are TSC ticks of its bursts, from receive to
	 * complete, with the looks at empty queues before them. */
	_Atomic uint64_t frames, bursts, cycles;
	_Atomic bool woke; /* its wake_fd has woken an lcore */
	bool waits OWNED_BY(lcore_thread); /* a burst is set aside: it comes first */
	uint32_t owed OWNED_BY(lcore_thread); /* for work that was done for it (share.h) */
	/* Control's. */
	_Alignas(64) uint8_t balance_priv[PORT_RXQ_BALANCE_BYTES];
	unsigned int lcore_next; /* 1 + the lcore it is moving to; 0: any */
	int node;		 /* where its memory lies; NODE_UNKNOWN */
	uint64_t moves;		 /* from one lcore to another, since the start */
	bool pinned;		 /* it stays at its lcore */
	/* The lcore's that polls it. */
	_Alignas(64) struct port_rxq_pace pace OWNED_BY(lcore_thread);
	_Atomic uint64_t waited; /* ticks that its frames have waited for their time; anyone reads */
};
BEGINS_A_LINE(struct port_rxq, bridge_priv);
BEGINS_A_LINE(struct port_rxq, balance_priv);
BEGINS_A_LINE(struct port_rxq, pace);
WHOLE_LINES(struct port_rxq);
_Static_assert(offsetof(struct port_rxq, balance_priv) - offsetof(struct port_rxq, bridge_priv) == LINE_BYTES,
	       "a queue's lcore writes one line of it");

/* Context: control, before the queue is in a poll set. All but these is zero already. */
static inline void port_rxq_init(struct port_rxq *q, struct port *port, uint16_t index)
{
	q->port = port;
	q->index = index;
	q->wake_fd = -1;
	q->lcore = -1;
	q->node = NODE_UNKNOWN;
}

/* Room for a burst that is set aside, of a driver that can do so. Once is enough. 0 or -ENOMEM.
 * Context: control, before the queue is in a poll set. */
int port_rxq_room(struct port_rxq *q);
/* Frees it.
 * Context: control, after every lcore has left the queue. */
void port_rxq_fini(struct port_rxq *q);

/* Whether an lcore may sleep until the queue wakes it.
 * Context: any thread. */
static inline bool port_rxq_wakes(const struct port_rxq *q)
{
	return !atomic_load_explicit(&q->unwatched, memory_order_relaxed) &&
	       (!q->unproven || atomic_load_explicit(&q->woke, memory_order_relaxed));
}

#endif
