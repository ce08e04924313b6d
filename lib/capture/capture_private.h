/* SPDX-License-Identifier: BSD-3-Clause */
/* capture_private.h: what a capture is made of; lib/capture only.
 *
 * Context: each field says whose it is.
 */
#ifndef VUS_CAPTURE_PRIVATE_H
#define VUS_CAPTURE_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "capture.h"
#include "capture_ring.h"
#include "doorbell.h"
#include "filter.h"
#include "loop.h"

/* What an lcore has done for an interface; it is the only writer. */
struct capture_counts {
	_Atomic uint64_t seen;	   /* frames that came by, in the direction that was asked for */
	_Atomic uint64_t accepted; /* of these: that match the filter */
	_Atomic uint64_t unknown;  /* of these: of which the filter asks a byte that is not in their head */
	_Atomic uint64_t lost;	   /* of those that match: for which the ring had no room */
};

struct capture_lcore {
	struct capture_ring ring;
	_Alignas(LINE_BYTES) struct capture_counts count[CAPTURE_PORTS_MAX];
};

enum {
	/* What the thread sends at once. */
	CAPTURE_OUT_BYTES = 512 * 1024,
};

enum capture_state { CAPTURE_OPENS, CAPTURE_RUNS, CAPTURE_CLOSED };

struct capture {
	/* Constant once lcores have it. */
	struct capture_options options;
	char name[CAPTURE_PORTS_MAX][NAME_LEN_MAX + 1];
	char *filter_text;
	struct filter *filter; /* NULL: all frames */
	struct capture_lcore *lcore; /* [options.lcores] */

	/* Of control and the thread. */
	atomic_uint holders;
	atomic_int state; /* enum capture_state; control writes */
	bool begun;	  /* lcores have had it; set before the state, and so is: */
	char *line;	  /* for the reader */
	struct doorbell bell;
	pthread_mutex_t lock; /* held for a few instructions */
	struct loop *loop;    /* with the lock; NULL: control hears nothing any more */
	struct loop_call opened, ends, gone;
	struct fail fail; /* of the filter */

	/* The thread's. */
	int fd;
	bool told;   /* control knows that it ends */
	bool eof;    /* the reader has closed its half */
	bool broken; /* it has left, or does not read */
	uint64_t begun_ns, written;
	uint64_t moved_ns; /* when the reader has last taken something (clock_ns()) */
	uint8_t *out;	   /* [CAPTURE_OUT_BYTES] */
	size_t out_n;
};

/* The thread. */
void *capture_main(void *arg);
/* Gives up a share. */
void capture_release(struct capture *capture);

#endif
