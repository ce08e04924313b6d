/* SPDX-License-Identifier: BSD-3-Clause */
#include "report.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <rte_cycles.h>
#include <rte_errno.h>
#include <rte_ring.h>
#include <rte_ring_elem.h>

#include "lines.h"
#include "port_counters.h"
#include "vus_limits.h"

/* What was posted lately, so that what waits is not posted again: a table of lines. A full ring takes up half of the places. An
 * address has two lines, and goes where fewer wait: however it falls out, no line has more than it has room for. (With one line
 * for each, five of 500 addresses share one in a hundred tables.) */
enum { LINE_REPORTS = 4, LINES = 2 * REPORTS_MAX / LINE_REPORTS, CHOICES = 2 };

/* What is renewed does not ring while fewer wait, and none for longer. */
enum { QUIET_MAX = 64, QUIET_MS = 20 };

struct posted {
	uint64_t key;
	uint32_t number; /* of ring.posted, when it was posted */
	uint16_t port;
	uint8_t bridge;
	bool renewed; /* a REPORT_MAC_RENEWED */
};
_Static_assert(BRIDGES_MAX <= UINT8_MAX + 1, "posted.bridge");

struct posted_line {
	_Alignas(LINE_BYTES) struct posted posted[LINE_REPORTS];
};
_Static_assert(sizeof(struct posted_line) == LINE_BYTES, "a look at a line is one at a cache line");

struct report_ring {
	struct rte_ring *ring;
	struct doorbell *bell;
	struct posted_line *lines; /* [LINES] */
	uint64_t secret[2];	   /* who makes up addresses does not choose their lines */
	uint64_t patience;	   /* QUIET_MS, in TSC ticks */
	_Alignas(LINE_BYTES) _Atomic uint64_t lost; /* the posting lcore's, like */
	uint32_t posted; /* how many so far */
	uint64_t since;	 /* when the oldest of those that wait was posted, TSC */
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
	*ring = (struct report_ring){.bell = bell, .patience = rte_get_tsc_hz() / 1000 * QUIET_MS};
	snprintf(name, sizeof(name), "reports_%u", index);
	ring->ring = rte_ring_create_elem(name, sizeof(struct report), REPORTS_MAX, SOCKET_ID_ANY,
					  RING_F_SP_ENQ | RING_F_SC_DEQ | RING_F_EXACT_SZ);
	ring->lines = aligned_alloc(LINE_BYTES, LINES * sizeof(*ring->lines));
	if (!ring->ring || ring->lines == NULL || getrandom(ring->secret, sizeof(ring->secret), 0) != sizeof(ring->secret)) {
		int error = ring->ring ? ENOMEM : rte_errno;

		report_ring_destroy(ring);
		errno = error;
		return NULL;
	}
	ring->secret[1] |= 1;
	memset(ring->lines, 0, LINES * sizeof(*ring->lines));
	/* What no report has been is long taken. */
	ring->posted = 2 * REPORTS_MAX;
	return ring;
}

void report_ring_destroy(struct report_ring *ring)
{
	if (!ring)
		return;
	rte_ring_free(ring->ring);
	free(ring->lines);
	free(ring);
}

static bool post(struct report_ring *ring, const struct report *report) RUNS_ON(lcore_thread)
{
	struct report copy = *report; /* rte_ring takes no const */

	if (rte_ring_sp_enqueue_elem(ring->ring, &copy, sizeof(copy)) != 0) {
		count(&ring->lost, 1);
		return false;
	}
	ring->posted++;
	return true;
}

bool report_post(struct report_ring *ring, const struct report *report)
{
	if (!post(ring, report))
		return false;
	doorbell_ring(ring->bell);
	return true;
}

static void ring_for(struct report_ring *ring, const struct report *report, uint32_t waiting)
{
	if (report->kind != REPORT_MAC_RENEWED || waiting >= QUIET_MAX || rte_rdtsc() - ring->since > ring->patience)
		doorbell_ring(ring->bell);
}

/* Each bit of it depends on every one of the address, whatever the secret is. */
static uint64_t hash_of(const struct report_ring *ring, const struct report *report)
{
	uint64_t hash = (report->key ^ (uint64_t)report->bridge << 56 ^ ring->secret[0]) * ring->secret[1];

	hash = (hash ^ hash >> 32) * UINT64_C(0x9e3779b97f4a7c15);
	return hash ^ hash >> 32;
}

/* The last `waiting` of all that were posted are in the ring. */
static bool waits(const struct report_ring *ring, const struct posted *posted, uint32_t waiting)
{
	return ring->posted - posted->number <= waiting;
}

/* The place of the address, if it waits (`*found`); else the oldest of the line in which fewer wait. */
static struct posted *place_of(const struct report_ring *ring, const struct report *report, uint32_t waiting, bool *found)
{
	uint64_t hash = hash_of(ring, report);
	unsigned int fewest = UINT_MAX;
	struct posted *place = NULL;

	for (unsigned int choice = 0; choice < CHOICES; choice++) {
		struct posted *line = ring->lines[(hash >> 32 * choice) % LINES].posted, *oldest = line;
		unsigned int n = 0;

		for (unsigned int i = 0; i < LINE_REPORTS; i++) {
			bool in_ring = waits(ring, &line[i], waiting);

			*found = in_ring && line[i].key == report->key && line[i].bridge == report->bridge;
			if (*found)
				return &line[i];
			n += in_ring;
			if (ring->posted - line[i].number > ring->posted - oldest->number)
				oldest = &line[i];
		}
		if (n < fewest) {
			fewest = n;
			place = oldest;
		}
	}
	return place;
}

bool report_address(struct report_ring *ring, const struct report *report)
{
	uint32_t waiting = rte_ring_count(ring->ring);
	bool found;
	struct posted *place = place_of(ring, report, waiting, &found);

	if (found && !place->renewed)
		return place->port == report->port;
	if (found && report->kind == REPORT_MAC_RENEWED && place->port == report->port) {
		ring_for(ring, report, waiting);
		return true;
	}
	/* What changes an address comes behind what renews it: one of each at most. */
	if (!post(ring, report))
		return false;
	if (waiting == 0)
		ring->since = rte_rdtsc();
	ring_for(ring, report, waiting);
	*place = (struct posted){
		.key = report->key,
		.number = ring->posted - 1,
		.port = report->port,
		.bridge = (uint8_t)report->bridge,
		.renewed = report->kind == REPORT_MAC_RENEWED,
	};
	return true;
}

unsigned int report_drain(struct report_ring *ring, struct report *reports, unsigned int max)
{
	return rte_ring_sc_dequeue_burst_elem(ring->ring, reports, sizeof(*reports), max, NULL);
}

uint64_t report_lost_n(const struct report_ring *ring)
{
	return counted(&ring->lost);
}
