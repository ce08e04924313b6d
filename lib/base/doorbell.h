/* SPDX-License-Identifier: BSD-3-Clause */
/* doorbell.h: wakes a sleeping thread, and costs nothing while it is awake.
 *
 * The listener owns an eventfd and a flag. Before it sleeps it arms the doorbell, looks once more for work, and then
 * waits on the descriptor. The thread that brings work rings, which is one load while the listener is awake and one
 * write(2) for the first to find it asleep.
 *
 * Context: any thread rings; one thread listens.
 * Units: nanoseconds of clock_ns().
 */
#ifndef VUS_DOORBELL_H
#define VUS_DOORBELL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct doorbell {
	int fd; /* an eventfd, non-blocking; the listener waits for it to become readable */
	atomic_bool armed;
	_Atomic uint64_t rung_ns; /* when it was rung last while it was armed */
};

int doorbell_init(struct doorbell *bell); /* 0 or -errno */
void doorbell_fini(struct doorbell *bell);

/* Listener: from now on a ring writes to the descriptor. Work must be looked for after this and before sleeping. */
void doorbell_arm(struct doorbell *bell);
/* Listener, awake again: rings are free from now on, and the descriptor is not readable. */
void doorbell_disarm(struct doorbell *bell);

/* Listener, awake again and before doorbell_disarm(): when it was rung; 0: it was not, since it was armed. */
uint64_t doorbell_rung(const struct doorbell *bell);

/* Context: any thread, after it has published the work. */
void doorbell_ring(struct doorbell *bell);

#endif
