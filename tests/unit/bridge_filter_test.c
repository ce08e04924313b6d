/* SPDX-License-Identifier: BSD-3-Clause */
/* Filters of ports, in both directions: what passes, what is counted where, and how a frame looks
 * to them. */
#include <stdlib.h>
#include <string.h>

#include "bridge_rig.h"
#include "cases.h"
#include "filter_list.h"
#include "policy_filter.h"

enum { BURST = 20, ROUNDS = 2000, STATIONS = 8, HEAD = 40, KIND_AT = 24, FAR_AT = 50 };

/* Frames have a byte of 0 to 3 at KIND_AT, and another at FAR_AT, beyond the head of some. */
static const char *const texts[] = {
	NULL,
	"allow",
	"deny",
	"deny ether[24] = 1; allow",
	"allow ether[24] = 2; deny",
	"allow ether[24] = 3; deny ether[50] = 1; allow",
	"deny ether[24] = 0; allow ether[50] = 2; deny",
	"deny ether broadcast; allow ether[24] < 3; deny",
	"allow not ether[50] = 1; deny",
};
enum { LISTS = sizeof(texts) / sizeof(texts[0]) };

static struct filter_list *lists[LISTS];

/* What the model has of a port. */
static struct expected {
	struct filter_list *list[FILTER_DIRECTIONS];
	uint64_t decided[FILTER_DIRECTIONS][4], unknown[FILTER_DIRECTIONS][4];
	uint64_t rx_drop[2], tx_drop[2]; /* denied, unknown */
	uint32_t log[BURST * 4], n;
} expected[PORTS];

static unsigned int dice(unsigned int n)
{
	return (unsigned int)random() % n;
}

static int compile_lists(void **state)
{
	for (unsigned int i = 0; i < LISTS; i++) {
		struct fail why;

		if (texts[i] != NULL && filter_list_read(texts[i], &lists[i], &why) != 0)
			return -1;
	}
	return 0;
}

static int free_lists(void **state)
{
	for (unsigned int i = 0; i < LISTS; i++)
		filter_list_free(lists[i]);
	return 0;
}

static void set_filters(unsigned int p, struct filter_list *from, struct filter_list *to,
			bool isolated)
{
	const struct policy_config config = {.isolated = isolated, .filter = {from, to}};

	role_assert_control();
	OK(port_policy_set(&port[p].port, &config));
}

/* --- the model
 * ---------------------------------------------------------------------------------------------------
 */

static bool model_passes(unsigned int p, enum filter_direction direction, const struct frame *frame)
{
	struct expected *at = &expected[p];
	struct filter_outcome outcome;
	uint64_t *drop = direction == FILTER_FROM ? at->rx_drop : at->tx_drop;

	if (at->list[direction] == NULL)
		return true;
	outcome = filter_list_run(at->list[direction], frame->head, frame->head_len, frame->len);
	(outcome.verdict == FILTER_UNKNOWN ? at->unknown : at->decided)[direction][outcome.rule]++;
	if (outcome.verdict != FILTER_MATCH)
		drop[outcome.verdict == FILTER_UNKNOWN]++;
	return outcome.verdict == FILTER_MATCH;
}

static void model_forward(const struct frame *frame, unsigned int from, unsigned int station,
			  uint32_t number)
{
	if (!model_passes(from, FILTER_FROM, frame))
		return;
	for (unsigned int p = 0; p < PORTS; p++)
		if (p != from && (station >= STATIONS || station % PORTS == p) &&
		    model_passes(p, FILTER_TO, frame))
			expected[p].log[expected[p].n++] = number;
}

/* --- generated
 * ---------------------------------------------------------------------------------------------------
 */

/* The port's list is another one, and its counters begin anew. */
static void change_filter(unsigned int p)
{
	struct expected *at = &expected[p];
	struct filter_list *next[FILTER_DIRECTIONS];

	for (unsigned int d = 0; d < FILTER_DIRECTIONS; d++) {
		next[d] = dice(3) > 0 ? at->list[d] : lists[dice(LISTS)];
		if (next[d] != at->list[d]) {
			memset(at->decided[d], 0, sizeof(at->decided[d]));
			memset(at->unknown[d], 0, sizeof(at->unknown[d]));
		}
		at->list[d] = next[d];
	}
	set_filters(p, next[FILTER_FROM], next[FILTER_TO], false);
}

static void one_burst(unsigned int from)
{
	for (unsigned int i = 0; i < BURST; i++) {
		unsigned int station = dice(STATIONS + 3);
		struct frame *frame;
		uint32_t number;

		if (station % PORTS == from && station < STATIONS)
			station = STATIONS;
		number = put(&ctx[0],
			     station < STATIONS ? home(station)
			     : station % 2	? EVERYBODY
						: home(99),
			     home(from));
		frame = &ctx[0].burst->frame[i];
		frame->head[KIND_AT] = (uint8_t)dice(4);
		frame->head[FAR_AT] = (uint8_t)dice(4);
		if (dice(3) == 0) {
			struct mem_span *span = &ctx[0].burst->span[i];

			*span = (struct mem_span){.at = frame->head + HEAD, .len = ROOM - HEAD};
			frame->head_len = HEAD;
			frame->body = span;
			frame->body_spans = 1;
		}
		model_forward(frame, from, station, number);
	}
	role_assert_lcore();
	/* Floods are left in the middle, and taken up. */
	ctx[0].bound = dice(2) * 10;
	if (!bridge_forward(&ctx[0], &port[from].rxq))
		while (!bridge_go_on(&ctx[0], &port[from].rxq))
			;
	ctx[0].burst->n = 0;
}

static void compare_rules(unsigned int p)
{
	const struct expected *at = &expected[p];

	for (unsigned int d = 0; d < FILTER_DIRECTIONS; d++)
		for (uint32_t rule = 0; at->list[d] != NULL && rule < at->list[d]->rules_n;
		     rule++) {
			uint64_t decided, unknown;

			port_filter_sum(port[p].port.policy_part[d], rule, &decided, &unknown);
			assert_int_equal(decided, at->decided[d][rule]);
			assert_int_equal(unknown, at->unknown[d][rule]);
		}
}

static void compare(void)
{
	for (unsigned int p = 0; p < PORTS; p++) {
		struct expected *at = &expected[p];
		struct port_counters sum;

		port_counters_sum(&port[p].port, &sum);
		assert_int_equal(port[p].n, at->n);
		assert_memory_equal(port[p].log, at->log, at->n * sizeof(at->log[0]));
		port[p].n = at->n = 0;
		for (int i = 0; i < 2; i++) {
			assert_int_equal(counted(&sum.rx_drop[RX_DROP_FILTER + i]), at->rx_drop[i]);
			assert_int_equal(counted(&sum.tx_drop[TX_DROP_FILTER + i]), at->tx_drop[i]);
		}
		compare_rules(p);
	}
}

static void frames_pass_as_the_model_says(void **state)
{
	uint64_t drops[4] = {0};

	role_assert_control();
	srandom(19);
	memset(expected, 0, sizeof(expected));
	open_bridge(PORTS, 0);
	for (uint16_t i = 0; i < STATIONS; i++)
		bridge_learn(bridge, home(i), i % PORTS);
	for (unsigned int round = 0; round < ROUNDS; round++) {
		change_filter(dice(PORTS));
		one_burst(dice(PORTS));
		compare();
	}
	balanced(PORTS, (uint64_t)ROUNDS * BURST);
	for (unsigned int p = 0; p < PORTS; p++)
		for (int i = 0; i < 2; i++) {
			drops[i] += expected[p].rx_drop[i];
			drops[2 + i] += expected[p].tx_drop[i];
		}
	for (int i = 0; i < 4; i++)
		assert_true(drops[i] > 1000);
	ctx[0].bound = 0;
	learn();
	close_bridge(PORTS);
}

/* --- the rest
 * ----------------------------------------------------------------------------------------------------
 */

static struct filter_list *list_of(const char *text)
{
	struct filter_list *list;
	struct fail why;

	OK(filter_list_read(text, &list, &why));
	return list;
}

static uint64_t decided(unsigned int p, enum filter_direction direction, uint32_t rule)
{
	uint64_t decided, unknown;

	port_filter_sum(port[p].port.policy_part[direction], rule, &decided, &unknown);
	return decided;
}

static void a_denied_frame_teaches_nothing(void **state)
{
	struct filter_list *list = list_of("deny ether[24] = 1; allow");

	role_assert_control();
	open_bridge(2, 0);
	set_filters(0, list, NULL, false);
	put(&ctx[0], EVERYBODY, home(7));
	ctx[0].burst->frame[0].head[KIND_AT] = 1;
	forward(&port[0]);
	assert_int_equal(learn(), 0);
	got(&port[1], 0);
	put(&ctx[0], EVERYBODY, home(7));
	forward(&port[0]);
	assert_int_equal(learn(), 1);
	assert_int_equal(port[1].n, 1);
	port[1].n = 0;
	close_bridge(2);
	filter_list_free(list);
}

/* The list's counters stay as long as the list does, whatever else changes; and the policy is gone
 * where nothing is left of it. */
static void counters_are_the_lists(void **state)
{
	struct filter_list *list = list_of("allow ether[24] = 0; deny"),
			   *same = list_of("allow ether[24] = 0; deny");

	role_assert_control();
	open_bridge(2, 0);
	set_filters(0, list, NULL, false);
	assert_int_equal(port_policy_flags(&port[0].port), POLICY_FILTER);
	put(&ctx[0], EVERYBODY, home(0));
	forward(&port[0]);
	assert_int_equal(decided(0, FILTER_FROM, 0), 1);
	set_filters(0, same, same, true);
	assert_int_equal(port_policy_flags(&port[0].port), POLICY_FILTER | POLICY_ISOLATED);
	put(&ctx[0], EVERYBODY, home(0));
	forward(&port[0]);
	assert_int_equal(decided(0, FILTER_FROM, 0), 2);
	assert_int_equal(decided(0, FILTER_TO, 0), 0);
	set_filters(0, NULL, NULL, false);
	assert_null(rcu_own(&port[0].port.policy));
	set_filters(0, list, NULL, false);
	assert_int_equal(decided(0, FILTER_FROM, 0), 0);
	learn();
	close_bridge(2);
	filter_list_free(list);
	filter_list_free(same);
}

/* A frame of the switch's own goes through the filter of who gets it. */
static void an_injected_frame_is_filtered(void **state)
{
	struct filter_list *deny = list_of("deny ether[24] = 0; allow");
	uint8_t bytes[ROOM] = {0};
	struct frame frame = {.head = bytes, .head_len = ROOM, .len = ROOM};

	role_assert_lcore();
	role_assert_control();
	open_bridge(3, 0);
	set_filters(0, deny, NULL, false);
	set_filters(1, NULL, deny, false);
	mac_write(bytes, EVERYBODY);
	assert_int_equal(bridge_inject(&ctx[0], bridge, &port[0].port, &frame), 2);
	got(&port[1], 0);
	got(&port[2], 1, 0);
	assert_int_equal(decided(1, FILTER_TO, 0), 1);
	balanced(3, 0);
	close_bridge(3);
	filter_list_free(deny);
}

static void put_tagged(uint8_t vid)
{
	const uint8_t tag[] = {0x81, 0x00, 0, vid, 0x08, 0x00};
	uint32_t i = ctx[0].burst->n;

	put(&ctx[0], EVERYBODY, home(0));
	if (vid != 0)
		memcpy(ctx[0].burst->frame[i].head + 12, tag, sizeof(tag));
}

/* A filter sees the tags that are on the port's wire, and no others. */
static void a_filter_sees_the_ports_own_form(void **state)
{
	const struct policy_vlan access10 = {
		.native = 10, .untagged = 10, .members.word[0] = 1 << 10};
	const struct policy_vlan trunk = {.tagged = true, .members.word[0] = 3 << 10};
	struct filter_list *tagged = list_of("allow vlan 10; deny"),
			   *bare = list_of("deny vlan; allow");

	role_assert_control();
	open_bridge_as(4, &(struct bridge_config){.name = "br0", .vlan_aware = true});
	OK(port_policy_set(&port[0].port,
			   &(struct policy_config){.vlan = &access10, .filter = {bare, bare}}));
	OK(port_policy_set(&port[1].port,
			   &(struct policy_config){.vlan = &trunk, .filter = {tagged, tagged}}));
	OK(port_policy_set(&port[2].port,
			   &(struct policy_config){.vlan = &trunk, .filter = {NULL, bare}}));
	OK(port_policy_set(&port[3].port,
			   &(struct policy_config){.vlan = &access10, .filter = {NULL, tagged}}));
	put_tagged(0);
	forward(&port[0]);
	assert_int_equal(port[1].n, 1);
	assert_int_equal(port[2].n, 0);
	assert_int_equal(port[3].n, 0);
	assert_int_equal(decided(2, FILTER_TO, 0), 1);
	assert_int_equal(decided(3, FILTER_TO, 1), 1);
	put_tagged(10);
	put_tagged(11);
	forward(&port[1]);
	assert_int_equal(rx_drop(&port[1], RX_DROP_FILTER), 1);
	assert_int_equal(port[0].n, 1);
	assert_int_equal(port[2].n, 0);
	for (int p = 0; p < 4; p++)
		port[p].n = 0;
	learn();
	close_bridge(4);
	filter_list_free(tagged);
	filter_list_free(bare);
}

/* What a filter does is paid for by who sent the frame. */
static void filters_are_paid_for(void **state)
{
	char text[2048] = "";
	struct filter_list *list;
	uint32_t before, plain;

	role_assert_control();
	for (int i = 0; i < 40; i++)
		sprintf(text + strlen(text), "deny ether[%d] = 9; ", 24 + i);
	strcat(text, "allow");
	list = list_of(text);
	open_bridge(2, 0);
	/* The queue remembers the addresses from the first one on. */
	put(&ctx[0], EVERYBODY, home(0));
	forward(&port[0]);
	before = ctx[0].cost;
	put(&ctx[0], EVERYBODY, home(0));
	forward(&port[0]);
	plain = ctx[0].cost - before;
	for (int d = 0; d < FILTER_DIRECTIONS; d++) {
		set_filters(0, d == FILTER_FROM ? list : NULL, NULL, false);
		set_filters(1, NULL, d == FILTER_TO ? list : NULL, false);
		before = ctx[0].cost;
		put(&ctx[0], EVERYBODY, home(0));
		forward(&port[0]);
		/* A load and a comparison for each. */
		assert_int_equal(ctx[0].cost - before, plain + 40 * 2 / SHARE_STEPS);
	}
	port[1].n = 0;
	learn();
	close_bridge(2);
	filter_list_free(list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(frames_pass_as_the_model_says, compile_lists,
						free_lists),
		cmocka_unit_test(a_denied_frame_teaches_nothing),
		cmocka_unit_test(counters_are_the_lists),
		cmocka_unit_test(an_injected_frame_is_filtered),
		cmocka_unit_test(a_filter_sees_the_ports_own_form),
		cmocka_unit_test(filters_are_paid_for),
	};

	return bridge_rig_run(CASES(tests));
}
