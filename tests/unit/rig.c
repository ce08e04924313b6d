/* SPDX-License-Identifier: BSD-3-Clause */
#include "rig.h"
#include "cases.h"
#include "mem_fetch.h"

#include <stdlib.h>
#include <string.h>
#include <linux/virtio_config.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

/* --- memory ------------------------------------------------------------------------------------------------------ */

void rig_open(struct rig *rig)
{
	static const struct mem_region layout[RIG_REGIONS] = {
		[RIG_LOW] = {.gpa = RIG_GPA, .size = RIG_SIZE, .uva = 0x55aa90000000},
		[RIG_HIGH] = {.gpa = RIG_SEAM, .size = RIG_SIZE, .uva = 0x55aa10000000},
		[RIG_BIG] = {.gpa = RIG_BIG_GPA, .size = RIG_BIG_SIZE, .uva = 0x550000000000},
	};

	memset(rig, 0, sizeof(*rig));
	for (int i = 0; i < RIG_REGIONS; i++) {
		size_t size = layout[i].size;
		int fd = memfd_create("rig", MFD_CLOEXEC);

		assert_true(fd >= 0);
		assert_int_equal(ftruncate(fd, (off_t)size), 0);
		rig->driver[i] = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		rig->host[i] = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		assert_true(rig->driver[i] != MAP_FAILED && rig->host[i] != MAP_FAILED);
		close(fd);
		rig->region[i] = layout[i];
		rig->region[i].host = rig->host[i];
	}
	rig->map = mem_map_of(rig->region, RIG_REGIONS);
	assert_non_null(rig->map);
	rcu_set(&rig->table.map, rig->map);
	rig->image = malloc(2 * RIG_SIZE);
	assert_non_null(rig->image);
	rig_reset(rig);
}

void rig_close(struct rig *rig)
{
	for (int i = 0; i < RIG_REGIONS; i++) {
		munmap(rig->driver[i], rig->region[i].size);
		munmap(rig->host[i], rig->region[i].size);
	}
	mem_map_free(rig->map);
	free(rig->image);
}

struct rig rig;

int rig_names_twice(void **state)
{
	mem_fetch_aliases(true);
	return 0;
}

int rig_names_once(void **state)
{
	mem_fetch_aliases(false);
	return 0;
}

int rig_setup(void **state)
{
	rig_open(&rig);
	return 0;
}

int rig_teardown(void **state)
{
	rig_close(&rig);
	return 0;
}

int rig_run_both(const struct CMUnitTest *tests, size_t n, CMFixtureFunction setup, CMFixtureFunction teardown)
{
	int failed = _cmocka_run_group_tests("split", tests, n, setup, teardown);

	rig_packed = true;
	return failed + _cmocka_run_group_tests("packed", tests, n, setup, teardown);
}

void rig_reset(struct rig *rig)
{
	rig->free_at = RIG_GPA;
	memset(rig->driver[RIG_LOW], 0xa5, RIG_SIZE);
	memset(rig->driver[RIG_HIGH], 0x5a, RIG_SIZE);
}

uint64_t rig_alloc(struct rig *rig, uint64_t len, uint64_t align)
{
	uint64_t at = (rig->free_at + align - 1) / align * align;

	rig->free_at = at + len;
	assert_true(rig->free_at <= RIG_SEAM);
	return at;
}

uint8_t *rig_at(struct rig *rig, uint64_t gpa)
{
	for (int i = 0; i < RIG_REGIONS; i++)
		if (gpa - rig->region[i].gpa < rig->region[i].size)
			return rig->driver[i] + (gpa - rig->region[i].gpa);
	fail_msg("%#lx is not guest memory", (unsigned long)gpa);
	return NULL;
}

/* The longest run from gpa that lies in one region, at most len. */
static uint64_t run_of(struct rig *rig, uint64_t gpa, uint64_t len)
{
	for (int i = 0; i < RIG_REGIONS; i++) {
		uint64_t offset = gpa - rig->region[i].gpa;

		if (offset < rig->region[i].size)
			return rig->region[i].size - offset < len ? rig->region[i].size - offset
								  : len;
	}
	return 1;
}

void rig_put(struct rig *rig, uint64_t gpa, const void *from, uint64_t len)
{
	const uint8_t *bytes = from;

	while (len > 0) {
		uint64_t part = run_of(rig, gpa, len);

		memcpy(rig_at(rig, gpa), bytes, part);
		gpa += part;
		bytes += part;
		len -= part;
	}
}

void rig_get(struct rig *rig, uint64_t gpa, void *to, uint64_t len)
{
	uint8_t *bytes = to;

	while (len > 0) {
		uint64_t part = run_of(rig, gpa, len);

		memcpy(bytes, rig_at(rig, gpa), part);
		gpa += part;
		bytes += part;
		len -= part;
	}
}

uint64_t rig_uva(const struct rig *rig, uint64_t gpa)
{
	for (int i = 0; i < RIG_REGIONS; i++)
		if (gpa - rig->region[i].gpa < rig->region[i].size)
			return rig->region[i].uva + (gpa - rig->region[i].gpa);
	return 0;
}

void rig_snapshot(struct rig *rig)
{
	memcpy(rig->image, rig->driver[RIG_LOW], RIG_SIZE);
	memcpy(rig->image + RIG_SIZE, rig->driver[RIG_HIGH], RIG_SIZE);
}

void rig_expect(struct rig *rig, uint64_t gpa, const void *from, uint64_t len)
{
	assert_true(gpa >= RIG_GPA && gpa + len <= RIG_END);
	memcpy(rig->image + (gpa - RIG_GPA), from, len);
}

void rig_check(struct rig *rig)
{
	for (int i = 0; i < 2; i++) {
		const uint8_t *is = rig->driver[i], *must = rig->image + (uint64_t)i * RIG_SIZE;

		if (memcmp(is, must, RIG_SIZE) == 0)
			continue;
		for (uint64_t at = 0; at < RIG_SIZE; at++)
			if (is[at] != must[at])
				fail_msg("guest memory at %#lx is %02x, not %02x",
					 (unsigned long)(rig->region[i].gpa + at), is[at],
					 must[at]);
	}
}

/* --- a ring ------------------------------------------------------------------------------------------------------ */

bool rig_packed;

void ring_open(struct ring *ring, struct rig *rig, uint16_t size, uint64_t features, uint16_t base)
{
	role_assert_control();
	memset(ring, 0, sizeof(*ring));
	ring->rig = rig;
	ring->packed = rig_packed;
	ring->size = size;
	ring->desc = rig_alloc(rig, size * 16u, 16);
	ring->avail = rig_alloc(rig, ring->packed ? 4 : 6 + size * 2u, ring->packed ? 4 : 2);
	ring->used = rig_alloc(rig, ring->packed ? 4 : 6 + size * 8u, 4);
	ring->place_of = calloc(2 * 65536, sizeof(uint16_t));
	assert_non_null(ring->place_of);
	ring->slots_of = ring->place_of + 65536;
	ring->loose = calloc(size, sizeof(*ring->loose));
	ring->is_loose = calloc(size, sizeof(*ring->is_loose));
	assert_true(ring->loose != NULL && ring->is_loose != NULL);
	/* Nothing may be written beyond the ring, and rig_check() would not see it in the next allocation. */
	rig_alloc(rig, 64, 64);
	ring->call_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	assert_true(ring->call_fd >= 0);
	ring->v = (struct fg_vring){(void *)rig_at(rig, ring->desc), (void *)rig_at(rig, ring->avail),
				    (void *)rig_at(rig, ring->used), size, ring->packed};
	ring->setup = (struct virtq_setup){
		.size = size,
		.desc_uva = rig_uva(rig, ring->desc),
		.avail_uva = rig_uva(rig, ring->avail),
		.used_uva = rig_uva(rig, ring->used),
		.features = features | (uint64_t)ring->packed << VIRTIO_F_RING_PACKED,
		.call_fd = ring->call_fd,
	};
	virtq_init(&ring->q, &rig->table, &ring->record);
	ring->conf = virtq_conf_create(&ring->setup, rig->map);
	assert_non_null(ring->conf);
	ring_restart(ring, base);
}

void ring_restart(struct ring *ring, uint16_t base)
{
	role_assert_control();
	memset(ring->v.desc, 0, ring->size * 16u);
	memset(ring->v.avail, 0, ring->packed ? 4 : 6 + ring->size * 2u);
	memset(ring->v.used, 0, ring->packed ? 4 : 6 + ring->size * 8u);
	ring->avail_idx = ring->used_idx = ring->made = ring->shown = base;
	ring->next_desc = 0;
	ring->base = base;
	if (ring->packed) {
		ring->next_place = ring->used_place = (uint16_t)(FG_WRAP | base % ring->size);
		ring->base = (uint32_t)ring->next_place << 16 | ring->next_place;
	} else {
		ring->v.avail->idx = base;
		ring->v.used->idx = base;
	}
	virtq_start(&ring->q, ring->conf, ring->base);
}

struct burst burst;
struct port_counters counters;

struct ring *fresh_ring(uint16_t size, uint64_t features, uint16_t base)
{
	static struct ring ring;

	rig_reset(&rig);
	memset(&counters, 0, sizeof(counters));
	ring_open(&ring, &rig, size, features, base);
	return &ring;
}

void ring_close(struct ring *ring)
{
	role_assert_control();
	virtq_publish(&ring->q, NULL);
	free(ring->conf);
	free(ring->place_of);
	free(ring->loose);
	free(ring->is_loose);
	close(ring->call_fd);
}

void ring_desc(struct ring *ring, uint16_t i, uint64_t gpa, uint32_t len, uint16_t flags,
	       uint16_t next)
{
	if (ring->packed) {
		/* Where it lies is known when it is offered. */
		assert_int_equal(flags & ~FG_DESC_WRITE, 0);
		ring->loose[i] = (struct fg_desc){.addr = gpa, .len = len, .flags = flags};
		ring->is_loose[i] = true;
		return;
	}
	ring->v.desc[i] = (struct fg_desc){.addr = gpa, .len = len, .flags = flags, .next = next};
}

/* An odd multiplier visits every slot of a power of two, and no two neighbours in a row. */
static uint16_t desc_take(struct ring *ring)
{
	return (uint16_t)(ring->next_desc++ * 5u + 3u) & (uint16_t)(ring->size - 1);
}

static void packed_table_write(struct ring *ring, uint64_t table, const struct piece *pieces,
			       uint32_t n, uint16_t flags)
{
	for (uint32_t i = 0; i < n; i++) {
		struct fg_packed_desc desc = {
			.addr = pieces[i].gpa,
			.len = pieces[i].len,
			.id = 0xdead, /* means nothing here, and nor does NEXT (virtio 1.2, 2.8.7) */
			.flags = (uint16_t)(flags | (i % 2 ? FG_DESC_NEXT : 0)),
		};

		rig_put(ring->rig, table + i * sizeof(desc), &desc, sizeof(desc));
	}
}

/* The chain lies where it will be offered; its first descriptor is shown last. */
static uint16_t packed_chain(struct ring *ring, const struct piece *pieces, uint32_t n,
			     uint16_t flags, enum chain_form form, int wanted_id)
{
	uint32_t direct = form == CHAIN_DIRECT ? n : form == CHAIN_MIXED ? (n - 1) / 2 : 0;
	uint32_t slots = direct == n ? n : direct + 1;
	uint16_t place = ring->next_place, ordinal = ring->made++;
	/* Any number will do for an id, and none is an index of anything. */
	uint16_t id = (uint16_t)(wanted_id >= 0 ? (uint32_t)wanted_id : ordinal * 40503u ^ 0xbeef);

	ring->place_of[ordinal] = place;
	ring->slots_of[ordinal] = (uint16_t)slots;
	for (uint32_t i = 0; i < slots; i++) {
		struct fg_packed_desc desc = {.id = i + 1 == slots ? id : (uint16_t)~id};

		if (i < direct) {
			desc.addr = pieces[i].gpa;
			desc.len = pieces[i].len;
			desc.flags = flags;
		} else {
			uint64_t table = form == CHAIN_ACROSS ? RIG_SEAM - 16
							      : rig_alloc(ring->rig,
									  (n - direct) * 16u, 16);

			packed_table_write(ring, table, pieces + direct, n - direct, flags);
			desc.addr = table;
			desc.len = (n - direct) * 16u;
			desc.flags = FG_DESC_INDIRECT;
		}
		if (i + 1 < slots)
			desc.flags |= FG_DESC_NEXT;
		fg_packed_put(&ring->v, place, desc, i == 0);
		place = fg_place_after(&ring->v, place, 1);
	}
	ring->next_place = place;
	return id;
}

static void table_write(struct ring *ring, uint64_t table, const struct piece *pieces, uint32_t n,
			uint16_t flags)
{
	/* Backwards through the table: `next` is what counts, not the order. */
	for (uint32_t i = 0; i < n; i++) {
		uint32_t at = i == 0 ? 0 : n - i;
		struct fg_desc desc = {
			.addr = pieces[i].gpa,
			.len = pieces[i].len,
			.flags = (uint16_t)(flags | (i + 1 < n ? FG_DESC_NEXT : 0)),
			.next = i + 1 < n ? (uint16_t)(n - i - 1) : 0xdead,
		};

		rig_put(ring->rig, table + at * sizeof(desc), &desc, sizeof(desc));
	}
}

uint16_t ring_chain(struct ring *ring, const struct piece *pieces, uint32_t n, bool writable,
		    enum chain_form form)
{
	uint16_t flags = writable ? FG_DESC_WRITE : 0;
	uint32_t direct = form == CHAIN_DIRECT ? n : form == CHAIN_MIXED ? (n - 1) / 2 : 0;
	uint16_t head, at;
	uint64_t table;

	if (ring->packed)
		return packed_chain(ring, pieces, n, flags, form, -1);
	head = at = desc_take(ring);

	for (uint32_t i = 0; i < direct; i++) {
		bool last = i + 1 == n;
		uint16_t next = last ? 0xbeef : desc_take(ring);

		ring_desc(ring, at, pieces[i].gpa, pieces[i].len,
			  last ? flags : flags | FG_DESC_NEXT, next);
		at = next;
	}
	if (direct == n)
		return head;
	/* The table of CHAIN_ACROSS has one descriptor below the seam and the others above it. */
	table = form == CHAIN_ACROSS ? RIG_SEAM - 16 : rig_alloc(ring->rig, (n - direct) * 16u, 16);
	table_write(ring, table, pieces + direct, n - direct, flags);
	ring_desc(ring, at, table, (n - direct) * 16u, FG_DESC_INDIRECT, 0);
	return head;
}

void ring_offer(struct ring *ring, uint16_t head)
{
	if (ring->packed && head < ring->size && ring->is_loose[head]) {
		const struct fg_desc *desc = &ring->loose[head];
		struct piece piece = {desc->addr, desc->len};

		packed_chain(ring, &piece, 1, desc->flags, CHAIN_DIRECT, head);
	}
	if (ring->packed)
		ring->avail_idx++;
	else
		ring->v.avail->ring[ring->avail_idx++ & (ring->size - 1)] = head;
}

void ring_show(struct ring *ring)
{
	if (!ring->packed)
		fg_split_show(&ring->v, ring->avail_idx);
	for (uint16_t i = ring->avail_idx; ring->packed && i != ring->shown; i--)
		fg_packed_show(&ring->v, ring->place_of[(uint16_t)(i - 1)]);
	ring->shown = ring->avail_idx;
}

void ring_post(struct ring *ring, uint32_t from, uint32_t n, uint32_t len, uint16_t *heads)
{
	enum { HEADER = 12 };
	uint8_t *bytes = calloc(1, HEADER + len);

	assert_non_null(bytes);
	for (uint32_t i = from; i < from + n; i++) {
		struct piece piece = {RIG_GPA + 0x20000 + i % ring->size * (HEADER + len), HEADER + len};

		pattern_fill(bytes + HEADER, i, len);
		rig_put(ring->rig, piece.gpa, bytes, piece.len);
		heads[i] = ring_chain(ring, &piece, 1, false, CHAIN_DIRECT);
		ring_offer(ring, heads[i]);
	}
	free(bytes);
	ring_show(ring);
}

/* Whether the chain number `used_idx` of a packed ring, which lies at `place`, has come back. */
static bool packed_is_used(struct ring *ring, uint16_t used_idx, uint16_t place)
{
	return used_idx != ring->shown && fg_packed_is_used(&ring->v, place);
}

uint16_t ring_used_index(struct ring *ring)
{
	uint16_t used_idx = ring->used_idx, place = ring->used_place;

	if (!ring->packed)
		return fg_split_used_idx(&ring->v);
	while (packed_is_used(ring, used_idx, place))
		place = fg_place_after(&ring->v, place, ring->slots_of[used_idx++]);
	return used_idx;
}

bool ring_take(struct ring *ring, uint32_t *id, uint32_t *len)
{
	if (ring->packed ? !packed_is_used(ring, ring->used_idx, ring->used_place)
			 : fg_split_used_idx(&ring->v) == ring->used_idx)
		return false;
	if (ring->packed) {
		*id = fg_packed_at(&ring->v, ring->used_place)->id;
		*len = fg_packed_at(&ring->v, ring->used_place)->len;
		ring->used_place = fg_place_after(&ring->v, ring->used_place, ring->slots_of[ring->used_idx]);
	} else {
		*id = ring->v.used->ring[ring->used_idx & (ring->size - 1)].id;
		*len = ring->v.used->ring[ring->used_idx & (ring->size - 1)].len;
	}
	ring->used_idx++;
	return true;
}

void ring_expect_used(struct ring *ring, uint16_t at, uint32_t id, uint32_t len)
{
	struct fg_used_elem elem = {.id = id, .len = len};
	uint16_t place = ring->place_of[at], flags = fg_returned(place) | (len > 0 ? FG_DESC_WRITE : 0);
	uint64_t gpa = ring->desc + (place & 0x7fffu) * 16u + 8;

	if (ring->packed) {
		rig_expect(ring->rig, gpa, &len, 4);
		rig_expect(ring->rig, gpa + 4, &id, 2);
		rig_expect(ring->rig, gpa + 6, &flags, 2);
		return;
	}
	rig_expect(ring->rig, ring->used + 4 + (at & (ring->size - 1)) * 8u, &elem, sizeof(elem));
}

void ring_expect_used_index(struct ring *ring, uint16_t index)
{
	/* A device that polls wants no kicks; with event indexes it says so by asking for none. */
	uint16_t flags = ring->conf->event_idx ? 0 : FG_NO_NOTIFY;
	uint32_t event = (uint32_t)FG_EVENT_DISABLE << 16;

	if (ring->packed) {
		rig_expect(ring->rig, ring->used, &event, sizeof(event));
		return;
	}

	rig_expect(ring->rig, ring->used, &flags, sizeof(flags));
	rig_expect(ring->rig, ring->used + 2, &index, sizeof(index));
}

void ring_used_event(struct ring *ring, uint16_t index)
{
	*fg_used_event(&ring->v) = index;
}

void ring_avail_flags(struct ring *ring, uint16_t flags)
{
	ring->v.avail->flags = flags;
}

uint16_t ring_avail_event(struct ring *ring)
{
	return *fg_avail_event(&ring->v);
}

uint16_t ring_used_flags(struct ring *ring)
{
	return ring->v.used->flags;
}

uint64_t ring_interrupts(struct ring *ring)
{
	eventfd_t n;

	return eventfd_read(ring->call_fd, &n) == 0 ? n : 0;
}

/* --- frames ------------------------------------------------------------------------------------------------------ */

uint8_t pattern(uint32_t seed, uint32_t i)
{
	uint32_t x = (i + 1) * 2654435761u ^ seed * 0x9e3779b1u;

	return (uint8_t)(x >> 13);
}

void pattern_fill(uint8_t *to, uint32_t seed, uint32_t len)
{
	for (uint32_t i = 0; i < len; i++)
		to[i] = pattern(seed, i);
}

void frame_flatten(const struct frame *frame, uint8_t *to)
{
	uint32_t len = frame->head_len;

	memcpy(to, frame->head, frame->head_len);
	for (uint16_t i = 0; i < frame->body_spans; i++) {
		memcpy(to + len, frame->body[i].at, frame->body[i].len);
		len += frame->body[i].len;
	}
	assert_int_equal(len, frame->len);
}

uint64_t drops_of_rx(const struct port_counters *counters)
{
	uint64_t sum = 0;

	for (int i = 0; i < RX_DROPS; i++)
		sum += counted(&counters->rx_drop[i]);
	return sum;
}

uint64_t drops_of_tx(const struct port_counters *counters)
{
	uint64_t sum = 0;

	for (int i = 0; i < TX_DROPS; i++)
		sum += counted(&counters->tx_drop[i]);
	return sum;
}
