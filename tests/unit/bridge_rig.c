/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bridge_rig.h"
#include "burst.h"
#include "cases.h"
#include "eal.h"
#include "rcu.h"
#include "rcu_drain.h"

/* --- ports ------------------------------------------------------------------------------------------------------- */

static uint32_t number_of(const struct frame *frame)
{
	uint32_t number;

	memcpy(&number, frame->head + 14, sizeof(number));
	return number;
}

static void record(struct port *port, struct lcore_ctx *ctx, struct frame **frames, uint16_t n)
{
	struct recorder *to = (struct recorder *)(void *)port;
	uint16_t taken = n < to->room ? n : (uint16_t)to->room;

	if (atomic_load(&to->gone))
		atomic_fetch_add(&to->late, n);
	for (uint16_t i = 0; to->seen != NULL && i < taken; i++)
		to->seen(to, frames[i]);
	for (uint16_t i = 0; to->seen == NULL && !to->quiet && i < taken; i++)
		to->log[to->n++ % LOG_MAX] = number_of(frames[i]);
	count(&port_counters_of(port, ctx)->tx_ok, taken);
	if (taken < n)
		port_drop_tx_frames(port, ctx, TX_DROP_NO_BUFFER, frames + taken, (uint64_t)(n - taken));
}

static const struct port_ops recorder_ops = {.deliver = record, .insert = record};
static struct port_host host = {.lcores = THREADS};

void recorder_open(struct recorder *recorder, uint16_t id)
{
	struct port_spec spec = {.name = "port", .type = "vhost-user"};

	memset(recorder, 0, sizeof(*recorder));
	assert_int_equal(port_init(&recorder->port, &host, &recorder_ops, &spec, id), 0);
	recorder->rxq.port = &recorder->port;
	recorder->room = BURST_MAX;
}

/* --- a bridge with ports and one lcore --------------------------------------------------------------------------- */

static struct doorbell bell;
struct lcore_ctx ctx[THREADS];
struct bridge *bridge;
struct recorder port[PORTS_MANY];
static uint32_t next_number;

mac_key_t home(uint32_t i)
{
	return UINT64_C(0x020000000002) + ((mac_key_t)i << 24);
}

void open_bridge(unsigned int ports, int aging)
{
	open_bridge_as(ports, &(struct bridge_config){.name = "br0", .mac_aging = aging});
}

void open_bridge_as(unsigned int ports, const struct bridge_config *config)
{
	role_assert_control();
	role_assert_lcore();
	bridge = bridge_create(config, 3);
	assert_non_null(bridge);
	assert_string_equal(bridge_name(bridge), "br0");
	for (unsigned int i = 0; i < ports; i++) {
		recorder_open(&port[i], (uint16_t)i);
		assert_int_equal(bridge_add_port(bridge, &port[i].port), 0);
		assert_ptr_equal(port[i].port.bridge, bridge);
	}
	assert_int_equal(bridge_ports_n(bridge), ports);
	for (int i = 0; i < THREADS; i++)
		ctx[i].epoch = 0;
	next_number = 0;
}

void close_bridge(unsigned int ports)
{
	role_assert_control();
	for (unsigned int i = 0; i < ports; i++)
		assert_int_equal(bridge_remove_port(bridge, &port[i].port), 0);
	assert_int_equal(bridge_ports_n(bridge), 0);
	rcu_drain();
	for (unsigned int i = 0; i < ports; i++)
		port_fini(&port[i].port);
	bridge_destroy(bridge);
	bridge_destroy(NULL);
}

void mac_write(uint8_t *to, mac_key_t mac)
{
	for (int i = 0; i < 6; i++)
		to[i] = (uint8_t)(mac >> 8 * i);
	assert_true(mac_key(to) == mac);
}

uint32_t put(struct lcore_ctx *lcore, mac_key_t dst, mac_key_t src)
{
	struct burst *burst = lcore->burst;
	struct frame *frame = &burst->frame[burst->n];

	*frame = (struct frame){.head = burst->room[burst->n].head, .head_len = ROOM, .len = ROOM};
	burst->n++;
	memset(frame->head, 0, ROOM);
	mac_write(frame->head, dst);
	mac_write(frame->head + 6, src);
	memcpy(frame->head + 14, &next_number, sizeof(next_number));
	return next_number++;
}

void forward(struct recorder *from)
{
	role_assert_lcore();
	bridge_forward(&ctx[0], &from->rxq);
	ctx[0].burst->n = 0;
}

unsigned int learn(void)
{
	struct report reports[64];
	unsigned int n, all = 0;

	role_assert_control();
	while ((n = report_drain(ctx[0].reports, reports, 64)) > 0) {
		for (unsigned int i = 0; i < n; i++) {
			assert_int_equal(reports[i].bridge, 3);
			if (reports[i].kind == REPORT_MAC_RENEWED) {
				bridge_renew(bridge, reports[i].key, reports[i].port);
				continue;
			}
			assert_int_equal(reports[i].kind, REPORT_MAC_SEEN);
			bridge_learn(bridge, reports[i].key, reports[i].port);
		}
		all += n;
	}
	return all;
}

void got(struct recorder *recorder, uint32_t n, ...)
{
	va_list args;

	assert_int_equal(recorder->n, n);
	va_start(args, n);
	for (uint32_t i = 0; i < n; i++)
		assert_int_equal(recorder->log[i], va_arg(args, uint32_t));
	va_end(args);
	recorder->n = 0;
}

uint64_t rx_drop(struct recorder *recorder, enum rx_drop why)
{
	return counted(&port_counters_of(&recorder->port, &ctx[0])->rx_drop[why]);
}

void balanced(unsigned int ports, uint64_t given)
{
	uint64_t ok = 0, copies = 0, in_drops = 0, out = 0, bytes = 0;

	for (unsigned int i = 0; i < ports; i++) {
		struct port_counters sum;

		port_counters_sum(&port[i].port, &sum);
		ok += counted(&sum.rx_ok);
		bytes += counted(&sum.rx_bytes);
		copies += counted(&sum.copies) + counted(&sum.injected) + counted(&sum.mirrored);
		out += counted(&sum.tx_ok);
		for (int r = 0; r < RX_DROPS; r++)
			in_drops += counted(&sum.rx_drop[r]);
		for (int r = 0; r < TX_DROPS; r++)
			out += counted(&sum.tx_drop[r]);
	}
	assert_int_equal(ok + copies, out);
	assert_int_equal(ok + in_drops, given);
	assert_int_equal(bytes, ok * ROOM);
}

void isolate(unsigned int ports)
{
	role_assert_control();
	for (unsigned int i = 0; i < PORTS; i++) {
		const struct policy_config config = {.isolated = (ports >> i & 1) != 0};

		assert_int_equal(port_policy_set(&port[i].port, &config), 0);
		assert_int_equal(port_policy_flags(&port[i].port), config.isolated ? POLICY_ISOLATED : 0);
	}
}

static int open_lcores(void **state)
{
	if (doorbell_init(&bell) != 0)
		return -1;
	for (uint16_t i = 0; i < THREADS; i++) {
		ctx[i].index = i;
		ctx[i].reports = report_ring_create(i, &bell);
		ctx[i].burst = burst_new();
		if (ctx[i].reports == NULL || ctx[i].burst == NULL)
			return -1;
		ctx[i].burst->n = 0;
	}
	return 0;
}

static int close_lcores(void **state)
{
	for (int i = 0; i < THREADS; i++) {
		report_ring_destroy(ctx[i].reports);
		free(ctx[i].burst);
	}
	doorbell_fini(&bell);
	return 0;
}

int bridge_rig_run(const struct CMUnitTest *tests, size_t n)
{
	if (eal_start("0@0", NULL) != 0 || rcu_init(THREADS) != 0)
		return 1;
	return _cmocka_run_group_tests("bridge", tests, n, open_lcores, close_lcores);
}
