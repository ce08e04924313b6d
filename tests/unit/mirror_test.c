/* SPDX-License-Identifier: BSD-3-Clause */
/* Mirrors: generated mirrors of a bridge with generated ports and frames; what sinks get is compared byte by byte with what came
 * from ports and with what other ports were given, by a model that works on strings of bytes. */
#include <stdlib.h>
#include <string.h>

#include "bridge_rig.h"
#include "cases.h"
#include "frame_head.h"
#include "mirror_map.h"

enum { BYTES_MAX = 400, SEEN_MAX = 2048, STATIONS = 7, BURST = 16, ROUNDS = 3000, KIND_AT = 24, FAR_AT = 120 };

struct packet {
	uint32_t len, head_len;
	uint16_t vid; /* of the bridge: 0: it is in none */
	bool offload;
	uint8_t byte[BYTES_MAX];
};

struct packets {
	unsigned int n;
	struct packet at[SEEN_MAX];
};

/* What ports were given in this burst, what sinks should have been, and what came. */
static struct packets given[PORTS], want[PORTS], came;
static uint64_t unknown[MIRRORS_MAX], copied[MIRRORS_MAX];
/* Pieces of bodies lie apart. */
enum { PIECES = 6, PIECE_MAX = 90 };
static uint8_t bodies[BURST][PIECES][PIECE_MAX + 10];
static struct policy_vlan vlans[PORTS];

/* A byte of 0 to 3 is at KIND_AT of a frame without a tag, another one far behind. */
static const char *const texts[] = {NULL, "ether[24] = 1", "not ether[24] = 2", "ether[120] = 3", "vlan", "not ether[120] = 0"};
enum { FILTERS = sizeof(texts) / sizeof(texts[0]) };
static struct filter *filters[FILTERS];

static struct made {
	unsigned int sink, filter;
	uint8_t from, to; /* ports, a bit each, sinks among them */
	bool any_vlan;
	struct vlan_set vlans;
	uint32_t snap;
} made[MIRRORS_MAX];
static unsigned int made_n;

static unsigned int dice(unsigned int n)
{
	return (unsigned int)random() % n;
}

static bool is_sink(unsigned int p)
{
	for (unsigned int i = 0; i < made_n; i++)
		if (made[i].sink == p)
			return true;
	return false;
}

/* --- the ports ---------------------------------------------------------------------------------------------------- */

static void see(struct recorder *to, const struct frame *frame)
{
	const struct burst *burst = ctx[0].burst;
	struct packets *seen = &given[to - port];
	struct packet *packet = &seen->at[seen->n++];
	uint64_t i = (uint64_t)(frame - burst->frame);

	assert_true(seen->n <= SEEN_MAX && frame->len <= BYTES_MAX);
	packet->len = frame->len;
	packet->head_len = frame->head_len;
	packet->vid = frame->vlan & VLAN_VID_MASK;
	packet->offload = frame->offload.flags != 0;
	frame_copy(frame, packet->byte);
	/* Nothing that a copy is made of waits for its sink. */
	if (is_sink((unsigned int)(to - port)))
		assert_true(frame->mbuf == NULL && i >= BURST_MAX);
}

/* --- the model ---------------------------------------------------------------------------------------------------- */

/* What a mirror makes of a frame, in the list of its sink. */
static void model_copy(unsigned int m, const struct packet *packet, bool aware)
{
	const struct made *mirror = &made[m];
	struct packets *to = &want[mirror->sink];
	enum filter_verdict verdict = FILTER_MATCH;

	if (!mirror->any_vlan && (!aware || packet->vid == 0 || !vlan_set_has(&mirror->vlans, packet->vid)))
		return;
	if (texts[mirror->filter] != NULL)
		verdict = filter_run(filters[mirror->filter]->insn, packet->byte, packet->head_len, packet->len);
	unknown[m] += verdict == FILTER_UNKNOWN;
	if (verdict != FILTER_MATCH)
		return;
	copied[m]++;
	to->at[to->n] = *packet;
	if (mirror->snap != 0 && packet->len > mirror->snap) {
		to->at[to->n].len = mirror->snap;
		to->at[to->n].offload = false;
	}
	to->n++;
}

static int by_bytes(const void *a, const void *b)
{
	const struct packet *one = a, *other = b;
	uint32_t least = one->len < other->len ? one->len : other->len;
	int order = memcmp(one->byte, other->byte, least);

	if (order == 0 && one->len != other->len)
		order = one->len < other->len ? -1 : 1;
	return order != 0 ? order : (int)one->offload - (int)other->offload;
}

static void compare(struct packets *a, struct packets *b)
{
	assert_int_equal(a->n, b->n);
	qsort(a->at, a->n, sizeof(a->at[0]), by_bytes);
	qsort(b->at, b->n, sizeof(b->at[0]), by_bytes);
	for (unsigned int i = 0; i < a->n; i++)
		assert_int_equal(by_bytes(&a->at[i], &b->at[i]), 0);
}

/* What sinks were given is what mirrors make of what came from `from` and of what the other ports were given. */
static void check_burst(unsigned int from, bool aware)
{
	for (unsigned int m = 0; m < made_n; m++) {
		for (unsigned int i = 0; !is_sink(from) && (made[m].from >> from & 1) != 0 && i < came.n; i++)
			model_copy(m, &came.at[i], aware);
		for (unsigned int p = 0; p < PORTS; p++)
			for (unsigned int i = 0; !is_sink(p) && (made[m].to >> p & 1) != 0 && i < given[p].n; i++)
				model_copy(m, &given[p].at[i], aware);
	}
	for (unsigned int p = 0; p < PORTS; p++) {
		if (is_sink(p))
			compare(&given[p], &want[p]);
		given[p].n = want[p].n = 0;
	}
}

/* --- what is generated -------------------------------------------------------------------------------------------- */

static void make_mirror(unsigned int m, bool aware)
{
	struct made *mirror = &made[m];

	mirror->sink = dice(PORTS);
	mirror->from = (uint8_t)dice(1 << PORTS);
	mirror->to = (uint8_t)dice(1 << PORTS);
	mirror->filter = dice(FILTERS);
	mirror->snap = dice(2) > 0 ? 0 : MIRROR_SNAP_MIN + dice(200);
	mirror->any_vlan = !aware || dice(2) > 0;
	memset(&mirror->vlans, 0, sizeof(mirror->vlans));
	for (uint16_t vid = 1; vid < 5; vid++)
		if (dice(2) > 0)
			vlan_set_add(&mirror->vlans, vid);
}

static struct mirror *create(unsigned int m)
{
	const struct mirror_config config = {
		.name = (const char[]){'m', (char)('0' + m), '\0'},
		.vlans = made[m].any_vlan ? NULL : &made[m].vlans,
		.filter = filters[made[m].filter],
		.snap = made[m].snap,
	};
	const struct mirror_map *before;
	struct mirror *mirror;

	role_assert_control();
	before = bridge_mirrors(bridge);
	if (before != NULL && m < before->n && mirror_is(before->mirror[m], &config))
		return before->mirror[m];
	mirror = mirror_create(&config, THREADS);
	assert_non_null(mirror);
	unknown[m] = copied[m] = 0;
	return mirror;
}

/* The mirrors in `made` become the bridge's, as control does it. */
static void set_mirrors(void)
{
	struct mirror_map *map = made_n > 0 ? calloc(1, sizeof(*map)) : NULL;

	role_assert_control();
	for (; map != NULL && map->n < made_n; map->n++) {
		map->mirror[map->n] = create(map->n);
		map->sink[map->n] = (uint16_t)made[map->n].sink;
		port_set_add(&map->sinks, map->sink[map->n]);
		for (unsigned int p = 0; p < PORTS; p++) {
			map->of[MIRROR_FROM][p] |= (uint8_t)((made[map->n].from >> p & 1) << map->n);
			map->of[MIRROR_TO][p] |= (uint8_t)((made[map->n].to >> p & 1) << map->n);
		}
	}
	for (unsigned int p = 0; map != NULL && p < PORTS; p++)
		if (is_sink(p))
			map->of[MIRROR_FROM][p] = map->of[MIRROR_TO][p] = 0;
	bridge_set_mirrors(bridge, map);
}

static void check_counters(void)
{
	const struct mirror_map *map;

	role_assert_control();
	map = bridge_mirrors(bridge);
	for (unsigned int m = 0; m < made_n; m++) {
		const struct mirror_sum sum = mirror_sum(map->mirror[m]);

		assert_int_equal(sum.copied, copied[m]);
		assert_int_equal(sum.unknown, unknown[m]);
		assert_int_equal(sum.dropped, 0);
	}
}

static void change_mirrors(bool aware)
{
	role_assert_control();
	check_counters();
	for (unsigned int m = 0; m < made_n; m++)
		if (dice(3) == 0)
			make_mirror(m, aware);
	if (dice(3) == 0) {
		made_n = dice(4) > 0 ? dice(4) : 0;
		for (unsigned int m = 0; m < made_n; m++)
			make_mirror(m, aware);
	}
	set_mirrors();
	for (unsigned int p = 0; p < PORTS; p++)
		if (is_sink(p))
			bridge_forget_port(bridge, &port[p].port);
}

/* A frame of the burst: head and body, with or without a tag, of a guest or of a NIC. */
static void add_frame(unsigned int from, bool aware)
{
	struct burst *burst = ctx[0].burst;
	struct frame *frame = &burst->frame[burst->n];
	uint32_t number = put(&ctx[0], dice(3) > 0 ? home(dice(STATIONS)) : EVERYBODY, home(from));
	uint32_t len = 130 + dice(190), head = dice(3) > 0 ? ROOM : FRAME_HEAD, at = burst->n - 1;

	for (uint32_t i = ROOM; i < head; i++)
		frame->head[i] = (uint8_t)(number + i);
	for (uint32_t i = 0; i < PIECES; i++)
		memset(bodies[at][i], (int)(number + 7 * i), PIECE_MAX + 10);
	frame->head[KIND_AT] = (uint8_t)dice(4);
	if (head > FAR_AT)
		frame->head[FAR_AT] = (uint8_t)dice(4);
	if (dice(3) == 0) {
		frame->head[12] = 0x81;
		frame->head[13] = 0;
		frame->head[14] = 0;
		frame->head[15] = (uint8_t)dice(6);
		memcpy(frame->head + 18, &number, sizeof(number));
	}
	frame->len = len;
	frame->head_len = (uint16_t)head;
	frame->body = &burst->span[8 * at + 1];
	for (uint32_t left = len - head; left > 0;) {
		uint32_t part = left <= PIECE_MAX ? 1 + dice(left) : PIECE_MAX - dice(20), i = frame->body_spans++;

		part = i == PIECES - 1 ? left : part;
		burst->span[8 * at + 1 + i] = (struct mem_span){bodies[at][i], part};
		left -= part;
	}
	if (dice(3) == 0)
		frame->mbuf = frame_head_stand_in();
	else if (dice(3) == 0)
		frame->offload = (struct virtio_net_hdr){
			.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = 34, .csum_offset = 6};
	assert_true(aware || frame->vlan == 0);
}

/* Which VLAN a frame is in that comes from a port. */
static uint16_t vid_of(unsigned int from, const struct packet *packet)
{
	const struct policy_vlan *vlan = &vlans[from];
	bool tagged = packet->byte[12] == 0x81 && packet->byte[13] == 0;
	uint16_t vid = tagged ? packet->byte[15] : 0;

	if (vid == 0)
		return vlan->native;
	return vlan->tagged && vlan_set_has(&vlan->members, vid) ? vid : 0;
}

static void one_burst(unsigned int from, bool aware)
{
	uint64_t sunk = rx_drop(&port[from], RX_DROP_MIRROR_SINK);

	came.n = 0;
	for (unsigned int i = 0; i < BURST; i++) {
		const struct frame *frame = &ctx[0].burst->frame[i];
		struct packet *packet = &came.at[came.n++];

		add_frame(from, aware);
		*packet = (struct packet){.len = frame->len, .head_len = frame->head_len, .offload = frame->offload.flags != 0};
		frame_copy(frame, packet->byte);
		packet->vid = aware ? vid_of(from, packet) : 0;
	}
	forward(&port[from]);
	assert_int_equal(rx_drop(&port[from], RX_DROP_MIRROR_SINK) - sunk >= BURST, is_sink(from));
	check_burst(from, aware);
	learn();
}

static void make_vlans(void)
{
	role_assert_control();
	for (unsigned int p = 0; p < PORTS; p++) {
		struct policy_vlan *vlan = &vlans[p];

		*vlan = policy_vlan_default;
		if (dice(2) > 0) {
			vlan->native = dice(2) > 0 ? 1 : 0;
			vlan->untagged = dice(2) > 0 ? vlan->native : 0;
			vlan->tagged = true;
			for (uint16_t vid = 2; vid < 5; vid++)
				vlan_set_add(&vlan->members, vid);
		} else {
			vlan->native = vlan->untagged = (uint16_t)(1 + dice(4));
			vlan->members = (struct vlan_set){{0}};
			vlan_set_add(&vlan->members, vlan->native);
		}
		OK(port_policy_set(&port[p].port, &(struct policy_config){.vlan = vlan}));
	}
}

static uint64_t sum_of(size_t at)
{
	uint64_t sum = 0;

	for (unsigned int p = 0; p < PORTS; p++) {
		struct port_counters all;

		port_counters_sum(&port[p].port, &all);
		sum += counted(&all.value[at]);
	}
	return sum;
}

/* E2. */
static void check_balance(void)
{
	uint64_t out = sum_of(PORT_COUNTER_tx_ok);

	for (size_t why = 0; why < TX_DROPS; why++)
		out += sum_of(PORT_COUNTERS_ALONE + RX_DROPS + why);
	assert_int_equal(sum_of(PORT_COUNTER_rx_ok) + sum_of(PORT_COUNTER_copies) + sum_of(PORT_COUNTER_injected) +
				 sum_of(PORT_COUNTER_mirrored),
			 out);
}

static void open_with(bool aware)
{
	open_bridge_as(PORTS, &(struct bridge_config){.name = "br0", .mac_aging = -1, .vlan_aware = aware});
	for (unsigned int p = 0; p < PORTS; p++)
		port[p].seen = see;
	made_n = 0;
	memset(given, 0, sizeof(given));
	memset(want, 0, sizeof(want));
}

static void generated(bool aware)
{
	uint64_t all = 0;

	open_with(aware);
	if (aware)
		make_vlans();
	for (unsigned int round = 0; round < ROUNDS; round++) {
		if (dice(10) == 0)
			change_mirrors(aware);
		if (aware && dice(50) == 0)
			make_vlans();
		one_burst(dice(PORTS), aware);
		for (unsigned int m = 0; m < made_n; m++)
			all += copied[m];
	}
	check_counters();
	check_balance();
	assert_true(all > ROUNDS);
	made_n = 0;
	set_mirrors();
	close_bridge(PORTS);
}

static void generated_mirrors(void **state)
{
	generated(false);
}

static void generated_mirrors_with_vlans(void **state)
{
	generated(true);
}

/* --- one by one --------------------------------------------------------------------------------------------------- */

/* Mirror 0 copies all that comes from port 0 and goes to it to port 4. */
static void mirror_port_0(uint32_t snap)
{
	made_n = 1;
	made[0] = (struct made){.sink = 4, .from = 1, .to = 1, .any_vlan = true, .snap = snap};
	set_mirrors();
}

static void a_sink_takes_part_in_nothing(void **state)
{
	uint32_t one;
	uint64_t alone;

	role_assert_control();
	role_assert_lcore();
	open_bridge(PORTS, -1);
	put(&ctx[0], EVERYBODY, home(4));
	forward(&port[4]);
	assert_true(learn() > 0);
	for (unsigned int p = 0; p < PORTS; p++)
		port[p].n = 0;
	mirror_port_0(0);
	/* Known still: control has not forgotten it. */
	put(&ctx[0], home(4), home(1));
	forward(&port[1]);
	assert_int_equal(rx_drop(&port[1], RX_DROP_MIRROR_SINK), 1);
	bridge_forget_port(bridge, &port[4].port);
	one = put(&ctx[0], home(4), home(1));
	forward(&port[1]);
	got(&port[4], 1, one); /* the copy of what port 0 got */
	got(&port[0], 1, one);
	/* It is not learned, and what it sends goes nowhere. */
	put(&ctx[0], home(1), home(4));
	put(&ctx[0], EVERYBODY, home(4));
	forward(&port[4]);
	assert_int_equal(rx_drop(&port[4], RX_DROP_MIRROR_SINK), 2);
	bridge_learn(bridge, fdb_key(FID_DEFAULT, home(4)), 4);
	learn();
	one = put(&ctx[0], home(4), home(1));
	forward(&port[1]);
	got(&port[4], 1, one);
	/* The switch does not speak for it. */
	put(&ctx[0], EVERYBODY, home(4));
	assert_int_equal(bridge_inject(&ctx[0], bridge, &port[4].port, &ctx[0].burst->frame[0]), 0);
	ctx[0].burst->n = 0;
	/* Where nobody else is, a flood is alone, and not the sink's. */
	alone = rx_drop(&port[0], RX_DROP_ALONE);
	for (unsigned int p = 1; p < 4; p++)
		OK(bridge_remove_port(bridge, &port[p].port));
	one = put(&ctx[0], EVERYBODY, home(0));
	forward(&port[0]);
	assert_int_equal(rx_drop(&port[0], RX_DROP_ALONE), alone + 1);
	got(&port[4], 1, one); /* it came all the same */
	for (unsigned int p = 1; p < 4; p++)
		OK(bridge_add_port(bridge, &port[p].port));
	close_bridge(PORTS);
}

/* A sink that takes little loses copies and nothing else; one that is not there loses all. */
static void a_sink_without_room(void **state)
{
	struct mirror_sum sum;

	role_assert_control();
	open_bridge(PORTS, -1);
	mirror_port_0(0);
	port[4].room = 3;
	for (unsigned int i = 0; i < 10; i++)
		put(&ctx[0], EVERYBODY, home(0));
	forward(&port[0]);
	for (unsigned int p = 1; p < 4; p++)
		assert_int_equal(port[p].n, 10);
	assert_int_equal(port[4].n, 3);
	sum = mirror_sum(bridge_mirrors(bridge)->mirror[0]);
	assert_int_equal(sum.copied, 3);
	assert_int_equal(sum.dropped, 7);
	check_balance();
	OK(bridge_remove_port(bridge, &port[4].port));
	for (unsigned int i = 0; i < 5; i++)
		put(&ctx[0], EVERYBODY, home(0));
	forward(&port[0]);
	assert_int_equal(port[4].n, 3);
	sum = mirror_sum(bridge_mirrors(bridge)->mirror[0]);
	assert_int_equal(sum.dropped, 12);
	OK(bridge_add_port(bridge, &port[4].port));
	close_bridge(PORTS);
}

/* Who is mirrored pays, and whom a frame is for has it before its copy is made. */
static void copies_are_paid_for(void **state)
{
	uint32_t plain;

	open_bridge(PORTS, -1);
	put(&ctx[0], EVERYBODY, home(1));
	forward(&port[1]);
	learn();
	ctx[0].cost = 0;
	put(&ctx[0], home(1), home(0));
	forward(&port[0]);
	learn();
	ctx[0].cost = 0;
	put(&ctx[0], home(1), home(0));
	forward(&port[0]);
	plain = ctx[0].cost;
	mirror_port_0(0);
	ctx[0].cost = 0;
	put(&ctx[0], home(1), home(0));
	forward(&port[0]);
	assert_true(ctx[0].cost >= plain + share_cost(1, 1, ROOM));
	close_bridge(PORTS);
}

/* A flood that is left in the middle and taken up again is mirrored once as it came, and once for each port it leaves by. */
static void a_flood_that_is_left(void **state)
{
	uint32_t one;
	int visits = 1;

	role_assert_lcore();
	open_bridge(PORTS, -1);
	made_n = 1;
	made[0] = (struct made){.sink = 4, .from = 1, .to = 0x0f, .any_vlan = true};
	set_mirrors();
	one = put(&ctx[0], EVERYBODY, home(0));
	ctx[0].bound = 1;
	while (!(visits == 1 ? bridge_forward(&ctx[0], &port[0].rxq) : bridge_go_on(&ctx[0], &port[0].rxq)))
		visits++;
	ctx[0].bound = 0;
	ctx[0].burst->n = 0;
	assert_true(visits > 1);
	got(&port[4], 4, one, one, one, one);
	check_balance();
	close_bridge(PORTS);
}

static int compile_filters(void **state)
{
	struct fail why;

	for (unsigned int i = 0; i < FILTERS; i++)
		if (texts[i] != NULL && filter_compile(texts[i], &filters[i], &why) != 0)
			return -1;
	return 0;
}

static int free_filters(void **state)
{
	for (unsigned int i = 0; i < FILTERS; i++)
		free(filters[i]);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(generated_mirrors, compile_filters, free_filters),
		cmocka_unit_test_setup_teardown(generated_mirrors_with_vlans, compile_filters, free_filters),
		cmocka_unit_test(a_sink_takes_part_in_nothing),
		cmocka_unit_test(a_sink_without_room),
		cmocka_unit_test(copies_are_paid_for),
		cmocka_unit_test(a_flood_that_is_left),
	};

	return bridge_rig_run(tests, sizeof(tests) / sizeof(tests[0]));
}
