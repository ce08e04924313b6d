/* SPDX-License-Identifier: BSD-3-Clause */
#include "bridge_mirror.h"

#include "bridge_egress.h"
#include "capture_lcore.h"

/* Copies on their way to a sink. Bodies that are cut have spans of their own; those of all frames of a burst, and of heads that
 * were made their own, have room. */
enum { COPY_SPANS = BURST_SPANS + BURST_MAX };
static _Thread_local __attribute__((tls_model("local-exec"))) struct {
	uint16_t n;
	uint32_t spans;
	uint64_t bytes;
	struct frame *at[BURST_MAX];
	struct frame frame[BURST_MAX];
	struct mem_span span[COPY_SPANS];
} copies;

/* A frame may be of a VLAN, or of none: 0. */
struct mirrored {
	struct frame *const *frames;
	const uint16_t *vid; /* NULL: the bridge is not vlan-aware */
	uint16_t n;
};

/* Leaves the first `snap` bytes of a frame that is longer. */
static void cut(struct frame *frame, uint32_t snap)
{
	const struct mem_span *body = frame->body;
	uint32_t left;

	frame->len = snap;
	frame->offload = (struct virtio_net_hdr){0};
	frame->valid = 0;
	if (frame->head_len > snap)
		frame->head_len = (uint16_t)snap;
	frame->body = &copies.span[copies.spans];
	frame->body_spans = 0;
	for (left = snap - frame->head_len; left > 0; body++) {
		uint32_t len = body->len < left ? body->len : left;

		copies.span[copies.spans++] = (struct mem_span){body->at, len};
		frame->body_spans++;
		left -= len;
	}
}

static void add_copy(const struct mirror *mirror, const struct frame *frame)
{
	struct frame *copy = &copies.frame[copies.n];

	*copy = *frame;
	copy->mbuf = NULL;
	copy->mbuf_skip = 0;
	if (frame->len > mirror->snap)
		cut(copy, mirror->snap);
	copies.bytes += copy->len;
	copies.at[copies.n++] = copy;
}

/* Whether a mirror is about a frame. */
static bool selects(struct lcore_ctx *ctx, struct mirror *mirror, const struct frame *frame, uint16_t vid)
	RUNS_ON(lcore_thread)
{
	enum filter_verdict verdict;

	if (!mirror->any_vlan && !vlan_set_has(&mirror->vlans, vid))
		return false;
	if (mirror->insns_n == 0)
		return true;
	verdict = filter_run(mirror_filter(mirror), frame->head, frame->head_len, frame->len);
	ctx->cost += mirror->insns_n / SHARE_STEPS;
	if (verdict == FILTER_UNKNOWN)
		count(&mirror->count[ctx->index].unknown, 1);
	return verdict == FILTER_MATCH;
}

static uint64_t drops_of(struct port *port, const struct lcore_ctx *ctx)
{
	const struct port_counters *counters = port_counters_of(port, ctx);
	uint64_t drops = 0;

	for (int why = 0; why < TX_DROPS; why++)
		drops += counted(&counters->tx_drop[why]);
	return drops;
}

/* Whatever the sink's policy is, captures of it see what goes there. */
static void deliver_to_sink(struct lcore_ctx *ctx, struct port *sink) RUNS_ON(lcore_thread)
{
	const struct policy *policy = rcu_get(&sink->policy);
	bool captured = policy != NULL && (policy->flags & POLICY_CAPTURE) != 0;
	uint64_t time_ns = captured ? capture_to_begin(copies.at, copies.n) : 0;

	sink->ops->deliver(sink, ctx, copies.at, copies.n);
	if (captured)
		capture_to(&policy->capture, ctx, copies.at, copies.n, time_ns);
}

/* What was selected; `sink` may be NULL. A frame that the sink cuts up into packets of which some find no room is dropped. */
static void give(struct lcore_ctx *ctx, struct port *sink, struct mirror *mirror) RUNS_ON(lcore_thread)
{
	struct mirror_count *at = &mirror->count[ctx->index];
	uint64_t dropped = copies.n, before;
	uint16_t n = copies.n;

	if (n == 0)
		return;
	if (sink != NULL) {
		before = drops_of(sink, ctx);
		deliver_to_sink(ctx, sink);
		dropped = drops_of(sink, ctx) - before;
		dropped = dropped < n ? dropped : n;
		count(&port_counters_of(sink, ctx)->mirrored, n);
		ctx->cost += share_cost((uint32_t)n * SHARE_COPY, 1, copies.bytes);
	}
	count(&at->copied, n - dropped);
	count(&at->dropped, dropped);
}

static void copy_to(struct lcore_ctx *ctx, struct port *sink, struct mirror *mirror, const struct mirrored *of)
	RUNS_ON(lcore_thread)
{
	copies.n = 0;
	copies.spans = 0;
	copies.bytes = 0;
	for (uint16_t i = 0; i < of->n; i++)
		if (selects(ctx, mirror, of->frames[i], of->vid != NULL ? of->vid[i] : 0))
			add_copy(mirror, of->frames[i]);
	give(ctx, sink, mirror);
}

/* To each of a set of mirrors, a bit each, of the bridge that the port is in. */
static void copy_to_each(const struct ingress *in, const struct port *port, unsigned int mirrors, const struct mirrored *of)
	RUNS_ON(lcore_thread)
{
	const struct bridge_members *members = rcu_get(&port->bridge->members);

	for (; mirrors != 0; mirrors &= mirrors - 1) {
		unsigned int i = (unsigned int)__builtin_ctz(mirrors);
		uint16_t id = in->mirrors->sink[i];

		copy_to(in->ctx, id < PORTS_MAX ? members->by_id[id] : NULL, in->mirrors->mirror[i], of);
	}
}

/* What the tag says is written down as ingress does it, which does so again. */
static void find_vids(const struct ingress *in, struct frame *frames, uint16_t *vid, uint16_t n) RUNS_ON(lcore_thread)
{
	const struct vlan_untagged untagged = bridge_vlan_untagged(in->vlan);
	uint32_t tagging;

	for (uint16_t i = 0; i < n; i++)
		vid[i] = bridge_vlan_ingress(in->vlan, untagged, &frames[i], &tagging) == VERDICT_PASS ? tagging_fid(tagging) : 0;
}

void bridge_mirror_from(const struct ingress *in, struct frame *frames, uint16_t n)
{
	unsigned int mirrors = in->mirrors->of[MIRROR_FROM][in->port->id];
	struct frame *at[BURST_MAX];
	uint16_t vid[BURST_MAX];

	if (mirrors == 0)
		return;
	for (uint16_t i = 0; i < n; i++)
		at[i] = &frames[i];
	if (in->vlan != NULL)
		find_vids(in, frames, vid, n);
	copy_to_each(in, in->port, mirrors, &(struct mirrored){.frames = at, .vid = in->vlan != NULL ? vid : NULL, .n = n});
}

/* n frames (1 to BURST_MAX) that were delivered to `port`. */
static void mirror_to(const struct ingress *in, const struct port *port, struct frame *const *frames, uint16_t n)
	RUNS_ON(lcore_thread)
{
	unsigned int mirrors = in->mirrors->of[MIRROR_TO][port->id];
	uint16_t vid[BURST_MAX];

	if (mirrors == 0)
		return;
	for (uint16_t i = 0; in->vlan != NULL && i < n; i++)
		vid[i] = frame_vid(frames[i]);
	copy_to_each(in, port, mirrors, &(struct mirrored){.frames = frames, .vid = in->vlan != NULL ? vid : NULL, .n = n});
}

/* Whom a frame is for has it before its copies are made. */
verdict_t bridge_egress_mirrored(const struct ingress *in, struct port *port, const struct policy *policy, struct frame **frames,
				 uint16_t n)
{
	uint32_t flags = policy != NULL ? policy->flags : 0;
	struct frame *pass[BURST_MAX];

	if (port_set_has(&in->mirrors->sinks, port->id))
		return RX_DROP_MIRROR_SINK;
	if ((flags & POLICY_EGRESS_BURST) != 0) {
		verdict_t verdict = bridge_egress_verdict(in, policy);

		if (verdict != VERDICT_PASS)
			return verdict;
	}
	if (in->vlan != NULL)
		bridge_vlan_retag(policy_vlan_of(policy), in->ctx->burst, frames, n);
	if ((flags & POLICY_EGRESS_FRAMES) != 0)
		n = bridge_egress_pass(in, port, policy, &frames, n, pass);
	else
		port->ops->deliver(port, in->ctx, frames, n);
	if (n > 0)
		mirror_to(in, port, frames, n);
	return VERDICT_PASS;
}
