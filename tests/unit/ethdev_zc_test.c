/* SPDX-License-Identifier: BSD-3-Clause */
/* Guests' frames to a device without a copy: who may have them, what arrives, when it is given back, and what becomes of a
 * device that gives nothing back. net_ring is the device that keeps frames for a while: the test has the other end. */
#include <jansson.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <string.h>
#include <time.h>

#include "cases.h"
#include "device.h"
#include "eal.h"
#include "ethdev_options.h"
#include "ethdev_queues.h"
#include "frame_head.h"
#include "frame_ref.h"
#include "log.h"
#include "loop.h"
#include "rcu.h"

enum { LCORES = 2,
       MTU = 9000,
       LONGEST = 9018 };

static struct port_host host = {.lcores = LCORES};
static struct burst burst, other_burst;
static struct lcore_ctx lcore = {.index = 1, .burst = &burst};
static struct frame_refs *refs;
static uint8_t memory[BURST_MAX][LONGEST];
static struct mem_span span[BURST_MAX][8];

/* --- tools ------------------------------------------------------------------------------------------------------- */

static struct port *port_on(const char *device, bool zero_copy)
{
	const struct ethdev_options options = {
		.device = (char *)(uintptr_t)device, .mtu = MTU, .offloads = true, .zero_copy_tx = zero_copy};
	struct port_spec spec = {.name = "up", .type = "ethdev", .options = &options};
	struct port *port = NULL;
	struct fail fail = {""};

	role_assert_control();
	if (device_start(&host, &spec, &port, &fail) != 0)
		fail_msg("%s: %s", device, fail.text);
	loop_turn(host.loop, 0);
	return port;
}

/* What an lcore does at the end of a round. */
static void run_work(void)
{
	struct lcore_work **at = &lcore.work;

	while (*at != NULL) {
		struct lcore_work *work = *at;

		if (work->run(work)) {
			work->started = false;
			*at = work->next;
		} else {
			at = &work->next;
		}
	}
}

static void end(struct port *port)
{
	role_assert_control();
	assert_true(device_end(port, run_work));
}

/* A burst of a guest: frames of this length, their bodies in so many pieces. */
static void fill_burst(uint16_t n, uint32_t len, uint16_t pieces)
{
	burst.n = n;
	burst.refs = refs;
	burst.first_ref = 250; /* goes around */
	for (uint16_t i = 0; i < n; i++) {
		uint32_t body = len > FRAME_HEAD ? len - FRAME_HEAD : 0, at = FRAME_HEAD;

		for (uint32_t b = 0; b < len; b++)
			memory[i][b] = (uint8_t)(b * 7 + b / 256 + i);
		burst.frame[i] = (struct frame){
			.head = memory[i],
			.head_len = (uint16_t)RTE_MIN(len, (uint32_t)FRAME_HEAD),
			.len = len,
			.body = span[i],
			.body_spans = body > 0 ? pieces : 0,
		};
		for (uint16_t p = 0; p < pieces; p++) {
			uint32_t part = p + 1 < pieces ? body / pieces : LONGEST;

			part = RTE_MIN(part, len - at);
			span[i][p] = (struct mem_span){memory[i] + at, part};
			at += part;
		}
	}
}

static void deliver(struct port *port)
{
	struct frame *frames[BURST_MAX];

	for (uint16_t i = 0; i < burst.n; i++)
		frames[i] = &burst.frame[i];
	port->ops->deliver(port, &lcore, frames, burst.n);
}

static uint16_t held(uint16_t i)
{
	return frame_ref_count(
		&refs->ref[(burst.first_ref + i) % VIRTQ_IN_HAND_LIST]);
}

/* The other end of a ring reads: what comes is what was sent. */
static void read_ring(struct port *port, uint16_t n, uint32_t len)
{
	struct lcore_ctx reader = {.index = 0, .burst = &other_burst};
	static uint8_t got[LONGEST];

	assert_int_equal(port->ops->receive(port->rxq[1], &reader), n);
	for (uint16_t i = 0; i < n; i++) {
		assert_int_equal(other_burst.frame[i].len, len);
		frame_copy(&other_burst.frame[i], got);
		assert_memory_equal(got, memory[i], len);
	}
	port->ops->complete(port->rxq[1], &reader);
}

/* It reads until there is nothing left: the number of frames. */
static unsigned int empty_ring(struct port *port)
{
	struct lcore_ctx reader = {.index = 0, .burst = &other_burst};
	unsigned int all = 0;

	for (uint16_t n; (n = port->ops->receive(port->rxq[1], &reader)) > 0; all += n)
		port->ops->complete(port->rxq[1], &reader);
	return all;
}

static bool says(struct port *port, const char *word)
{
	json_t *object = json_object();
	bool found;

	port->ops->show(port, object);
	found = strstr(json_string_value(json_object_get(object, "zero_copy_tx")), word) != NULL;
	json_decref(object);
	return found;
}

/* --- test cases --------------------------------------------------------------------------------------------------- */

static void long_frames_are_zc(void **state)
{
	static const uint16_t pieces[] = {1, 2, 4};
	struct port *port = port_on("net_ring0", true);

	assert_true(says(port, "on, frames of"));
	for (unsigned int p = 0; p < RTE_DIM(pieces); p++) {
		fill_burst(20, 9014, pieces[p]);
		deliver(port);
		for (uint16_t i = 0; i < 20; i++)
			assert_int_equal(held(i), pieces[p]);
		/* What a guest scribbles after the check: the head is ours, the body is as it is then. */
		memory[0][0] ^= 0xff;
		memory[1][5000] ^= 0xff;
		memory[0][0] ^= 0xff;
		read_ring(port, 20, 9014);
		for (uint16_t i = 0; i < 20; i++)
			assert_int_equal(held(i), 0);
		run_work();
		assert_null(lcore.work);
	}
	end(port);
}

static void others_are_copied(void **state)
{
	struct port *port = port_on("net_ring0", true);

	fill_burst(3, ETHDEV_ZC_MIN - 1, 1);
	deliver(port);
	assert_int_equal(held(0), 0);
	read_ring(port, 3, ETHDEV_ZC_MIN - 1);
	/* In more pieces than a copy is worth. */
	fill_burst(3, 4000, 5);
	deliver(port);
	assert_int_equal(held(0), 0);
	read_ring(port, 3, 4000);
	/* Of a queue without references now. */
	fill_burst(3, 4000, 1);
	burst.refs = NULL;
	deliver(port);
	assert_int_equal(held(0), 0);
	read_ring(port, 3, 4000);
	assert_null(lcore.work);
	end(port);
	port = port_on("net_ring0", false);
	assert_true(says(port, "off"));
	fill_burst(3, 4000, 1);
	deliver(port);
	assert_int_equal(held(0), 0);
	read_ring(port, 3, 4000);
	end(port);
}

/* To two devices: the guest has its buffer back when both have read it. */
static void a_flood(void **state)
{
	struct port *one = port_on("net_ring0", true), *other = port_on("net_ring1", true);

	fill_burst(4, 1514, 1);
	deliver(one);
	deliver(other);
	assert_int_equal(held(3), 2);
	read_ring(other, 4, 1514);
	assert_int_equal(held(3), 1);
	read_ring(one, 4, 1514);
	assert_int_equal(held(3), 0);
	end(one);
	end(other);
	assert_int_equal(frame_ref_users, 0);
}

/* A frame that lies in a guest's memory comes in from a device and goes out to another with a tag, its head in `head` bytes of
 * an mbuf: what keeps the guest's memory stays as long as the second device has it. */
static void passed_on_with_a_tag(uint16_t head)
{
	struct port *one = port_on("net_ring0", true), *other = port_on("net_ring1", false);
	struct lcore_ctx reader = {.index = 0, .burst = &other_burst};
	struct frame *frame = &burst.frame[0], *in = &other_burst.frame[0];
	struct mem_span spans[8];

	fill_burst(2, 4000, 1);
	frame->head_len = head;
	span[0][0] = (struct mem_span){memory[0] + head, 4000u - head};
	one->ops->deliver(one, &lcore, &frame, 1);
	assert_int_equal(held(0), 1);
	assert_int_equal(one->ops->receive(one->rxq[1], &reader), 1);
	frame_head_own(in, &other_burst.room[0], spans);
	assert_true(frame_head_push_tag(in));
	other->ops->deliver(other, &lcore, &in, 1);
	one->ops->complete(one->rxq[1], &reader);
	assert_int_equal(held(0), head == FRAME_HEAD);
	/* Whatever mbufs are free are used again. */
	frame = &burst.frame[1];
	one->ops->deliver(one, &lcore, &frame, 1);
	assert_int_equal(other->ops->receive(other->rxq[1], &reader), 1);
	assert_int_equal(in->len, 4004);
	other->ops->complete(other->rxq[1], &reader);
	assert_int_equal(held(0), 0);
	assert_int_equal(held(1), 1);
	assert_int_equal(empty_ring(one), 1);
	assert_int_equal(held(1), 0);
	end(one);
	end(other);
}

static void zc_frames_with_another_head(void **state)
{
	passed_on_with_a_tag(FRAME_HEAD);
	passed_on_with_a_tag(FRAME_HEAD - 4);
}

/* What a full device does not take is not referenced; and it is done at once where the driver reads while it sends. */
static void nothing_stays(void **state)
{
	struct port *port = port_on("net_null0", true);

	fill_burst(BURST_MAX, 9014, 2);
	deliver(port);
	for (uint16_t i = 0; i < BURST_MAX; i++)
		assert_int_equal(held(i), 0);
	assert_null(lcore.work);
	end(port);
	port = port_on("net_ring0", true);
	for (unsigned int i = 0; i < 3000; i++)
		deliver(port);
	for (uint16_t i = 0; i < BURST_MAX; i++)
		assert_true(held(i) > 0);
	assert_true(empty_ring(port) < 3000u * BURST_MAX);
	for (uint16_t i = 0; i < BURST_MAX; i++)
		assert_int_equal(held(i), 0);
	end(port);
}

static void wait_ms(unsigned int ms)
{
	const struct timespec pause = {.tv_nsec = 1000000};

	for (unsigned int i = 0; i < ms; i++) {
		run_work();
		nanosleep(&pause, NULL);
	}
}

/* A device that gives nothing back gets copies until it has. */
static void one_that_hangs(void **state)
{
	struct port *port = port_on("net_ring0", true);

	fill_burst(4, 1514, 1);
	deliver(port);
	assert_int_equal(held(0), 1);
	wait_ms(250);
	assert_non_null(lcore.work);
	assert_true(says(port, "gives nothing back"));
	deliver(port);
	assert_int_equal(held(0), 1);
	assert_int_equal(empty_ring(port), 8);
	assert_int_equal(held(0), 0);
	wait_ms(2);
	assert_null(lcore.work);
	assert_true(says(port, "on, frames of"));
	deliver(port);
	assert_int_equal(held(0), 1);
	read_ring(port, 4, 1514);
	end(port);
}

/* A port that ends while its frames wait in a device: what comes back later finds what it needs. */
static void ends_while_frames_are_out(void **state)
{
	struct port *port = port_on("net_ring0", true);
	struct rte_mbuf *mbuf[8];
	uint16_t id;

	assert_int_equal(rte_eth_dev_get_port_by_name("net_ring0", &id), 0);
	fill_burst(4, 1514, 1);
	deliver(port);
	assert_int_equal(rte_eth_rx_burst(id, 1, mbuf, 8), 4);
	end(port);
	assert_int_equal(held(2), 1);
	for (unsigned int i = 0; i < 4; i++)
		rte_pktmbuf_free(mbuf[i]);
	assert_int_equal(held(2), 0);
}

static void some_cannot(void **state)
{
	/* Whose frames leave by another device, which was not polled. */
	struct port *port = port_on("net_bonding0,mode=1,slave=net_null7", true);

	assert_true(says(port, "on, but frames are copied: the device "));
	assert_int_equal(frame_ref_users, 0);
	end(port);
	assert_false(says(port = port_on("net_null0", false), "copied"));
	end(port);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(long_frames_are_zc),
		cmocka_unit_test(others_are_copied),
		cmocka_unit_test(a_flood),
		cmocka_unit_test(zc_frames_with_another_head),
		cmocka_unit_test(nothing_stays),
		cmocka_unit_test(one_that_hangs),
		cmocka_unit_test(ends_while_frames_are_out),
		cmocka_unit_test(some_cannot),
	};
	int failed;

	if (eal_start("0@0,1@0", "net_null7") != 0 || rcu_init(1) != 0)
		return 1;
	log_set_level(LOG_ERROR);
	role_assert_control();
	host.loop = loop_create();
	refs = frame_refs_create();
	if (host.loop == NULL || refs == NULL)
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	frame_refs_destroy(refs);
	loop_destroy(host.loop);
	return failed;
}
