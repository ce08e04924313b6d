/* SPDX-License-Identifier: BSD-3-Clause */
/* lcore_rig.h: two lcores of EAL on one CPU, and queues that are real to them.
 *
 * A source is a port with one queue: frames are there when the test says so, and go to all other sources, or to one. The test's
 * thread is the control thread. Waits end after ten seconds: with false, or by an assertion.
 */
#ifndef LCORE_RIG_H
#define LCORE_RIG_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bridge.h"
#include "lcore.h"

enum { SOURCES = 8, LEN = 60 };

struct source {
	struct port port; /* first */
	struct port_rxq rxq;
	_Atomic uint64_t pending, received, completed; /* frames */
	_Atomic uint64_t polls, arms, delivered, late;
	_Atomic uint64_t arrived, disorder; /* of its frames, at the last source: how many, and not after one another */
	atomic_bool armed, gone, chatty;
	atomic_bool stuck;  /* its lcore stays in receive() while this is so */
	atomic_bool stays;  /* it does */
	atomic_bool eager;  /* has a frame as soon as its lcore looks at nothing but its word */
	atomic_bool punts;  /* its frames are for control, and go nowhere else */
	_Atomic uint8_t last[LEN]; /* the first bytes of the last frame it was given */
	_Atomic uint8_t to; /* the source its frames are for, once that is learned; 0: all */
	uint16_t *word; /* changes with each frame that is there; a page of its own. NULL: none */
	atomic_int polled_by;
};

extern struct source source[SOURCES];
extern struct bridge *bridge; /* of all sources */

/* cmocka's group set-up and teardown. EAL is there. */
int lcore_rig_open(void **state);
int lcore_rig_close(void **state);
/* The lcores alone: made and started, or ended. */
int lcore_rig_begin(bool busy_poll);
void lcore_rig_end(void);

/* The driver: frames are there, and a kick if one is wanted. */
void source_send(struct source *from, uint64_t n);
/* Where frames of source i come from. */
fdb_key_t source_address(int i);
/* Frames are there, and nobody kicks. */
void source_put(struct source *from, uint64_t n);
/* From its next joining on its lcore need not receive from it to know whether frames are there, by a word or else by a kick; or
 * it does again. */
void source_watch(struct source *from, bool word);
void source_unwatch(struct source *from);
/* Joins a poll set; leaves it, and every lcore has passed. */
void source_add(struct source *from);
void source_take(struct source *from);

bool await_equal(const _Atomic uint64_t *what, uint64_t value);
/* Every lcore has gone to sleep: rounds have stopped. */
void await_sleep(void);
/* Control's wait for the lcores, with an end. */
void await_lcores(void);

/* Of a counter, over all lcores. */
uint64_t lcore_rig_sum(size_t counter);
#define LCORES_SUM(name) lcore_rig_sum(offsetof(struct lcore_counters, name))

#endif
