/* SPDX-License-Identifier: BSD-3-Clause */
/* doorbell.h: wakes a sleeping thread, and costs nothing while it is awake.
 *
 * The listener owns an eventfd and a flag. Before it sleeps it arms the doorbell, looks once more for work, and then
 * waits on the descriptor. The thread that brings work rings, which is one load while the listener is awake and one
 * write(2) for the first to find it asleep.
 *
 * Context: any thread rings; one thread listens.
 */
#ifndef VUS_DOORBELL_H
#define VUS_DOORBELL_H

#include <stdatomic.h>
#include <stdbool.h>

struct doorbell {
	int fd; /* an eventfd, non-blocking; the listener waits for it to become readable */
	atomic_bool armed;
};

int doorbell_init(struct doorbell *bell); /* 0 or -errno */
void doorbell_fini(struct doorbell *bell);

/* Listener: from now on a ring writes to the descriptor. Work must be looked for after this and before sleeping. */
void doorbell_arm(struct doorbell *bell);
/* Listener, awake again: rings are free from now on, and the descriptor is not readable. */
void doorbell_disarm(struct doorbell *bell);

/* Context: any thread, after it has published the work. */
void doorbell_ring(struct doorbell *bell);

#endif
