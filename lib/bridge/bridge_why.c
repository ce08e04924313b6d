/* SPDX-License-Identifier: BSD-3-Clause */
#include "bridge_why.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bridge_egress.h"
#include "bridge_ingress.h"
#include "bridge_lookup.h"
#include "bridge_rate.h"
#include "bridge_snoop.h"
#include "clock.h"
#include "container_of.h"
#include "doorbell.h"
#include "frame_head.h"
#include "mirror_map.h"
#include "policy_filter.h"

/* What of a policy has a say; what only looks at frames does not see those that are asked about. */
enum { FEW = 2 + MIRRORS_MAX };
enum { DECIDES = POLICY_ISOLATED | POLICY_VLAN | POLICY_GUARD | POLICY_CLOSED | POLICY_RATES | POLICY_FILTER };

/* What the policy of a port says. */
struct stand_in_rules {
	struct policy policy;
	struct policy_meters meters; /* of `policy` */
};

/* A port of the copy. */
struct stand_in {
	struct port port;
	struct stand_in_rules *rules; /* NULL: it has none */
	struct port *real;
	bool given; /* a frame, since the last run began */
};

/* What a run is about: the source alone, all members, or one receiver. */
struct bridge_why {
	struct why_answer answer;
	uint16_t counts_as;
	struct lcore_ctx ctx;
	struct doorbell bell; /* nobody listens */
	struct bridge bridge;
	struct bridge_members members; /* of a run */
	struct port_rxq rxq;
	struct bridge_memo memo; /* of the queue, after a run */
	struct burst burst;
	uint8_t head[FRAME_HEADROOM + WHY_HEAD_MAX];
	uint8_t body[FRAME_LEN_MAX];
	struct port_counters *counters; /* [2][counts_as + 1]: the source's, and those of all others together */
	/* Of a question. */
	const struct bridge *real;
	const struct frame *frame;
	struct stand_in *stand_in; /* of each member of the real bridge, or of a `few` */
	struct stand_in_rules *rules; /* for those of them that have a policy */
	unsigned int stand_ins_n, rules_n;
	struct stand_in few[FEW]; /* the source, one receiver, and sinks of mirrors */
	struct stand_in_rules few_rules[FEW];
	struct stand_in *from;
	struct why_receiver *record; /* writes down what it is given; NULL: nobody does */
};

/* --- a run --------------------------------------------------------------------------------------------------------- */

/* In place of a driver's. A mirror's sink is given what its own policy is not asked about, and no record is of it. */
static void write_down(struct port *port, struct lcore_ctx *ctx, struct frame **frames, uint16_t n VUS_UNUSED)
{
	struct bridge_why *scratch = container_of(ctx, struct bridge_why, ctx);
	struct stand_in *stand_in = container_of(port, struct stand_in, port);
	struct why_receiver *record = scratch->record;
	const struct frame *frame = frames[0];

	stand_in->given = true;
	if (record == NULL || record->port != stand_in->real)
		return;
	record->frame = *frame;
	record->frame.mbuf = NULL;
	record->frame.head = record->head;
	memcpy(record->head, frame->head, frame->head_len);
}

static const struct port_ops ops = {.deliver = write_down};

/* The one frame of the burst, as receive() would have left it. */
static void fill_burst(struct bridge_why *scratch)
{
	const struct frame *from = scratch->frame;
	struct frame *frame = &scratch->burst.frame[0];
	struct mem_span *span = &scratch->burst.span[1]; /* one is free in front of those of an mbuf */

	*frame = *from;
	if (from->mbuf != NULL)
		frame->mbuf = frame_head_stand_in();
	/* A head of the lcore's own has room in front, and one of an mbuf is never written. */
	frame->head = from->mbuf != NULL ? scratch->head + FRAME_HEADROOM : scratch->burst.room[0].head;
	memcpy(frame->head, from->head, from->head_len);
	frame->body = span;
	frame->body_spans = from->len > from->head_len;
	*span = (struct mem_span){scratch->body, from->len - from->head_len};
	frame->tag = 0;
	frame->vlan = frame->mbuf_skip = 0;
	scratch->burst.n = 1;
	scratch->burst.cost = 0;
}

static void meter_copy(struct rate_meter *to, const struct rate_meter *from)
{
	atomic_init(&to->through, atomic_load_explicit(&from->through, memory_order_relaxed));
}

/* Its limits are as they are now, whatever a run before has taken. */
static void meters_copy(struct stand_in *stand_in) RUNS_ON(control_thread)
{
	const struct policy *policy = rcu_own(&stand_in->real->policy);
	const struct policy_meters *from;

	struct policy_meters *to;

	if (policy == NULL || policy->meters == NULL)
		return;
	from = policy->meters;
	to = &stand_in->rules->meters;
	meter_copy(&to->from.bits, &from->from.bits);
	meter_copy(&to->from.packets, &from->from.packets);
	meter_copy(&to->to.bits, &from->to.bits);
	meter_copy(&to->to.packets, &from->to.packets);
	for (int i = 0; i < PORT_STORMS; i++)
		meter_copy(&to->storm[i], &from->storm[i]);
}

static void counters_clear(struct port_counters *counters)
{
	for (unsigned int i = 0; i < PORT_COUNTERS; i++)
		atomic_init(&counters->value[i], 0);
}

static struct port_counters *counters_of(struct stand_in *stand_in)
{
	return port_counters_of_control(&stand_in->port);
}

static void members_add(struct bridge_members *members, struct stand_in *stand_in)
{
	unsigned int at = members->n++;

	for (; at > 0 && members->port[at - 1]->id > stand_in->port.id; at--)
		members->port[at] = members->port[at - 1];
	members->port[at] = &stand_in->port;
	members->by_id[stand_in->port.id] = &stand_in->port;
}

/* Of the source and `other`; of all, if that is NULL and `all`. Sinks can be found, and are flooded to by nobody. */
static void choose_members(struct bridge_why *scratch, struct stand_in *other, bool all) RUNS_ON(control_thread)
{
	struct bridge_members *members = &scratch->members;
	const struct mirror_map *mirrors = rcu_own(&scratch->real->mirrors);

	memset(members, 0, sizeof(*members));
	for (unsigned int i = 0; i < scratch->stand_ins_n; i++) {
		struct stand_in *at = &scratch->stand_in[i];

		at->given = false;
		if (all || at == other || at == scratch->from)
			members_add(members, at);
		else if (mirrors != NULL && port_set_has(&mirrors->sinks, at->port.id))
			members->by_id[at->port.id] = &at->port;
	}
}

/* Control is an lcore for as long as it has the frame; then role_take() of what is returned. */
static enum role become_lcore(void) ROLE_PROOF(lcore_thread)
{
	enum role role = role_of_thread;

	role_take(ROLE_LCORE);
	role_assert_lcore();
	return role;
}

static void forward(struct bridge_why *scratch) RUNS_ON(control_thread)
{
	enum role role = become_lcore();
	struct bridge_memo *memo = bridge_memo_of(&scratch->rxq);

	*memo = (struct bridge_memo){.src = BRIDGE_MEMO_NONE, .dst = BRIDGE_MEMO_NONE};
	bridge_forward(&scratch->ctx, &scratch->rxq);
	scratch->memo = *memo;
	role_take(role);
}

static void run(struct bridge_why *scratch, struct stand_in *other, bool all) RUNS_ON(control_thread)
{
	choose_members(scratch, other, all);
	fill_burst(scratch);
	meters_copy(scratch->from);
	counters_clear(counters_of(scratch->from));
	if (other != NULL) {
		meters_copy(other);
		counters_clear(counters_of(other));
	}
	scratch->ctx.cost = 0;
	forward(scratch);
}

/* --- what a run has left ------------------------------------------------------------------------------------------ */

/* The rule of a filter that has decided, and nothing of it is left. */
static int take_rule(const struct bridge_why *scratch, const struct port *port, enum filter_direction direction)
	RUNS_ON(control_thread)
{
	const struct policy *policy = rcu_own(&port->policy);
	const struct port_filter *filter = policy != NULL ? policy->filter[direction] : NULL;
	struct filter_count *count;
	int rule = WHY_NO_RULE;

	if (filter == NULL)
		return WHY_NO_RULE;
	count = port_filter_counts(filter, scratch->counts_as);
	for (uint32_t i = 0; i < port_filter_list(filter)->rules_n; i++) {
		if (counted(&count[i].decided) + counted(&count[i].unknown) > 0)
			rule = (int)i;
		atomic_store_explicit(&count[i].decided, 0, memory_order_relaxed);
		atomic_store_explicit(&count[i].unknown, 0, memory_order_relaxed);
	}
	return rule;
}

/* The mirrors that have copied something, a bit each, `twice`: more than once; and nothing of it is left. */
static uint8_t take_mirrors(const struct bridge_why *scratch,
			    bool (*one)(uint64_t frames, unsigned int mirror, const void *arg), const void *arg)
	RUNS_ON(control_thread)
{
	const struct mirror_map *map = rcu_own(&scratch->real->mirrors);
	uint8_t mirrors = 0;

	for (unsigned int i = 0; map != NULL && i < map->n; i++) {
		struct mirror_count *count = &map->mirror[i]->count[scratch->counts_as];

		if (one(counted(&count->copied) + counted(&count->dropped), i, arg))
			mirrors |= (uint8_t)(1 << i);
		atomic_store_explicit(&count->copied, 0, memory_order_relaxed);
		atomic_store_explicit(&count->dropped, 0, memory_order_relaxed);
		atomic_store_explicit(&count->unknown, 0, memory_order_relaxed);
	}
	return mirrors;
}

static bool any_copied(uint64_t frames, unsigned int mirror VUS_UNUSED, const void *arg VUS_UNUSED)
{
	return frames > 0;
}

/* Beside what was copied as it came from the port. */
static bool copied_more(uint64_t frames, unsigned int mirror, const void *arg)
{
	const uint8_t *before = arg;

	return frames > (*before >> mirror & 1u);
}

static enum rx_drop dropped_as(struct stand_in *from)
{
	const struct port_counters *counters = counters_of(from);

	for (int why = 0; why < RX_DROPS; why++)
		if (counted(&counters->rx_drop[why]) > 0)
			return (enum rx_drop)why;
	return RX_DROPS;
}

static enum tx_drop refused_as(struct stand_in *to)
{
	const struct port_counters *counters = counters_of(to);

	for (int why = 0; why < TX_DROPS; why++)
		if (counted(&counters->tx_drop[why]) > 0)
			return (enum tx_drop)why;
	return TX_DROPS;
}

/* Address reports and frames for control. */
static void take_reports(struct bridge_why *scratch) RUNS_ON(control_thread)
{
	struct why_answer *why = &scratch->answer;
	struct report report;
	const struct punt *punt;
	struct fdb_value value;
	struct fdb_mark mark;

	why->learns = false;
	why->moves_from = -1;
	why->punt = PUNT_KINDS;
	while (report_drain(scratch->ctx.reports, &report, 1) == 1) {
		if (report.kind != REPORT_MAC_SEEN || !bridge_may_learn(scratch->real, report.key, scratch->from->real))
			continue;
		why->learns = true;
		if (fdb_lookup(scratch->real->fdb, report.key, &value, &mark))
			why->moves_from = (int)value.destination;
	}
	while ((punt = punt_next(scratch->ctx.punts)) != NULL) {
		why->punt = (enum punt_kind)punt->kind;
		punt_done(scratch->ctx.punts);
	}
}

static void forget_reports(struct bridge_why *scratch) RUNS_ON(control_thread)
{
	struct why_answer before = scratch->answer;

	take_reports(scratch);
	scratch->answer = before;
	offence_done(&scratch->from->port);
	offence_reset(&scratch->from->port);
}

/* What the queue remembers. */
static void take_destination(struct bridge_why *scratch) RUNS_ON(control_thread)
{
	struct why_answer *why = &scratch->answer;
	const struct bridge_memo *memo = &scratch->memo;

	if (memo->src == BRIDGE_MEMO_NONE) {
		why->to = WHY_NOT_LOOKED_UP;
		return;
	}
	why->fid = fdb_key_fid(memo->src);
	why->to = WHY_FLOODED;
	if (memo->dst != BRIDGE_MEMO_NONE && memo->destination < PORTS_MAX &&
	    scratch->members.by_id[memo->destination] != NULL)
		why->to = (int)memo->destination;
}

/* --- limits ------------------------------------------------------------------------------------------------------- */

static void look_at_limits(struct bridge_why *scratch) RUNS_ON(control_thread)
{
	struct why_answer *why = &scratch->answer;
	const struct policy *policy = rcu_own(&scratch->from->real->policy);
	struct rate_meter full = {0};

	why->wait_ns = 0;
	why->storm = PORT_STORMS;
	if (policy == NULL || policy->meters == NULL)
		return;
	meters_copy(scratch->from);
	if ((policy->flags & POLICY_RATE_FROM) != 0) {
		struct frame_allowance allowance = {
			.meters = &scratch->from->rules->meters.from, .limits = &policy->rates.from, .now_ns = clock_ns()};

		frame_allowance_begin(&allowance, 1);
		why->wait_ns = allowance.wait_ns;
	}
	if (why->to == WHY_FLOODED && (policy->flags & POLICY_STORM) != 0) {
		enum port_storm storm = bridge_storm_of(scratch->frame);
		const struct rate_limit *limit = &policy->rates.storm[storm];

		if (!rate_limit_is_set(limit))
			return;
		why->storm = storm;
		why->storm_left = rate_meter_enough_for(&scratch->from->rules->meters.storm[storm], limit, clock_ns(), 1);
		why->storm_most = rate_meter_enough_for(&full, limit, clock_ns(), 1);
	}
}

/* --- a question --------------------------------------------------------------------------------------------------- */

static void stand_in_init(struct bridge_why *scratch, struct stand_in *stand_in, struct port *real, bool is_source)
	RUNS_ON(control_thread)
{
	const struct policy *policy = rcu_own(&real->policy);

	memset(stand_in, 0, sizeof(*stand_in));
	stand_in->real = real;
	stand_in->port.ops = &ops;
	stand_in->port.bridge = &scratch->bridge;
	stand_in->port.id = real->id;
	stand_in->port.counters_n = scratch->counts_as + 1u;
	stand_in->port.counters = scratch->counters + (is_source ? 0 : scratch->counts_as + 1);
	if (policy != NULL) {
		stand_in->rules = &scratch->rules[scratch->rules_n++];
		memset(&stand_in->rules->meters, 0, sizeof(stand_in->rules->meters));
		stand_in->rules->policy = *policy;
		stand_in->rules->policy.flags &= DECIDES;
		stand_in->rules->policy.meters = &stand_in->rules->meters;
		policy = &stand_in->rules->policy;
	}
	rcu_set(&stand_in->port.policy, policy);
	meters_copy(stand_in);
}

static struct stand_in *stand_in_add(struct bridge_why *scratch, struct port *real, bool is_source) RUNS_ON(control_thread)
{
	struct stand_in *stand_in = &scratch->stand_in[scratch->stand_ins_n++];

	stand_in_init(scratch, stand_in, real, is_source);
	return stand_in;
}

/* The bridge, and no port of it yet but the source. */
static void copy_bridge(struct bridge_why *scratch, const struct why_question *question) RUNS_ON(control_thread)
{
	const struct bridge *real = question->from->bridge;

	scratch->frame = question->frame;
	scratch->ctx.epoch = question->epoch;
	scratch->real = real;
	scratch->stand_ins_n = scratch->rules_n = 0;
	scratch->from = stand_in_add(scratch, question->from, true);
	scratch->bridge.fdb = real->fdb;
	scratch->bridge.vlan_aware = real->vlan_aware;
	scratch->bridge.drops_link_local = real->drops_link_local;
	scratch->bridge.index = real->index;
	rcu_set(&scratch->bridge.members, &scratch->members);
	rcu_set(&scratch->bridge.groups, rcu_own(&real->groups));
	rcu_set(&scratch->bridge.mirrors, rcu_own(&real->mirrors));
	port_rxq_init(&scratch->rxq, &scratch->from->port, 0);
}

static void free_all(struct bridge_why *scratch) RUNS_ON(control_thread)
{
	free(scratch->stand_in);
	free(scratch->rules);
	scratch->stand_in = NULL;
	scratch->rules = NULL;
}

/* A port for each member. */
static int copy_all(struct bridge_why *scratch, const struct why_question *question) RUNS_ON(control_thread)
{
	const struct bridge_members *members = rcu_own(&question->from->bridge->members);
	unsigned int rules = 1;

	for (unsigned int i = 0; i < members->n; i++)
		rules += rcu_own(&members->port[i]->policy) != NULL;
	scratch->stand_in = aligned_alloc(_Alignof(struct stand_in), members->n * sizeof(*scratch->stand_in));
	scratch->rules = aligned_alloc(_Alignof(struct stand_in_rules), rules * sizeof(*scratch->rules));
	if (scratch->stand_in == NULL || scratch->rules == NULL) {
		free_all(scratch);
		return -ENOMEM;
	}
	copy_bridge(scratch, question);
	for (unsigned int i = 0; i < members->n; i++)
		if (members->port[i] != question->from)
			stand_in_add(scratch, members->port[i], false);
	return 0;
}

/* One for a receiver, and for each other that copies go to. Returns: the receiver's. */
static struct stand_in *copy_few(struct bridge_why *scratch, const struct why_question *question, struct port *to)
	RUNS_ON(control_thread)
{
	const struct bridge_members *members = rcu_own(&question->from->bridge->members);
	const struct mirror_map *mirrors = rcu_own(&question->from->bridge->mirrors);
	struct stand_in *stand_in;

	scratch->stand_in = scratch->few;
	scratch->rules = scratch->few_rules;
	copy_bridge(scratch, question);
	stand_in = stand_in_add(scratch, to, false);
	for (unsigned int i = 0; mirrors != NULL && i < mirrors->n; i++) {
		struct port *sink = mirrors->sink[i] < PORTS_MAX ? members->by_id[mirrors->sink[i]] : NULL;

		if (sink != NULL && sink != to && sink != question->from)
			stand_in_add(scratch, sink, false);
	}
	return stand_in;
}

/* A frame that control has is not dropped, whoever else refuses it: then the steps of a flood are asked for their reason. */
static enum rx_drop hidden_reason(struct bridge_why *scratch, const struct stand_in *to) RUNS_ON(control_thread)
{
	const struct ingress in = {.policy = rcu_own(&scratch->from->port.policy)};
	const struct policy *policy = rcu_own(&to->port.policy);
	const struct group_map *groups = rcu_own(&scratch->real->groups);
	const struct frame *frame = &scratch->burst.frame[0];
	enum rx_drop why = RX_DROPS;
	struct snooped snooped = {0};
	enum role role = become_lcore();

	if (groups != NULL)
		snooped = bridge_snoop(groups, frame, scratch->real->vlan_aware);
	if (snooped.to != NULL && !port_set_has(snooped.to, to->port.id))
		why = RX_DROP_MCAST_NO_MEMBER;
	if (why == RX_DROPS && scratch->real->vlan_aware)
		why = bridge_vlan_egress(policy_vlan_of(policy), frame);
	if (why == RX_DROPS && policy != NULL)
		why = bridge_egress_verdict(&in, policy);
	role_take(role);
	return why;
}

/* Of the frame and one member. A flood knows no reason of a port that is not in its VLAN. */
static void ask_receiver(struct bridge_why *scratch, struct stand_in *to, struct why_receiver *receiver)
	RUNS_ON(control_thread)
{
	const struct why_answer *why = &scratch->answer;
	const struct mirror_map *mirrors = rcu_own(&scratch->real->mirrors);
	bool sink = mirrors != NULL && port_set_has(&mirrors->sinks, to->port.id);

	*receiver = (struct why_receiver){.port = to->real, .why = RX_DROPS, .to = TX_DROPS, .rule = WHY_NO_RULE};
	scratch->record = sink ? NULL : receiver;
	run(scratch, to, false);
	scratch->record = NULL;
	receiver->leaves = to->given && !sink;
	receiver->rule = take_rule(scratch, to->real, FILTER_TO);
	take_rule(scratch, scratch->from->real, FILTER_FROM);
	receiver->mirrors = take_mirrors(scratch, copied_more, &why->mirrors);
	forget_reports(scratch);
	if (receiver->leaves)
		return;
	receiver->to = refused_as(to);
	if (receiver->to != TX_DROPS)
		return;
	receiver->why = sink ? RX_DROP_MIRROR_SINK : dropped_as(scratch->from);
	if (receiver->why == RX_DROPS)
		receiver->why = hidden_reason(scratch, to);
	if (receiver->why == RX_DROP_ALONE)
		receiver->why = RX_DROP_VLAN_NOT_MEMBER;
}

/* Whether a frame that was dropped had come as far as its receivers. */
static bool was_for_receivers(const struct why_answer *why)
{
	switch (why->dropped) {
	case RX_DROP_LINK_LOCAL:
	case RX_DROP_STORM_BROADCAST:
	case RX_DROP_STORM_MULTICAST:
	case RX_DROP_STORM_UNKNOWN:
	case RX_DROP_REFLECTION:
		return false;
	default:
		return why->to != WHY_NOT_LOOKED_UP;
	}
}

/* The source alone has nobody to send to: what is copied then is what comes from it. */
static void ask_mirrors(struct bridge_why *scratch) RUNS_ON(control_thread)
{
	run(scratch, NULL, false);
	take_rule(scratch, scratch->from->real, FILTER_FROM);
	scratch->answer.mirrors = take_mirrors(scratch, any_copied, NULL);
	forget_reports(scratch);
}

static void ask_all(struct bridge_why *scratch) RUNS_ON(control_thread)
{
	struct why_answer *why = &scratch->answer;

	for (unsigned int i = 0; i < scratch->stand_ins_n; i++)
		meters_copy(&scratch->stand_in[i]);
	run(scratch, NULL, true);
	why->dropped = dropped_as(scratch->from);
	why->rule = take_rule(scratch, scratch->from->real, FILTER_FROM);
	for (unsigned int i = 0; i < scratch->stand_ins_n; i++)
		take_rule(scratch, scratch->stand_in[i].real, FILTER_TO);
	take_mirrors(scratch, any_copied, NULL);
	take_destination(scratch);
	take_reports(scratch);
	offence_done(&scratch->from->port);
	offence_reset(&scratch->from->port);
}

static bool may_receive(const struct why_answer *why, const struct port *from, const struct port *port)
{
	return port != from && (why->to == WHY_FLOODED || why->to == port->id);
}

int bridge_why(struct bridge_why *scratch, const struct why_question *question, struct why_answer *answer)
{
	const struct bridge_members *members = rcu_own(&question->from->bridge->members);

	scratch->answer = (struct why_answer){.dropped = RX_DROPS};
	if (copy_all(scratch, question) != 0)
		return -ENOMEM;
	ask_mirrors(scratch);
	ask_all(scratch);
	look_at_limits(scratch);
	free_all(scratch);
	*answer = scratch->answer;
	for (unsigned int i = 0; was_for_receivers(answer) && i < members->n; i++)
		answer->receivers_n += may_receive(answer, question->from, members->port[i]);
	return 0;
}

bool bridge_why_next(struct bridge_why *scratch, const struct why_question *question, const struct why_answer *answer,
		     unsigned int *place, struct why_receiver *receiver)
{
	const struct bridge_members *members = rcu_own(&question->from->bridge->members);

	while (answer->receivers_n > 0 && *place < PORTS_MAX) {
		struct port *port = members->by_id[(*place)++];

		if (port == NULL || !may_receive(answer, question->from, port))
			continue;
		scratch->answer = *answer;
		ask_receiver(scratch, copy_few(scratch, question, port), receiver);
		return true;
	}
	return false;
}

/* --- its life ----------------------------------------------------------------------------------------------------- */

struct bridge_why *bridge_why_create(uint16_t counts_as)
{
	size_t counters = 2 * (counts_as + 1u) * sizeof(struct port_counters);
	struct bridge_why *scratch = aligned_alloc(_Alignof(struct bridge_why), sizeof(*scratch));

	if (scratch == NULL)
		return NULL;
	memset(scratch, 0, sizeof(*scratch));
	scratch->counts_as = scratch->ctx.index = counts_as;
	scratch->bell.fd = -1;
	scratch->ctx.burst = &scratch->burst;
	share_begin(&scratch->ctx.share, BURST_MAX);
	scratch->counters = aligned_alloc(LINE_BYTES, counters);
	if (scratch->counters != NULL)
		memset(scratch->counters, 0, counters);
	scratch->ctx.reports = report_ring_create(counts_as, &scratch->bell);
	scratch->ctx.punts = punt_ring_create(&scratch->bell);
	if (scratch->counters != NULL && scratch->ctx.reports != NULL && scratch->ctx.punts != NULL)
		return scratch;
	bridge_why_destroy(scratch);
	errno = ENOMEM;
	return NULL;
}

void bridge_why_destroy(struct bridge_why *scratch)
{
	if (scratch == NULL)
		return;
	report_ring_destroy(scratch->ctx.reports);
	punt_ring_destroy(scratch->ctx.punts);
	free(scratch->counters);
	free(scratch);
}
