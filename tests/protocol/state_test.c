/* SPDX-License-Identifier: BSD-3-Clause */
/* Legal messages at the wrong time (M9), the same message again and again (M10), and waiting inside
 * waiting (M13). The table below says for each request in each state of the rings whether it is to
 * be accepted, refused, or left to the switch; what it may never do is remain silent.
 */
#include "fixture.h"

#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define MIB (1ull << 20)

/* Where ring 1 is. */
enum stop {
	S_NEGOTIATED,
	S_FEATURES,
	S_MEMORY,
	S_PLACED,
	S_RUNNING,
	S_DISABLED,
	S_STOPPED,
	S_GONE,
	STOPS
};

static const char *const stops[STOPS] = {"negotiated", "features", "memory",  "placed",
					 "running",    "disabled", "stopped", "memory gone"};

static void go_to(struct guest *g, enum stop stop)
{
	uint16_t base;

	if (stop >= S_FEATURES)
		OK(fg_send_features(&g->s));
	if (stop >= S_MEMORY)
		OK(fg_send_memory(&g->s));
	if (stop == S_PLACED) {
		OK(fg_request_state(&g->s, FG_SET_VRING_NUM, 1, 256));
		OK(fg_request_state(&g->s, FG_SET_VRING_BASE, 1, 0));
		OK(fg_send_addr(&g->s, 1));
	}
	if (stop >= S_RUNNING)
		OK(fg_start_ring(&g->s, 1, 0));
	if (stop == S_DISABLED)
		OK(fg_enable_ring(&g->s, 1, false));
	if (stop == S_STOPPED)
		OK(fg_stop_ring(&g->s, 1, &base));
	if (stop == S_GONE)
		OK(fg_remove_region(&g->s, 0));
}

/* How a row's message is made. */
enum make { M_NONE, M_U64, M_STATE, M_ADDR, M_KICK, M_REGION, M_TABLE, M_RAW };

/* 'y' accepted, 'n' refused, '?' either; in the order of the states above. */
static const struct row {
	uint32_t request;
	enum make make;
	uint64_t value;
	uint32_t size; /* of M_RAW */
	const char *expect;
} rows[] = {
	{FG_GET_FEATURES, M_NONE, 0, 0, "yyyyyyyy"},
	{FG_SET_FEATURES, M_U64, FG_FEATURES_DEFAULT, 0, "yyyyyyyy"},
	{FG_SET_FEATURES, M_U64, FG_F_PROTOCOL, 0, "yyyy??y?"},
	{FG_SET_FEATURES, M_U64, FG_F_RING_RESET | FG_F_PROTOCOL, 0, "nnnnnnnn"}, /* not offered */
	{FG_SET_FEATURES, M_U64, 1ull << 63, 0, "nnnnnnnn"},
	{FG_SET_OWNER, M_NONE, 0, 0, "yyyyyyyy"},
	{FG_RESET_OWNER, M_NONE, 0, 0, "yyyyyyyy"},
	{FG_SET_MEM_TABLE, M_TABLE, 0, 0, "????????"}, /* a front end with slots sends none */
	{FG_ADD_MEM_REG, M_REGION, 0, 0, "yyyyyyyy"},
	{FG_REM_MEM_REG, M_REGION, 0, 0, "yyyyyyyy"},
	{FG_GET_MAX_MEM_SLOTS, M_NONE, 0, 0, "yyyyyyyy"},
	{FG_SET_VRING_NUM, M_STATE, 256, 0, "yyyyyyyy"},
	{FG_SET_VRING_NUM, M_STATE, 32768, 0, "yyyyyyyy"},
	{FG_SET_VRING_BASE, M_STATE, 0x7fff, 0, "yyyynny?"},
	{FG_SET_VRING_BASE, M_STATE, 0x10000, 0, "nnnnnnnn"},
	{FG_SET_VRING_ADDR, M_ADDR, 0, 0, "??yyyyyy"},
	{FG_SET_VRING_ADDR, M_ADDR, 8, 0, "nnnnnnnn"},	   /* misaligned */
	{FG_SET_VRING_ADDR, M_ADDR, 65536, 0, "????nn??"}, /* elsewhere */
	{FG_GET_VRING_BASE, M_STATE, 0, 0, "yyyyyyyy"},
	{FG_SET_VRING_KICK, M_KICK, 0, 0, "??yyyyy?"},
	{FG_SET_VRING_CALL, M_KICK, 0, 0, "yyyyyyyy"},
	{FG_SET_VRING_ERR, M_KICK, 0, 0, "yyyyyyyy"},
	{FG_GET_PROTOCOL_FEATURES, M_NONE, 0, 0, "yyyyyyyy"},
	{FG_SET_PROTOCOL_FEATURES, M_U64, 1ull << 14, 0, "nnnnnnnn"}, /* never offered */
	{FG_GET_QUEUE_NUM, M_NONE, 0, 0, "yyyyyyyy"},
	{FG_SET_VRING_ENABLE, M_STATE, 1, 0, "yyyyyyyy"},
	{FG_SET_VRING_ENABLE, M_STATE, 0, 0, "yyyyyyyy"},
	{FG_SET_VRING_ENABLE, M_STATE, 2, 0, "nnnnnnnn"},
	{FG_NET_SET_MTU, M_U64, 1500, 0, "yyyyyyyy"},
	{FG_NET_SET_MTU, M_U64, 0, 0, "nnnnnnnn"},
	{FG_NET_SET_MTU, M_U64, 0x10000, 0, "nnnnnnnn"},
	{FG_SET_STATUS, M_U64, 0x0f, 0, "yyyyyyyy"},
	{FG_SET_STATUS, M_U64, 0, 0, "yyyyyyyy"},
	{FG_SET_STATUS, M_U64, 0x100, 0, "nnnnnnnn"},
	{FG_GET_STATUS, M_NONE, 0, 0, "yyyyyyyy"},
	{FG_RESET_DEVICE, M_NONE, 0, 0, "yyyyyyyy"},
	/* Not offered, so never agreed: refused whatever they carry. */
	{FG_SET_LOG_FD, M_NONE, 0, 0, "nnnnnnnn"},
	{FG_SET_LOG_BASE, M_RAW, 0, 16, "nnnnnnnn"},
	{FG_SET_BACKEND_REQ_FD, M_NONE, 0, 0, "nnnnnnnn"},
	{FG_IOTLB_MSG, M_RAW, 0, 32, "nnnnnnnn"},
	{FG_SET_VRING_ENDIAN, M_STATE, 1, 0, "nnnnnnnn"},
	{FG_GET_CONFIG, M_RAW, 0, 12, "nnnnnnnn"},
	{FG_SET_CONFIG, M_RAW, 0, 12, "nnnnnnnn"},
	{FG_POSTCOPY_ADVISE, M_NONE, 0, 0, "nnnnnnnn"},
	{FG_POSTCOPY_LISTEN, M_NONE, 0, 0, "nnnnnnnn"},
	{FG_POSTCOPY_END, M_NONE, 0, 0, "nnnnnnnn"},
	{FG_GET_INFLIGHT_FD, M_RAW, 0, 24, "nnnnnnnn"},
	{FG_SET_INFLIGHT_FD, M_RAW, 0, 24, "nnnnnnnn"},
	{FG_VRING_KICK, M_STATE, 0, 0, "nnnnnnnn"},
};
enum { N_ROWS = sizeof(rows) / sizeof(rows[0]) };

/* Addresses of ring 1, @off bytes from where it really is. */
static void make_addr(struct guest *g, uint64_t off, struct fg_msg *m)
{
	const struct fg_ring *r = &g->s.ring[1];

	m->size = 40;
	m->addr.index = 1;
	m->addr.flags = 0;
	m->addr.desc = fg_memory_user(&g->mem, r->desc_gpa) + off;
	m->addr.avail = fg_memory_user(&g->mem, r->avail_gpa) + off;
	m->addr.used = fg_memory_user(&g->mem, r->used_gpa) + off;
	m->addr.log = 0;
}

static void make_table(struct guest *g, struct fg_msg *m)
{
	struct fg_msg one;

	fg_region_msg(&g->s, 0, FG_ADD_MEM_REG, &one);
	m->size = 8 + 32;
	m->table.n = 1;
	m->table.region[0] = one.one.region;
}

static enum verdict send_row(struct guest *g, const struct row *row)
{
	struct fg_msg m = {.request = row->request};
	unsigned int n_fds = 0;
	int fd = -1;

	switch (row->make) {
	case M_NONE:
		break;
	case M_U64:
		m.size = 8;
		m.u64 = row->value;
		break;
	case M_STATE:
		m.size = 8;
		m.state.index = 1;
		m.state.num = (uint32_t)row->value;
		break;
	case M_ADDR:
		make_addr(g, row->value, &m);
		break;
	case M_KICK:
		m.size = 8;
		m.u64 = 1;
		fd = g->s.ring[1].kick;
		break;
	case M_REGION:
		fg_region_msg(&g->s, 0, row->request, &m);
		fd = row->request == FG_ADD_MEM_REG ? g->mem.region[0].fd : -1;
		break;
	case M_TABLE:
		make_table(g, &m);
		fd = g->mem.region[0].fd;
		break;
	case M_RAW:
		m.size = row->size;
		break;
	}
	n_fds = fd >= 0;
	return verdict_of(&g->s, &m, &fd, n_fds);
}

/* M9. Every request in every state. */
static void every_request_in_every_state(void **state)
{
	for (unsigned int r = 0; r < N_ROWS; r++) {
		for (enum stop stop = 0; stop < STOPS; stop++) {
			struct guest *g = guest_open("h0", NULL);
			char what[128];
			enum verdict v;

			go_to(g, stop);
			v = send_row(g, &rows[r]);
			snprintf(what, sizeof(what), "%s %#llx, %s", fg_wire_name(rows[r].request),
				 (unsigned long long)rows[r].value, stops[stop]);
			if (rows[r].expect[stop] == 'y')
				assert_yes(v, what);
			else if (rows[r].expect[stop] == 'n')
				assert_no(v, what);
			else if (v == V_SILENT)
				fail_msg("%s: no answer", what);
			if (v != V_CLOSED) /* and the conversation goes on */
				OK(fg_barrier(&g->s));
			guest_close(g);
		}
	}
}

/* M9. What may be said of a running ring leaves it running. */
static void talk_about_a_running_ring_leaves_it_running(void **state)
{
	struct guest *g = guest_run("h0", NULL);
	struct guest *peer = guest_run("h1", NULL);

	for (unsigned int r = 0; r < N_ROWS; r++) {
		uint32_t request = rows[r].request;

		if (request == FG_RESET_OWNER || request == FG_RESET_DEVICE ||
		    request == FG_GET_VRING_BASE || request == FG_REM_MEM_REG ||
		    request == FG_SET_MEM_TABLE || request == FG_SET_VRING_KICK ||
		    request == FG_SET_VRING_CALL || request == FG_SET_VRING_NUM ||
		    ((request == FG_SET_STATUS || request == FG_SET_VRING_ENABLE) &&
		     rows[r].value == 0))
			continue; /* these do end or change it */
		if (rows[r].expect[S_RUNNING] == '?')
			continue;
		if (send_row(g, &rows[r]) == V_CLOSED) {
			guest_close(g);
			g = guest_run("h0", NULL);
		}
		assert_traffic(g, peer, 2, 200);
		assert_traffic(peer, g, 2, 200);
	}
}

/* M9. A base that lies about the ring: the available index is further away than the ring is long.
 */
static void a_base_beyond_the_ring_breaks_it(void **state)
{
	struct guest *g = guest_open("h0", NULL);
	struct guest *peer = guest_run("h1", NULL);

	OK(fg_send_features(&g->s));
	OK(fg_send_memory(&g->s));
	OK(fg_request_state(&g->s, FG_SET_VRING_NUM, 1, 256));
	OK(fg_request_state(&g->s, FG_SET_VRING_BASE, 1, 0x7fff));
	g->s.ring[1].used->idx = 0x7fff;
	OK(fg_send_addr(&g->s, 1));
	OK(fg_send_call(&g->s, 1));
	fg_send_kick(&g->s, 1);
	fg_ring_kick_now(&g->s.ring[1]);
	assert_true(fg_ring_error(&g->s.ring[1], FG_WAIT_MS));
	assert_silence(peer);
}

/* M9, V11. A ring that was placed for 256 descriptors and is then said to have 32768: looked at as
 * a whole when it starts, it does not fit its memory. */
static void geometry_is_checked_as_a_whole(void **state)
{
	struct guest *g = guest_open_regions("h0", NULL, 1);
	struct fg_ring *tx = &g->s.ring[1];
	struct fg_msg kick = {.request = FG_SET_VRING_KICK, .size = 8, .u64 = 1};
	uint16_t base = 99;

	/* the last place in memory that 256 descriptors fit into */
	tx->desc_gpa = GUEST_GPA + 4 * MIB - 16 * 256;
	OK(fg_send_features(&g->s));
	OK(fg_send_memory(&g->s));
	OK(fg_request_state(&g->s, FG_SET_VRING_NUM, 1, 256));
	OK(fg_request_state(&g->s, FG_SET_VRING_BASE, 1, 0));
	OK(fg_send_addr(&g->s, 1));
	if (verdict_of_state(&g->s, FG_SET_VRING_NUM, 1, 32768) != V_OK)
		return;
	if (verdict_of(&g->s, &kick, &tx->kick, 1) != V_OK)
		return;
	tx->avail->ring[0] = 300; /* a descriptor beyond the memory */
	fg_ring_set_avail_idx(tx, 1);
	fg_ring_kick_now(tx);
	fg_sleep_us(50000);
	assert_int_equal(fg_ring_used_idx(tx), 0);
	OK(fg_stop_ring(&g->s, 1, &base));
	assert_int_equal(base, 0);
}

/* M10. A legal message, over and over, on a running device: nothing piles up. */
static void repetition_costs_nothing(void **state)
{
	enum { TIMES = 20000, LIMIT_MS = 1200 };
	static const struct row *row;
	struct guest *g = guest_run("h0", NULL);
	struct fg_usage before;

	OK(fg_switch_usage(&fixture.sw, &before));
	for (row = rows; row < rows + N_ROWS; row++) {
		int64_t deadline = fg_deadline(LIMIT_MS / 4);

		if (row->expect[S_RUNNING] != 'y')
			continue;
		for (unsigned int i = 0; i < TIMES && fg_left_ms(deadline) > 0; i++)
			assert_yes(send_row(g, row), fg_wire_name(row->request));
	}
	OK(fg_add_region(&g->s, 0));
	assert_held_as(&before, 2); /* GET_VRING_BASE and RESET_DEVICE may close two */
}

/* M10. Rings that start and stop without end. */
static void starting_and_stopping_costs_nothing(void **state)
{
	struct guest *g = guest_run("h0", NULL);
	struct guest *peer = guest_run("h1", NULL);
	int64_t deadline = fg_deadline(2000);
	struct fg_usage before;
	unsigned int rounds = 0;

	OK(fg_switch_usage(&fixture.sw, &before));
	for (; fg_left_ms(deadline) > 0; rounds++) {
		guest_restart(g);
		if (rounds % 16 == 0)
			assert_traffic(g, peer, 1, 300);
	}
	assert_held_as(&before, 0);
}

/* M13. A request whose answer takes time delays no other: not the other connections, not the
 * control socket; and what is sent behind it is answered in order. */
static void answers_come_in_order_and_delay_no_port(void **state)
{
	struct guest *g = guest_run("h0", NULL);
	struct guest *other = guest_run("h1", NULL);
	struct fg_msg m = {.flags = FG_VERSION};

	for (unsigned int round = 0; round < 50; round++) {
		for (uint32_t i = 0; i < 2;
		     i++) { /* each is answered when the lcores have moved on */
			m.request = FG_GET_VRING_BASE;
			m.size = 8;
			m.state.index = i;
			OK(fg_wire_send(g->s.sock, &m, NULL, 0));
			m.request = FG_GET_FEATURES;
			m.size = 0;
			OK(fg_wire_send(g->s.sock, &m, NULL, 0));
		}
		OK(fg_barrier(&other->s));
		for (uint32_t i = 0; i < 2; i++) {
			OK(fg_wire_recv(g->s.sock, &m, NULL, FG_WAIT_MS));
			assert_int_equal(m.request, FG_GET_VRING_BASE);
			assert_int_equal(m.state.index, i);
			OK(fg_wire_recv(g->s.sock, &m, NULL, FG_WAIT_MS));
			assert_int_equal(m.request, FG_GET_FEATURES);
			m.flags = FG_VERSION;
		}
		guest_restart(g);
	}
	assert_traffic(g, other, 2, 200);
}

int main(void)
{
	const struct CMUnitTest cases[] = {
		TEST_CASE(every_request_in_every_state),
		TEST_CASE(talk_about_a_running_ring_leaves_it_running),
		TEST_CASE(a_base_beyond_the_ring_breaks_it),
		TEST_CASE(geometry_is_checked_as_a_whole),
		TEST_CASE(repetition_costs_nothing),
		TEST_CASE(starting_and_stopping_costs_nothing),
		TEST_CASE(answers_come_in_order_and_delay_no_port),
	};

	return fixture_main("state", CASES(cases));
}
