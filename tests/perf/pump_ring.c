/* SPDX-License-Identifier: BSD-3-Clause */
/* The rings of pump.h, split and packed (virtio 1.2, sections 2.7 and 2.8): the shortest driver there is. */
#include <errno.h>
#include <stdio.h>
#include <sys/eventfd.h>

#include "fg_packed.h"
#include "pump.h"

enum { AVAIL = 1 << 7, USED = 1 << 15, BOTH = AVAIL | USED, EVENT_DISABLE = 1 };

static struct fg_packed_desc *packed_at(const struct pump_ring *p, uint32_t count)
{
	return (struct fg_packed_desc *)(void *)p->r->desc + (count & p->mask);
}

/* The ring's lap that chain @count is in: its wrap counter, which begins with 1. */
static bool wrap_of(const struct pump_ring *p, uint32_t count)
{
	return (count & (p->mask + 1)) == 0;
}

void pump_ring_set_len(struct pump_ring *p, uint32_t len)
{
	p->len = len;
	for (uint32_t i = 0; !p->packed && i <= p->mask; i++)
		fg_ring_desc(p->r, (uint16_t)i, p->gpa[i], len, p->receives ? FG_DESC_WRITE : 0, 0);
}

static int wrong(const struct pump_ring *p, uint32_t count, uint32_t id)
{
	fprintf(stderr, "used entry %u of the %s ring names buffer %u\n", count & p->mask,
		p->receives ? "receive" : "transmit", id);
	return -EPROTO;
}

static int look_split(struct pump_ring *p)
{
	uint32_t n = (uint16_t)(__atomic_load_n(&p->r->used->idx, __ATOMIC_ACQUIRE) - (uint16_t)p->taken);

	if (n > p->posted - p->taken)
		return wrong(p, p->taken + n, UINT32_MAX);
	for (uint32_t i = p->taken; i != p->taken + n; i++)
		if (p->r->used->ring[i & p->mask].id != (i & p->mask))
			return wrong(p, i, p->r->used->ring[i & p->mask].id);
	return (int)n;
}

/* An element may stand for all that went out before it: IN_ORDER (2.8.9). */
static int look_packed(struct pump_ring *p)
{
	uint32_t n = 0;

	while (p->taken + n != p->posted) {
		const struct fg_packed_desc *d = packed_at(p, p->taken + n);
		uint16_t flags = __atomic_load_n(&d->flags, __ATOMIC_ACQUIRE);
		uint32_t more;

		if ((flags & BOTH) != (wrap_of(p, p->taken + n) ? BOTH : 0))
			break;
		more = ((d->id - (p->taken + n)) & p->mask) + 1;
		if (d->id > p->mask || more > p->posted - p->taken - n)
			return wrong(p, p->taken + n, d->id);
		n += more;
	}
	return (int)n;
}

int pump_ring_look(struct pump_ring *p)
{
	return p->packed ? look_packed(p) : look_split(p);
}

static void put_packed(const struct pump_ring *p, uint32_t count)
{
	struct fg_packed_desc *d = packed_at(p, count);
	uint16_t flags = (uint16_t)((wrap_of(p, count) ? AVAIL : USED) | (p->receives ? FG_DESC_WRITE : 0));

	d->addr = p->gpa[count & p->mask];
	d->len = p->len;
	d->id = (uint16_t)(count & p->mask);
	__atomic_store_n(&d->flags, flags, __ATOMIC_RELEASE);
}

static bool wants_kick(const struct pump_ring *p)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST); /* what was posted is out before we look */
	if (p->packed) {
		uint32_t event = __atomic_load_n((const uint32_t *)(const void *)p->r->used, __ATOMIC_RELAXED);

		return (event >> 16 & 3) != EVENT_DISABLE;
	}
	return !(__atomic_load_n(&p->r->used->flags, __ATOMIC_RELAXED) & FG_NO_NOTIFY);
}

void pump_ring_post(struct pump_ring *p, uint32_t n)
{
	if (n == 0)
		return;
	/* Backwards: the device waits for the first, and sees them all when it is there. */
	for (uint32_t i = n; p->packed && i-- > 0;)
		put_packed(p, p->posted + i);
	p->posted += n;
	if (!p->packed)
		__atomic_store_n(&p->r->avail->idx, (uint16_t)p->posted, __ATOMIC_RELEASE);
	if (wants_kick(p))
		eventfd_write(p->r->kick, 1);
}
