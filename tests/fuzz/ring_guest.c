/* SPDX-License-Identifier: BSD-3-Clause */
#include "ring_guest.h"

#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>
#include <sys/mman.h>
#include <unistd.h>

#include "mem_fetch.h"

const uint64_t guest_region[REGIONS] = {0x4000, 0x8000, 0x20000};

/* --- memory ------------------------------------------------------------------------------------------------------ */

/* Between pages that are nobody's: a byte beyond it is seen, and a descriptor of any index. */
static uint8_t *map_region(int fd, int number)
{
	enum { NOBODYS = 2 << 20 };
	uint8_t *room = mmap(NULL, REGION_SIZE + 2 * NOBODYS, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	void *at = room + NOBODYS;

	FUZZ_CHECK(room != MAP_FAILED);
	FUZZ_CHECK(mmap(at, REGION_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, number * REGION_SIZE) == at);
	return at;
}

void guest_create(struct guest *guest, const struct guest *same)
{
	struct mem_region region[REGIONS];

	guest->fd = same != NULL ? same->fd : memfd_create("guest", MFD_CLOEXEC);
	FUZZ_CHECK(guest->fd >= 0 && ftruncate(guest->fd, REGIONS * REGION_SIZE) == 0);
	for (int i = 0; i < REGIONS; i++) {
		guest->memory[i] = map_region(guest->fd, i);
		region[i] = (struct mem_region){
			.gpa = guest_region[i], .size = REGION_SIZE, .uva = guest_region[i], .host = guest->memory[i]};
	}
	/* It names the same bytes as often as it likes. */
	mem_fetch_aliases(true);
	guest->map = mem_map_of(region, REGIONS);
	rcu_set(&guest->table.map, guest->map);
}

void guest_fill(struct guest *guest, uint8_t byte, int region)
{
	memset(guest->memory[region], byte, REGION_SIZE);
}

uint8_t *guest_at(const struct guest *guest, uint64_t gpa)
{
	for (int i = 0; i < REGIONS; i++)
		if (gpa - guest_region[i] < REGION_SIZE)
			return guest->memory[i] + (gpa - guest_region[i]);
	return NULL;
}

uint32_t guest_run(uint64_t gpa, uint32_t len, int *region)
{
	for (*region = 0; *region < REGIONS; (*region)++)
		if (gpa - guest_region[*region] < REGION_SIZE) {
			uint64_t rest = REGION_SIZE - (gpa - guest_region[*region]);

			return rest < len ? (uint32_t)rest : len;
		}
	return 0;
}

uint64_t guest_get(const struct guest *guest, uint64_t gpa, unsigned int bytes)
{
	uint64_t value = 0;

	for (unsigned int i = 0; i < bytes; i++) {
		const uint8_t *at = guest_at(guest, gpa + i);

		value |= at != NULL ? (uint64_t)*at << 8 * i : 0;
	}
	return value;
}

void guest_put(struct guest *guest, uint64_t gpa, uint64_t value, unsigned int bytes)
{
	for (unsigned int i = 0; i < bytes; i++) {
		uint8_t *at = guest_at(guest, gpa + i);

		if (at != NULL)
			*at = (uint8_t)(value >> 8 * i);
	}
}

/* --- a ring ------------------------------------------------------------------------------------------------------ */

struct ring_desc ring_desc_get(const struct ring *ring, uint64_t gpa)
{
	struct ring_desc desc = {
		.addr = guest_get(ring->guest, gpa, 8), .len = (uint32_t)guest_get(ring->guest, gpa + 8, 4)};

	desc.flags = (uint16_t)guest_get(ring->guest, gpa + (ring->packed ? 14 : 12), 2);
	desc.next = (uint16_t)guest_get(ring->guest, gpa + (ring->packed ? 12 : 14), 2);
	return desc;
}

void ring_desc_put(struct ring *ring, uint64_t gpa, const struct ring_desc *desc)
{
	guest_put(ring->guest, gpa, desc->addr, 8);
	guest_put(ring->guest, gpa + 8, desc->len, 4);
	guest_put(ring->guest, gpa + (ring->packed ? 14 : 12), desc->flags, 2);
	guest_put(ring->guest, gpa + (ring->packed ? 12 : 14), desc->next, 2);
}

uint16_t ring_place_after(const struct ring *ring, uint16_t place, uint32_t n)
{
	for (; n > 0; n--)
		place = (place & 0x7fff) + 1 == ring->size ? (place & 0x8000) ^ 0x8000 : (uint16_t)(place + 1);
	return place;
}

uint64_t ring_take_features(struct fuzz *in, uint8_t chosen)
{
	static const uint8_t bits[] = {VIRTIO_NET_F_MRG_RXBUF, VIRTIO_RING_F_EVENT_IDX, VIRTIO_RING_F_INDIRECT_DESC,
				       VIRTIO_F_RING_PACKED, VIRTIO_NET_F_CSUM, VIRTIO_NET_F_GUEST_CSUM,
				       VIRTIO_NET_F_HOST_TSO4};
	uint64_t features = UINT64_C(1) << VIRTIO_F_VERSION_1;

	for (unsigned int i = 0; i < sizeof(bits); i++)
		features |= (uint64_t)(chosen >> i & 1) << bits[i];
	/* A legacy driver has a shorter header. */
	if (fuzz_chance(in, 64) && (chosen & 8) == 0)
		features &= ~(UINT64_C(1) << VIRTIO_F_VERSION_1);
	return features;
}

void ring_start(struct ring *ring)
{
	uint16_t base;

	role_assert_control();
	base = ring->packed ? 0x8000 : (uint16_t)guest_get(ring->guest, ring->used + 2, 2);
	ring->pos = ring->seen = ring->used_pos = ring->place = base;
	ring->avail_idx = base;
	ring->fresh = true;
	if (!ring->packed)
		guest_put(ring->guest, ring->avail + 2, base, 2);
	for (uint32_t i = 0; i < ring->size && ring->packed; i++)
		guest_put(ring->guest, ring->desc + i * 16u + 14, 0, 2);
	virtq_start(&ring->q, ring->conf, ring->packed ? (uint32_t)base << 16 | base : base);
}

void ring_open(struct fuzz *in, struct ring *ring, struct guest *guest, uint64_t gpa, uint64_t features, bool logs, int call_fd)
{
	role_assert_control();
	memset(ring, 0, sizeof(*ring));
	ring->guest = guest;
	ring->packed = features >> VIRTIO_F_RING_PACKED & 1;
	ring->size = (uint16_t)(ring->packed ? 1 + fuzz_below(in, RING_MAX) : 1u << fuzz_below(in, 7));
	ring->desc = gpa;
	ring->avail = gpa + RING_MAX * 16;
	ring->used = ring->avail + 256;
	ring->setup = (struct virtq_setup){
		.size = ring->size,
		.desc_uva = ring->desc,
		.avail_uva = ring->avail,
		.used_uva = ring->used,
		.features = features,
		.log_used = logs,
		.used_gpa = ring->used,
		.call_fd = fuzz_chance(in, 128) ? call_fd : -1,
	};
	virtq_init(&ring->q, &guest->table, &ring->record);
	ring->conf = virtq_conf_create(&ring->setup, guest->map);
	FUZZ_CHECK(ring->conf != NULL);
	guest_put(ring->guest, ring->used + 2, fuzz_chance(in, 64) ? 0xfff0 + fuzz_below(in, 16) : 0, 2);
	ring_start(ring);
}

/* --- a driver ---------------------------------------------------------------------------------------------------- */

uint64_t ring_take_gpa(struct fuzz *in)
{
	unsigned int kind = fuzz_below(in, 16);

	if (kind == 15)
		return fuzz_uint64(in);
	if (kind >= 12)
		return 0x8000 - fuzz_uint8(in); /* across the seam */
	if (kind == 11)
		return 0x20000 + REGION_SIZE - fuzz_uint8(in);
	return (kind < 6 ? 0x5000u : kind < 9 ? 0x8000u : 0x20000u) + fuzz_uint16(in) % 0x2800u;
}

uint32_t ring_take_len(struct fuzz *in)
{
	unsigned int kind = fuzz_below(in, 16);

	return kind == 15 ? fuzz_uint32(in) : kind == 14 ? 0 : kind >= 11 ? fuzz_uint16(in) % 9000 : 12u + fuzz_uint8(in);
}

static uint16_t place_flags(uint16_t place)
{
	return (place & 0x8000) != 0 ? 0x80 : 0x8000;
}

/* A table of a few descriptors; one that is nearly as long as the longest ring is all padding. The last flags may be wrong.
 * Returns: its length. */
static uint32_t make_table(struct fuzz *in, struct ring *ring, uint64_t gpa, uint16_t write)
{
	unsigned int most = fuzz_chance(in, 32) ? RING_MAX + 2 : 5;
	uint8_t byte = fuzz_uint8(in);
	uint16_t n = (uint16_t)(1 + byte % most);

	for (uint16_t i = 0; i < n; i++) {
		struct ring_desc desc = {.flags = write, .next = (uint16_t)(i + 1)};

		desc.addr = ring_take_gpa(in);
		desc.len = n < RING_MAX - 4 ? ring_take_len(in) : 0;
		desc.flags |= i + 1 < n ? FLAG_NEXT : 0;
		if (i + 1 == n && byte >= 0xe0)
			desc.flags ^= (uint16_t)(FLAG_NEXT << byte % 3);
		ring_desc_put(ring, gpa + i * 16u, &desc);
	}
	return n * 16u;
}

void ring_offer(struct fuzz *in, struct ring *ring, uint16_t write)
{
	uint16_t n = (uint16_t)(fuzz_chance(in, 192) ? 1 : 1 + fuzz_below(in, 6)), head = ring->next_desc;
	uint16_t lies = fuzz_chance(in, 16) ? fuzz_uint8(in) : 0;

	for (uint16_t i = 0; i < n; i++) {
		uint16_t at = ring->packed ? ring->place & 0x7fff : ring->next_desc % ring->size;
		struct ring_desc desc = {.addr = ring_take_gpa(in), .len = ring_take_len(in), .flags = write};

		if (i + 1 == n && fuzz_chance(in, 48)) {
			desc.addr = 0x8000 - (fuzz_chance(in, 64) ? 1u + fuzz_below(in, 4) : fuzz_uint8(in)) * 8u;
			desc.len = make_table(in, ring, desc.addr, write);
			desc.flags = FLAG_INDIRECT;
		}
		desc.flags = (uint16_t)((desc.flags | (i + 1 < n ? FLAG_NEXT : 0)) ^ (lies & 7));
		ring->next_desc++;
		desc.next = ring->packed ? fuzz_uint8(in) : ring->next_desc % ring->size;
		if ((lies & 8) != 0 && !ring->packed)
			desc.next = ring->size;
		if (ring->packed) {
			desc.flags |= place_flags(ring->place);
			ring->last_head = at;
			ring->place = ring_place_after(ring, ring->place, 1);
		}
		ring_desc_put(ring, ring->desc + at * 16u, &desc);
	}
	if (ring->packed)
		return;
	head %= ring->size;
	ring->last_head = head;
	/* Just behind the ring. */
	if (fuzz_chance(in, 6))
		head = ring->size;
	guest_put(ring->guest, ring->avail + 4 + ring->avail_idx++ % ring->size * 2u, head, 2);
	guest_put(ring->guest, ring->avail + 2, ring->avail_idx, 2);
}

void ring_offer_again(struct ring *ring, unsigned int n)
{
	for (; n > 0 && !ring->packed; n--) {
		guest_put(ring->guest, ring->avail + 4 + ring->avail_idx++ % ring->size * 2u, ring->last_head, 2);
		guest_put(ring->guest, ring->avail + 2, ring->avail_idx, 2);
	}
	for (; n > 0; n--) {
		struct ring_desc desc = ring_desc_get(ring, ring->desc + ring->last_head * 16u);

		desc.flags = (uint16_t)((desc.flags & ~(FLAG_NEXT | 0x8080)) | place_flags(ring->place));
		ring_desc_put(ring, ring->desc + (ring->place & 0x7fff) * 16u, &desc);
		ring->place = ring_place_after(ring, ring->place, 1);
	}
}

void ring_rewrite(struct fuzz *in, struct guest *guest)
{
	uint64_t gpa = fuzz_chance(in, 192) ? 0x4000u + fuzz_uint16(in) % (2u * RING_BYTES) : ring_take_gpa(in);

	guest_put(guest, gpa, fuzz_uint64(in), 1u << fuzz_below(in, 4));
}
