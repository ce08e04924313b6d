/* SPDX-License-Identifier: BSD-3-Clause */
/* VLANs: generated frames through generated ports of a vlan-aware bridge, compared byte by byte with a model that works on
 * strings of bytes and knows nothing of heads. A part of the frames has its head in an mbuf, which must not be written while
 * somebody else has it, too. Frames of a burst are alike in their tags and where they go, in runs of any length; some are as long
 * as a frame can be. */
#include <stdlib.h>
#include <string.h>

#include <rte_mbuf.h>

#include "bridge_rig.h"
#include "bridge_why.h"
#include "cases.h"
#include "filter_list.h"
#include "guard.h"
#include "vlan_set.h"

enum { BYTES_MAX = 400, SEEN_MAX = BURST_MAX, STATIONS = 40, ROUNDS = 4000 };

struct packet {
	uint32_t len;  /* of what is in `byte`, */
	uint32_t more; /* and of what follows, which nobody looks at */
	uint8_t byte[BYTES_MAX];
};

/* What a port was given, and what it should be. */
struct seen {
	struct packet got[SEEN_MAX], want[SEEN_MAX];
	unsigned int n, wanted;
};

static struct seen seen[PORTS_MANY];
static unsigned int ports;
static struct policy_vlan vlans[PORTS_MANY]; /* of the ports */
static struct rte_mbuf mbufs[BURST_MAX];
/* Their bytes. */
static uint8_t buffer[BURST_MAX][FRAME_HEADROOM + BYTES_MAX], before[BURST_MAX][FRAME_HEADROOM + BYTES_MAX];
static uint64_t rewritten, kept; /* frames in mbufs that a port was given in another shape; and mbufs that one has kept */
static uint64_t drops[RX_DROPS]; /* as the model has them */
static uint64_t inserted;	  /* tags that devices put in */

static unsigned int dice(unsigned int n)
{
	return (unsigned int)random() % n;
}

/* A NIC would send the mbuf as it is, and later. */
static void see_mbuf(const struct frame *frame)
{
	struct rte_mbuf *mbuf = frame->mbuf;
	size_t i = (size_t)(mbuf - mbufs);

	assert_ptr_equal(frame->head, rte_pktmbuf_mtod(mbuf, uint8_t *));
	assert_int_equal(mbuf->data_len, frame->head_len);
	assert_int_equal(mbuf->pkt_len, frame->len);
	rewritten += mbuf->data_off != FRAME_HEADROOM;
	if (rte_mbuf_refcnt_read(mbuf) > 1 || dice(3) > 0)
		return;
	rte_mbuf_refcnt_update(mbuf, 1);
	memcpy(before[i], buffer[i], sizeof(before[i]));
	kept++;
}

static void see(struct recorder *to, const struct frame *frame)
{
	struct seen *at = &seen[to - port];
	struct packet *packet = &at->got[at->n++];

	assert_true(at->n <= SEEN_MAX && frame->len <= FRAME_LEN_MAX);
	*packet = (struct packet){.len = frame->len};
	if (frame->len <= BYTES_MAX) {
		frame_copy(frame, packet->byte);
	} else {
		static uint8_t all[FRAME_LEN_MAX];

		frame_copy(frame, all);
		memcpy(packet->byte, all, BYTES_MAX);
	}
	if (frame->mbuf != NULL && frame->mbuf_skip == 0)
		see_mbuf(frame);
	if ((frame->tag & FRAME_TAG_INSERT) == 0)
		return;
	/* The port's device puts the tag in, and can do nothing else. */
	assert_true(to->port.inserts && frame->mbuf == NULL);
	memmove(packet->byte + 16, packet->byte + 12, (packet->len < BYTES_MAX - 4 ? packet->len : BYTES_MAX - 4) - 12);
	packet->len += 4;
	packet->byte[12] = 0x81;
	packet->byte[13] = 0;
	packet->byte[14] = (uint8_t)(frame->vlan >> 8);
	packet->byte[15] = (uint8_t)frame->vlan;
	inserted++;
}

/* --- the model --------------------------------------------------------------------------------------------------- */

static uint16_t word_at(const struct packet *packet, uint32_t at)
{
	return at + 2 <= packet->len ? (uint16_t)(packet->byte[at] << 8 | packet->byte[at + 1]) : 0;
}

static bool tag_at(const struct packet *packet, uint32_t at)
{
	return word_at(packet, at) == 0x8100 || word_at(packet, at) == 0x88a8;
}

/* A packet without its first tag, and what that said. */
struct model {
	struct packet bare;
	uint16_t type, tci;
	bool inner;
	int drop; /* -1: none */
};

static void model_take_tag(struct model *m, const struct packet *packet)
{
	m->type = word_at(packet, 12);
	m->tci = word_at(packet, 14);
	m->bare.len = packet->len - 4;
	m->bare.more = packet->more;
	memcpy(m->bare.byte, packet->byte, 12);
	memcpy(m->bare.byte + 12, packet->byte + 16, packet->len - 16);
	m->inner = tag_at(&m->bare, 12);
}

static void model_ingress(struct model *m, const struct packet *packet, const struct policy_vlan *in)
{
	bool tagged = tag_at(packet, 12);

	*m = (struct model){.bare = *packet, .type = 0x8100, .drop = -1};
	if ((in->tunnel || !tagged) && packet->len + packet->more + 4 > FRAME_LEN_MAX) {
		m->drop = RX_DROP_LONG;
		return;
	}
	if (in->tunnel) {
		m->type = in->service ? 0x88a8 : 0x8100;
		m->tci = in->native;
		m->inner = tagged;
		return;
	}
	if (tagged && packet->len < 18) {
		m->drop = RX_DROP_VLAN_SHORT;
		return;
	}
	if (tagged)
		model_take_tag(m, packet);
	if ((m->tci & 0xfff) != 0 && !in->tagged)
		m->drop = RX_DROP_VLAN_TAGGED;
	else if ((m->tci & 0xfff) != 0)
		m->drop = vlan_set_has(&in->members, m->tci & 0xfff) ? -1 : RX_DROP_VLAN_NOT_MEMBER;
	else if (m->inner && !in->tagged)
		m->drop = RX_DROP_VLAN_TAGGED;
	else if (in->native == 0)
		m->drop = RX_DROP_VLAN_UNTAGGED;
	if ((m->tci & 0xfff) == 0)
		m->tci |= in->native;
}

/* -1: the port is given it. */
static int model_egress(const struct model *m, unsigned int to)
{
	const struct policy_vlan *out = &vlans[to];
	struct packet *want = &seen[to].want[seen[to].wanted];
	uint16_t vid = m->tci & 0xfff;

	if (!vlan_set_has(&out->members, vid))
		return RX_DROP_VLAN_NOT_MEMBER;
	if (vid == out->untagged && m->inner && !out->tunnel)
		return RX_DROP_VLAN_INNER;
	seen[to].wanted++;
	*want = m->bare;
	if (vid == out->untagged)
		return -1;
	want->len += 4;
	memcpy(want->byte + 16, m->bare.byte + 12, m->bare.len - 12);
	want->byte[12] = (uint8_t)(m->type >> 8);
	want->byte[13] = (uint8_t)m->type;
	want->byte[14] = (uint8_t)(m->tci >> 8);
	want->byte[15] = (uint8_t)m->tci;
	return -1;
}

static void model_flood(const struct model *m, unsigned int from)
{
	int why = RX_DROP_ALONE;
	bool reached = false;

	for (unsigned int p = 0; p < ports; p++) {
		int drop = p != from ? model_egress(m, p) : RX_DROP_VLAN_NOT_MEMBER;

		reached |= drop < 0;
		if (drop >= 0 && drop != RX_DROP_VLAN_NOT_MEMBER)
			why = drop;
	}
	drops[why] += !reached;
}

/* Station i is behind port i modulo their number in VLANs whose last bit is not set, and in others behind none. */
static void model_forward(const struct packet *packet, unsigned int from, unsigned int station, bool link_local)
{
	struct model m;
	unsigned int home_port = station % ports;
	int drop;

	model_ingress(&m, packet, &vlans[from]);
	if (m.drop >= 0) {
		drops[m.drop]++;
	} else if (link_local) {
		drops[RX_DROP_LINK_LOCAL]++;
	} else if (station < STATIONS && (m.tci & 1) == 0) {
		drop = home_port == from && vlan_set_has(&vlans[from].members, m.tci & 0xfff) ? RX_DROP_REFLECTION : -1;
		if (drop == RX_DROP_REFLECTION && m.inner && vlans[from].untagged == (m.tci & 0xfff) && !vlans[from].tunnel)
			drop = RX_DROP_VLAN_INNER;
		if (drop < 0)
			drop = model_egress(&m, home_port);
		if (drop >= 0)
			drops[drop]++;
	} else {
		model_flood(&m, from);
	}
}

/* --- what is generated ------------------------------------------------------------------------------------------- */

/* Few VLANs, so that ports share some. */
static uint16_t some_vid(void)
{
	static const uint16_t vids[] = {1, 10, 11, 20, 21, 4094};

	return vids[dice(6)];
}

static void make_ports(struct filter_list *allow)
{
	struct policy_guard_wrong wrong;
	struct policy_guard guard;

	role_assert_control();
	/* Nobody else has these addresses. */
	assert_int_equal(policy_guard_read(&guard, NULL, NULL, GUARD_LOOP, &wrong), 0);
	for (unsigned int p = 0; p < ports; p++) {
		struct policy_vlan *vlan = &vlans[p];
		struct policy_config config = {.vlan = vlan};

		/* What looks at frames, and lets all of them pass. */
		config.filter[FILTER_FROM] = dice(4) == 0 ? allow : NULL;
		config.filter[FILTER_TO] = dice(4) == 0 ? allow : NULL;
		config.guard = dice(4) == 0 ? &guard : NULL;
		*vlan = policy_vlan_default;
		port[p].port.inserts = dice(2) == 0;
		if (dice(8) == 0) {
			config.vlan = NULL;
		} else if (dice(2) == 0) {
			vlan->native = vlan->untagged = some_vid();
			vlan->members = (struct vlan_set){0};
			vlan_set_add(&vlan->members, vlan->native);
			vlan->tunnel = dice(2) == 0;
			vlan->service = dice(2) == 0;
		} else {
			vlan->tagged = true;
			vlan->native = dice(3) > 0 ? some_vid() : 0;
			vlan->untagged = dice(2) > 0 ? vlan->native : 0;
			vlan->members = (struct vlan_set){0};
			for (unsigned int i = dice(5); i > 0; i--)
				vlan_set_add(&vlan->members, some_vid());
			if (vlan->native != 0)
				vlan_set_add(&vlan->members, vlan->native);
		}
		assert_int_equal(port_policy_set(&port[p].port, &config), 0);
	}
}

static uint32_t put_tag(uint8_t *at)
{
	static const uint16_t odd[] = {0, 4095, 2, 4093};
	uint16_t tci = (uint16_t)(dice(4) > 0 ? some_vid() : odd[dice(4)]);

	tci |= (uint16_t)(dice(2) * dice(16) << 12);
	at[0] = dice(3) > 0 ? 0x81 : 0x88;
	at[1] = at[0] == 0x81 ? 0x00 : 0xa8;
	at[2] = (uint8_t)(tci >> 8);
	at[3] = (uint8_t)tci;
	return 4;
}

static const mac_key_t LINK_LOCAL = UINT64_C(0x0e0000c28001);

/* `tags`: up to three, which are in front of all of a run. */
static void make_packet(struct packet *packet, unsigned int from, unsigned int station, bool link_local, const uint8_t *tags,
			uint32_t tags_len)
{
	uint32_t at = 12 + tags_len;

	packet->len = 14 + dice(dice(4) > 0 ? 60 : BYTES_MAX - 14 - 4);
	packet->more = dice(16) == 0 ? FRAME_LEN_MAX - packet->len - dice(10) : 0;
	for (uint32_t i = 0; i < BYTES_MAX; i++)
		packet->byte[i] = (uint8_t)random();
	mac_write(packet->byte, station < STATIONS ? home(station) : station % 2 ? EVERYBODY : home(99));
	if (link_local)
		mac_write(packet->byte, LINK_LOCAL);
	mac_write(packet->byte + 6, home(100 + from));
	memcpy(packet->byte + 12, tags, tags_len);
	packet->byte[at] = 0x08;
	packet->byte[at + 1] = 0x00;
}

enum { SPANS = 8 };
_Static_assert(SPANS * BURST_MAX <= BURST_SPANS, "a burst has so many");

/* As a guest's, or as a NIC's: all in one segment, or in several. */
static void put_packet(const struct packet *packet, unsigned int i)
{
	struct burst *burst = ctx[0].burst;
	static uint8_t rest[FRAME_LEN_MAX];
	struct frame *frame = &burst->frame[burst->n];
	struct mem_span *span = &burst->span[SPANS * burst->n + 1];
	uint32_t head_len = packet->len < FRAME_HEAD ? packet->len : FRAME_HEAD;
	bool nic = dice(3) == 0;
	uint8_t *data = buffer[i] + FRAME_HEADROOM;

	memcpy(data, packet->byte, packet->len);
	memcpy(before[i], buffer[i], sizeof(before[i]));
	if (nic)
		head_len = dice(2) == 0 ? packet->len : head_len + dice(packet->len - head_len + 1);
	*frame = (struct frame){.head = burst->room[burst->n].head, .head_len = (uint16_t)head_len, .len = packet->len,
				.tag = (uint16_t)random()};
	if (nic) {
		mbufs[i] = (struct rte_mbuf){.buf_addr = buffer[i], .data_off = FRAME_HEADROOM, .data_len = (uint16_t)head_len,
					     .pkt_len = packet->len + packet->more};
		rte_mbuf_refcnt_set(&mbufs[i], (uint16_t)(1 + dice(2)));
		frame->mbuf = &mbufs[i];
		frame->head = data;
	} else {
		memcpy(frame->head, packet->byte, head_len);
	}
	frame->body = span;
	while (head_len < packet->len) {
		uint32_t part = 1 + dice(packet->len - head_len);

		if (frame->body_spans == 5)
			part = packet->len - head_len;
		span[frame->body_spans++] = (struct mem_span){data + head_len, part};
		head_len += part;
	}
	if (packet->more > 0)
		span[frame->body_spans++] = (struct mem_span){rest, packet->more};
	frame->len += packet->more;
	burst->n++;
}

/* --- the comparison ---------------------------------------------------------------------------------------------- */

static void compare(uint64_t given)
{
	uint64_t ok = 0, copies = 0, out = 0, dropped = 0;

	for (unsigned int p = 0; p < ports; p++) {
		struct port_counters *counters = port_counters_of(&port[p].port, &ctx[0]);

		assert_int_equal(seen[p].n, seen[p].wanted);
		for (unsigned int i = 0; i < seen[p].n; i++) {
			const struct packet *got = &seen[p].got[i], *want = &seen[p].want[i];

			assert_int_equal(got->len, want->len + want->more);
			assert_memory_equal(got->byte, want->byte, want->len < BYTES_MAX ? want->len : BYTES_MAX);
		}
		ok += counted(&counters->rx_ok);
		copies += counted(&counters->copies);
		out += counted(&counters->tx_ok);
	}
	for (int why = 0; why < RX_DROPS; why++) {
		uint64_t sum = 0;

		for (unsigned int p = 0; p < ports; p++)
			sum += rx_drop(&port[p], (enum rx_drop)why);
		assert_int_equal(sum, drops[why]);
		dropped += sum;
	}
	assert_int_equal(ok + dropped, given);
	assert_int_equal(ok + copies, out);
}

/* What several have is as it was; of the others, what stands behind the tag. */
static void compare_buffers(unsigned int n)
{
	const size_t behind = FRAME_HEADROOM + FRAME_LEN_MIN + FRAME_TAG;

	for (unsigned int i = 0; i < n; i++) {
		size_t from = mbufs[i].buf_addr != NULL && rte_mbuf_refcnt_read(&mbufs[i]) == 1 ? behind : 0;

		assert_memory_equal(buffer[i] + from, before[i] + from, sizeof(buffer[i]) - from);
		mbufs[i].buf_addr = NULL;
	}
}

static void learn_stations(void)
{
	role_assert_control();
	for (uint16_t vid = 0; vid < VLAN_VIDS; vid += 2)
		for (unsigned int i = 0; i < STATIONS; i++)
			if (vid < 30 || vid == 4094)
				bridge_learn(bridge, fdb_key(vid, home(i)), (uint16_t)(i % ports));
}

/* How long runs of frames are that are alike: seldom the same again, or mostly. */
struct run {
	unsigned int again; /* of 32 */
	unsigned int station;
	bool link_local;
	uint8_t tags[12];
	uint32_t tags_len;
};

static void make_alike(struct run *run)
{
	if (dice(32) >= run->again) {
		run->station = dice(STATIONS + 6);
		run->link_local = dice(20) == 0;
	}
	if (dice(32) < run->again)
		return;
	run->tags_len = 0;
	for (unsigned int tags = dice(4) > 0 ? dice(2) : dice(4); tags > 0; tags--)
		run->tags_len += put_tag(run->tags + run->tags_len);
}

/* Returns: how many frames. */
static unsigned int one_burst(unsigned int from)
{
	static const unsigned int again[] = {0, 16, 28, 31};
	struct run run = {.again = 0};
	unsigned int n = 1 + dice(dice(2) == 0 ? BURST_MAX : 24);

	for (unsigned int p = 0; p < ports; p++)
		seen[p].n = seen[p].wanted = 0;
	for (unsigned int i = 0; i < n; i++) {
		struct packet packet;

		make_alike(&run);
		make_packet(&packet, from, run.station, run.link_local, run.tags, run.tags_len);
		model_forward(&packet, from, run.station, run.link_local);
		put_packet(&packet, i);
		if (i == 0)
			run.again = again[dice(4)];
	}
	role_assert_lcore();
	/* Floods are left in the middle, and taken up. */
	ctx[0].bound = dice(2) * 10;
	if (!bridge_forward(&ctx[0], &port[from].rxq))
		while (!bridge_go_on(&ctx[0], &port[from].rxq))
			;
	ctx[0].burst->n = 0;
	return n;
}

static void frames_are_where_the_model_has_them(unsigned int ports_n)
{
	struct filter_list *allow;
	struct fail why;
	uint64_t given = 0;
	unsigned int n;

	role_assert_control();
	ports = ports_n;
	open_bridge_as(ports, &(struct bridge_config){.name = "br0", .vlan_aware = true, .drops_link_local = true});
	assert_int_equal(filter_list_read("allow", &allow, &why), 0);
	srandom(5);
	memset(drops, 0, sizeof(drops));
	for (unsigned int p = 0; p < ports; p++)
		port[p].seen = see;
	learn_stations();
	for (unsigned int round = 0; round < ROUNDS; round++) {
		make_ports(allow);
		n = one_burst(dice(ports));
		given += n;
		compare(given);
		compare_buffers(n);
	}
	ctx[0].bound = 0;
	assert_true(inserted > ROUNDS / 10 && rewritten > ROUNDS / 10 && kept > ROUNDS / 10);
	/* Each of them has happened. */
	for (int why_not = RX_DROP_LINK_LOCAL; why_not <= RX_DROP_VLAN_SHORT; why_not++)
		assert_true(drops[why_not] > 0);
	assert_true(drops[RX_DROP_LONG] > 0);
	learn(); /* nothing of this is left for the next test */
	close_bridge(ports);
	filter_list_free(allow);
}

static void few_ports_have_what_the_model_has(void **state)
{
	frames_are_where_the_model_has_them(PORTS);
}

/* So many that a burst goes to them in turn. */
static void many_ports_have_what_the_model_has(void **state)
{
	frames_are_where_the_model_has_them(PORTS_MANY);
}

/* --- the rest ---------------------------------------------------------------------------------------------------- */

static void an_address_is_learned_in_its_vlan(void **state)
{
	struct policy_vlan trunk = {.tagged = true, .members.word[0] = 6};
	struct fdb_value value;
	struct fdb_mark mark;

	role_assert_control();
	open_bridge_as(2, &(struct bridge_config){.name = "br0", .vlan_aware = true});
	assert_true(bridge_is_vlan_aware(bridge));
	assert_int_equal(port_policy_set(&port[1].port, &(struct policy_config){.vlan = &trunk}), 0);
	for (uint16_t vid = 1; vid <= 2; vid++) {
		static const uint8_t tag[] = {0x81, 0x00, 0xe0};

		put(&ctx[0], EVERYBODY, home(7));
		memcpy(ctx[0].burst->frame[0].head + 12, tag, sizeof(tag));
		ctx[0].burst->frame[0].head[15] = (uint8_t)vid;
		forward(&port[1]);
	}
	assert_int_equal(learn(), 2);
	for (uint16_t vid = 0; vid <= 3; vid++)
		assert_int_equal(fdb_lookup(bridge_fdb(bridge), fdb_key(vid, home(7)), &value, &mark), vid == 1 || vid == 2);
	close_bridge(2);
}

/* A frame of the switch's own is in the VLAN of what the port sends without a tag. */
static void an_injected_frame_is_in_the_ports_vlan(void **state)
{
	const struct policy_vlan access10 = {.native = 10, .untagged = 10, .members.word[0] = 1 << 10};
	const struct policy_vlan trunk = {.tagged = true, .members.word[0] = 1 << 10};
	uint8_t room[FRAME_HEADROOM + ROOM] = {0}, *bytes = room + FRAME_HEADROOM;
	struct frame frame = {.head = bytes, .head_len = ROOM, .len = ROOM};
	uint16_t fid;

	role_assert_lcore();
	role_assert_control();
	open_bridge_as(4, &(struct bridge_config){.name = "br0", .vlan_aware = true});
	for (unsigned int p = 0; p < 4; p++)
		port[p].seen = see;
	memset(seen, 0, sizeof(seen));
	assert_int_equal(port_policy_set(&port[0].port, &(struct policy_config){.vlan = &access10}), 0);
	assert_int_equal(port_policy_set(&port[1].port, &(struct policy_config){.vlan = &trunk}), 0);
	assert_int_equal(port_policy_set(&port[2].port, &(struct policy_config){.vlan = &access10}), 0);
	mac_write(bytes, EVERYBODY);
	mac_write(bytes + 6, home(1));
	assert_int_equal(bridge_inject(&ctx[0], bridge, &port[0].port, &frame), 2);
	assert_int_equal(seen[1].got[0].len, ROOM + 4);
	assert_int_equal(word_at(&seen[1].got[0], 12), 0x8100);
	assert_int_equal(word_at(&seen[1].got[0], 14), 10);
	assert_int_equal(seen[2].got[0].len, ROOM);
	assert_int_equal(seen[3].n, 0);
	assert_true(bridge_fid_of(bridge, &port[0].port, &fid));
	assert_int_equal(fid, 10);
	/* From a trunk without a native VLAN: there is none. */
	assert_int_equal(bridge_inject(&ctx[0], bridge, &port[1].port, &frame), 0);
	assert_false(bridge_fid_of(bridge, &port[1].port, &fid));
	close_bridge(4);
}

/* What is asked about has no mbuf, and is never written where it is. */
static void why_of_a_nics_frame_that_gets_a_tag(void **state)
{
	const struct policy_vlan access10 = {.native = 10, .untagged = 10, .members.word[0] = 1 << 10};
	const struct policy_vlan trunk = {.tagged = true, .members.word[0] = 1 << 10};
	uint8_t bytes[ROOM] = {0}, as_before[ROOM];
	struct frame frame = {.head = bytes, .head_len = ROOM, .len = ROOM, .mbuf = (struct rte_mbuf *)1};
	struct why_question question = {.frame = &frame, .from = &port[0].port};
	struct why_answer answer;
	struct why_receiver to;
	unsigned int place = 0;
	struct bridge_why *why;

	role_assert_control();
	why = bridge_why_create(THREADS);
	assert_non_null(why);
	open_bridge_as(2, &(struct bridge_config){.name = "br0", .vlan_aware = true});
	assert_int_equal(port_policy_set(&port[0].port, &(struct policy_config){.vlan = &access10}), 0);
	assert_int_equal(port_policy_set(&port[1].port, &(struct policy_config){.vlan = &trunk}), 0);
	mac_write(bytes, EVERYBODY);
	mac_write(bytes + 6, home(1));
	memcpy(as_before, bytes, sizeof(bytes));
	assert_int_equal(bridge_why(why, &question, &answer), 0);
	assert_int_equal(answer.dropped, RX_DROPS);
	assert_true(bridge_why_next(why, &question, &answer, &place, &to));
	assert_true(to.leaves);
	assert_int_equal(to.frame.len, ROOM + 4);
	assert_int_equal(to.head[15], 10);
	assert_memory_equal(bytes, as_before, sizeof(bytes));
	close_bridge(2);
	bridge_why_destroy(why);
}

static uint32_t cost_of_floods(unsigned int members, unsigned int floods)
{
	const struct policy_vlan trunk = {.tagged = true, .members.word[0] = 3 << 10};
	static const uint8_t tag[] = {0x81, 0x00, 0x00};
	uint32_t before = ctx[0].cost;

	role_assert_control();
	open_bridge_as(members, &(struct bridge_config){.name = "br0", .vlan_aware = true});
	assert_int_equal(port_policy_set(&port[0].port, &(struct policy_config){.vlan = &trunk}), 0);
	for (unsigned int i = 0; i < floods; i++) {
		put(&ctx[0], EVERYBODY, home(7));
		memcpy(ctx[0].burst->frame[i].head + 12, tag, sizeof(tag));
		ctx[0].burst->frame[i].head[15] = (uint8_t)(10 + i % 2);
	}
	forward(&port[0]);
	assert_int_equal(rx_drop(&port[0], RX_DROP_ALONE), floods);
	learn();
	close_bridge(members);
	return ctx[0].cost - before;
}

/* Each frame is a flood of its own, for nobody: the ports that are in other VLANs are asked for each, and that is paid for. */
static void ports_that_are_passed_over_are_paid_for(void **state)
{
	enum { FLOODS = 16 };

	assert_int_equal(cost_of_floods(PORTS_MANY, FLOODS) - cost_of_floods(2, FLOODS), FLOODS * (PORTS_MANY / SHARE_PASSED));
}

static void a_set_is_read(void **state)
{
	static const char *const wrong[] = {"",	     "0", "4095", "10,",	"10,a", "20-10", "10-",	     "-10",
					    "10 20", "a", ",10",  "5000000000", "1--2", "all,1", "4094-4095"};
	struct vlan_set set;
	unsigned int n = 0;

	assert_int_equal(vlan_set_read(&set, " 10, 20-29+4094"), 0);
	for (uint16_t vid = 0; vid < VLAN_VIDS; vid++)
		n += vlan_set_has(&set, vid);
	assert_int_equal(n, 12);
	assert_true(vlan_set_has(&set, 10) && vlan_set_has(&set, 20) && vlan_set_has(&set, 29) && vlan_set_has(&set, 4094));
	assert_int_equal(vlan_set_read(&set, "all"), 0);
	assert_true(vlan_set_has(&set, 1) && vlan_set_has(&set, 4094) && !vlan_set_has(&set, 0) && !vlan_set_has(&set, 4095));
	for (unsigned int i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_not_equal(vlan_set_read(&set, wrong[i]), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(why_of_a_nics_frame_that_gets_a_tag),
		cmocka_unit_test(ports_that_are_passed_over_are_paid_for),
		cmocka_unit_test(a_set_is_read),
		cmocka_unit_test(few_ports_have_what_the_model_has),
		cmocka_unit_test(many_ports_have_what_the_model_has),
		cmocka_unit_test(an_address_is_learned_in_its_vlan),
		cmocka_unit_test(an_injected_frame_is_in_the_ports_vlan),
	};

	return bridge_rig_run(CASES(tests));
}
