/* SPDX-License-Identifier: BSD-3-Clause */
/* Counters, their words, and the ring through which an lcore reports. */
#include <net/if.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cases.h"
#include "eal.h"
#include "kernel_if.h"
#include "port.h"

static struct port_host host = {.lcores = 3};
static const struct port_ops no_ops;
static const struct port_spec spec = {.name = "vm1", .type = "ethdev"};

/* Each counter has its row, at its value's place, and a reader finds it by one name. */
static void rows_are_whole(void **state)
{
	struct port_counters counters = {0};
	const struct port_counter *row = port_counter_table;

	for (int i = 0; i < PORT_COUNTERS; i++) {
		assert_non_null(row[i].name);
		assert_non_null(row[i].unit);
		assert_true(strlen(row[i].help) > 0);
		for (int k = 0; k < i; k++)
			assert_false(row[i].group == row[k].group && strcmp(row[i].name, row[k].name) == 0);
	}
	count(&counters.tx_drop[TX_DROP_NO_BUFFER], 5);
	count(&counters.tx_bytes, 7);
	for (int i = 0; i < PORT_COUNTERS; i++) {
		if (strcmp(row[i].name, "no_buffer") == 0) {
			assert_string_equal(row[i].group->name, "tx_drop");
			assert_int_equal(counted(&counters.value[i]), 5);
		} else {
			assert_int_equal(counted(&counters.value[i]), strcmp(row[i].name, "tx_bytes") == 0 ? 7 : 0);
		}
	}
}

/* A block that others write, looked at from time to time, beside what its owner counts itself. */
static void adds_what_is_new(void **state)
{
	struct port_counters mine = {0}, seen = {0}, theirs = {0};

	for (uint64_t round = 1; round <= 3; round++) {
		count(&theirs.tx_ok, round);
		count(&mine.tx_ok, 10);
		count(&theirs.rx_drop[RX_DROP_LANE], 1);
		port_counters_add_new(&mine, &theirs, &seen);
		port_counters_add_new(&mine, &theirs, &seen);
	}
	assert_int_equal(counted(&mine.tx_ok), 30 + 6);
	assert_int_equal(counted(&mine.rx_drop[RX_DROP_LANE]), 3);
	assert_int_equal(counted(&mine.tx_drop[TX_DROP_LANE]), 0);
}

static void sums_over_threads(void **state)
{
	struct port port;
	struct port_counters sum;

	assert_int_equal(port_init(&port, &host, &no_ops, &spec, 7), 0);
	assert_string_equal(port.name, "vm1");
	assert_int_equal(port.id, 7);
	assert_int_equal(port.counters_n, 3 + 1); /* control's */
	for (uint16_t i = 0; i < 3; i++) {
		struct lcore_ctx ctx = {.index = i};
		struct port_counters *mine = port_counters_of(&port, &ctx);

		assert_int_equal((uintptr_t)mine % 64, 0);
		count(&mine->rx_ok, 1 + i);
		count(&mine->rx_bytes, 10);
		count(&mine->copies, 5);
		count(&mine->tx_ok, 100);
		count(&mine->tx_bytes, 1000);
		count(&mine->rx_drop[RX_DROP_ALONE], i);
		count_tx_drop(port_counters_of(&port, &ctx), TX_DROP_BROKEN, 4, NULL);
	}
	port_counters_sum(&port, &sum);
	assert_int_equal(counted(&sum.rx_ok), 6);
	assert_int_equal(counted(&sum.rx_bytes), 30);
	assert_int_equal(counted(&sum.copies), 15);
	assert_int_equal(counted(&sum.tx_ok), 300);
	assert_int_equal(counted(&sum.tx_bytes), 3000);
	assert_int_equal(counted(&sum.rx_drop[RX_DROP_ALONE]), 3);
	assert_int_equal(counted(&sum.rx_drop[RX_DROP_SHORT]), 0);
	assert_int_equal(counted(&sum.tx_drop[TX_DROP_BROKEN]), 12);
	port_fini(&port);
	port_fini(&port);
}

static void long_names_are_cut(void **state)
{
	struct port port;
	struct port_spec longer = {.name = "a-name-that-is-much-longer-than-any-port-may-have",
				   .type = "ethdev"};

	assert_int_equal(port_init(&port, &host, &no_ops, &longer, 0), 0);
	assert_int_equal(strlen(port.name), NAME_LEN_MAX);
	port_fini(&port);
}

static void full_ring_drops_and_counts(void **state)
{
	struct doorbell bell;
	struct report_ring *ring;
	struct report got[100];
	uint64_t next = 0;
	unsigned int n;

	role_assert_lcore(); /* one thread plays both */
	role_assert_control();
	assert_int_equal(doorbell_init(&bell), 0);
	ring = report_ring_create(0, &bell);
	assert_non_null(ring);
	assert_int_equal(report_drain(ring, got, 100), 0);
	for (uint64_t i = 0; i < REPORTS_MAX + 10; i++)
		report_post(ring, &(struct report){.key = i, .kind = REPORT_MAC_SEEN, .port = 3});
	assert_int_equal(report_lost_n(ring), 10);
	while ((n = report_drain(ring, got, 100)) > 0) {
		for (unsigned int i = 0; i < n; i++) {
			assert_int_equal(got[i].key, next++);
			assert_int_equal(got[i].port, 3);
		}
	}
	assert_int_equal(next, REPORTS_MAX);
	report_post(ring, &(struct report){.key = 5});
	assert_int_equal(report_drain(ring, got, 100), 1);
	report_ring_destroy(ring);
	report_ring_destroy(NULL);
	doorbell_fini(&bell);
}

static unsigned int drained(struct report_ring *ring) RUNS_ON(control_thread)
{
	static struct report got[REPORTS_MAX];

	return report_drain(ring, got, REPORTS_MAX);
}

/* Control is late: what a few addresses do over and over has room in the ring, and so have new ones. */
static void few_addresses_do_not_fill_it(void **state)
{
	struct report report = {.kind = REPORT_MAC_SEEN, .port = 3, .bridge = 1};
	struct doorbell bell;
	struct report_ring *ring;
	struct report got[REPORTS_MAX];

	role_assert_lcore(); /* one thread plays both */
	role_assert_control();
	assert_int_equal(doorbell_init(&bell), 0);
	ring = report_ring_create(0, &bell);
	assert_non_null(ring);
	for (unsigned int i = 0; i < 100 * REPORTS_MAX; i++) {
		report.key = 1 + i % 500;
		assert_true(report_address(ring, &report));
	}
	/* The other port it flaps to has its turn when control has read of the first; another bridge is another address. */
	report.port = 4;
	for (unsigned int i = 0; i < REPORTS_MAX; i++)
		assert_false(report_address(ring, &report));
	report.bridge = 2;
	assert_true(report_address(ring, &report));
	assert_int_equal(report_lost_n(ring), 0);
	assert_int_equal(report_drain(ring, got, REPORTS_MAX), 501);
	for (unsigned int i = 0; i < 500; i++)
		assert_int_equal(got[i].key, 1 + i);
	report.bridge = 1;
	assert_true(report_address(ring, &report));
	assert_int_equal(report_drain(ring, got, REPORTS_MAX), 1);
	assert_int_equal(got[0].port, 4);
	/* One that found the ring full is not taken for one that is in it. */
	for (unsigned int i = 0; i < REPORTS_MAX; i++) {
		report.key = 1000 + i;
		assert_true(report_address(ring, &report));
	}
	report.key = 7;
	assert_false(report_address(ring, &report));
	assert_int_equal(report_drain(ring, got, REPORTS_MAX), REPORTS_MAX);
	assert_true(report_address(ring, &report));
	report_ring_destroy(ring);
	doorbell_fini(&bell);
}

/* Whatever word the table was made with. Five of a thousand addresses that share a line of four would do it. */
static void no_table_is_unlucky(void **state)
{
	enum { TABLES = 64, ADDRESSES = 1000, ROUNDS = 3 };
	struct report report = {.kind = REPORT_MAC_SEEN, .port = 3, .bridge = 1};
	struct doorbell bell;

	role_assert_lcore();
	assert_int_equal(doorbell_init(&bell), 0);
	for (int i = 0; i < TABLES; i++) {
		struct report_ring *ring = report_ring_create(0, &bell);

		assert_non_null(ring);
		role_assert_control();
		for (unsigned int k = 0; k < ROUNDS * ADDRESSES; k++) {
			report.key = 1 + k % ADDRESSES;
			assert_true(report_address(ring, &report));
		}
		assert_int_equal(drained(ring), ADDRESSES);
		report_ring_destroy(ring);
	}
	doorbell_fini(&bell);
}

static bool readable(int fd)
{
	struct pollfd poll_fd = {.fd = fd, .events = POLLIN};

	return poll(&poll_fd, 1, 0) == 1;
}

/* Renewing an address wakes control only when many do, or one has waited for long; whatever changes it does so at once. */
static void what_is_renewed_waits_for_others(void **state)
{
	struct report report = {.kind = REPORT_MAC_RENEWED, .port = 3};
	struct doorbell bell;
	struct report_ring *ring;
	struct report got[200];

	role_assert_lcore();
	role_assert_control();
	assert_int_equal(doorbell_init(&bell), 0);
	ring = report_ring_create(0, &bell);
	assert_non_null(ring);
	doorbell_arm(&bell);
	for (unsigned int i = 0; i < 30; i++, usleep(1000))
		assert_true(report_address(ring, &report));
	assert_true(readable(bell.fd));
	assert_int_equal(report_drain(ring, got, 200), 1);
	doorbell_disarm(&bell);

	doorbell_arm(&bell);
	for (report.key = 0; report.key < 100; report.key++)
		assert_true(report_address(ring, &report));
	assert_true(readable(bell.fd));
	assert_int_equal(report_drain(ring, got, 200), 100);
	doorbell_disarm(&bell);

	doorbell_arm(&bell);
	assert_true(report_address(ring, &report));
	/* It moves, and flaps: its first move waits behind it, and no other does. */
	for (unsigned int i = 0; i < 100; i++) {
		report.kind = REPORT_MAC_SEEN;
		report.port = (uint16_t)(4 + i % 2);
		assert_int_equal(report_address(ring, &report), i % 2 == 0);
		assert_true(readable(bell.fd));
	}
	assert_int_equal(report_drain(ring, got, 200), 2);
	assert_int_equal(got[0].kind, REPORT_MAC_RENEWED);
	assert_int_equal(got[0].port, 3);
	assert_int_equal(got[1].kind, REPORT_MAC_SEEN);
	assert_int_equal(got[1].port, 4);
	report_ring_destroy(ring);
	doorbell_fini(&bell);
}

static void few_that_are_renewed_do_not_ring(void **state)
{
	struct report report = {.kind = REPORT_MAC_RENEWED, .port = 3};
	struct doorbell bell;
	struct report_ring *ring;
	struct report got[64];
	bool rang = true;

	role_assert_lcore();
	role_assert_control();
	assert_int_equal(doorbell_init(&bell), 0);
	ring = report_ring_create(0, &bell);
	assert_non_null(ring);
	/* An attempt in which this thread has no CPU for as long as one may wait proves nothing. */
	for (int attempt = 0; rang && attempt < 20; attempt++) {
		doorbell_arm(&bell);
		for (report.key = 0; report.key < 50; report.key++)
			assert_true(report_address(ring, &report));
		rang = readable(bell.fd);
		assert_int_equal(report_drain(ring, got, 64), 50);
		doorbell_disarm(&bell);
	}
	assert_false(rang);
	report_ring_destroy(ring);
	doorbell_fini(&bell);
}

static void rings_the_bell_once(void **state)
{
	struct doorbell bell;
	struct report_ring *one, *other;

	role_assert_lcore();
	assert_int_equal(doorbell_init(&bell), 0);
	one = report_ring_create(1, &bell);
	other = report_ring_create(2, &bell);
	assert_non_null(one);
	assert_non_null(other);
	report_post(one, &(struct report){.key = 1});
	assert_false(readable(bell.fd)); /* no lcore sleeps */
	doorbell_arm(&bell);
	report_post(other, &(struct report){.key = 2});
	assert_true(readable(bell.fd));
	doorbell_disarm(&bell);
	assert_false(readable(bell.fd));
	report_post(one, &(struct report){.key = 3});
	assert_false(readable(bell.fd));
	report_ring_destroy(one);
	report_ring_destroy(other);
	doorbell_fini(&bell);
}

enum { POSTS = 200000 };

static void *post_many(void *arg)
{
	role_assert_lcore();
	for (uint64_t i = 1; i <= POSTS; i++)
		report_post(arg, &(struct report){.key = i, .port = (uint16_t)i});
	return NULL;
}

/* Two threads: what arrives is whole and in order, and with what was lost it is everything. */
static void two_threads(void **state)
{
	struct doorbell bell;
	struct report_ring *ring;
	struct report got[64];
	pthread_t thread;
	uint64_t last = 0, taken = 0;

	role_assert_control();
	assert_int_equal(doorbell_init(&bell), 0);
	ring = report_ring_create(3, &bell);
	assert_non_null(ring);
	assert_int_equal(pthread_create(&thread, NULL, post_many, ring), 0);
	while (taken + report_lost_n(ring) < POSTS) {
		unsigned int n = report_drain(ring, got, 64);

		for (unsigned int i = 0; i < n; i++) {
			assert_true(got[i].key > last);
			assert_int_equal(got[i].port, (uint16_t)got[i].key);
			last = got[i].key;
		}
		taken += n;
	}
	pthread_join(thread, NULL);
	assert_int_equal(taken + report_lost_n(ring), POSTS);
	report_ring_destroy(ring);
	doorbell_fini(&bell);
}

/* In a namespace of its own, whose loopback has another name: what /sys lists there is not the process's. Exits. */
static void in_a_namespace(void)
{
	struct ifreq change = {.ifr_name = "lo", .ifr_newname = "other0"};
	int fd;

	if (unshare(CLONE_NEWNET) != 0)
		_exit(77);
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || ioctl(fd, SIOCSIFNAME, &change) != 0)
		_exit(77);
	_exit(kernel_if_exists("other0") && !kernel_if_exists("lo") ? 0 : 1);
}

static void interfaces_are_those_of_the_namespace(void **state)
{
	int status;
	pid_t pid;

	assert_true(kernel_if_exists("lo"));
	assert_false(kernel_if_exists("none0"));
	assert_false(kernel_if_exists(""));
	assert_false(kernel_if_exists(".."));
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		in_a_namespace();
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		skip(); /* it takes root, and a kernel that renames it */
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(interfaces_are_those_of_the_namespace),
		cmocka_unit_test(rows_are_whole),	    cmocka_unit_test(adds_what_is_new),
		cmocka_unit_test(sums_over_threads),
		cmocka_unit_test(long_names_are_cut),	    cmocka_unit_test(full_ring_drops_and_counts),
		cmocka_unit_test(long_names_are_cut),	    cmocka_unit_test(few_addresses_do_not_fill_it),
		cmocka_unit_test(no_table_is_unlucky),
		cmocka_unit_test(what_is_renewed_waits_for_others), cmocka_unit_test(few_that_are_renewed_do_not_ring),
		cmocka_unit_test(rings_the_bell_once),	    cmocka_unit_test(two_threads),
	};

	if (eal_start("0@0", NULL) != 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
