/* SPDX-License-Identifier: BSD-3-Clause */
/* pump_work: what the guests of a pump can be told to do. Each command prints its result as one line of JSON on standard
 * output; when it returns nothing is on its way any more.
 *
 * Thread-safety: one thread. 0 or -EPROTO, a switch that broke a rule of the rings.
 */
#ifndef PUMP_WORK_H
#define PUMP_WORK_H

#include "pump_party.h"

struct pump {
	struct pump_party party;
	struct pump_lane *lane; /* as many as guests: the one from guest i */
	struct pump_watch watch;
};

/* All lanes at once, as fast as it goes: what arrived in @ms, after @warm_ms. */
int pump_run(struct pump *, uint32_t len, unsigned int warm_ms, unsigned int ms);

/* The same at @mpps of all lanes together, and how long each frame was on its way, to when it was looked at. Not those
 * during which this thread was without its CPU for 50 µs or more: they are counted apart. */
int pump_paced(struct pump *, uint32_t len, double mpps, unsigned int warm_ms, unsigned int ms);

/* @count frames from guest 0 to guest 1, one at a time, each @gap_us after the one before has arrived; and how long. The
 * ring is looked at all the time. */
int pump_single(struct pump *, uint32_t len, unsigned int count, unsigned int gap_us);

#endif
