/* SPDX-License-Identifier: BSD-3-Clause */
/* port_drops.h: of what a port's counters say was dropped (port_counters.h): since when, and how the last frame of each reason
 * began.
 *
 *	count_rx_drop(counters, RX_DROP_SOURCE, 1, frame);				an lcore
 *	port_drops_read(port, PORT_DROP_RX + RX_DROP_SOURCE, &seen);			control
 *
 * Whoever drops frames counts them here. A drop stays cheap: it writes down the time, and the head of a frame once in
 * DROPS_INTERVAL_MS for each port and reason. Heads are kept in a table for each lcore, of a size that does not depend on
 * how many ports there are: where more ports and reasons drop frames than it has places, the oldest head gives way. What
 * is kept is a copy: nothing points to a frame once its visit is over.
 *
 * Context: the thread whose counters they are writes; control reads, and waits for nobody.
 * Units: cycles of the time-stamp counter; bytes.
 * Ownership: a port's times lie behind its counters, and are freed with them. Tables are the port host's.
 */
#ifndef VUS_PORT_DROPS_H
#define VUS_PORT_DROPS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "lines.h"
#include "port_counters.h"
#include "vus_limits.h"

struct frame;
struct port;

enum {
	/* The reasons of a port, in the order of port_counter_table. */
	PORT_DROP_RX = 0,
	PORT_DROP_TX = RX_DROPS,
	PORT_DROP_PUNT = RX_DROPS + TX_DROPS,
	PORT_DROP_INJECT = RX_DROPS + TX_DROPS + PUNT_DROPS,
	PORT_DROPS = PORT_COUNTERS - PORT_COUNTERS_ALONE,
	DROP_BYTES = FRAME_HEAD,
	DROPS_INTERVAL_MS = 1,
	DROP_SLOTS = 512,
	DROP_WAYS = 4, /* places that a port and a reason may have */
};
_Static_assert(DROP_BYTES % sizeof(uint64_t) == 0, "a head is whole words");

/* The head of a frame. */
struct drop_slot {
	_Alignas(LINE_BYTES) _Atomic uint64_t version; /* odd: it is being written */
	_Atomic uint64_t key;			       /* 0: free */
	_Atomic uint64_t at;
	_Atomic uint64_t size; /* the frame's bytes, and how many of them are here: 16 bits */
	_Atomic uint64_t word[DROP_BYTES / sizeof(uint64_t)];
};

struct drop_table {
	_Alignas(LINE_BYTES) uint64_t interval; /* cycles */
	struct drop_slot slot[DROP_SLOTS];
};

/* Of a port and a thread. */
struct port_drops {
	_Alignas(LINE_BYTES) struct drop_table *table; /* of the thread; NULL: heads are not kept */
	uint16_t port;
	struct {
		_Atomic uint64_t first, last; /* 0: never */
	} at[PORT_DROPS];
};
WHOLE_LINES(struct port_drops);

/* What is known of a reason. */
struct drop_seen {
	uint64_t first, last; /* 0: it is not known when */
	uint64_t at;	      /* when the frame was dropped; 0: none is known */
	uint32_t len;	      /* of the frame */
	uint16_t n;	      /* of its bytes that are here */
	uint8_t bytes[DROP_BYTES];
};

/* One for each of n lcores. NULL: no memory. */
struct drop_table *drop_tables_create(unsigned int n, uint64_t interval);
void drop_tables_free(struct drop_table *tables, unsigned int n);

/* Something was dropped for this reason (PORT_DROP_RX + RX_DROP_SOURCE), last this frame; NULL: its bytes are not there. */
void port_drops_note(struct port_drops *drops, unsigned int reason, const struct frame *frame);

/* Context: control. */
void port_drops_read(const struct port *port, unsigned int reason, struct drop_seen *seen);

/* n frames were dropped for this reason, the last of which was this one (or NULL). */
static inline void count_drop(struct port_counters *counters, unsigned int reason, uint64_t n, const struct frame *frame)
{
	count(&counters->value[PORT_COUNTERS_ALONE + reason], n);
	if (n > 0 && counters->drops != NULL)
		port_drops_note(counters->drops, reason, frame);
}

static inline void count_rx_drop(struct port_counters *counters, enum rx_drop why, uint64_t n, const struct frame *frame)
{
	count_drop(counters, PORT_DROP_RX + (unsigned int)why, n, frame);
}

static inline void count_tx_drop(struct port_counters *counters, enum tx_drop why, uint64_t n, const struct frame *frame)
{
	count_drop(counters, PORT_DROP_TX + (unsigned int)why, n, frame);
}

#endif
