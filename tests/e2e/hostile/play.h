/* SPDX-License-Identifier: BSD-3-Clause */
/* play.h: the cases a hostile guest plays, and the stage they are played on: a card with its rings.
 *
 * A case is a row: its name, for which formats of a ring it is, what the driver agrees to, what it does, and what the switch
 * must make of it. The last is for the test to check, from outside:
 *
 *	fault N TEXT    ring N of the port is broken, and this is why
 *	drop GROUP.NAME the port's counter has grown
 *	sent N          so many frames were taken as any others, and no ring is broken
 *	idle            the ring is well, and nothing of it was taken
 *	stopped N       ring N of the port is not in use: QEMU does not get as far as to say so
 *	refused TEXT    the switch refused a message of QEMU's, and why
 *	any             whatever: what is written while it is read has no outcome of its own
 *
 * In every case the switch lives, its control socket answers, two other guests lose nothing, and after a reset of the card the
 * same guest sends and receives again.
 */
#ifndef HOSTILE_PLAY_H
#define HOSTILE_PLAY_H

#include "ring.h"

enum { SPLIT = 1, PACKED = 2, BOTH = SPLIT | PACKED, RING_SIZE = 256, FRAME_LEN = 100, HEADER_LEN = 12 };

#define FEATURE(bit) (UINT64_C(1) << (bit))

struct play {
	struct device device;
	struct ring rx, tx;
	bool packed;
};

struct hostile_case {
	const char *name;
	unsigned int formats;
	const char *expect;
	void (*play)(struct play *, const struct hostile_case *);
	uint64_t with, without; /* features beyond the usual, and some of these not */
	const void *data;	/* of the case, for a function that plays several */
	bool bare;		/* the function starts the card itself */
};

/* Each table ends with a row without a name. */
extern const struct hostile_case chain_cases[], table_cases[], lie_cases[], shape_cases[], act_cases[], race_cases[];

/* Resets the card, agrees, places both rings. */
void stage_set(struct play *, uint64_t with, uint64_t without);
/* Makes the rings the card's and lets it run; then receive buffers. */
void stage_run(struct play *);
/* A frame to the guest that echoes, in BUFFER, behind a header of zeros; with a number that was not used before. */
void frame_build(void);
/* Sends it and waits for its echo in the receive buffers. QEMU throws a frame away while its connection to the switch is being
 * made again, so it is sent again. */
bool frame_echoed(struct play *);

#endif
