/* SPDX-License-Identifier: BSD-3-Clause */
/* The rings of pump.h: fg_fast with buffers that never change. */
#include <stdio.h>
#include <sys/eventfd.h>

#include "pump.h"

static uint16_t flags_of(const struct pump_ring *p)
{
	return p->receives ? FG_DESC_WRITE : 0;
}

void pump_ring_open(struct pump_ring *p, struct fg_ring *r, bool receives)
{
	p->r = r;
	p->receives = receives;
	fg_fast_open(&p->fast, fg_ring_v(r));
}

void pump_ring_set_len(struct pump_ring *p, uint32_t len)
{
	p->len = len;
	for (uint32_t i = 0; !p->r->packed && i <= p->fast.mask; i++)
		fg_ring_desc(p->r, (uint16_t)i, p->gpa[i], len, flags_of(p), 0);
}

int pump_ring_look(struct pump_ring *p)
{
	int n = fg_fast_look(&p->fast);

	if (n < 0)
		fprintf(stderr, "the %s ring, chain %u: what came back was not due\n",
			p->receives ? "receive" : "transmit", p->fast.taken);
	return n;
}

void pump_ring_post(struct pump_ring *p, uint32_t n)
{
	struct fg_fast *f = &p->fast;

	if (n == 0)
		return;
	if (f->v.packed)
		for (uint32_t i = 0; i < n; i++)
			fg_fast_post(f, p->gpa[f->posted & f->mask], p->len, flags_of(p));
	else
		fg_fast_post_again(f, n);
	fg_fast_show(f);
	if (fg_wants_kick(&f->v, false, 0, 0)) {
		p->kicks++;
		eventfd_write(p->r->kick, 1);
	}
}
