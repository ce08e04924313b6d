/* SPDX-License-Identifier: BSD-3-Clause */
#include "frame_rate.h"

#include "frame_offload.h"

static inline __attribute__((always_inline)) uint32_t packets_of(const struct frame *frame)
{
	const struct virtio_net_hdr *offload = &frame->offload;

	/* A checked one has payload for two at least. */
	if (__builtin_expect(offload->gso_type == VIRTIO_NET_HDR_GSO_NONE, 1))
		return 1;
	return (frame->len - offload->hdr_len + offload->gso_size - 1) / offload->gso_size;
}

static inline __attribute__((always_inline)) uint32_t bits_of(const struct frame *frame)
{
	uint32_t packets = packets_of(frame);
	uint32_t bytes = frame->len < FRAME_WIRE_LEAST ? FRAME_WIRE_LEAST : frame->len;

	return 8 * (bytes + (packets - 1) * frame->offload.hdr_len + packets * FRAME_WIRE_MORE);
}

uint32_t frame_wire_packets(const struct frame *frame)
{
	return packets_of(frame);
}

uint32_t frame_wire_bits(const struct frame *frame)
{
	return bits_of(frame);
}

void frame_limits_set(struct frame_limits *limits, uint64_t bits, uint64_t packets, uint64_t burst_ns)
{
	rate_limit_set(&limits->bits, bits, burst_ns);
	rate_limit_set(&limits->packets, packets, burst_ns);
	limits->burst_ns = burst_ns;
}

void frame_meters_copy(struct frame_meters *copy, const struct frame_meters *meters)
{
	rate_meter_copy(&copy->bits, &meters->bits);
	rate_meter_copy(&copy->packets, &meters->packets);
}

void frame_meters_carry(struct frame_meters *meters, const struct frame_limits *limits, const struct frame_meters *from,
			const struct frame_limits *was, uint64_t now_ns)
{
	rate_meter_carry(&meters->bits, &limits->bits, &from->bits, &was->bits, now_ns);
	rate_meter_carry(&meters->packets, &limits->packets, &from->packets, &was->packets, now_ns);
}

void frame_meters_carry_since(struct frame_meters *meters, const struct frame_limits *limits, const struct frame_meters *from,
			      const struct frame_limits *was, const struct frame_meters *seen, uint64_t seen_ns, uint64_t now_ns)
{
	rate_meter_carry_since(&meters->bits, &limits->bits, &from->bits, &was->bits, &seen->bits, seen_ns, now_ns);
	rate_meter_carry_since(&meters->packets, &limits->packets, &from->packets, &was->packets, &seen->packets, seen_ns,
			       now_ns);
}

/* What each of n frames takes, of those limits that are set. They lie side by side, or are where `at` says. */
struct sizes {
	uint32_t bits[BURST_MAX], packets[BURST_MAX];
};

static inline __attribute__((always_inline)) void size_up(const struct frame_limits *limits, struct sizes *sizes,
							  const struct frame *frames, struct frame *const *at, uint16_t n)
{
	if (rate_limit_is_set(&limits->bits))
		for (uint16_t i = 0; i < n; i++)
			sizes->bits[i] = bits_of(at != NULL ? at[i] : &frames[i]);
	if (rate_limit_is_set(&limits->packets))
		for (uint16_t i = 0; i < n; i++)
			sizes->packets[i] = packets_of(at != NULL ? at[i] : &frames[i]);
}

static uint16_t take(const struct frame_limits *limits, struct frame_meters *meters, uint64_t now_ns, const struct sizes *sizes,
		     uint16_t n)
{
	uint16_t taken = n, both;
	uint64_t unused = 0;

	if (rate_limit_is_set(&limits->bits))
		taken = rate_meter_take(&meters->bits, &limits->bits, now_ns, sizes->bits, n);
	if (!rate_limit_is_set(&limits->packets) || taken == 0)
		return taken;
	both = rate_meter_take(&meters->packets, &limits->packets, now_ns, sizes->packets, taken);
	if (both == taken || !rate_limit_is_set(&limits->bits))
		return both;
	for (uint16_t i = both; i < taken; i++)
		unused += sizes->bits[i];
	rate_meter_give_back(&meters->bits, &limits->bits, unused);
	return both;
}

uint16_t frame_limits_take(const struct frame_limits *limits, struct frame_meters *meters, uint64_t now_ns,
			   struct frame *const *frames, uint16_t n)
{
	struct sizes sizes;

	size_up(limits, &sizes, NULL, frames, n);
	return take(limits, meters, now_ns, &sizes, n);
}

/* Of one of the limits: how many things of this size it may be enough for, n at most; and how long to wait. */
static uint16_t look(const struct frame_allowance *allowance, struct rate_meter *meter, const struct rate_limit *limit,
		     uint32_t size, uint64_t *wait_ns, uint16_t n)
{
	uint64_t wait, most;

	if (!rate_limit_is_set(limit))
		return n;
	wait = rate_meter_wait_ns(meter, limit, allowance->now_ns, allowance->worth_ns);
	if (wait > *wait_ns)
		*wait_ns = wait;
	most = rate_meter_enough_for(meter, limit, allowance->now_ns, size);
	return most < n ? (uint16_t)most : n;
}

uint16_t frame_allowance_begin(struct frame_allowance *allowance, uint16_t n)
{
	const struct frame_limits *limits = allowance->limits;
	struct frame_meters *meters = allowance->meters;

	allowance->wait_ns = 0;
	n = look(allowance, &meters->bits, &limits->bits, 8 * (FRAME_WIRE_LEAST + FRAME_WIRE_MORE), &allowance->wait_ns, n);
	n = look(allowance, &meters->packets, &limits->packets, 1, &allowance->wait_ns, n);
	return allowance->wait_ns == 0 ? n : 0;
}

uint16_t frame_allowance_take(struct frame_allowance *allowance, struct frame *frames, uint16_t n)
{
	struct sizes sizes;

	size_up(allowance->limits, &sizes, frames, NULL, n);
	return take(allowance->limits, allowance->meters, allowance->now_ns, &sizes, n);
}
