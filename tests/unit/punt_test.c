/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames on their way from lcores to control: what is copied, what is refused and how that is counted. */
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "cases.h"
#include "clock.h"
#include "doorbell.h"
#include "eal.h"
#include "fg_packet.h"
#include "port.h"
#include "punt.h"

enum { LCORES = 2, LEN = 100 };

static struct port_host host = {.lcores = LCORES};
static const struct port_ops no_ops;
static struct doorbell bell;
static struct lcore_ctx ctx[LCORES];
static struct port port, other;

static int open_all(void **state)
{
	const struct port_spec spec = {.name = "vm1", .type = "ethdev"};

	role_assert_lcore();
	if (doorbell_init(&bell) != 0 || port_init(&port, &host, &no_ops, &spec, 7) != 0 ||
	    port_init(&other, &host, &no_ops, &spec, 8) != 0)
		return -1;
	for (uint16_t i = 0; i < LCORES; i++) {
		ctx[i] = (struct lcore_ctx){.index = i, .punts = punt_ring_create(&bell)};
		if (ctx[i].punts == NULL)
			return -1;
	}
	return 0;
}

static int close_all(void **state)
{
	role_assert_lcore();
	for (int i = 0; i < LCORES; i++)
		punt_ring_destroy(ctx[i].punts);
	punt_ring_destroy(NULL);
	port_fini(&port);
	port_fini(&other);
	doorbell_fini(&bell);
	return 0;
}

static uint64_t dropped(enum punt_drop why)
{
	struct port_counters sum;

	port_counters_sum(&port, &sum);
	return counted(&sum.punt_drop[why]);
}

/* Posts n frames of LEN bytes that begin with their number. */
static void post(unsigned int lcore, struct port *from, unsigned int n) RUNS_ON(lcore_thread)
{
	uint8_t bytes[LEN] = {0};
	const struct frame frame = {.head = bytes, .head_len = LEN, .len = LEN};

	for (unsigned int i = 0; i < n; i++) {
		bytes[0] = (uint8_t)i;
		punt_post(&ctx[lcore], from, PUNT_LLDP, &frame);
	}
}

/* Takes what waits: how many, numbered from 0 on. */
static unsigned int take(unsigned int lcore) ROLE_UNCHECKED
{
	const struct punt *punt;
	unsigned int n = 0;

	while ((punt = punt_next(ctx[lcore].punts)) != NULL) {
		assert_int_equal(punt->len, LEN);
		assert_int_equal(punt->kind, PUNT_LLDP);
		assert_int_equal(punt->bytes[0], n++);
		punt_done(ctx[lcore].punts);
	}
	return n;
}

/* Head and body, whole, and the bell rings for the first. */
static void a_frame_is_copied(void **state)
{
	uint8_t head[FRAME_HEAD], body[2][500], want[FRAME_HEAD + 1000];
	const struct mem_span spans[2] = {{.at = body[0], .len = 500}, {.at = body[1], .len = 500}};
	const struct frame frame = {
		.head = head, .head_len = FRAME_HEAD, .len = sizeof(want), .body = spans, .body_spans = 2,
		.vlan = 42};
	struct pollfd poll_fd = {.fd = bell.fd, .events = POLLIN};
	const struct punt *punt;

	role_assert_lcore();
	role_assert_control();
	for (size_t i = 0; i < sizeof(want); i++)
		want[i] = (uint8_t)(i * 7);
	memcpy(head, want, FRAME_HEAD);
	memcpy(body, want + FRAME_HEAD, 1000);
	doorbell_arm(&bell);
	punt_post(&ctx[0], &port, PUNT_ARP, &frame);
	assert_int_equal(poll(&poll_fd, 1, 0), 1);
	doorbell_disarm(&bell);
	memset(head, 0, sizeof(head));
	memset(body, 0, sizeof(body));
	assert_null(punt_next(ctx[1].punts));
	punt = punt_next(ctx[0].punts);
	assert_non_null(punt);
	assert_int_equal(punt->port, 7);
	assert_int_equal(punt->kind, PUNT_ARP);
	assert_int_equal(punt->vlan, 42);
	assert_int_equal(punt->len, sizeof(want));
	assert_memory_equal(punt->bytes, want, sizeof(want));
	punt_done(ctx[0].punts);
	assert_null(punt_next(ctx[0].punts));
}

/* Control gets what would be on a wire. */
static void an_open_checksum_is_finished(void **state)
{
	static const uint8_t mac[6] = {2};
	const struct fg_packet packet = {.udp = true, .vlans = 1, .payload = 301, .seed = 5};
	uint8_t bytes[301 + FG_PACKET_ROOM];
	struct fg_vnet asks;
	struct fg_parsed parsed;
	uint32_t len = fg_packet_build(&packet, mac, mac, bytes, &asks);
	const struct frame frame = {
		.head = bytes,
		.head_len = (uint16_t)len,
		.len = len,
		.offload = {.flags = asks.flags, .csum_start = asks.csum_start, .csum_offset = asks.csum_offset},
	};
	const struct punt *punt;

	role_assert_lcore();
	role_assert_control();
	assert_non_null(fg_packet_check(&packet, bytes, len, true, &parsed));
	punt_post(&ctx[0], &port, PUNT_IGMP, &frame);
	punt = punt_next(ctx[0].punts);
	assert_non_null(punt);
	assert_null(fg_packet_check(&packet, punt->bytes, punt->len, true, &parsed));
	punt_done(ctx[0].punts);
}

static void a_long_frame_is_refused(void **state)
{
	static uint8_t bytes[CONTROL_FRAME_MAX + 1];
	struct frame frame = {.head = bytes, .head_len = CONTROL_FRAME_MAX, .len = CONTROL_FRAME_MAX};

	role_assert_lcore();
	role_assert_control();
	punt_post(&ctx[0], &port, PUNT_LACP, &frame);
	assert_non_null(punt_next(ctx[0].punts));
	punt_done(ctx[0].punts);
	frame.head_len = CONTROL_FRAME_MAX + 1;
	frame.len = CONTROL_FRAME_MAX + 1;
	punt_post(&ctx[0], &port, PUNT_LACP, &frame);
	assert_null(punt_next(ctx[0].punts));
	assert_int_equal(dropped(PUNT_DROP_LONG), 1);
}

/* A port has its rate on all lcores together, and the next port has its own. */
static void a_port_has_a_rate(void **state)
{
	uint64_t begin = clock_ns(), passed;
	unsigned int n;

	role_assert_lcore();
	post(0, &port, CONTROL_FRAMES_BURST);
	n = take(0);
	post(1, &port, 10);
	n += take(1);
	passed = clock_ns() - begin;
	assert_in_range(n, CONTROL_FRAMES_BURST,
			CONTROL_FRAMES_BURST + passed * CONTROL_FRAMES_RATE / NS_PER_S + 1);
	assert_int_equal(dropped(PUNT_DROP_RATE), CONTROL_FRAMES_BURST + 10 - n);
	post(1, &other, CONTROL_FRAMES_BURST);
	assert_int_equal(take(1), CONTROL_FRAMES_BURST);
	/* What comes back comes with time. */
	while (take(0) == 0) {
		assert_true(clock_ns() < begin + 10 * NS_PER_S);
		post(0, &port, 1);
	}
	assert_true(clock_ns() - begin >= NS_PER_S / CONTROL_FRAMES_RATE);
}

/* Two ports fill a ring; a third is refused, and has its rate left. */
static void a_full_ring_refuses(void **state)
{
	const struct port_spec spec = {.name = "vm3", .type = "ethdev"};
	struct port third;
	struct port_counters sum;

	role_assert_lcore();
	_Static_assert(2 * CONTROL_FRAMES_BURST == CONTROL_FRAMES, "two ports fill a ring");
	assert_int_equal(port_init(&third, &host, &no_ops, &spec, 9), 0);
	post(0, &port, CONTROL_FRAMES_BURST);
	post(0, &other, CONTROL_FRAMES_BURST);
	post(0, &third, 20);
	port_counters_sum(&third, &sum);
	assert_int_equal(counted(&sum.punt_drop[PUNT_DROP_FULL]), 20);
	post(1, &third, CONTROL_FRAMES_BURST);
	assert_int_equal(take(1), CONTROL_FRAMES_BURST);
	port_fini(&third);
}

enum { ROUNDS = 100000 };
static atomic_bool posted;

static void *post_many(void *arg)
{
	uint8_t bytes[LEN];
	const struct frame frame = {.head = bytes, .head_len = LEN, .len = LEN};

	role_assert_lcore();
	for (uint32_t i = 0; i < ROUNDS; i++) {
		memset(bytes, (int)i, sizeof(bytes));
		memcpy(bytes, &i, sizeof(i));
		/* The rate is not what is tested. */
		atomic_store(&port.punts.full_ns, 0);
		punt_post(&ctx[0], &port, PUNT_LLDP, &frame);
	}
	atomic_store(&posted, true);
	return NULL;
}

/* What arrives is whole and in order, and with what was dropped it is everything. */
static void two_threads(void **state)
{
	uint32_t taken = 0, last = 0, number;
	const struct punt *punt;
	pthread_t thread;
	bool over;

	role_assert_control();
	assert_int_equal(pthread_create(&thread, NULL, post_many, NULL), 0);
	do {
		over = atomic_load(&posted);
		while ((punt = punt_next(ctx[0].punts)) != NULL) {
			memcpy(&number, punt->bytes, sizeof(number));
			assert_true(taken == 0 || number > last);
			for (size_t i = sizeof(number); i < LEN; i++)
				assert_int_equal(punt->bytes[i], (uint8_t)number);
			last = number;
			taken++;
			punt_done(ctx[0].punts);
		}
	} while (!over);
	pthread_join(thread, NULL);
	assert_true(taken > 0);
	assert_int_equal(taken + dropped(PUNT_DROP_FULL), ROUNDS);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, open_all, close_all)
	const struct CMUnitTest tests[] = {
		CASE(a_frame_is_copied), CASE(an_open_checksum_is_finished), CASE(a_long_frame_is_refused),
		CASE(a_port_has_a_rate), CASE(a_full_ring_refuses),	     CASE(two_threads),
	};

	if (eal_start("0@0", NULL) != 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
