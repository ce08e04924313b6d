/* SPDX-License-Identifier: BSD-3-Clause */
/* ctl_page_test.c: what is read page by page is the whole, and every page fits into telemetry. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cases.h"
#include "ctl_page.h"

/* Telemetry's own bounds. */
enum { TELEMETRY_BYTES = 16 * 1024, TELEMETRY_NAMES = 256, TELEMETRY_STRING = 128 };

static void assert_fits(const json_t *value)
{
	const json_t *member;
	const char *key;

	if (json_is_string(value))
		assert_true(json_string_length(value) < TELEMETRY_STRING);
	assert_true(json_is_object(value) || json_is_string(value) || json_is_integer(value));
	assert_true(json_object_size(value) <= TELEMETRY_NAMES);
	json_object_foreach((json_t *)value, key, member)
	{
		assert_int_equal(strspn(key, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_/"),
				 strlen(key));
		assert_fits(member);
	}
}

/* Adds what is new in `from` to `to`; nothing comes twice. */
static void merge(json_t *to, const json_t *from)
{
	json_t *member, *there;
	const char *key;

	json_object_foreach((json_t *)from, key, member)
	{
		there = json_object_get(to, key);
		if (there == NULL) {
			json_object_set_new(to, key, json_deep_copy(member));
			continue;
		}
		assert_true(json_is_object(there) && json_is_object(member));
		merge(there, member);
	}
}

/* Asks for page after page until there is no `next`, as a reader does. The part, whole. */
static json_t *read_pages(const json_t *reply, struct ctl_page page, unsigned int *pages)
{
	json_t *whole = json_object();
	const char *next;

	for (*pages = 1;; (*pages)++) {
		json_t *shown = ctl_page_make(reply, &page);
		char *text = json_dumps(shown, JSON_COMPACT);

		assert_non_null(text);
		assert_true(strlen(text) < TELEMETRY_BYTES - 100);
		free(text);
		assert_fits(shown);
		assert_int_equal(json_integer_value(json_object_get(shown, "first")), page.first);
		merge(whole, json_object_get(shown, page.part));
		page.first += (size_t)json_integer_value(json_object_get(shown, "shown"));
		next = json_string_value(json_object_get(shown, "next"));
		if (next == NULL) {
			assert_int_equal(json_integer_value(json_object_get(shown, "total")), page.first);
			json_decref(shown);
			return whole;
		}
		assert_memory_equal(next, page.ask, strlen(page.ask));
		assert_int_equal(strtoul(next + strlen(page.ask), NULL, 10), page.first);
		assert_true(json_integer_value(json_object_get(shown, "shown")) > 0);
		json_decref(shown);
		assert_true(*pages < 1000);
	}
}

static json_t *make_port(int i)
{
	char name[32], state[256];

	snprintf(name, sizeof(name), "vm-%d", i);
	snprintf(state, sizeof(state), "waiting: %0150d", i);
	return json_pack("{s:s, s:s, s:n, s:b, s:f, s:I, s:{s:i, s:i}}", "name", name, "state", state,
			 "lcore", "ready", 1, "load", 1.5, "rx_ok", (json_int_t)i, "rx_drop", "short", i,
			 "long", 2);
}

static void lists_are_whole(void **state)
{
	json_t *list = json_array(), *reply, *whole, *entry;
	unsigned int pages;

	for (int i = 0; i < 1024; i++)
		json_array_append_new(list, make_port(i));
	reply = json_pack("{s:o, s:I}", "ports", list, "time_ns", (json_int_t)5);
	whole = read_pages(reply, (struct ctl_page){.part = "ports", .ask = "/p,", .count = 500}, &pages);
	assert_true(pages > 10);
	assert_int_equal(json_object_size(whole), 1024);
	entry = json_object_get(whole, "vm_700");
	assert_string_equal(json_string_value(json_object_get(entry, "name")), "vm-700");
	assert_string_equal(json_string_value(json_object_get(entry, "lcore")), "none");
	assert_string_equal(json_string_value(json_object_get(entry, "load")), "1.50");
	assert_int_equal(json_integer_value(json_object_get(entry, "ready")), 1);
	assert_int_equal(json_string_length(json_object_get(entry, "state")), 127);
	assert_string_equal(json_string_value(json_object_get(entry, "state/2")) + 26, "000700");
	assert_int_equal(json_integer_value(json_object_get(json_object_get(entry, "rx_drop"), "short")), 700);
	json_decref(whole);
	/* A page of three. */
	whole = read_pages(reply, (struct ctl_page){.part = "ports", .ask = "/p,", .first = 1018, .count = 3}, &pages);
	assert_int_equal(pages, 2);
	assert_int_equal(json_object_size(whole), 6);
	json_decref(whole);
	json_decref(reply);
}

/* Two names that telemetry cannot tell apart are two entries, also on one page. */
static void names_do_not_meet(void **state)
{
	json_t *reply = json_pack("{s:[{s:s}, {s:s}, {s:s}]}", "ports", "name", "vm-1", "name", "vm.1", "name", "vm_1");
	unsigned int pages;
	json_t *whole;

	whole = read_pages(reply, (struct ctl_page){.part = "ports", .ask = "/p,", .count = 9}, &pages);
	assert_int_equal(json_object_size(whole), 3);
	assert_string_equal(json_string_value(json_object_get(json_object_get(whole, "vm_1/2"), "name")), "vm_1");
	json_decref(whole);
	json_decref(reply);
}

static json_t *make_nic(void)
{
	json_t *xstats = json_object(), *queues = json_array();
	char name[64];

	for (int i = 0; i < 1200; i++) {
		snprintf(name, sizeof(name), "rx_q%d_packets_of_a_certain_size", i);
		json_object_set_new(xstats, name, json_integer((json_int_t)i << 40));
	}
	for (int i = 0; i < 128; i++)
		json_array_append_new(queues, json_pack("{s:i, s:n}", "queue", i, "lcore"));
	return json_pack("{s:s, s:o, s:[], s:o}", "name", "up0", "xstats", xstats, "nothing", "rx_queues", queues);
}

/* A NIC has more counters than a page, or an object of telemetry. */
static void one_thing_is_whole(void **state)
{
	json_t *reply = json_pack("{s:o}", "port", make_nic()), *whole;
	unsigned int pages;

	whole = read_pages(reply, (struct ctl_page){.part = "port", .ask = "/p,", .values = true, .count = 500}, &pages);
	assert_true(pages > 5);
	assert_int_equal(json_object_size(json_object_get(whole, "xstats")), 1200);
	assert_int_equal(json_object_size(json_object_get(whole, "rx_queues")), 128);
	assert_true(json_is_object(json_object_get(whole, "nothing")));
	assert_string_equal(json_string_value(json_object_get(whole, "name")), "up0");
	json_decref(whole);
	json_decref(reply);
}

/* An entry larger than a page says where the rest is. */
static void large_entries_say_so(void **state)
{
	json_t *reply = json_pack("{s:[o, {s:s}]}", "lcores", make_nic(), "name", "small"), *whole, *large;
	unsigned int pages;

	whole = read_pages(reply,
			   (struct ctl_page){.part = "lcores", .ask = "/l,", .single = "/lcore,", .count = 500},
			   &pages);
	assert_int_equal(json_object_size(whole), 2);
	large = json_object_get(whole, "up0");
	assert_null(json_object_get(large, "xstats"));
	assert_string_equal(json_string_value(json_object_get(large, "more")), "/lcore,up0");
	json_decref(whole);
	json_decref(reply);
}

static void errors_are_shown(void **state)
{
	json_t *reply = json_pack("{s:s}", "error", "there is no port x"), *page;

	page = ctl_page_make(reply, &(struct ctl_page){.part = "port", .ask = "/p,", .count = 1});
	assert_true(json_equal(page, reply));
	json_decref(page);
	json_decref(reply);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lists_are_whole),
		cmocka_unit_test(names_do_not_meet),
		cmocka_unit_test(one_thing_is_whole),
		cmocka_unit_test(large_entries_say_so),
		cmocka_unit_test(errors_are_shown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
