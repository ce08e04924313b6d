/* SPDX-License-Identifier: BSD-3-Clause */
/* A guest that rewrites its rings, tables and buffers from another thread while frames are received from it, delivered to
 * it and, beside it, to a guest that behaves: fields that are right now and wrong a moment later, over and over. What was
 * read once stays as it was read (V9): a frame's head, its length and its pieces, what it asks for; its pieces lie in the guest's
 * memory; a visit has its bounds (V14); each frame is counted once (E1, E2); and the other guest's frames are whole.
 *
 * The other thread's stores come between the loads of the switch, where the input says, so that the same bytes do the same. In
 * builds that do not show the loads there is a thread, and what it meets is chance.
 */
#include "fuzz.h"

#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <unistd.h>

#include "frame_offload.h"
#include "ring_guest.h"
#include "virtq_packed.h"
#include "vnet.h"
#include "vus_limits.h"

enum {
	LIES_MAX = 8,
	VISITS_MAX = 4,
	OFFERS_MAX = 8,
	VICTIM_BUFFERS = 16,
	VICTIM_BUFFER = 2048,
	VICTIM_SIZE = 64,
	IDLE_TURNS = 1000,
	/* V14: what is loaded for a chain and for a piece of one, and for the ring as a whole. */
	RECEIVE_LOADS = 4 * (BURST_MAX + BURST_SPANS) + 64,
};

/* A field of the guest's memory that is what it was one moment, and something else the next. */
struct lie {
	uint8_t *at;
	unsigned int size, first, period, next; /* the loads, counted in a call of the switch, before which it changes */
	bool told;
	uint64_t truth, lie;
};

/* The guest has two devices, so its memory is mapped twice. */
static struct guest guest, alias, others;
static struct ring from, to, victim;
static struct burst burst;
static struct port_counters in_counters, out_counters, victim_counters;
static uint64_t features;

/* The other thread's. */
static struct lie lies[LIES_MAX];
static unsigned int lies_n;
static atomic_bool lying, at_work;
/* The loads of a visit, and those from the guest's memory among them; the load before which a lie changes next. */
static unsigned int loads, guest_loads, next_change;
static bool loads_are_shown;

/* --- the other thread -------------------------------------------------------------------------------------------- */

static void store(const struct lie *lie, uint64_t value)
{
	if (lie->size == 8)
		__atomic_store_n((uint64_t *)(void *)lie->at, value, __ATOMIC_RELAXED);
	else if (lie->size == 4)
		__atomic_store_n((uint32_t *)(void *)lie->at, (uint32_t)value, __ATOMIC_RELAXED);
	else if (lie->size == 2)
		__atomic_store_n((uint16_t *)(void *)lie->at, (uint16_t)value, __ATOMIC_RELAXED);
	else
		__atomic_store_n(lie->at, (uint8_t)value, __ATOMIC_RELAXED);
}

static void tell(struct lie *lie, bool told)
{
	lie->told = told;
	store(lie, told ? lie->lie : lie->truth);
}

static void tell_all(bool told)
{
	for (unsigned int i = 0; i < lies_n; i++)
		tell(&lies[i], told);
}

static bool is_guests(const void *start, uint32_t len)
{
	const uint8_t *at = start;

	for (int i = 0; i < 2 * REGIONS; i++) {
		const uint8_t *begin = (i < REGIONS ? &guest : &alias)->memory[i % REGIONS];

		if (at >= begin && at <= begin + REGION_SIZE && len <= (uint64_t)(begin + REGION_SIZE - at))
			return true;
	}
	return false;
}

static void change_lies(void)
{
	next_change = UINT_MAX;
	for (unsigned int i = 0; i < lies_n; i++) {
		struct lie *lie = &lies[i];

		if (loads >= lie->next) {
			tell(lie, !lie->told);
			lie->next = loads + lie->period;
		}
		if (lie->next < next_change)
			next_change = lie->next;
	}
}

void fuzz_load(const void *at)
{
	loads_are_shown = true;
	if (!atomic_load_explicit(&lying, memory_order_relaxed))
		return;
	guest_loads += is_guests(at, 1);
	if (++loads >= next_change)
		change_lies();
}

static void *liar_main(void *arg)
{
	for (unsigned int idle = 0;; idle++) {
		/* Pairs with stop_lies(): either it sees that this is at work, or this sees that there is nothing to do. */
		atomic_store_explicit(&at_work, true, memory_order_seq_cst);
		if (atomic_load_explicit(&lying, memory_order_seq_cst)) {
			tell_all(true);
			tell_all(false);
			idle = 0;
		}
		/* Pairs with stop_lies(): no store comes after this. */
		atomic_store_explicit(&at_work, false, memory_order_release);
		if (idle > IDLE_TURNS)
			usleep(50);
	}
	return arg;
}

/* The lies are told; when the other thread comes to them is its affair. */
static void start_lies(void)
{
	loads = guest_loads = next_change = 0;
	for (unsigned int i = 0; i < lies_n; i++)
		lies[i].next = lies[i].first;
	/* Pairs with liar_main(): the lies first. */
	atomic_store_explicit(&lying, true, memory_order_seq_cst);
}

static void stop_lies(void)
{
	/* Pairs with liar_main(). */
	atomic_store_explicit(&lying, false, memory_order_seq_cst);
	/* Pairs with liar_main(). */
	while (atomic_load_explicit(&at_work, memory_order_seq_cst))
		sched_yield();
	tell_all(false);
}

/* --- what it lies about ------------------------------------------------------------------------------------------ */

/* A field of a descriptor. */
static void lie_in_desc(struct fuzz *in, uint64_t gpa, uint64_t *at, struct lie *lie)
{
	uint16_t change;

	switch (fuzz_below(in, 4)) {
	case 0:
		*at = gpa;
		lie->size = 8;
		lie->lie = ring_take_gpa(in);
		break;
	case 1:
	case 2:
		*at = gpa + 8;
		lie->size = 4;
		lie->lie = ring_take_len(in);
		break;
	default:
		*at = gpa + 12 + fuzz_below(in, 2) * 2;
		change = fuzz_uint16(in);
		lie->size = 2;
		lie->lie = guest_get(&guest, *at, 2) ^ change;
		/* Of a packed ring: available in the next lap, by itself. */
		if (change >= 0xc000)
			lie->lie = (guest_get(&guest, *at, 2) ^ 0x8080) & ~(uint64_t)FLAG_NEXT;
	}
}

/* An entry or the index of a split ring's available part. */
static void lie_in_avail(struct fuzz *in, const struct ring *ring, uint64_t *at, struct lie *lie)
{
	uint8_t which = fuzz_uint8(in);

	lie->size = 2;
	*at = which < 0x40 ? ring->avail + 2 : ring->avail + 4 + which % ring->size * 2u;
	lie->lie = which < 0x40 ? guest_get(&guest, *at, 2) + fuzz_uint8(in) : fuzz_uint16(in);
}

static void add_lie(struct fuzz *in)
{
	struct ring *ring = fuzz_chance(in, 128) ? &from : &to;
	uint64_t slot = ring->desc + fuzz_uint8(in) % ring->size * 16u, at;
	struct lie *lie = &lies[lies_n];
	int region;

	switch (fuzz_below(in, 6)) {
	case 0:
	case 1:
		lie_in_desc(in, slot, &at, lie);
		break;
	case 2:
		lie_in_avail(in, ring, &at, lie);
		break;
	case 3: /* of a table that may begin here (ring_offer()) */
		lie_in_desc(in, guest_get(&guest, slot, 8) + fuzz_below(in, 4) * 16u, &at, lie);
		break;
	case 4: /* of a header, and of what stands behind it */
		lie->size = 1;
		at = guest_get(&guest, slot, 8) + fuzz_below(in, 80);
		lie->lie = fuzz_uint8(in);
		break;
	default:
		lie->size = 8;
		at = ring_take_gpa(in) & ~7u;
		lie->lie = fuzz_uint64(in);
	}
	if (at % lie->size != 0 || guest_run(at, lie->size, &region) < lie->size)
		return;
	lie->at = guest_at(&guest, at);
	lie->truth = guest_get(&guest, at, lie->size);
	lie->told = false;
	lie->first = fuzz_chance(in, 128) ? fuzz_uint8(in) : fuzz_uint16(in);
	lie->period = 1u + fuzz_uint8(in);
	lies_n++;
}

/* --- the guest beside it ----------------------------------------------------------------------------------------- */

static void victim_offer(uint16_t n, uint16_t head)
{
	guest_put(&others, victim.avail + 4 + n % VICTIM_SIZE * 2u, head, 2);
	guest_put(&others, victim.avail + 2, n + 1u, 2);
}

static void victim_open(void) RUNS_ON(control_thread)
{
	struct fuzz in = {(const uint8_t[]){6, 255, 255}, 3};

	ring_open(&in, &victim, &others, guest_region[0], UINT64_C(1) << 32, false, -1);
	FUZZ_CHECK(victim.size == VICTIM_SIZE);
	for (uint16_t i = 0; i < VICTIM_BUFFERS; i++) {
		struct ring_desc desc = {.len = VICTIM_BUFFER, .flags = FLAG_WRITE};

		desc.addr = guest_region[1 + i / 8] + i % 8u * VICTIM_BUFFER;
		ring_desc_put(&victim, victim.desc + i * 16u, &desc);
		victim_offer(i, i);
	}
	victim.avail_idx = VICTIM_BUFFERS;
}

/* It has agreed to nothing, so nothing may be left to be done in what it gets. */
static void victim_turn(void)
{
	uint16_t used = (uint16_t)guest_get(&others, victim.used + 2, 2);

	for (; victim.used_pos != used; victim.used_pos++) {
		uint64_t element = guest_get(&others, victim.used + 4 + victim.used_pos % VICTIM_SIZE * 8u, 8);
		uint64_t head = (uint32_t)element, len = element >> 32;

		FUZZ_CHECK(head < VICTIM_BUFFERS && len > 12 && len <= VICTIM_BUFFER);
		FUZZ_CHECK(guest_get(&others, guest_get(&others, victim.desc + head * 16, 8), 8) == 0);
		victim_offer(victim.avail_idx++, (uint16_t)head);
	}
	FUZZ_CHECK(virtq_fault(&victim.q) == VIRTQ_OK);
}

/* --- a visit ----------------------------------------------------------------------------------------------------- */

static uint64_t sum(const _Atomic uint64_t *counter, int n)
{
	uint64_t all = 0;

	while (n-- > 0)
		all += counted(&counter[n]);
	return all;
}

/* What was read agrees with itself. */
static void check_frame(const struct frame *frame)
{
	uint32_t len = frame->head_len;
	struct frame again = *frame;

	FUZZ_CHECK(frame->len >= FRAME_LEN_MIN && frame->len <= FRAME_LEN_MAX);
	FUZZ_CHECK(frame->head_len <= FRAME_HEAD && !is_guests(frame->head, 1));
	for (uint16_t i = 0; i < frame->body_spans; i++) {
		FUZZ_CHECK(is_guests(frame->body[i].at, frame->body[i].len));
		len += frame->body[i].len;
	}
	FUZZ_CHECK(len == frame->len);
	if (!frame_needs_offload(frame))
		return;
	/* What was accepted is accepted again. */
	FUZZ_CHECK(frame_offload_check(&again, frame_offloads_from_guest(features)));
	FUZZ_CHECK(memcmp(&again.offload, &frame->offload, sizeof(again.offload)) == 0);
}

static void check_burst(void) RUNS_ON(lcore_thread)
{
	uint32_t spans = 0;
	uint64_t bytes = 0;

	FUZZ_CHECK(burst.n <= BURST_MAX);
	for (uint16_t i = 0; i < burst.n; i++) {
		check_frame(&burst.frame[i]);
		spans += burst.frame[i].body_spans;
		bytes += i + 1 < burst.n ? burst.frame[i].len : 0;
	}
	FUZZ_CHECK(spans <= BURST_SPANS && bytes < BURST_BYTES);
	FUZZ_CHECK(virtq_fault(&from.q) != VIRTQ_OK || from.packed ||
		   (uint16_t)(from.q.dp.avail_seen - from.q.dp.last_avail) <= from.size);
	if (!from.packed)
		return;
	/* No slot is taken twice. */
	FUZZ_CHECK(packed_index(from.q.dp.last_avail) < from.size);
	FUZZ_CHECK(packed_distance(from.q.dp.published, from.q.dp.last_avail, from.size) <= from.size);
}

static void deliver(struct ring *ring, struct port_counters *counters, struct frame *const *frames) RUNS_ON(lcore_thread)
{
	uint64_t before = counted(&counters->tx_ok) + sum(counters->tx_drop, TX_DROPS) - counted(&counters->tx_segments);

	start_lies();
	vnet_deliver(&ring->q, frames, burst.n, FRAME_LEN_MAX, counters);
	stop_lies();
	FUZZ_CHECK(counted(&counters->tx_ok) + sum(counters->tx_drop, TX_DROPS) - counted(&counters->tx_segments) ==
		   before + burst.n);
}

static void visit(void) RUNS_ON(lcore_thread)
{
	static uint8_t heads[BURST_MAX][FRAME_HEAD];
	struct frame *frames[BURST_MAX];
	uint64_t drops = sum(in_counters.rx_drop, RX_DROPS);
	uint16_t n, pos = from.q.dp.last_used;
	bool fresh = from.q.dp.fresh;

	start_lies();
	n = vnet_receive(&from.q, &burst, BURST_MAX, &in_counters);
	stop_lies();
	FUZZ_CHECK(guest_loads <= RECEIVE_LOADS);
	FUZZ_CHECK(n == burst.n);
	check_burst();
	for (uint16_t i = 0; i < n; i++) {
		frames[i] = &burst.frame[i];
		memcpy(heads[i], burst.frame[i].head, burst.frame[i].head_len);
	}
	if (!fresh && !from.packed)
		FUZZ_CHECK((uint16_t)(from.q.dp.last_used - pos) ==
			   (uint16_t)(n + sum(in_counters.rx_drop, RX_DROPS) - drops));
	if (n == 0)
		return;
	deliver(&to, &out_counters, frames);
	deliver(&victim, &victim_counters, frames);
	victim_turn();
	for (uint16_t i = 0; i < n; i++)
		FUZZ_CHECK(memcmp(heads[i], burst.frame[i].head, burst.frame[i].head_len) == 0);
	start_lies();
	vnet_complete(&from.q, &burst);
	stop_lies();
}

/* --- an input ---------------------------------------------------------------------------------------------------- */

/* A ring that broke begins anew; then its last chain is there again. */
static void offer_more(struct ring *ring, unsigned int n)
{
	role_assert_control();
	if (virtq_fault(&ring->q) != VIRTQ_OK)
		ring_start(ring);
	ring_offer_again(ring, n);
}

/* TCP that is to be cut, where buffers often are: so that there is something to lie about. */
static void write_frame(uint64_t gpa)
{
	static const uint8_t bytes[] = {
		[0] = VIRTIO_NET_HDR_F_NEEDS_CSUM, [1] = VIRTIO_NET_HDR_GSO_TCPV4, [2] = 54, [4] = 200, [6] = 34, [8] = 16,
		[12 + 12] = 0x08, [12 + 14] = 0x45, [12 + 14 + 9] = 6, [12 + 34 + 12] = 0x50,
	};

	for (unsigned int i = 0; i < sizeof(bytes); i++)
		guest_put(&guest, gpa + i, bytes[i], 1);
}

static void open_rings(struct fuzz *in)
{
	uint8_t chosen = fuzz_uint8(in);

	role_assert_control();
	features = ring_take_features(in, chosen);
	for (int i = 0; i < REGIONS; i++)
		guest_fill(&guest, fuzz_chance(in, 16) ? fuzz_uint8(in) : 0, i);
	if (fuzz_chance(in, 128)) {
		write_frame(0x5100);
		write_frame(0x8000);
		write_frame(guest_region[2]);
	}
	ring_open(in, &from, &guest, guest_region[0], features, false, -1);
	ring_open(in, &to, &alias, guest_region[0] + RING_BYTES, features, false, -1);
	for (unsigned int n = 1 + fuzz_below(in, OFFERS_MAX); n > 0; n--) {
		bool more = fuzz_chance(in, 64);

		ring_offer(in, &from, 0);
		ring_offer(in, &to, FLAG_WRITE);
		ring_offer_again(&from, more ? fuzz_below(in, RING_MAX) : 0);
		ring_offer_again(&to, more ? fuzz_below(in, RING_MAX) : 0);
	}
}

void fuzz_begin(void)
{
	pthread_t thread;

	role_assert_control();
	guest_create(&guest, NULL);
	guest_create(&alias, &guest);
	guest_create(&others, NULL);
	victim_open();
	role_assert_lcore();
	vnet_arm(&victim.q);
	FUZZ_CHECK(loads_are_shown || pthread_create(&thread, NULL, liar_main, NULL) == 0);
}

void fuzz_input(struct fuzz *in)
{
	unsigned int visits;

	role_assert_lcore();
	open_rings(in);
	lies_n = 0;
	for (unsigned int n = 1 + fuzz_below(in, LIES_MAX); n > 0; n--)
		add_lie(in);
	visits = 1 + fuzz_below(in, VISITS_MAX);
	for (; visits > 0; visits--) {
		visit();
		offer_more(&from, 1 + fuzz_below(in, BURST_MAX));
		offer_more(&to, 1 + fuzz_below(in, BURST_MAX));
	}
	free(from.conf);
	free(to.conf);
}
