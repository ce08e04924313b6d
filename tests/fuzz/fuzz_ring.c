/* SPDX-License-Identifier: BSD-3-Clause */
/* A guest's two rings, split or packed, in memory of three regions in which every byte is the input's to choose: frames
 * are received, delivered, given back, while between two bursts the guest offers chains, rewrites any byte, moves its
 * indexes. What is received is what a walk byte by byte finds, and no more in a visit than its bounds; nothing is written but
 * the used part of a ring and buffers that the guest made available and marked writable; each page that was written is in
 * the log; each frame is counted once (E1, E2); a broken ring is left alone until it begins anew (V1 to V8, V12 to V14).
 */
#include "fuzz.h"

#include <fcntl.h>

#include "frame_offload.h"
#include "ring_guest.h"
#include "ring_model.h"
#include "vnet.h"

enum { STEPS_MAX = 64, FRAMES_HERE = 8 };

static struct guest guest;
static struct ring from, to;
static const struct ring *const rings[] = {&from, &to};
static struct burst burst;
static struct port_counters in_counters, out_counters;
static uint8_t pattern[1 << 16];
static int null_fd;

/* --- receive ----------------------------------------------------------------------------------------------------- */

/* What the model expects of a burst. */
static struct {
	uint16_t n, chains;
	uint32_t slots;
	uint64_t shorts, longs, offload;
	bool breaks;
	uint16_t ids[BURST_MAX];
	struct virtio_net_hdr header[BURST_MAX];
	uint32_t len[BURST_MAX];
	uint8_t bytes[BURST_MAX][FRAME_LEN_MAX];
} must;

static void model_frame(const struct ring *ring)
{
	uint32_t header_len = ring->conf->header_len, len = chain.len - header_len;
	struct frame frame = {.head = chain.bytes + header_len, .len = len};

	if (chain.len < header_len + FRAME_LEN_MIN || len > FRAME_LEN_MAX) {
		*(chain.len < header_len + FRAME_LEN_MIN ? &must.shorts : &must.longs) += 1;
		return;
	}
	memcpy(&frame.offload, chain.bytes, sizeof(frame.offload));
	frame.head_len = (uint16_t)(len < FRAME_HEAD ? len : FRAME_HEAD);
	if (frame_needs_offload(&frame) && !frame_offload_check(&frame, frame_offloads_from_guest(ring->conf->features))) {
		must.offload++;
		return;
	}
	if (!frame_needs_offload(&frame))
		frame.offload = (struct virtio_net_hdr){0};
	must.header[must.n] = frame.offload;
	must.len[must.n] = len;
	memcpy(must.bytes[must.n++], frame.head, len);
}

static void model_receive(struct ring *ring)
{
	uint32_t cost = 0;
	uint64_t bytes = 0;
	int n;

	must.n = must.chains = 0;
	must.slots = 0;
	must.shorts = must.longs = must.offload = 0;
	must.breaks = false;
	model_begin(ring);
	n = model_available(ring, 0, BURST_MAX);
	must.breaks = n < 0;
	while (must.chains < n && bytes < BURST_BYTES) {
		model_chain(ring, must.slots, false);
		if (chain.result == 1)
			break;
		if (chain.result == -2 || (chain.result == 0 && cost + chain.cost > BURST_SPANS)) {
			must.breaks = cost == 0;
			break;
		}
		must.breaks = chain.result != 0;
		if (must.breaks)
			break;
		model_frame(ring);
		must.ids[must.chains++] = chain.id;
		must.slots += chain.slots;
		cost += chain.cost;
		bytes += chain.len;
	}
}

static void check_frame(const struct frame *frame, uint16_t i)
{
	uint32_t at = frame->head_len;

	FUZZ_CHECK(frame->len == must.len[i] && frame->head_len <= frame->len && frame->head_len <= FRAME_HEAD);
	FUZZ_CHECK(memcmp(&frame->offload, &must.header[i], sizeof(frame->offload)) == 0);
	FUZZ_CHECK(memcmp(frame->head, must.bytes[i], at) == 0);
	for (uint16_t b = 0; b < frame->body_spans; b++) {
		FUZZ_CHECK(frame->body[b].len <= frame->len - at);
		FUZZ_CHECK(memcmp(frame->body[b].at, must.bytes[i] + at, frame->body[b].len) == 0);
		at += frame->body[b].len;
	}
	FUZZ_CHECK(at == frame->len);
}

/* The chains came back in the order in which they were offered. */
static void check_returned(struct ring *ring, const uint16_t *ids, uint16_t n)
{
	for (uint16_t i = 0; i < n && !ring->packed; i++)
		FUZZ_CHECK(guest_get(&guest, ring->used + 4 + (uint16_t)(ring->used_pos + i) % ring->size * 8u, 8) == ids[i]);
	if (!ring->packed && n > 0)
		FUZZ_CHECK((uint16_t)guest_get(&guest, ring->used + 2, 2) == (uint16_t)(ring->used_pos + n));
	if (ring->packed && n > 0)
		FUZZ_CHECK(guest_get(&guest, ring->desc + (ring->used_pos & 0x7fffu) * 16u + 12, 2) == ids[0]);
}

static uint64_t sum(const _Atomic uint64_t *counter, int n)
{
	uint64_t all = 0;

	while (n-- > 0)
		all += counted(&counter[n]);
	return all;
}

static void receive(struct fuzz *in) RUNS_ON(lcore_thread)
{
	bool broken = virtq_fault(&from.q) != VIRTQ_OK;
	uint64_t drops = sum(in_counters.rx_drop, RX_DROPS);
	uint16_t n;

	model_remember();
	if (!broken) {
		model_receive(&from);
		model_allow_used(&from);
	}
	n = vnet_receive(&from.q, &burst, BURST_MAX, &in_counters);
	if (broken) {
		FUZZ_CHECK(n == 0);
		model_check_written(rings);
		return;
	}
	FUZZ_CHECK(n == must.n && n == burst.n);
	FUZZ_CHECK((virtq_fault(&from.q) != VIRTQ_OK) == must.breaks);
	FUZZ_CHECK(sum(in_counters.rx_drop, RX_DROPS) - drops == must.shorts + must.longs + must.offload);
	for (uint16_t i = 0; i < n; i++)
		check_frame(&burst.frame[i], i);
	if (n > 0)
		vnet_complete(&from.q, &burst);
	model_check_written(rings);
	check_returned(&from, must.ids, must.chains);
	from.pos = from.packed ? ring_place_after(&from, from.pos, must.slots) : (uint16_t)(from.pos + must.chains);
	from.used_pos = from.pos;
	if (fuzz_chance(in, 32) && virtq_fault(&from.q) == VIRTQ_OK) {
		vnet_arm(&from.q);
		model_available(&from, 0, 1);
		vnet_disarm(&from.q);
		model_check_written(rings);
	}
}

/* --- deliver ----------------------------------------------------------------------------------------------------- */

static void make_frames(struct fuzz *in, struct frame *frames, struct mem_span *spans, struct frame **list, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++) {
		uint32_t len = FRAME_LEN_MIN + (fuzz_chance(in, 64) ? fuzz_uint16(in) % 20000 : fuzz_uint8(in));
		uint8_t *bytes = pattern + fuzz_uint8(in) * 3;

		frames[i] = (struct frame){.head = bytes, .len = len};
		frames[i].head_len = (uint16_t)(len < FRAME_HEAD ? len : FRAME_HEAD);
		spans[i] = (struct mem_span){.at = bytes + frames[i].head_len, .len = len - frames[i].head_len};
		frames[i].body = &spans[i];
		frames[i].body_spans = len > FRAME_HEAD;
		frames[i].valid = fuzz_chance(in, 32) ? VIRTIO_NET_HDR_F_DATA_VALID : 0;
		list[i] = &frames[i];
	}
}

/* What was written to the chain number `i`, at most `room` bytes, to `to`. Returns: how many the guest is told. */
static uint32_t gather(const struct ring *ring, uint32_t i, uint8_t *to, uint32_t room)
{
	const struct offered *at = &offered[i];
	uint64_t told = ring->packed ? ring->desc + at->place * 16u + 8 : ring->used + 4 + at->place * 8u + 4;
	uint32_t len = (uint32_t)guest_get(&guest, told, 4);
	uint32_t done = 0;

	FUZZ_CHECK(len <= room);
	for (uint32_t p = at->first; p < at->first + at->n; p++)
		for (uint32_t b = 0; b < piece[p].len && done < len; b++)
			to[done++] = *guest_at(&guest, piece[p].gpa + b);
	FUZZ_CHECK(done == len);
	return len;
}

/* The first `ok` chains hold frames of the list, in order, and nothing else. */
static void check_delivered(const struct ring *ring, struct frame *const *list, uint16_t n, uint64_t ok)
{
	static uint8_t whole[FRAME_LEN_MAX + 64], flat[FRAME_LEN_MAX];
	uint32_t at = 0, header_len = ring->conf->header_len, len, buffers, first;
	uint16_t i = 0;

	for (; ok > 0; ok--) {
		FUZZ_CHECK(at < offered_n);
		first = at;
		len = gather(ring, at++, whole, sizeof(whole));
		/* The header itself may lie in several. */
		while (len < header_len && at < offered_n)
			len += gather(ring, at++, whole + len, (uint32_t)sizeof(whole) - len);
		FUZZ_CHECK(len >= header_len);
		buffers = header_len == 12 ? (uint32_t)(whole[10] | whole[11] << 8) : 1;
		FUZZ_CHECK(at - first <= buffers && (buffers == 1 || ring->conf->mergeable));
		for (; at - first < buffers; at++) {
			FUZZ_CHECK(at < offered_n);
			len += gather(ring, at, whole + len, (uint32_t)sizeof(whole) - len);
		}
		for (; i < n; i++) {
			memcpy(flat, list[i]->head, list[i]->head_len);
			if (list[i]->body_spans > 0)
				memcpy(flat + list[i]->head_len, list[i]->body->at, list[i]->body->len);
			if (list[i]->len == len - header_len && memcmp(whole + header_len, flat, list[i]->len) == 0)
				break;
		}
		FUZZ_CHECK(i++ < n);
		for (uint32_t b = 1; b < 10; b++)
			FUZZ_CHECK(whole[b] == 0);
	}
}

static uint16_t model_position(const struct ring *ring) RUNS_ON(lcore_thread)
{
	return ring->q.dp.last_avail;
}

/* A frame takes no more buffers, padding among them, than a visit is to look at (V14). */
static void check_cost(uint64_t ok) RUNS_ON(lcore_thread)
{
	uint16_t at = to.pos, now = model_position(&to);
	uint64_t cost = 0;

	for (uint32_t i = 0; i < offered_n && at != now; i++) {
		cost += offered[i].cost;
		at = to.packed ? ring_place_after(&to, at, offered[i].slots) : (uint16_t)(at + 1);
	}
	FUZZ_CHECK(confused || at == now);
	FUZZ_CHECK(confused || cost <= ok * BURST_SPANS);
}

static void deliver(struct fuzz *in) RUNS_ON(lcore_thread)
{
	uint16_t n = (uint16_t)(1 + fuzz_below(in, FRAMES_HERE));
	struct frame frames[FRAMES_HERE], *list[FRAMES_HERE];
	struct mem_span spans[FRAMES_HERE];
	uint64_t ok = counted(&out_counters.tx_ok), drops = sum(out_counters.tx_drop, TX_DROPS);
	bool broken = virtq_fault(&to.q) != VIRTQ_OK;

	make_frames(in, frames, spans, list, n);
	model_remember();
	if (!broken) {
		model_allow_buffers(&to);
		model_allow_used(&to);
	}
	vnet_deliver(&to.q, list, n, fuzz_chance(in, 224) ? FRAME_LEN_MAX : fuzz_uint16(in), &out_counters);
	model_check_written(rings);
	ok = counted(&out_counters.tx_ok) - ok;
	if (!broken)
		check_cost(ok);
	if (!broken && !aliased && !confused)
		check_delivered(&to, list, n, ok);
	FUZZ_CHECK(ok + sum(out_counters.tx_drop, TX_DROPS) - drops == n);
	FUZZ_CHECK(!broken || ok == 0);
	to.pos = model_position(&to);
	if (!to.packed)
		FUZZ_CHECK(ok == 0 || (uint16_t)guest_get(&guest, to.used + 2, 2) == to.pos || aliased || confused);
}

/* --- an input ---------------------------------------------------------------------------------------------------- */

static void restart(struct ring *ring)
{
	role_assert_control();
	ring_start(ring);
}

static void step(struct fuzz *in)
{
	uint8_t byte = fuzz_uint8(in);
	unsigned int what = byte % 16;

	role_assert_lcore();
	if (what < 5)
		ring_offer(in, &from, 0);
	else if (what < 8)
		ring_offer(in, &to, FLAG_WRITE);
	else if (what < 11)
		receive(in);
	else if (what < 13)
		deliver(in);
	else if (what < 15)
		ring_rewrite(in, &guest);
	else if (byte < 0x80)
		restart(fuzz_chance(in, 128) ? &from : &to);
	else
		ring_offer_again(byte < 0xc0 ? &from : &to, 1 + fuzz_below(in, RING_MAX));
}

void fuzz_begin(void)
{
	uint32_t state = 1;

	for (size_t i = 0; i < sizeof(pattern); i++)
		pattern[i] = (uint8_t)((state = state * 1664525 + 1013904223) >> 24);
	guest_create(&guest, NULL);
	model_create(&guest);
	null_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
}

void fuzz_input(struct fuzz *in)
{
	uint8_t chosen = fuzz_uint8(in);
	uint64_t features = ring_take_features(in, chosen);
	bool logs = chosen & 0x80;

	role_assert_control();
	for (int i = 0; i < REGIONS; i++)
		guest_fill(&guest, fuzz_chance(in, 32) ? fuzz_uint8(in) : 0, i);
	rcu_set(&guest.table.log, logs ? model_log() : NULL);
	ring_open(in, &from, &guest, guest_region[0], features, logs, null_fd);
	ring_open(in, &to, &guest, guest_region[0] + RING_BYTES, features, logs, null_fd);
	for (int i = 0; i < STEPS_MAX && in->left > 0; i++)
		step(in);
	free(from.conf);
	free(to.conf);
}
