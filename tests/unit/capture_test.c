/* SPDX-License-Identifier: BSD-3-Clause */
/* A bridge whose ports are all captured, beside what the ports were given and what was counted: each frame once, with the reason
 * for which it was dropped, and floods that are left in the middle. */
#include "capture.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bridge_rig.h"
#include "capture_read.h"
#include "cases.h"
#include "clock.h"
#include "dice.h"
#include "loop.h"
#include "rcu_drain.h"

enum { BURSTS = 300, WAIT_S = 20 };

struct taking {
	struct capture *capture;
	int fd;
	bool opened, failed, ends, gone;
	struct cr_capture is;
};

static const char *const names[PORTS] = {"p0", "p1", "p2", "p3", "p4"};
static struct loop *loop;

static void opened(void *arg, struct capture *capture VUS_UNUSED, const struct fail *fail)
{
	struct taking *taking = arg;

	taking->opened = true;
	taking->failed = fail != NULL;
}

static void ends(void *arg, struct capture *capture VUS_UNUSED)
{
	((struct taking *)arg)->ends = true;
}

static void gone(void *arg, struct capture *capture)
{
	role_assert_control();
	((struct taking *)arg)->gone = true;
	capture_put(capture, true);
}

static void await(const bool *what) RUNS_ON(control_thread)
{
	uint64_t end = clock_ns() + WAIT_S * NS_PER_S;

	while (!*what && clock_ns() < end)
		loop_turn(loop, NS_PER_MS);
	assert_true(*what);
}

static void take_line(struct taking *taking, const char *line)
{
	char byte = 0;

	for (size_t i = 0; i <= strlen(line); i++) {
		assert_int_equal(recv(taking->fd, &byte, 1, 0), 1);
		assert_int_equal(byte, line[i] != '\0' ? line[i] : '\n');
	}
}

static void begin(struct taking *taking, bool drops, const char *filter) RUNS_ON(control_thread)
{
	struct capture_options options = {
		.from = true,
		.to = true,
		.drops = drops,
		.snap = FRAME_LEN_MAX,
		.filter = filter,
		.ports_n = PORTS,
		.lcores = THREADS,
		.loop = loop,
		.opened = opened,
		.ends = ends,
		.gone = gone,
		.arg = taking,
	};
	struct fail fail;
	int pair[2];

	memcpy(options.port, names, sizeof(names));
	*taking = (struct taking){0};
	cr_begin(&taking->is);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	taking->fd = pair[0];
	assert_int_equal(capture_create(&options, pair[1], &taking->capture, &fail), 0);
	await(&taking->opened);
	assert_false(taking->failed);
	capture_begin(taking->capture, strdup("hello"));
	take_line(taking, "hello");
}

/* What is in it, whole. */
static void finish(struct taking *taking) RUNS_ON(control_thread)
{
	uint8_t piece[4096];
	ssize_t n;

	capture_close(taking->capture, NULL);
	while ((n = recv(taking->fd, piece, sizeof(piece), 0)) > 0)
		cr_take(&taking->is, piece, (size_t)n);
	assert_int_equal(n, 0);
	assert_int_equal(taking->is.n, 0);
	assert_int_equal(taking->is.statistics, PORTS);
	await(&taking->gone);
	close(taking->fd);
}

static void set_policies(struct taking *one, struct taking *two, struct taking *three, uint32_t isolated) RUNS_ON(control_thread)
{
	for (unsigned int i = 0; i < PORTS; i++) {
		struct capture_points points = {.n = 3};
		struct taking *const takings[] = {one, two, three};
		struct policy_config config = {.isolated = (isolated >> i & 1) != 0, .capture = &points};

		for (unsigned int k = 0; k < 3; k++) {
			points.at[k].capture = takings[k] != NULL ? takings[k]->capture : NULL;
			points.at[k].interface = (uint16_t)i;
		}
		if (one == NULL)
			points.n = 0;
		assert_int_equal(port_policy_set(&port[i].port, &config), 0);
	}
}

/* A burst of any frames, in visits that end after one receiver now and then. */
static unsigned int forward_any(unsigned int from) RUNS_ON(lcore_thread)
{
	unsigned int n = 1 + dice(20);
	bool done;

	for (unsigned int i = 0; i < n; i++) {
		unsigned int kind = dice(8);

		put(&ctx[0], kind == 0 ? EVERYBODY : home(dice(7)), kind == 1 ? 0 : home(from));
	}
	ctx[0].bound = dice(2);
	ctx[0].cost = 0;
	for (done = bridge_forward(&ctx[0], &port[from].rxq); !done; done = bridge_go_on(&ctx[0], &port[from].rxq))
		ctx[0].cost = 0;
	ctx[0].burst->n = 0;
	ctx[0].bound = 0;
	return n;
}

static uint64_t number_in(const struct cr_packet *packet)
{
	uint32_t number;

	assert_int_equal(packet->n, ROOM);
	assert_int_equal(packet->len, ROOM);
	memcpy(&number, packet->bytes + 14, sizeof(number));
	return number;
}

/* As the counters and the ports have it. */
static void check_all(const struct cr_capture *all, unsigned int given)
{
	unsigned int in = 0, at[PORTS] = {0};

	for (unsigned int i = 0; i < all->packets; i++) {
		const struct cr_packet *packet = &all->packet[i];
		unsigned int p = packet->interface;

		if (packet->direction == 1)
			assert_int_equal(number_in(packet), in++);
		else if (packet->why[0] == '\0')
			assert_int_equal(number_in(packet), port[p].log[at[p]++]);
	}
	assert_int_equal(in, given);
	for (unsigned int p = 0; p < PORTS; p++) {
		assert_int_equal(at[p], port[p].n);
		assert_int_equal(all->lost[p], 0);
		assert_int_equal(all->seen[p], all->accepted[p]);
		assert_int_equal(cr_count(all, names[p], 2, "tx_drop.no_buffer"),
				 counted(&port_counters_of(&port[p].port, &ctx[0])->tx_drop[TX_DROP_NO_BUFFER]));
	}
}

static unsigned int check_reasons(const struct cr_capture *is)
{
	unsigned int reasons = 0;

	for (unsigned int p = 0; p < PORTS; p++)
		for (unsigned int row = PORT_COUNTERS_ALONE; row < PORT_COUNTERS_ALONE + RX_DROPS; row++) {
			char why[64];
			uint64_t n = counted(&port_counters_of(&port[p].port, &ctx[0])->value[row]);

			snprintf(why, sizeof(why), "rx_drop.%s", port_counter_table[row].name);
			assert_int_equal(cr_count(is, names[p], 1, why), n);
			reasons += n > 0;
		}
	return reasons;
}

static void as_the_ports_and_the_counters_have_it(void **state)
{
	struct taking all, drops, some;
	unsigned int given = 0, dropped = 0;

	role_assert_control();
	role_assert_lcore();
	open_bridge(PORTS, 0);
	begin(&all, false, "");
	begin(&drops, true, "");
	begin(&some, false, "ether[17] = 0 and ether[14] & 1 = 0");
	for (unsigned int i = 0; i < BURSTS; i++) {
		if (i % 10 == 0)
			set_policies(&all, &drops, &some, dice(32));
		port[dice(PORTS)].room = dice(2) == 0 ? BURST_MAX : dice(6);
		given += forward_any(dice(PORTS));
		learn();
	}
	set_policies(NULL, NULL, NULL, 0);
	rcu_drain();
	finish(&all);
	finish(&drops);
	finish(&some);
	check_all(&all.is, given);
	assert_true(check_reasons(&all.is) >= 8);
	check_reasons(&drops.is);
	for (unsigned int i = 0; i < all.is.packets; i++)
		dropped += all.is.packet[i].why[0] != '\0';
	assert_int_equal(drops.is.packets, dropped);
	for (unsigned int i = 0, k = 0; i < all.is.packets; i++)
		if ((all.is.packet[i].bytes[14] & 1) == 0)
			assert_memory_equal(all.is.packet[i].bytes, some.is.packet[k++].bytes, ROOM);
	assert_true(some.is.packets > 100 && some.is.packets < all.is.packets);
	cr_end(&all.is);
	cr_end(&drops.is);
	cr_end(&some.is);
	close_bridge(PORTS);
}

static void a_filter_may_be_wrong(void **state)
{
	struct taking taking = {0};
	struct capture_options options = {.from = true, .filter = "tcp port", .ports_n = 1, .port = {"p0"}, .lcores = THREADS,
					  .opened = opened, .ends = ends, .gone = gone, .arg = &taking};
	struct fail fail;
	char byte;
	int pair[2];

	role_assert_control();
	options.loop = loop;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	taking.fd = pair[0];
	assert_int_equal(capture_create(&options, pair[1], &taking.capture, &fail), 0);
	await(&taking.opened);
	assert_true(taking.failed);
	capture_close(taking.capture, strdup("no"));
	take_line(&taking, "no");
	assert_int_equal(recv(taking.fd, &byte, 1, 0), 0);
	await(&taking.gone);
	close(taking.fd);
}

/* Its owner goes first. */
static void nobody_is_told_any_more(void **state)
{
	struct taking taking;
	uint8_t piece[4096];

	role_assert_control();
	begin(&taking, false, "arp");
	capture_put(taking.capture, true);
	while (recv(taking.fd, piece, sizeof(piece), 0) > 0)
		;
	loop_turn(loop, NS_PER_MS);
	assert_false(taking.gone);
	close(taking.fd);
	cr_end(&taking.is);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(as_the_ports_and_the_counters_have_it),
		cmocka_unit_test(a_filter_may_be_wrong),
		cmocka_unit_test(nobody_is_told_any_more),
	};
	int result;

	loop = loop_create();
	if (loop == NULL)
		return 1;
	result = bridge_rig_run(CASES(tests));
	loop_destroy(loop);
	return result;
}
