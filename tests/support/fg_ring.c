/* SPDX-License-Identifier: BSD-3-Clause */
#include "fg_ring.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "fg_clock.h"
#include "fg_packed.h"

static uint64_t drain(int fd)
{
	uint64_t n = 0;

	return read(fd, &n, sizeof(n)) == sizeof(n) ? n : 0;
}

int fg_ring_init(struct fg_ring *r, struct fg_memory *mem, unsigned int slot, uint16_t num)
{
	memset(r, 0, sizeof(*r));
	r->mem = mem;
	r->num = num;
	r->desc_gpa = fg_memory_alloc_in(mem, slot, 16ull * num, 16);
	r->avail_gpa = fg_memory_alloc_in(mem, slot, 6 + 2ull * num, 4);
	r->used_gpa = fg_memory_alloc_in(mem, slot, 6 + 8ull * num, 4);
	r->kick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	r->call = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	r->err = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (r->used_gpa == FG_NO_GPA || r->avail_gpa == FG_NO_GPA || r->desc_gpa == FG_NO_GPA ||
	    r->err < 0 || r->call < 0 || r->kick < 0) {
		fg_ring_fini(r);
		return -ENOMEM;
	}
	r->desc = fg_memory_ptr(mem, r->desc_gpa, 16ull * num);
	r->avail = fg_memory_ptr(mem, r->avail_gpa, 6 + 2ull * num);
	r->used = fg_memory_ptr(mem, r->used_gpa, 6 + 8ull * num);
	fg_ring_reset(r, false);
	return 0;
}

void fg_ring_fini(struct fg_ring *r)
{
	if (r->mem == NULL)
		return;
	close(r->kick);
	close(r->call);
	close(r->err);
	memset(r, 0, sizeof(*r));
}

static void free_all(struct fg_ring *r)
{
	for (uint16_t i = 0; i < r->num; i++)
		r->desc[i].next = (uint16_t)(i + 1);
	memset(r->chain_len, 0, sizeof(r->chain_len));
	r->free_head = 0;
	r->n_free = r->num;
}

void fg_ring_reset(struct fg_ring *r, bool event_idx)
{
	memset(r->desc, 0, 16ull * r->num);
	memset(r->avail, 0, 6 + 2ull * r->num);
	memset(r->used, 0, 6 + 8ull * r->num);
	free_all(r);
	r->event_idx = event_idx;
	r->avail_idx = 0;
	r->published = 0;
	r->last_used = 0;
	if (r->packed) {
		memset(r->desc, 0, 16ull * r->num);
		fg_packed_reset(r);
	}
	drain(r->call);
	drain(r->kick);
}

void fg_ring_rebase(struct fg_ring *r, uint16_t base)
{
	free_all(r);
	r->avail_idx = base;
	r->published = base;
	r->last_used = base;
	__atomic_store_n(&r->avail->idx, base, __ATOMIC_RELEASE);
	__atomic_store_n(&r->used->idx, base, __ATOMIC_RELEASE);
}

void fg_ring_desc(struct fg_ring *r, uint16_t i, uint64_t addr, uint32_t len, uint16_t flags,
		  uint16_t next)
{
	r->desc[i] = (struct fg_desc){.addr = addr, .len = len, .flags = flags, .next = next};
}

static void fill(struct fg_desc *d, const struct fg_buf *b, bool more)
{
	d->addr = b->gpa;
	d->len = b->len;
	d->flags = (uint16_t)((b->write ? FG_DESC_WRITE : 0) | (more ? FG_DESC_NEXT : 0));
}

static void push_head(struct fg_ring *r, uint16_t head, uint16_t len, uint32_t token)
{
	r->chain_len[head] = len;
	r->token[head] = token;
	r->n_free = (uint16_t)(r->n_free - len);
	r->avail->ring[r->avail_idx % r->num] = head;
	r->avail_idx++;
}

int fg_ring_post(struct fg_ring *r, const struct fg_buf *bufs, unsigned int n, uint32_t token)
{
	uint16_t head = r->free_head;
	uint16_t at = head;

	if (r->packed)
		return fg_packed_post(r, bufs, n, token);
	if (n == 0 || n > r->n_free)
		return -ENOSPC;
	for (unsigned int i = 0; i < n; i++) {
		fill(&r->desc[at], &bufs[i], i + 1 < n);
		at = r->desc[at].next;
	}
	r->free_head = at;
	push_head(r, head, (uint16_t)n, token);
	return head;
}

int fg_ring_post_indirect(struct fg_ring *r, const struct fg_buf *bufs, unsigned int n,
			  uint32_t token)
{
	uint16_t head = r->free_head;
	struct fg_desc *d = &r->desc[head];
	struct fg_desc *table;

	if (r->packed)
		return fg_packed_post_indirect(r, bufs, n, token);
	if (n == 0 || n > FG_INDIRECT_MAX || r->n_free == 0)
		return -ENOSPC;
	if (r->indirect_gpa[head] == 0)
		r->indirect_gpa[head] = fg_memory_alloc(r->mem, 16 * FG_INDIRECT_MAX, 16);
	table = fg_memory_ptr(r->mem, r->indirect_gpa[head], 16 * FG_INDIRECT_MAX);
	if (table == NULL)
		return -ENOMEM;
	for (unsigned int i = 0; i < n; i++) {
		fill(&table[i], &bufs[i], i + 1 < n);
		table[i].next = (uint16_t)(i + 1);
	}
	r->free_head = d->next;
	d->addr = r->indirect_gpa[head];
	d->len = 16 * n;
	d->flags = FG_DESC_INDIRECT;
	push_head(r, head, 1, token);
	return head;
}

void fg_ring_publish(struct fg_ring *r)
{
	const struct fg_vring v = fg_ring_v(r);

	if (r->packed)
		fg_packed_publish(r);
	else
		fg_split_show(&v, r->avail_idx);
}

void fg_ring_kick_now(struct fg_ring *r)
{
	r->kicks++;
	eventfd_write(r->kick, 1);
}

void fg_ring_kick(struct fg_ring *r)
{
	const struct fg_vring v = fg_ring_v(r);
	uint16_t old = r->packed ? r->place_published : r->published;

	r->published = r->avail_idx;
	r->place_published = r->place_avail;
	if (fg_wants_kick(&v, r->event_idx, old, r->packed ? r->place_avail : r->avail_idx))
		fg_ring_kick_now(r);
}

uint16_t fg_ring_used_idx(const struct fg_ring *r)
{
	const struct fg_vring v = fg_ring_v(r);

	return r->packed ? fg_packed_used_idx(r) : fg_split_used_idx(&v);
}

uint32_t fg_ring_base(const struct fg_ring *r)
{
	return r->packed ? fg_packed_base(r) : fg_ring_used_idx(r);
}

uint32_t fg_ring_lost_base(const struct fg_ring *r)
{
	return r->packed ? 0x80008000 : fg_ring_used_idx(r);
}

bool fg_ring_ready(const struct fg_ring *r)
{
	return fg_ring_used_idx(r) != r->last_used;
}

int fg_ring_reap(struct fg_ring *r, uint32_t *token, uint32_t *len)
{
	struct fg_used_elem e;
	uint16_t last, n;

	if (r->packed)
		return fg_packed_reap(r, token, len);
	if (!fg_ring_ready(r))
		return 0;
	e = r->used->ring[r->last_used % r->num];
	if (e.id >= r->num || r->chain_len[e.id] == 0) {
		fprintf(stderr, "fake guest: used entry %u names buffer %u, which is not in flight\n",
			r->last_used, e.id);
		return -EPROTO;
	}
	if (r->in_order && e.id != r->avail->ring[r->last_used % r->num]) {
		fprintf(stderr, "fake guest: used entry %u names buffer %u, not %u: out of order\n",
			r->last_used, e.id, r->avail->ring[r->last_used % r->num]);
		return -EPROTO;
	}
	r->last_used++;
	n = r->chain_len[e.id];
	r->chain_len[e.id] = 0;
	last = (uint16_t)e.id;
	for (uint16_t i = 1; i < n; i++)
		last = r->desc[last].next;
	if (r->n_free == 0) {
		r->free_head = (uint16_t)e.id;
	} else {
		r->desc[last].next = r->free_head;
		r->free_head = (uint16_t)e.id;
	}
	r->n_free = (uint16_t)(r->n_free + n);
	if (token != NULL)
		*token = r->token[e.id];
	if (len != NULL)
		*len = e.len;
	return 1;
}

int fg_ring_wait(struct fg_ring *r, int ms)
{
	const struct fg_vring v = fg_ring_v(r);
	int64_t deadline = fg_deadline(ms);

	for (;;) {
		struct pollfd p = {.fd = r->call, .events = POLLIN};

		fg_want_interrupt(&v, r->event_idx, r->packed ? r->place_used : r->last_used);
		if (fg_ring_ready(r))
			return 0;
		if (poll(&p, 1, fg_left_ms(deadline)) != 1)
			return -ETIMEDOUT;
		r->interrupts += drain(r->call);
	}
}

bool fg_ring_error(struct fg_ring *r, int ms)
{
	struct pollfd p = {.fd = r->err, .events = POLLIN};

	return poll(&p, 1, ms) == 1 && drain(r->err) > 0;
}

uint64_t fg_ring_take_interrupts(struct fg_ring *r)
{
	uint64_t n = drain(r->call);

	r->interrupts += n;
	return n;
}

void fg_ring_set_avail_idx(struct fg_ring *r, uint16_t idx)
{
	r->avail_idx = idx;
	fg_ring_publish(r);
}

void fg_ring_avail(struct fg_ring *r, uint16_t head)
{
	r->avail->ring[r->avail_idx % r->num] = head;
	fg_ring_set_avail_idx(r, (uint16_t)(r->avail_idx + 1));
}
