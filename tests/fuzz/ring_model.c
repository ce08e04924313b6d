/* SPDX-License-Identifier: BSD-3-Clause */
#include "ring_model.h"

#include "mem_log.h"

enum { LOG_PAGES = 64, ALLOWED_BUFFER = 1, ALLOWED_TABLE = 2 };

struct chain chain;
struct offered offered[RING_MAX + 1];
struct piece piece[4096];
uint32_t offered_n;
bool aliased, confused;

static struct guest *guest;
static uint8_t before[REGIONS][REGION_SIZE], allowed[REGIONS][REGION_SIZE];
static struct mem_log log_of_all;
static uint64_t log_words[LOG_PAGES / 64];
static uint32_t pieces_n;

void model_create(struct guest *of)
{
	guest = of;
	log_of_all = (struct mem_log){.words = log_words, .pages = LOG_PAGES};
}

struct mem_log *model_log(void)
{
	return &log_of_all;
}

/* --- what may be written ----------------------------------------------------------------------------------------- */

void model_remember(void)
{
	for (int i = 0; i < REGIONS; i++)
		memcpy(before[i], guest->memory[i], REGION_SIZE);
	memset(allowed, 0, sizeof(allowed));
	memset(log_words, 0, sizeof(log_words));
	aliased = confused = false;
}

static void allow(uint64_t gpa, uint32_t len)
{
	int region;

	for (uint32_t n; len > 0 && (n = guest_run(gpa, len, &region)) > 0; gpa += n, len -= n) {
		uint8_t *at = &allowed[region][gpa - guest_region[region]];

		aliased |= memchr(at, ALLOWED_BUFFER, n) != NULL;
		confused |= memchr(at, ALLOWED_TABLE, n) != NULL;
		memset(at, ALLOWED_BUFFER, n);
	}
}

/* Its bytes stay as they are; a buffer that shares one is seen. */
static void allow_table(uint64_t gpa)
{
	int region;

	if (guest_run(gpa, 16, &region) < 16)
		return;
	for (unsigned int i = 0; i < 16; i++) {
		uint8_t *at = &allowed[region][gpa - guest_region[region] + i];

		confused |= *at == ALLOWED_BUFFER;
		*at = *at == 0 ? ALLOWED_TABLE : *at;
	}
}

void model_allow_used(const struct ring *ring)
{
	if (ring->packed)
		allow(ring->desc, ring->size * 16u);
	allow(ring->used, ring->packed ? 4 : 6 + ring->size * 8u);
}

/* An entry of a split ring's used part that the index does not show yet: it is written again before it is shown. */
static bool is_staged(const struct ring *ring, uint64_t gpa)
{
	return !ring->packed && gpa - (ring->used + 4) < ring->size * 8u &&
	       memcmp(guest_at(guest, ring->used + 2), &before[0][ring->used + 2 - guest_region[0]], 2) == 0;
}

static void check_changed(const struct ring *const *rings, int r, unsigned int i)
{
	uint64_t gpa = guest_region[r] + i, page = gpa / MEM_PAGE;

	if (guest->memory[r][i] == before[r][i])
		return;
	/* Where a frame was written over a ring or a table, the next one goes where that says now. */
	FUZZ_CHECK(allowed[r][i] == ALLOWED_BUFFER || confused);
	if (!is_staged(rings[0], gpa) && !is_staged(rings[1], gpa))
		FUZZ_CHECK(rcu_own(&guest->table.log) == NULL || (log_words[page / 64] >> page % 64 & 1) != 0);
}

void model_check_written(const struct ring *const *rings)
{
	enum { PART = 256 };

	for (int r = 0; r < REGIONS; r++)
		for (unsigned int from = 0; from < REGION_SIZE; from += PART)
			if (memcmp(guest->memory[r] + from, before[r] + from, PART) != 0)
				for (unsigned int i = from; i < from + PART; i++)
					check_changed(rings, r, i);
}

/* --- what is in a ring ------------------------------------------------------------------------------------------- */

static bool model_is_available(uint16_t flags, uint16_t place)
{
	return (flags >> 7 & 1) == place >> 15 && (flags >> 15 & 1) != place >> 15;
}

/* One buffer; `writable` ones are allowed to be written. */
static int model_buffer(const struct ring_desc *desc, bool writable)
{
	uint32_t pieces = 0, n, done, room = (uint32_t)sizeof(chain.bytes);
	int region;

	if (((desc->flags & FLAG_WRITE) != 0) != writable)
		return -1;
	for (done = 0; done < desc->len; done += n, pieces++) {
		n = guest_run(desc->addr + done, desc->len - done, &region);
		if (n == 0)
			return -1;
		if (chain.len + done < room)
			memcpy(chain.bytes + chain.len + done, guest_at(guest, desc->addr + done),
			       n < room - chain.len - done ? n : room - chain.len - done);
	}
	if (writable && desc->len > 0) {
		allow(desc->addr, desc->len);
		confused |= desc->addr < guest_region[0] + 2 * RING_BYTES || pieces_n == 4096;
		if (pieces_n < 4096) {
			piece[pieces_n].gpa = desc->addr;
			piece[pieces_n++].len = desc->len;
		}
	}
	chain.len += desc->len;
	chain.cost += pieces > 0 ? pieces : 1;
	return chain.cost > BURST_SPANS ? -2 : 0;
}

static int model_indirect(const struct ring *ring, const struct ring_desc *indirect, bool writable)
{
	uint32_t n = indirect->len / 16, at = 0;

	if (!ring->conf->indirect || (indirect->flags & FLAG_NEXT) != 0 || n == 0 || indirect->len % 16 != 0 || n > ring->size ||
	    indirect->addr % 8 != 0)
		return -1;
	for (uint32_t steps = 0; steps < n; steps++) {
		uint64_t gpa = indirect->addr + at * 16u;
		struct ring_desc desc;
		int error;

		/* A descriptor lies in one region. */
		if (guest_at(guest, gpa) == NULL || guest_at(guest, gpa + 15) != guest_at(guest, gpa) + 15)
			return -1;
		desc = ring_desc_get(ring, gpa);
		/* A table in a buffer changes while it is walked: that is not modelled. */
		if (writable)
			allow_table(gpa);
		if ((desc.flags & FLAG_INDIRECT) != 0)
			return -1;
		error = model_buffer(&desc, writable);
		if (error != 0)
			return error;
		if (ring->packed ? steps + 1 == n : (desc.flags & FLAG_NEXT) == 0)
			return 0;
		at = ring->packed ? at + 1 : desc.next;
		if (at >= n)
			return -1;
	}
	return -1;
}

/* Where the descriptor after number `steps` of a chain stands. */
static uint32_t model_next(const struct ring *ring, uint16_t place, uint32_t steps, uint16_t next)
{
	return ring->packed ? ring_place_after(ring, place, steps + 1) & 0x7fffu : next;
}

void model_chain(const struct ring *ring, uint32_t slots, bool writable)
{
	uint16_t place = ring->packed ? ring_place_after(ring, ring->pos, slots) : 0, head;
	struct ring_desc desc;

	chain.len = chain.cost = 0;
	chain.slots = 1;
	head = ring->packed ? place & 0x7fff
			    : (uint16_t)guest_get(guest, ring->avail + 4 + (uint16_t)(ring->pos + slots) % ring->size * 2u, 2);
	chain.id = head;
	chain.result = head >= ring->size ? -1 : 0;
	if (chain.result != 0)
		return;
	desc = ring_desc_get(ring, ring->desc + head * 16u);
	if (ring->packed && !model_is_available(desc.flags, place)) {
		chain.result = 1;
		return;
	}
	for (uint32_t steps = 0; chain.result == 0; steps++) {
		bool indirect = (desc.flags & FLAG_INDIRECT) != 0;

		chain.result = indirect ? model_indirect(ring, &desc, writable) : model_buffer(&desc, writable);
		if (ring->packed) {
			chain.id = desc.next;
			chain.slots = (uint16_t)(steps + 1);
		}
		if (chain.result != 0 || (desc.flags & FLAG_NEXT) == 0 || (indirect && !ring->packed))
			return;
		if (ring->packed ? slots + steps + 1 >= ring->size : steps + 1 == ring->size || desc.next >= ring->size)
			chain.result = -1;
		else
			desc = ring_desc_get(ring, ring->desc + model_next(ring, place, steps, desc.next) * 16u);
	}
}

int model_available(struct ring *ring, uint32_t at, uint32_t max)
{
	uint16_t n = (uint16_t)(ring->seen - ring->pos);

	if (ring->packed)
		return ring->size - at < max ? (int)(ring->size - at) : (int)max;
	if (n < at + max) {
		uint16_t seen = (uint16_t)guest_get(guest, ring->avail + 2, 2);

		n = (uint16_t)(seen - ring->pos);
		if (n > ring->size)
			return -1;
		ring->seen = seen;
	}
	n = n > at ? (uint16_t)(n - at) : 0;
	return n < max ? n : (int)max;
}

void model_begin(struct ring *ring)
{
	if (!ring->fresh)
		return;
	ring->fresh = false;
	if (!ring->packed)
		ring->pos = ring->seen = (uint16_t)guest_get(guest, ring->used + 2, 2);
	ring->used_pos = ring->pos;
	/* The switch says first that it wants no kick; what it reads then may lie there. */
	if (ring->packed)
		guest_put(guest, ring->used, VRING_PACKED_EVENT_FLAG_DISABLE << 16, 4);
	else if (!ring->conf->event_idx)
		guest_put(guest, ring->used, VRING_USED_F_NO_NOTIFY, 2);
}

void model_allow_buffers(struct ring *ring)
{
	uint32_t slots = 0;
	int n;

	model_begin(ring);
	offered_n = pieces_n = 0;
	n = ring->packed ? ring->size : (uint16_t)((uint16_t)guest_get(guest, ring->avail + 2, 2) - ring->pos);
	/* More than a ring has: found out at the next reading of the index, or never, if enough of them are used by then. */
	confused |= n > ring->size;
	for (int i = 0; i < n && i < ring->size && slots < ring->size; i++) {
		struct offered *chain_of = &offered[offered_n];

		chain_of->first = (uint16_t)pieces_n;
		chain_of->place = ring->packed ? ring_place_after(ring, ring->pos, slots) & 0x7fff
					       : (uint16_t)((uint16_t)(ring->pos + i) % ring->size);
		model_chain(ring, slots, true);
		chain_of->n = (uint16_t)(pieces_n - chain_of->first);
		/* Of a chain that is broken nothing is written: but what precedes the fault was allowed, which is no harm. */
		if (chain.result != 0) {
			/* A chain that goes on in slots of this visit's frames, a lap on: the switch counts a ring's slots from
			 * where it stands by then. Its guest sees its own buffers twice. */
			confused |= ring->packed && slots > 0 && slots + chain.slots >= ring->size;
			break;
		}
		chain_of->slots = chain.slots;
		chain_of->cost = chain.cost;
		slots += chain.slots;
		offered_n++;
	}
}
