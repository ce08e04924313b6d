/* SPDX-License-Identifier: BSD-3-Clause */
#include "virtq_packed.h"

#include <stddef.h>

static bool lap(uint16_t place)
{
	return (place & PACKED_WRAP) != 0;
}

static uint16_t flags_at(const struct virtq_view *view, uint16_t place)
{
	return guest_load16(&packed_ring(view->conf)[packed_index(place)].flags);
}

/* By its flags, the descriptor at `place` has been used in that lap: its USED bit says so until it is used again a lap
 * later, whatever the driver makes of the rest. In memory that a driver has just cleared for a new ring all of them are alike, so
 * a place between one that was used and one that was not is not to be found there. */
static bool was_used(uint16_t flags, uint16_t place)
{
	return packed_flag(flags, VRING_PACKED_DESC_F_USED) == lap(place);
}

/* Whether the chain that began at `last` was returned and ended before `at`. If it has several slots, the last of them is as
 * the driver wrote it: with the chain's id, and nothing after it. Or the driver, which had it back, has written another chain
 * there that is available in the next lap. */
static bool ended_here(const struct virtq_view *view, uint16_t at, uint16_t last, uint16_t last_id)
{
	uint16_t size = view->conf->size;
	uint16_t end = packed_next(at, size - 1u, size) ^ PACKED_WRAP; /* one slot before */
	uint16_t flags = flags_at(view, end);

	if (was_used(flags, end) && packed_flag(flags, VRING_PACKED_DESC_F_AVAIL) != lap(end))
		return true;
	/* A chain that begins in that slot a lap before would be longer than the ring. */
	if (packed_index(end) == packed_index(last))
		return end == last && was_used(flags, last);
	return was_used(flags_at(view, last), last) && (flags & VRING_DESC_F_NEXT) == 0 &&
	       packed_flag(flags, VRING_PACKED_DESC_F_AVAIL) !=
		       packed_flag(flags, VRING_PACKED_DESC_F_USED) &&
	       guest_load16(&packed_ring(view->conf)[packed_index(end)].id) == last_id;
}

/* How many slots the list of what was in hand takes; 0 if it cannot be. */
static uint32_t listed_slots(const struct virtq_view *view, uint16_t list, uint16_t n)
{
	uint16_t size = view->conf->size;
	uint32_t slots = 0;

	for (uint16_t i = 0; i < n; i++) {
		struct virtq_returned chain = *virtq_record_at(view->dp->record, list, i);

		if (chain.slots == 0 || chain.slots > size - slots)
			return 0;
		slots += chain.slots;
	}
	return slots;
}

/* Where a ring stands according to its record. */
struct found {
	uint16_t at;		/* the next element */
	uint16_t last, last_id; /* the chain before it */
	uint16_t list, n;	/* what is in hand */
	uint32_t slots;		/* and how many it takes */
};

/* Whether the ring has the chains that are in hand, which the driver has not got back: each is available there, or its element is
 * written already, and its last slot has its id either way. `flags` are those of the first. */
static bool has_listed(const struct virtq_view *view, const struct found *said, uint16_t flags)
{
	uint16_t size = view->conf->size, place = said->at;
	uint32_t slots = said->slots;

	for (uint16_t i = 0; i < said->n; i++) {
		struct virtq_returned chain = *virtq_record_at(view->dp->record, said->list, i);
		uint16_t last;

		if (i > 0)
			flags = flags_at(view, place);
		/* The list stands where others of our user may write. */
		if (chain.slots == 0 || chain.slots > slots ||
		    packed_flag(flags, VRING_PACKED_DESC_F_AVAIL) != lap(place))
			return false;
		slots -= chain.slots;
		last = packed_next(place, chain.slots - 1u, size);
		if (guest_load16(&packed_ring(view->conf)[packed_index(last)].id) != chain.id)
			return false;
		place = packed_next(place, chain.slots, size);
	}
	return slots == 0;
}

/* What the record says, if the ring agrees: then true. */
static bool resume(const struct virtq_view *view, struct found *found)
{
	struct virtq_dp *dp = view->dp;
	uint16_t size = view->conf->size, flags;
	struct found said = {
		.at = (uint16_t)dp->found,
		.last = (uint16_t)(dp->found >> 16),
		.last_id = (uint16_t)(dp->found >> 48),
		.list = (uint8_t)(dp->found >> 40),
		.n = (uint8_t)(dp->found >> 32),
	};

	if (!dp->resumes || packed_index(said.at) >= size || packed_index(said.last) >= size)
		return false;
	said.slots = listed_slots(view, said.list, said.n);
	if (said.n > 0 && said.slots == 0)
		return false;
	/* Of a ring that was never used there is no last chain, and it stands where the front end says. Where the whole ring
	 * was in hand, what is in hand lies over the last chain. */
	if (said.at == said.last ? said.at != found->at
				 : said.slots != size && !ended_here(view, said.at, said.last, said.last_id))
		return false;
	flags = flags_at(view, said.at);
	/* Used already: the guest has seen these, and may have made others available there; only the record does not have them
	 * yet. */
	while (said.n > 0 && was_used(flags, said.at)) {
		struct virtq_returned chain = *virtq_record_at(dp->record, said.list, 0);

		/* The list stands where others of our user may write. */
		if (chain.slots == 0 || chain.slots > said.slots)
			return false;
		said.slots -= chain.slots;
		said.last = said.at;
		said.last_id = chain.id;
		said.at = packed_next(said.at, chain.slots, size);
		said.list = (said.list + 1) % VIRTQ_IN_HAND_LIST;
		said.n--;
		/* A lap on, it may be a slot that was looked at. */
		flags = guest_load16_again(&packed_ring(view->conf)[packed_index(said.at)].flags);
	}
	if (was_used(flags, said.at) || (said.n > 0 && !packed_is_available(flags, said.at)) ||
	    !has_listed(view, &said, flags))
		return false;
	*found = said;
	return true;
}

int packed_begin(const struct virtq_view *view, bool from_guest)
{
	struct virtq_dp *dp = view->dp;
	struct found found = {.at = dp->last_used, .last = dp->last_used};

	(void)from_guest;
	if (packed_index(found.at) >= view->conf->size)
		return -VIRTQ_FAULT_AVAIL_INDEX;
	resume(view, &found);
	dp->last_chain = found.last;
	dp->last_id = found.last_id;
	/* We serve in order, so what is not used was not served. */
	dp->published = dp->signalled = dp->last_used = dp->last_avail = found.at;
	dp->list = found.list;
	dp->pushed = found.n;
	if (found.n > 0)
		dp->last_avail = packed_next(found.at, found.slots, view->conf->size);
	return found.n;
}

int packed_chain(const struct virtq_view *view, uint32_t first, uint16_t place VUS_UNUSED,
		 struct virtq_desc desc, bool writable, struct virtq_chain *chain,
		 struct mem_span *spans, uint32_t max)
{
	const struct virtq_conf *conf = view->conf;
	struct virtq_walk walk = {
		.view = view,
		.writable = writable,
		.chain = chain,
		.spans = spans,
		.max = max,
	};

	*chain = (struct virtq_chain){0};
	for (uint32_t at = first;;) {
		int error = (desc.flags & VRING_DESC_F_INDIRECT) != 0
				    ? virtq_walk_indirect(&walk, &desc)
				    : virtq_walk_buffer(&walk, &desc);

		if (error != 0)
			return error;
		/* The id of a chain is that of its last descriptor (virtio 1.2, 2.8.6). */
		chain->id = desc.next;
		chain->slots = (uint16_t)(at - first + 1);
		if ((desc.flags & VRING_DESC_F_NEXT) == 0)
			return 0;
		if (++at >= conf->size)
			return -VIRTQ_FAULT_LOOP;
		desc = packed_desc_load(&packed_ring(
			conf)[packed_index(packed_next(view->dp->last_avail, at, conf->size))]);
	}
}

void packed_log_ring(const struct virtq_view *view, uint16_t from, uint16_t to)
{
	const struct virtq_conf *conf = view->conf;
	uint32_t index = packed_index(from), n = packed_distance(from, to, conf->size);
	uint32_t first = n < conf->size - index ? n : conf->size - index;

	if (!conf->log_used)
		return;
	/* Pairs with the front end's harvest of the log (mem_log_mark() sets the bits): the elements before them. */
	guest_fence();
	mem_log_mark(view->log, conf->desc_gpa + index * sizeof(struct vring_packed_desc),
		     first * sizeof(struct vring_packed_desc));
	mem_log_mark(view->log, conf->desc_gpa,
		     (uint64_t)(n - first) * sizeof(struct vring_packed_desc));
	mem_log_mark(view->log, conf->used_gpa, sizeof(struct vring_packed_desc_event));
}
