/* SPDX-License-Identifier: BSD-3-Clause */
/* The front end of pump.h, and where its memory lies. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fg_clock.h"
#include "pump.h"

#define BASE 0x100000000ull
enum { PIECE = 2 << 20, RINGS = 128 << 10, SKEWS = 256, PAGE = 4096, CONNECT_MS = 20000 };
static const uint64_t FEATURES = FG_F_VERSION_1 | FG_F_MRG_RXBUF | FG_F_IN_ORDER | FG_F_PROTOCOL;
/* CSUM, GUEST_CSUM, GUEST_TSO4, HOST_TSO4 (virtio 1.2, 5.1.3) */
static const uint64_t TSO = 1ull << 0 | 1ull << 1 | 1ull << 7 | 1ull << 11;

static int complain(const struct pump_guest *g, const char *what, int err)
{
	if (err < 0)
		fprintf(stderr, "guest %u: %s: %s\n", g->number, what, strerror(-err));
	return err;
}

/* Bytes from one buffer to be sent to the next. */
static uint64_t tx_stride(const struct pump_options *opt)
{
	uint64_t lines = (PUMP_HEADER + opt->len_max + 63) / 64;

	return lines * 64 <= PUMP_STRIDE ? PUMP_STRIDE : (lines | 1) * 64;
}

/* A region holds the buffers of every regions-th slot, and the first the rings as well. */
static uint64_t region_size(const struct pump_options *opt)
{
	uint64_t slots = (opt->ring + opt->regions - 1) / opt->regions;
	uint64_t bytes = SKEWS * PUMP_STRIDE + opt->pairs * (RINGS + slots * (PUMP_STRIDE + tx_stride(opt)));

	return (bytes + PIECE - 1) / PIECE * PIECE;
}

static int make_memory(struct pump_guest *g)
{
	uint64_t size = region_size(&g->opt);

	g->file = memfd_create("pump", MFD_CLOEXEC | (g->opt.huge ? MFD_HUGETLB : 0));
	if (g->file < 0 || ftruncate(g->file, (off_t)(size * g->opt.regions)) < 0)
		return -errno;
	for (unsigned int i = 0; i < g->opt.regions; i++) {
		int slot = fg_memory_add_file(&g->mem, BASE + 2 * i * size, size, g->file, i * size);

		if (slot < 0)
			return slot;
		/* Buffers of many regions, and rings and buffers of many guests, do not all use the same sets of a cache. */
		g->mem.region[slot].used = (i + g->number) * 37 % SKEWS * PUMP_STRIDE;
	}
	return 0;
}

/* Which buffer each slot has: in no order, as in a guest that has run for a while, but always the same. Where they follow
 * each other the prefetchers of both cores guess: the guest's takes lines away that the switch is about to write. */
static void shuffle(uint16_t *order, unsigned int n)
{
	uint32_t random = 1;

	for (unsigned int i = 0; i < FG_RING_MAX; i++)
		order[i] = (uint16_t)i;
	for (unsigned int i = n; i-- > 1;) {
		unsigned int other;
		uint16_t kept = order[i];

		random = random * 1664525 + 1013904223; /* Knuth's */
		other = (random >> 16) % (i + 1);
		order[i] = order[other];
		order[other] = kept;
	}
}

static int lay_out(struct pump_guest *g, struct pump_ring *receive, struct pump_ring *transmit)
{
	uint16_t order[FG_RING_MAX];

	shuffle(order, g->opt.straight ? 0 : g->opt.ring);
	for (unsigned int turn = 0; turn < g->opt.ring; turn++) {
		unsigned int i = order[turn];
		unsigned int region = turn % g->opt.regions;
		uint64_t rx = fg_memory_alloc_in(&g->mem, region, PUMP_STRIDE, 64);
		uint64_t tx = fg_memory_alloc_in(&g->mem, region, tx_stride(&g->opt), 64);

		if (rx == FG_NO_GPA || tx == FG_NO_GPA)
			return -ENOMEM;
		receive->gpa[i] = rx;
		transmit->buffer_gpa[i] = tx;
		receive->at[i] = fg_memory_ptr(&g->mem, rx, PUMP_STRIDE);
		transmit->buffer_at[i] = fg_memory_ptr(&g->mem, tx, tx_stride(&g->opt));
		if (g->opt.sparse && !g->opt.huge) /* a guest has touched its huge pages long ago */
			continue;
		memset(receive->at[i], 0, PUMP_STRIDE);
		memset(transmit->buffer_at[i], 0, tx_stride(&g->opt));
	}
	return 0;
}

int pump_guest_open(struct pump_guest *g, const struct pump_options *opt, const char *path, uint32_t number)
{
	int err;

	memset(g, 0, sizeof(*g));
	fg_memory_init(&g->mem);
	g->opt = *opt;
	g->rx = calloc(opt->pairs, sizeof(*g->rx));
	g->tx = calloc(opt->pairs, sizeof(*g->tx));
	g->number = number;
	g->number_at = opt->tcp ? PUMP_TCP_NUMBER_AT : opt->ip ? PUMP_IP_NUMBER_AT : PUMP_NUMBER_AT;
	g->s.sock = g->listener = g->file = -1;
	err = g->rx == NULL || g->tx == NULL ? -ENOMEM : make_memory(g);
	if (err == 0 && opt->listen) {
		g->listener = fg_wire_listen(path);
		err = g->listener < 0 ? g->listener : 0;
	}
	return complain(g, path, err);
}

void pump_guest_close(struct pump_guest *g)
{
	fg_session_close(&g->s);
	fg_memory_fini(&g->mem);
	free(g->rx);
	free(g->tx);
	if (g->file >= 0)
		close(g->file);
	if (g->listener >= 0)
		close(g->listener);
}

static int negotiate(struct pump_guest *g, const char *path)
{
	const struct fg_options opt = {
		.features = FEATURES | (g->opt.packed ? FG_F_PACKED : 0) | (g->opt.tcp ? TSO : 0),
		.ring_size = (uint16_t)g->opt.ring,
		.pairs = g->opt.pairs,
	};
	int sock = g->opt.listen ? fg_wire_accept(g->listener, CONNECT_MS) : fg_wire_connect(path, CONNECT_MS);

	return sock < 0 ? sock : fg_session_open_on(&g->s, sock, &g->mem, &opt);
}

/* As drivers lay them out: no part of a ring shares a line, nor a page, with another. */
static int spread_rings(struct pump_guest *g)
{
	for (unsigned int i = 0; i < 2 * g->opt.pairs; i++) {
		struct fg_ring *r = &g->s.ring[i];

		r->desc_gpa = fg_memory_alloc_in(&g->mem, 0, 16ull * r->num, PAGE);
		r->avail_gpa = fg_memory_alloc_in(&g->mem, 0, 6 + 2ull * r->num, PAGE);
		r->used_gpa = fg_memory_alloc_in(&g->mem, 0, 6 + 8ull * r->num, PAGE);
		if (r->used_gpa == FG_NO_GPA)
			return -ENOMEM;
		r->desc = fg_memory_ptr(&g->mem, r->desc_gpa, 16ull * r->num);
		r->avail = fg_memory_ptr(&g->mem, r->avail_gpa, 6 + 2ull * r->num);
		r->used = fg_memory_ptr(&g->mem, r->used_gpa, 6 + 8ull * r->num);
	}
	return 0;
}

int pump_guest_connect(struct pump_guest *g, const char *path)
{
	int err = negotiate(g, path);

	if (err < 0)
		return complain(g, path, err);
	if (g->opt.packed && !(g->s.features & FG_F_PACKED)) {
		fprintf(stderr, "guest %u: %s offers no packed rings\n", g->number, path);
		return -EOPNOTSUPP;
	}
	if (g->opt.tcp && (g->s.features & TSO) != TSO) {
		fprintf(stderr, "guest %u: %s offers no TSO\n", g->number, path);
		return -EOPNOTSUPP;
	}
	err = spread_rings(g);
	for (unsigned int i = 0; err == 0 && i < g->opt.pairs; i++)
		err = lay_out(g, &g->rx[i], &g->tx[i]);
	if (err == 0)
		err = fg_session_start(&g->s);
	for (unsigned int i = 0; err == 0 && i < g->opt.pairs; i++) {
		pump_ring_open(&g->rx[i], &g->s.ring[2 * i], true);
		pump_ring_open(&g->tx[i], &g->s.ring[2 * i + 1], false);
		pump_ring_set_len(&g->rx[i], PUMP_BUFFER);
	}
	return complain(g, path, err);
}

void pump_guest_fill(struct pump_guest *g)
{
	for (unsigned int i = 0; i < g->opt.pairs; i++) {
		pump_ring_post(&g->rx[i], g->opt.ring);
		/* A back end may take a ring for stopped until its first kick, and want none all the same. */
		fg_ring_kick_now(g->rx[i].r);
		fg_ring_kick_now(g->tx[i].r);
	}
}
