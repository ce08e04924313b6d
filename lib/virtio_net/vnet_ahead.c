/* SPDX-License-Identifier: BSD-3-Clause */
#include "vnet_ahead.h"

#include "vnet_private.h"

/* The part of port_ahead that is ours. */
struct __attribute__((may_alias)) vnet_ahead {
	const struct virtq_conf *conf; /* NULL: there is no more to be fetched */
	const struct mem_map *map;
	uint16_t place[PORT_AHEAD_FRAMES]; /* of the next descriptors */
};
_Static_assert(sizeof(struct vnet_ahead) <= sizeof(((struct port_ahead *)NULL)->step), "there is room for it");

/* For so many frames the rest is fetched; those behind them are fetched by vnet_deliver(), all at once. */
static uint16_t frames_ahead(uint16_t n)
{
	return n < PORT_AHEAD_FRAMES ? n : PORT_AHEAD_FRAMES;
}

static void fetch_queue(struct virtq *q) RUNS_ON(lcore_thread)
{
	__builtin_prefetch(q, 1);
	__builtin_prefetch(&q->dp, 1);
	__builtin_prefetch(&q->counters, 1);
	__builtin_prefetch(rcu_get(&q->memory->map));
}

static void fetch_split(const struct virtq_conf *conf, uint16_t last_avail, uint16_t last_used)
{
	uint32_t mask = conf->size - 1u;

	__builtin_prefetch(&conf->avail->idx);
	__builtin_prefetch(&conf->avail->ring[last_avail & mask]);
	__builtin_prefetch(&conf->used->ring[last_used & mask], 1);
	__builtin_prefetch(&conf->used->idx, 1);
	if (conf->event_idx)
		__builtin_prefetch(conf->used_event);
}

/* Where the burst will be in the ring, unless another lcore has it just now or is yet to find its place. */
static void fetch_ring(struct virtq *q, struct vnet_ahead *ahead) RUNS_ON(lcore_thread)
{
	const struct virtq_conf *conf = rcu_get(&q->conf);
	const struct virtq_dp *dp = &q->dp;

	ahead->conf = NULL;
	ahead->map = rcu_get(&q->memory->map);
	if (conf == NULL || ahead->map == NULL || virtq_fault(q) != VIRTQ_OK || !burst_turn_try(&q->turn))
		return;
	if (!dp->fresh) {
		ahead->conf = conf;
		ahead->place[0] = dp->last_avail;
		__builtin_prefetch(&dp->record->place, 1);
		if (conf->packed)
			__builtin_prefetch(&packed_ring(conf)[packed_index(dp->last_avail)], 1);
		else
			fetch_split(conf, dp->last_avail, dp->last_used);
	}
	burst_turn_leave(&q->turn);
}

/* What the ring names next, whether it has been made available or not: so it may name the same twice, and each word that is read
 * stands for itself. */
static void fetch_descs(struct vnet_ahead *ahead, uint16_t n)
{
	const struct virtq_conf *conf = ahead->conf;
	uint16_t at = ahead->place[0];

	for (uint16_t i = 0; i < n; i++) {
		uint16_t *place = &ahead->place[i];

		mem_fetch_begin(MEM_FETCH_TO_GUEST);
		if (conf->packed)
			*place = packed_index(packed_next(at, i % conf->size, conf->size));
		else
			*place = guest_load16(&conf->avail->ring[(uint16_t)(at + i) & (conf->size - 1)]) & (conf->size - 1);
		__builtin_prefetch(&conf->desc[*place]);
	}
}

/* In a descriptor of either format the address comes first. */
static void fetch_buffers(const struct vnet_ahead *ahead, uint16_t n)
{
	const struct mem_map *map = ahead->map;

	for (uint16_t i = 0; i < n; i++) {
		uint64_t gpa;
		uint32_t region;

		mem_fetch_begin(MEM_FETCH_TO_GUEST);
		gpa = guest_load64((const uint64_t *)(const void *)&ahead->conf->desc[ahead->place[i]]);
		region = mem_map_index_of(map, gpa);
		if (region < map->n)
			__builtin_prefetch(map->region[region].host + (gpa - map->region[region].gpa), 1);
	}
}

void vnet_ahead(struct virtq *q, enum port_ahead_step step, uint16_t n, struct port_ahead *port_ahead)
{
	struct vnet_ahead *ahead = (struct vnet_ahead *)(void *)port_ahead->step;

	switch (step) {
	case PORT_AHEAD_QUEUE:
		fetch_queue(q);
		return;
	case PORT_AHEAD_RING:
		fetch_ring(q, ahead);
		return;
	default:
		break;
	}
	if (ahead->conf == NULL)
		return;
	mem_note_open(MEM_NOTE_TO, ahead->conf); /* X3 */
	if (step == PORT_AHEAD_DESCS)
		fetch_descs(ahead, frames_ahead(n));
	else
		fetch_buffers(ahead, frames_ahead(n));
	mem_note_close(MEM_NOTE_TO);
}
