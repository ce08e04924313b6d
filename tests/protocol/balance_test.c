/* SPDX-License-Identifier: BSD-3-Clause */
/* Two lcores: what the busier one has too much of goes to the other, by itself or when told, and no frame is lost or
 * comes out of order by it.
 */
#include "fixture.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A move takes three seconds of unevenness; a machine that is short of CPU may take its time to get there. */
enum { PARTED_MS = 40000, STAYED_MS = 4000 };

/* Frames that are long for the switch and short for us: the first bytes of each lie apart, all the others are the same
 * memory. However late we look, the switch has something to do. */
enum { LENGTH = 60000, OWN = 64, HEADER = 12, NUMBER_AT = HEADER + 14, RING = 1024 };
#define SHARED (GUEST_GPA + GUEST_MEMORY - (1 << 16)) /* far behind what the rings and the pieces take */

/* a talks to b, c to d: the queues of a and c are at one lcore, those of b and d, which say nothing, at the other. */
static struct talk {
	struct guest *from, *to;
	uint64_t sent, received;
} talks[2];
static const struct fg_options long_rings = {.ring_size = RING};

static uint8_t *memory_at(struct guest *g, uint64_t gpa)
{
	uint8_t *at = fg_memory_ptr(&g->mem, gpa, OWN);

	assert_non_null(at);
	return at;
}

/* Chain i of a ring: a piece of its own, and what all share. */
static bool post(struct guest *g, struct fg_ring *ring, const uint64_t *own, uint16_t i)
{
	bool write = ring == g->nic.rx;
	const struct fg_buf bufs[] = {
		{.gpa = own[i], .len = OWN, .write = write},
		{.gpa = SHARED, .len = HEADER + LENGTH - OWN, .write = write},
	};

	return fg_ring_post_indirect(ring, bufs, 2, i) >= 0;
}

static void take_arrivals(struct talk *t)
{
	struct fg_nic *nic = &t->to->nic;
	uint32_t i, len;
	uint64_t number;
	int got;

	while ((got = fg_ring_reap(nic->rx, &i, &len)) > 0) {
		memcpy(&number, memory_at(t->to, nic->rx_gpa[i]) + NUMBER_AT, sizeof(number));
		if (len == HEADER + LENGTH) /* others are floods of when no address was known yet */
			assert_int_equal(number, t->received++);
		assert_true(post(t->to, nic->rx, nic->rx_gpa, (uint16_t)i));
	}
	assert_int_equal(got, 0);
	fg_ring_publish(nic->rx);
	fg_ring_kick(nic->rx);
}

/* No more than the other has room for. */
static void send_more(struct talk *t)
{
	struct fg_nic *nic = &t->from->nic;

	OK(fg_nic_reap(nic));
	while (t->sent - t->received < RING - 8 && !nic->tx_busy[nic->tx_next]) {
		uint16_t i = nic->tx_next;
		uint8_t *frame = memory_at(t->from, nic->tx_gpa[i]);

		memset(frame, 0, NUMBER_AT);
		memcpy(frame + HEADER, t->to->nic.mac, 6);
		memcpy(frame + HEADER + 6, nic->mac, 6);
		memcpy(frame + NUMBER_AT, &t->sent, sizeof(t->sent));
		if (!post(t->from, nic->tx, nic->tx_gpa, i))
			break;
		nic->tx_busy[i] = true;
		nic->tx_next = (uint16_t)((i + 1) % nic->tx_depth);
		nic->sent++;
		t->sent++;
	}
	fg_nic_flush(nic);
}

/* Traffic as fast as we can, for so long. */
static void talk(int ms)
{
	int64_t deadline = fg_deadline(ms);

	while (fg_left_ms(deadline) > 0)
		for (int i = 0; i < 2; i++) {
			send_more(&talks[i]);
			take_arrivals(&talks[i]);
		}
}

static void stop_flows(void)
{
	int64_t deadline = fg_deadline(FG_WAIT_MS);

	for (int i = 0; i < 2; i++) {
		while (talks[i].received < talks[i].sent && fg_left_ms(deadline) > 0)
			take_arrivals(&talks[i]);
		assert_int_equal(talks[i].received, talks[i].sent);
		OK(fg_nic_drain_tx(&talks[i].from->nic, FG_WAIT_MS));
	}
}

static json_int_t lcore_of(const char *port)
{
	json_t *answer = fg_switch_query(&fixture.sw, "port", port);
	json_t *queues = json_object_get(json_object_get(answer, "port"), "rx_queues");
	json_int_t lcore =
		json_integer_value(json_object_get(json_array_get(queues, 0), "lcore"));

	json_decref(answer);
	return lcore;
}

/* The number of entries of a list, or the number itself. */
static json_int_t number_in(const char *command, const char *key)
{
	json_t *answer = fg_switch_query(&fixture.sw, command, NULL);
	const json_t *value = json_object_get(answer, key);
	json_int_t n = json_is_array(value) ? (json_int_t)json_array_size(value)
					    : json_integer_value(value);

	assert_non_null(value);
	json_decref(answer);
	return n;
}

/* A guest that receives in our own buffers; the switch learns where it is. */
static struct guest *come_to_listen(const char *port, uint32_t number)
{
	struct guest *g = guest_open(port, &long_rings);
	uint8_t frame[60] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

	OK(fg_session_start(&g->s));
	OK(fg_nic_init(&g->nic, &g->s, 0, number, NULL));
	for (uint16_t i = 0; i < RING; i++)
		assert_true(post(g, g->nic.rx, g->nic.rx_gpa, i));
	fg_ring_publish(g->nic.rx);
	memcpy(frame + 6, g->nic.mac, 6);
	OK(fg_nic_send(&g->nic, frame, sizeof(frame), NULL));
	await_known(g);
	return g;
}

static void come(void)
{
	struct guest *a = guest_run("a", &long_rings), *b = come_to_listen("b", 0x3001);
	struct guest *c = guest_run("c", &long_rings), *d = come_to_listen("d", 0x3002);

	talks[0] = (struct talk){.from = a, .to = b};
	talks[1] = (struct talk){.from = c, .to = d};
	assert_int_equal(lcore_of("a"), lcore_of("c"));
	assert_int_equal(lcore_of("b"), lcore_of("d"));
	assert_int_not_equal(lcore_of("a"), lcore_of("b"));
}

static void two_that_share_an_lcore_are_parted(void **state)
{
	int64_t began = fg_now_ms(), deadline = fg_deadline(PARTED_MS);

	come();
	while (lcore_of("a") == lcore_of("c") && fg_left_ms(deadline) > 0)
		talk(100);
	print_message("parted after %.1f s\n", (double)(fg_now_ms() - began) / 1000);
	assert_int_not_equal(lcore_of("a"), lcore_of("c"));
	talk(STAYED_MS);
	assert_int_not_equal(lcore_of("a"), lcore_of("c"));
	assert_in_range(number_in("lcores", "moves"), 1, 2);
	stop_flows();
}

static int with_arguments(const char *const *args)
{
	int err = fg_switch_stop(&fixture.sw);

	fixture.opt.args = args;
	return err < 0 ? err : fg_switch_start(&fixture.sw, &fixture.opt);
}

/* Off: what would move is shown, and moves on command. */
static void nothing_moves_before_it_is_told(void **state)
{
	static const char *const off[] = {"--rebalance", "off", NULL};
	int64_t deadline = fg_deadline(PARTED_MS);

	OK(with_arguments(off));
	come();
	assert_int_equal(number_in("rebalance", "moved"), 0);
	while (number_in("lcores", "would_move") == 0 && fg_left_ms(deadline) > 0)
		talk(100);
	talk(STAYED_MS);
	assert_int_equal(lcore_of("a"), lcore_of("c"));
	assert_int_equal(number_in("lcores", "moves"), 0);
	assert_int_equal(number_in("lcores", "would_move"), 1);
	assert_int_equal(number_in("rebalance", "moved"), 1);
	talk(STAYED_MS / 2);
	assert_int_not_equal(lcore_of("a"), lcore_of("c"));
	assert_int_equal(number_in("lcores", "moves"), 1);
	assert_int_equal(number_in("lcores", "would_move"), 0);
	stop_flows();
	for (int i = 0; i < 2; i++) {
		guest_close(talks[i].from);
		guest_close(talks[i].to);
	}
	OK(with_arguments(NULL));
	OK(fg_switch_usage(&fixture.sw, &fixture.before));
}

int main(void)
{
	static const char *const ports[] = {"a", "b", "c", "d", NULL};
	const struct CMUnitTest cases[] = {
		TEST_CASE(two_that_share_an_lcore_are_parted),
		TEST_CASE(nothing_moves_before_it_is_told),
	};
	const struct fg_switch_options opt = {.ports = ports, .lcores = "0@0,1@0,2@1"};

	return fixture_main_on(&opt, "balance", CASES(cases));
}
