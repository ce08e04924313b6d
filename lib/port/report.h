/* SPDX-License-Identifier: BSD-3-Clause */
/* report.h: what an lcore reports to the control thread: small records through a ring of its own.
 *
 * A full ring drops the record and counts it: whatever still matters is reported again (an unknown address floods and is
 * reported by its next packet). While control is late, an address has one record in a ring at most, however often and at however
 * many ports it is seen: few addresses do not fill it, so that new ones find room. The doorbell wakes the control thread, which
 * drains every ring at most once a millisecond and leaves the doorbell disarmed in between: a guest that makes up addresses
 * cannot make an lcore ring for each of them. An address that is renewed does not ring at all while few wait, and none of them
 * for long: hundreds of guests, each seen once a second, are no hundreds of wake-ups. Whoever drains once a second misses
 * none.
 *
 * Context: one lcore posts, the control thread drains; neither waits.
 */
#ifndef VUS_REPORT_H
#define VUS_REPORT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "doorbell.h"
#include "role.h"

enum report_kind {
	REPORT_MAC_SEEN,    /* key: the address behind `port`; new or moved */
	REPORT_MAC_RENEWED, /* the same of one that is known there, the first time in this second; maybe older than a move */
	REPORT_RING_BROKEN, /* key: ring index of `port` */
	REPORT_OFFENCE,	    /* port.offence has a frame (offence.h) */
	REPORT_TO_CLOSE,    /* `port` sent what it is to be closed for */
};

struct report {
	uint64_t key;
	uint16_t kind; /* enum report_kind */
	uint16_t port;
	uint16_t bridge;
	uint16_t spare;
};
_Static_assert(sizeof(struct report) == 16, "a report is one element of an rte_ring");

struct report_ring;

/* `bell` is shared by all rings of the process and outlives them. NULL and errno. EAL must be initialised. */
struct report_ring *report_ring_create(unsigned int index, struct doorbell *bell);
void report_ring_destroy(struct report_ring *ring);

/* Returns: whether control gets to know; false: the ring is full. */
bool report_post(struct report_ring *ring, const struct report *report) RUNS_ON(lcore_thread);
/* A REPORT_MAC_SEEN or REPORT_MAC_RENEWED. Returns: whether control gets to know; false: the ring is full, or another port's
 * record of this address is still in it, and the address has to be reported again. Behind one that renews it a move has room. */
bool report_address(struct report_ring *ring, const struct report *report) RUNS_ON(lcore_thread);
/* Takes up to `max` records: their number. */
unsigned int report_drain(struct report_ring *ring, struct report *reports, unsigned int max)
	RUNS_ON(control_thread);
/* Records lost because the ring was full, since the start. */
uint64_t report_lost_n(const struct report_ring *ring);

#endif
