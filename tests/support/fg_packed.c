/* SPDX-License-Identifier: BSD-3-Clause */
/* The packed virtqueue of fg_ring.h. Buffer ids are numbers below the size of the ring; a device returns them in the order
 * they went out, each with an element of its own, which is more than the standard asks of it and what ours promises.
 */
#include <errno.h>
#include <string.h>

#include "fg_packed.h"

void fg_packed_reset(struct fg_ring *r)
{
	r->place_avail = r->place_published = r->place_used = FG_WRAP;
	r->hidden = 0;
	r->next_id = 0;
}

/* An id that is not in flight. */
static uint16_t take_id(struct fg_ring *r)
{
	while (r->chain_len[r->next_id] != 0)
		r->next_id = (uint16_t)((r->next_id + 7) % r->num);
	return r->next_id;
}

static void put(struct fg_ring *r, uint16_t place, struct fg_packed_desc desc, bool head)
{
	const struct fg_vring v = fg_ring_v(r);

	if (head) /* shown by the next publish */
		r->hidden_place[r->hidden++] = place;
	fg_packed_put(&v, place, desc, head);
}

static uint16_t after(const struct fg_ring *r, uint16_t place, uint32_t n)
{
	const struct fg_vring v = fg_ring_v(r);

	return fg_place_after(&v, place, n);
}

static int sent(struct fg_ring *r, uint16_t id, uint16_t slots, uint32_t token)
{
	r->fifo[r->avail_idx % r->num] = id;
	r->avail_idx++;
	r->chain_len[id] = slots;
	r->token[id] = token;
	r->n_free = (uint16_t)(r->n_free - slots);
	r->place_avail = after(r, r->place_avail, slots);
	return id;
}

int fg_packed_post(struct fg_ring *r, const struct fg_buf *bufs, unsigned int n, uint32_t token)
{
	uint16_t id;

	if (n == 0 || n > r->n_free)
		return -ENOSPC;
	id = take_id(r);
	for (unsigned int i = 0; i < n; i++)
		put(r, after(r, r->place_avail, i),
		    (struct fg_packed_desc){
			    .addr = bufs[i].gpa,
			    .len = bufs[i].len,
			    .id = id,
			    .flags = (uint16_t)((bufs[i].write ? FG_DESC_WRITE : 0) |
						(i + 1 < n ? FG_DESC_NEXT : 0)),
		    },
		    i == 0);
	return sent(r, id, (uint16_t)n, token);
}

int fg_packed_post_indirect(struct fg_ring *r, const struct fg_buf *bufs, unsigned int n,
			    uint32_t token)
{
	struct fg_packed_desc *table;
	uint16_t id;

	if (n == 0 || n > FG_INDIRECT_MAX || r->n_free == 0)
		return -ENOSPC;
	id = take_id(r);
	if (r->indirect_gpa[id] == 0)
		r->indirect_gpa[id] = fg_memory_alloc(r->mem, 16 * FG_INDIRECT_MAX, 16);
	table = fg_memory_ptr(r->mem, r->indirect_gpa[id], 16 * FG_INDIRECT_MAX);
	if (table == NULL)
		return -ENOMEM;
	for (unsigned int i = 0; i < n; i++)
		table[i] = (struct fg_packed_desc){
			.addr = bufs[i].gpa,
			.len = bufs[i].len,
			.flags = bufs[i].write ? FG_DESC_WRITE : 0,
		};
	put(r, r->place_avail,
	    (struct fg_packed_desc){.addr = r->indirect_gpa[id],
				    .len = 16 * n,
				    .id = id,
				    .flags = FG_DESC_INDIRECT},
	    true);
	return sent(r, id, 1, token);
}

/* The first of the hidden heads is shown last, and with it all. */
void fg_packed_publish(struct fg_ring *r)
{
	const struct fg_vring v = fg_ring_v(r);

	while (r->hidden > 0)
		fg_packed_show(&v, r->hidden_place[--r->hidden]);
}

/* Past everything that came back: how many chains that were, and where it ends. */
static uint16_t used_up(const struct fg_ring *r, uint16_t *place)
{
	const struct fg_vring v = fg_ring_v(r);
	uint16_t idx = r->last_used;

	*place = r->place_used;
	while (idx != r->avail_idx && fg_packed_is_used(&v, *place)) {
		*place = after(r, *place, r->chain_len[r->fifo[idx % r->num]]);
		idx++;
	}
	return idx;
}

uint16_t fg_packed_used_idx(const struct fg_ring *r)
{
	uint16_t place;

	return used_up(r, &place);
}

uint32_t fg_packed_base(const struct fg_ring *r)
{
	uint16_t place;

	used_up(r, &place);
	return (uint32_t)place << 16 | place;
}

int fg_packed_reap(struct fg_ring *r, uint32_t *token, uint32_t *len)
{
	const struct fg_vring v = fg_ring_v(r);
	const struct fg_packed_desc *d = fg_packed_at(&v, r->place_used);
	uint16_t id, slots;

	if (r->last_used == r->avail_idx || !fg_packed_is_used(&v, r->place_used))
		return 0;
	id = r->fifo[r->last_used % r->num];
	if (d->id != id)
		return -EPROTO;
	slots = r->chain_len[id];
	if (token != NULL)
		*token = r->token[id];
	if (len != NULL)
		*len = d->len;
	r->chain_len[id] = 0;
	r->n_free = (uint16_t)(r->n_free + slots);
	r->place_used = after(r, r->place_used, slots);
	r->last_used++;
	return 1;
}
