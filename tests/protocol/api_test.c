/* SPDX-License-Identifier: BSD-3-Clause */
/* docs/api.md has every command that the switch knows, and every member of what it answers. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fixture.h"

enum { PAGE_BYTES = 1 << 18 };

/* Members of a counter's group and options have their own page. */
static const char *const pages[] = {"docs/api.md", "docs/operations/watch.md", "docs/options.md"};
static char *text[sizeof(pages) / sizeof(pages[0])];

static char *read_page(const char *name)
{
	char path[512], *page = calloc(1, PAGE_BYTES);
	FILE *from;

	assert_non_null(page);
	snprintf(path, sizeof(path), "%s/%s", PROJECT_ROOT, name);
	from = fopen(path, "r");
	assert_non_null(from);
	assert_true(fread(page, 1, PAGE_BYTES - 1, from) > 0);
	fclose(from);
	return page;
}

/* As `key`, or as `group.key`. */
static bool has_word(const char *page, const char *key)
{
	size_t len = strlen(key);

	for (const char *at = page; (at = strstr(at, key)) != NULL; at++)
		if (at > page && strchr("`.", at[-1]) != NULL && at[len] == '`')
			return true;
	return false;
}

static void assert_described(const char *command, const char *key)
{
	for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++)
		if (has_word(text[i], key))
			return;
	fail_msg("docs/api.md says nothing of \"%s\" in the answer to %s", key, command);
}

static void assert_members_described(const char *command, const json_t *value)
{
	const char *key;
	json_t *member;
	size_t i;

	json_object_foreach((json_t *)(uintptr_t)value, key, member)
	{
		assert_described(command, key);
		assert_members_described(command, member);
	}
	json_array_foreach(value, i, member)
		assert_members_described(command, member);
}

static void every_member_is_described(void **state)
{
	static const char *const requests[] = {
		"{\"command\": \"ports\"}",
		"{\"command\": \"port\", \"name\": \"h0\"}",
		"{\"command\": \"port\", \"name\": \"h1\"}",
		"{\"command\": \"port\", \"name\": \"none\"}",
		"{\"command\": \"macs\"}",
		"{\"command\": \"bridges\"}",
		"{\"command\": \"profile.add\", \"profile\": {\"name\": \"web\", \"type\": \"vhost-user\", \"queues\": 2}}",
		"{\"command\": \"profiles\"}",
		"{\"command\": \"profile.remove\", \"name\": \"web\"}",
		"{\"command\": \"lcores\"}",
		"{\"command\": \"lcore\", \"lcore\": 1}",
		"{\"command\": \"rebalance\"}",
		"{\"command\": \"version\"}",
		"{\"command\": \"config\"}",
		"{\"command\": \"save\"}",
		"{\"command\": \"reload\"}",
		"{\"command\": \"port.remove\", \"name\": \"none\"}",
		"{\"command\": \"bridge.add\", \"bridge\": {\"name\": \"lan\"}, \"dry-run\": true}",
		"{\"command\": \"bridge.add\", \"bridge\": {\"name\": \"lan\"}}",
		"{\"command\": \"bridge.set\", \"bridge\": {\"name\": \"lan\", \"mac-aging\": 5}}",
		"{\"command\": \"bridge.set\", \"bridge\": {\"name\": \"lan\", \"multicast-snooping\": true}}",
		"{\"command\": \"bridges\"}",
		"{\"command\": \"groups\"}",
		"{\"command\": \"port.add\", \"port\": {\"name\": \"n\", \"type\": \"ethdev\", \"device\": \"net_nope0\"}}",
		"{\"command\": \"bridge.remove\", \"name\": \"lan\"}",
	};
	struct guest *a = guest_run("h0", NULL);

	settle(a, guest_run("h1", NULL));
	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
		char line[256];
		json_t *reply;

		snprintf(line, sizeof(line), "%s\n", requests[i]);
		reply = fg_switch_ask(&fixture.sw, line);
		assert_non_null(reply);
		assert_members_described(requests[i], reply);
		json_decref(reply);
	}
}

/* The error about a command that is not known names those that are. */
static void every_command_is_described(void **state)
{
	static const char between[] = "and to change something";
	json_t *reply = fg_switch_ask(&fixture.sw, "{\"command\": \"none\"}\n");
	const char *list = strstr(json_string_value(json_object_get(reply, "error")), "there are ");
	unsigned int n = 0;
	char *copy;

	assert_non_null(list);
	copy = strdup(list + strlen("there are "));
	for (char *word = strtok(copy, " ,"); word != NULL; word = strtok(NULL, " ,")) {
		if (strstr(between, word) != NULL)
			continue;
		if (!has_word(text[0], word))
			fail_msg("docs/api.md says nothing of the command %s", word);
		n++;
	}
	assert_true(n >= 25);
	free(copy);
	json_decref(reply);
}

int main(void)
{
	const struct CMUnitTest cases[] = {
		TEST_CASE(every_member_is_described),
		TEST_CASE(every_command_is_described),
	};

	for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++)
		text[i] = read_page(pages[i]);
	return fixture_main("api", CASES(cases));
}
