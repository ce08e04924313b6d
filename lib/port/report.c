/* SPDX-License-Identifier: BSD-3-Clause */
#include "report.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <rte_errno.h>
#include <rte_ring.h>
#include <rte_ring_elem.h>

#include "lines.h"
#include "port_counters.h"
#include "vus_limits.h"

struct report_ring {
	struct rte_ring *ring;
	struct doorbell *bell;
	_Alignas(64) _Atomic uint64_t lost; /* the posting lcore's */
};
BEGINS_A_LINE(struct report_ring, lost);
WHOLE_LINES(struct report_ring);

struct report_ring *report_ring_create(unsigned int index, struct doorbell *bell)
{
	char name[RTE_RING_NAMESIZE];
	struct report_ring *ring = aligned_alloc(_Alignof(struct report_ring), sizeof(*ring));

	if (!ring) {
		errno = ENOMEM;
		return NULL;
	}
	*ring = (struct report_ring){.bell = bell};
	snprintf(name, sizeof(name), "reports_%u", index);
	ring->ring = rte_ring_create_elem(name, sizeof(struct report), REPORTS_MAX, SOCKET_ID_ANY,
					  RING_F_SP_ENQ | RING_F_SC_DEQ | RING_F_EXACT_SZ);
	if (!ring->ring) {
		int error = rte_errno;

		free(ring);
		errno = error;
		return NULL;
	}
	return ring;
}

void report_ring_destroy(struct report_ring *ring)
{
	if (!ring)
		return;
	rte_ring_free(ring->ring);
	free(ring);
}

void report_post(struct report_ring *ring, const struct report *report)
{
	struct report copy = *report; /* rte_ring takes no const */

	if (rte_ring_sp_enqueue_elem(ring->ring, &copy, sizeof(copy)) != 0) {
		count(&ring->lost, 1);
		return;
	}
	doorbell_ring(ring->bell);
}

unsigned int report_drain(struct report_ring *ring, struct report *reports, unsigned int max)
{
	return rte_ring_sc_dequeue_burst_elem(ring->ring, reports, sizeof(*reports), max, NULL);
}

uint64_t report_lost_n(const struct report_ring *ring)
{
	return counted(&ring->lost);
}
