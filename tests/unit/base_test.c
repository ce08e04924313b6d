/* SPDX-License-Identifier: BSD-3-Clause */
/* Lines for people, errors on their way to one, the doorbell that wakes a sleeper, and times in buckets. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "cases.h"
#include "clock.h"
#include "dice.h"
#include "doorbell.h"
#include "fail.h"
#include "histogram.h"
#include "like.h"
#include "log.h"
#include "mac_text.h"
#include "names.h"
#include "one_line.h"
#include "process_name.h"
#include "role.h"

/* --- what is written to standard error --------------------------------------------------------------------------- */

static char said[65536];
static int saved_stderr, said_fd[2];

static void listen_to_stderr(void)
{
	assert_int_equal(pipe(said_fd), 0);
	saved_stderr = dup(STDERR_FILENO);
	assert_true(saved_stderr >= 0 && dup2(said_fd[1], STDERR_FILENO) >= 0);
	close(said_fd[1]);
}

/* Back to the terminal; `said` is everything since, of which there must be less than fits in a pipe. */
static unsigned int lines_said(void)
{
	unsigned int lines = 0;
	ssize_t n;

	dup2(saved_stderr, STDERR_FILENO);
	close(saved_stderr);
	n = read(said_fd[0], said, sizeof(said) - 1);
	close(said_fd[0]);
	said[n > 0 ? n : 0] = '\0';
	for (const char *at = said; (at = strchr(at, '\n')) != NULL; at++)
		lines++;
	return lines;
}

static void a_line_names_its_subject(void **state)
{
	unsetenv("JOURNAL_STREAM");
	listen_to_stderr();
	log_warn("vm1", "ring %d is broken", 3);
	assert_int_equal(lines_said(), 1);
	/* 12:34:56.789 vm1: warning: ... */
	assert_string_equal(said + 12, " vm1: warning: ring 3 is broken\n");
	assert_int_equal(said[8], '.');
	setenv("JOURNAL_STREAM", "1:2", 1);
	listen_to_stderr();
	log_error("br0", "full");
	log_info("br0", "empty");
	assert_int_equal(lines_said(), 2);
	assert_string_equal(said, "<3>br0: error: full\n<6>br0: empty\n");
	unsetenv("JOURNAL_STREAM");
}

static void levels(void **state)
{
	listen_to_stderr();
	log_debug("x", "not by default");
	log_set_level(LOG_DEBUG);
	log_debug("x", "asked for");
	log_set_level(LOG_ERROR);
	log_warn("x", "not any more");
	log_set_level(LOG_INFO);
	assert_int_equal(lines_said(), 1);
	assert_non_null(strstr(said, "asked for"));
}

static void long_lines_end_in_a_newline(void **state)
{
	static char text[5000];

	memset(text, 'y', sizeof(text) - 1);
	listen_to_stderr();
	log_info("x", "%s", text);
	log_info(text, "%s", text);
	log_info("x", "short");
	assert_int_equal(lines_said(), 3);
	assert_true(strlen(said) < 9000);
	assert_non_null(strstr(said, "yyy...\n"));
}

/* A4: ten lines, then silence, and in the next window how many were left out. */
static void a_flood_of_lines(void **state)
{
	struct log_limit limit = {0}, other = {0};

	listen_to_stderr();
	for (int i = 0; i < 1000; i++)
		log_limited(&limit, LOG_WARN, "vm1", "number %d", i);
	log_limited(&other, LOG_WARN, "vm2", "somebody else's");
	assert_int_equal(lines_said(), 11);
	assert_non_null(strstr(said, "number 9\n"));
	assert_null(strstr(said, "number 10\n"));
	assert_non_null(strstr(said, "somebody else's"));
	/* Eleven seconds later. */
	limit.window_ns -= 11 * NS_PER_S;
	listen_to_stderr();
	log_limited(&limit, LOG_WARN, "vm1", "again");
	assert_int_equal(lines_said(), 2);
	assert_non_null(strstr(said, "990 more lines"));
	assert_non_null(strstr(said, "again"));
	limit.window_ns -= 11 * NS_PER_S;
	listen_to_stderr();
	log_limited(&limit, LOG_WARN, "vm1", "and again");
	log_limited(&limit, LOG_DEBUG, "vm1", "not to be told");
	assert_int_equal(lines_said(), 1);
}

static void failures_are_one_line(void **state)
{
	static char text[2000];
	struct fail fail;

	assert_int_equal(fail_set(&fail, -EINVAL, "%s: no such %s", "a.yaml:3", "port"), -EINVAL);
	assert_string_equal(fail.text, "a.yaml:3: no such port");
	assert_int_equal(fail_prefix(&fail, -ENOENT, "bridge %s", "br0"), -ENOENT);
	assert_string_equal(fail.text, "bridge br0: a.yaml:3: no such port");
	memset(text, 'z', sizeof(text) - 1);
	fail_set(&fail, -1, "%s", text);
	assert_int_equal(strlen(fail.text), sizeof(fail.text) - 1);
	fail_prefix(&fail, -1, "%s", text);
	assert_int_equal(strlen(fail.text), sizeof(fail.text) - 1);
	fail_set(&fail, -1, "inner");
	fail_prefix(&fail, -1, "%.100s", text);
	assert_string_equal(fail.text + 100, ": inner");
}

/* A name with a newline or an escape sequence in it makes neither a second line nor a red one. */
static void messages_stay_one_line(void **state)
{
	char small[8] = "ab\n\n\n";
	struct fail fail;

	fail_set(&fail, -EINVAL, "port \"%s\"", "a\nb\t\x1b[31m\x7f");
	assert_string_equal(fail.text, "port \"a\\nb\\t\\x1b[31m\\x7f\"");
	one_line(small, sizeof(small));
	assert_string_equal(small, "ab\\n...");
	listen_to_stderr();
	log_warn("vm1", "device %s", "x\ny");
	assert_int_equal(lines_said(), 1);
}

/* For JSON, whose texts are UTF-8, and for terminals. */
static void foreign_text_is_ascii(void **state)
{
	char text[] = " ~\x7f\n\xc3\xa9z", name[16];

	only_ascii(text);
	assert_string_equal(text, " ~????z");
	assert_int_equal(prctl(PR_SET_NAME, "na\tm\xe9"), 0);
	process_name(getpid(), name, sizeof(name));
	assert_string_equal(name, "na?m?");
	process_name(-1, name, sizeof(name));
	assert_string_equal(name, "");
}

static void addresses_have_one_form(void **state)
{
	const uint8_t mac[] = {0x02, 0x00, 0x0a, 0xff, 0x10, 0x09};

	assert_string_equal(mac_text(mac).text, "02:00:0a:ff:10:09");
}

static unsigned int least(unsigned int a, unsigned int b)
{
	return a < b ? a : b;
}

/* The distance as it is defined (Levenshtein, and two neighbours that are exchanged). */
static unsigned int distance(const char *a, const char *b)
{
	unsigned int one, two, both;

	if (*a == '\0' || *b == '\0')
		return (unsigned int)(strlen(a) + strlen(b));
	both = distance(a + 1, b + 1) + (*a != *b);
	one = distance(a + 1, b) + 1;
	two = distance(a, b + 1) + 1;
	if (a[0] == b[1] && a[1] == b[0] && a[1] != '\0')
		one = least(one, distance(a + 2, b + 2) + 1);
	return least(both, least(one, two));
}

static void words_are_alike_by_their_edits(void **state)
{
	int found = 0;

	for (int i = 0; i < 3000; i++) {
		char word[2][7];
		unsigned int n;

		for (int w = 0; w < 2; w++) {
			unsigned int len = dice(7);

			for (unsigned int k = 0; k < len; k++)
				word[w][k] = (char)('a' + dice(2));
			word[w][len] = '\0';
		}
		n = distance(word[0], word[1]);
		if (n > (strlen(word[1]) > 5 ? 2 : 1))
			assert_int_equal(like_edits(word[0], word[1]), -1);
		else
			assert_int_equal(like_edits(word[0], word[1]), n);
		found += like_edits(word[0], word[1]) >= 0;
	}
	assert_true(found > 100 && found < 2900);
}

/* Of several that are as near none was meant. */
static void a_name_that_was_meant(void **state)
{
	static char longest[100000];
	struct like like = {.written = "vm9"};

	like_try(&like, "uplink");
	assert_null(like_found(&like));
	assert_string_equal(like_hint(&like).text, "");
	like_try(&like, "vm1");
	assert_string_equal(like_hint(&like).text, "; did you mean vm1?");
	like_try(&like, "vm2");
	assert_null(like_found(&like));
	assert_string_equal(like_hint(&like).text, "");
	like_try(&like, "VM9");
	assert_string_equal(like_found(&like), "VM9");
	assert_int_equal(like_edits("static_macs", "static-macs"), 0);
	assert_int_equal(like_edits("lna", "lan"), 1);
	memset(longest, 'x', sizeof(longest) - 1);
	assert_int_equal(like_edits(longest, "xx"), -1);
	assert_int_equal(like_edits("y", longest), -1);
}

static const char *cut_to(char *text, size_t size, const char *whole)
{
	/* That it is cut is known to the compiler otherwise, which takes it for a mistake. */
	const char *volatile hidden = whole;

	mark_cut(text, size, (size_t)snprintf(text, size, "%s", hidden));
	return text;
}

/* Whoever reads a message sees that there was more. */
static void what_is_cut_says_so(void **state)
{
	static char text[8000];
	struct fail fail;
	char small[8];

	assert_string_equal(cut_to(small, sizeof(small), "1234567"), "1234567");
	assert_string_equal(cut_to(small, sizeof(small), "12345678"), "1234...");
	assert_string_equal(cut_to(small, sizeof(small), "123\u00e45678"), "123...");
	assert_string_equal(cut_to(small, 3, "12345678"), "12");
	memset(text, 'z', sizeof(text) - 1);
	fail_set(&fail, -1, "%s", text);
	assert_string_equal(fail.text + sizeof(fail.text) - 5, "z...");
	fail_set(&fail, -1, "inner");
	fail_prefix(&fail, -1, "%s", text);
	assert_non_null(strstr(fail.text, "z...: inner"));
	listen_to_stderr();
	log_warn("vm1", "%s", text);
	assert_int_equal(lines_said(), 1);
}

static void the_clock_goes_forward(void **state)
{
	uint64_t before = clock_ns();

	usleep(2000);
	assert_in_range(clock_ns() - before, 2 * NS_PER_MS, 20 * NS_PER_S);
}

/* --- the doorbell ------------------------------------------------------------------------------------------------ */

static bool readable(const struct doorbell *bell)
{
	struct pollfd wait = {.fd = bell->fd, .events = POLLIN};

	return poll(&wait, 1, 0) == 1;
}

static void rings_only_for_a_sleeper(void **state)
{
	struct doorbell bell;

	assert_int_equal(doorbell_init(&bell), 0);
	doorbell_ring(&bell);
	assert_false(readable(&bell));
	doorbell_arm(&bell);
	assert_false(readable(&bell));
	doorbell_ring(&bell);
	doorbell_ring(&bell);
	assert_true(readable(&bell));
	doorbell_disarm(&bell);
	assert_false(readable(&bell));
	doorbell_ring(&bell);
	assert_false(readable(&bell));
	doorbell_disarm(&bell);
	doorbell_fini(&bell);
	doorbell_fini(&bell);
}

/* A sleeper that was woken knows since when it should be awake; one that woke up by itself knows that. */
static void a_ring_has_its_time(void **state)
{
	uint64_t before, rung;
	struct doorbell bell;

	assert_int_equal(doorbell_init(&bell), 0);
	doorbell_ring(&bell);
	assert_int_equal(doorbell_rung(&bell), 0);
	doorbell_arm(&bell);
	assert_int_equal(doorbell_rung(&bell), 0);
	before = clock_ns();
	doorbell_ring(&bell);
	rung = doorbell_rung(&bell);
	assert_in_range(rung, before, clock_ns());
	usleep(1000);
	doorbell_ring(&bell);
	assert_int_equal(doorbell_rung(&bell), rung);
	doorbell_disarm(&bell);
	doorbell_arm(&bell);
	assert_int_equal(doorbell_rung(&bell), 0);
	doorbell_fini(&bell);
}

enum { RINGERS = 3, WORK = 20000 };

struct workshop {
	struct doorbell bell;
	_Atomic uint64_t work; /* brought and not yet done */
};

static void *ringer_main(void *arg)
{
	struct workshop *shop = arg;

	for (int i = 0; i < WORK; i++) {
		atomic_fetch_add_explicit(&shop->work, 1, memory_order_relaxed);
		doorbell_ring(&shop->bell);
		if (i % 64 == 0)
			usleep(10);
	}
	return NULL;
}

/* Work is brought at every moment of lying down: the listener never sleeps on it. */
static void no_ring_is_lost(void **state)
{
	struct workshop shop = {.work = 0};
	uint64_t done = 0, slept = 0;
	pthread_t thread[RINGERS];

	assert_int_equal(doorbell_init(&shop.bell), 0);
	for (int i = 0; i < RINGERS; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, ringer_main, &shop), 0);
	while (done < RINGERS * WORK) {
		struct pollfd wait = {.fd = shop.bell.fd, .events = POLLIN};
		uint64_t found = atomic_exchange_explicit(&shop.work, 0, memory_order_relaxed);

		done += found;
		if (found > 0 || done == RINGERS * WORK)
			continue;
		doorbell_arm(&shop.bell);
		if (atomic_load_explicit(&shop.work, memory_order_relaxed) == 0) {
			slept++;
			if (poll(&wait, 1, 20000) != 1)
				fail_msg("slept through after %lu", (unsigned long)done);
		}
		doorbell_disarm(&shop.bell);
	}
	for (int i = 0; i < RINGERS; i++)
		pthread_join(thread[i], NULL);
	assert_true(slept > 0);
	doorbell_fini(&shop.bell);
}

/* --- times ------------------------------------------------------------------------------------------------------- */

/* At a bound, next to one, or anywhere. */
static uint64_t any_time(void)
{
	uint64_t bound = histogram_bounds[dice(HISTOGRAM_BOUNDS)];

	switch (dice(4)) {
	case 0:
		return bound + dice(3) - 1;
	case 1:
		return dice(3);
	default:
		return ((uint64_t)dice(UINT32_MAX) << 31 ^ dice(UINT32_MAX)) >> dice(64);
	}
}

static void times_are_in_the_bucket_below_their_bound(void **state)
{
	struct histogram histogram = {0};
	uint64_t wanted[HISTOGRAM_VALUES] = {0}, values[HISTOGRAM_VALUES];

	for (unsigned int i = 1; i < HISTOGRAM_BOUNDS; i++)
		assert_int_equal(histogram_bounds[i], 2 * histogram_bounds[i - 1]);
	for (unsigned int i = 0; i < 100000; i++) {
		uint64_t ns = any_time();
		unsigned int bucket = 0;

		while (bucket < HISTOGRAM_BOUNDS && ns > histogram_bounds[bucket])
			bucket++;
		assert_int_equal(histogram_bucket(ns), bucket);
		histogram_add(&histogram, ns);
		wanted[bucket]++;
		wanted[HISTOGRAM_VALUES - 1] += ns;
	}
	histogram_read(&histogram, values);
	assert_memory_equal(values, wanted, sizeof(values));
	for (unsigned int i = 0; i < HISTOGRAM_VALUES - 1; i++)
		assert_true(values[i] > 0);
}

/* --- names ------------------------------------------------------------------------------------------------------- */

static void names_are_found(void **state)
{
	struct names names = {0};
	char name[16];

	assert_int_equal(names_find(&names, ""), -1);
	for (unsigned int i = 0; i < 5000; i++) {
		snprintf(name, sizeof(name), "vm%u", i);
		assert_int_equal(names_add(&names, name, i), 0);
	}
	assert_int_equal(names_add(&names, "vm7", 9), -EEXIST);
	for (unsigned int i = 0; i < 5000; i += 2) {
		snprintf(name, sizeof(name), "vm%u", i);
		names_remove(&names, name);
	}
	names_remove(&names, "vm0");
	for (unsigned int i = 0; i < 5000; i++) {
		snprintf(name, sizeof(name), "vm%u", i);
		assert_int_equal(names_find(&names, name), i % 2 == 0 ? -1 : (int)i);
	}
	names_clear(&names);
	assert_int_equal(names_find(&names, "vm1"), -1);
	assert_int_equal(names_add(&names, "vm1", 3), 0);
	assert_int_equal(names_find(&names, "vm1"), 3);
	names_clear(&names);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_names_its_subject),
		cmocka_unit_test(levels),
		cmocka_unit_test(long_lines_end_in_a_newline),
		cmocka_unit_test(a_flood_of_lines),
		cmocka_unit_test(failures_are_one_line),
		cmocka_unit_test(messages_stay_one_line),
		cmocka_unit_test(foreign_text_is_ascii),
		cmocka_unit_test(addresses_have_one_form),
		cmocka_unit_test(words_are_alike_by_their_edits),
		cmocka_unit_test(a_name_that_was_meant),
		cmocka_unit_test(what_is_cut_says_so),
		cmocka_unit_test(the_clock_goes_forward),
		cmocka_unit_test(rings_only_for_a_sleeper),
		cmocka_unit_test(a_ring_has_its_time),
		cmocka_unit_test(no_ring_is_lost),
		cmocka_unit_test(times_are_in_the_bucket_below_their_bound),
		cmocka_unit_test(names_are_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
