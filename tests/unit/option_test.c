/* SPDX-License-Identifier: BSD-3-Clause */
/* option_test.c: a table of options is read, copied, compared and described, and trees are bounded. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "cases.h"
#include "option.h"

/* --- a table ---------------------------------------------------------------------------------------------------- */

struct place {
	uint64_t given;
	uint8_t mac[6];
	char *port;
};

struct thing {
	uint64_t given;
	char *path;
	uint32_t size, mode, owner;
	bool fast, safe;
	uint64_t speed, calm;
	struct option_list places;
	uint32_t derived; /* no row */
};

static const struct option_row place_rows[] = {
	{.key = "mac", .kind = OPTION_MAC, .offset = offsetof(struct place, mac), .value = "ADDRESS", .needed = "add it"},
	{.key = "port", .kind = OPTION_TEXT, .offset = offsetof(struct place, port), .value = "NAME"},
};
static const struct option_table places = OPTION_TABLE(place_rows, struct place);

static const struct option_word modes[] = {{"near", "on this side"}, {"far", "on the other"}, {NULL, NULL}};

static const struct option_row rows[] = {
	{.key = "path", .kind = OPTION_TEXT, .offset = offsetof(struct thing, path), .value = "PATH", .needed = "say where"},
	{.key = "size", .kind = OPTION_NUMBER, .offset = offsetof(struct thing, size), .value = "N", .min = 2, .max = 9,
	 .normal = 4, .unit = "bytes", .live = true},
	{.key = "mode", .kind = OPTION_WORD, .offset = offsetof(struct thing, mode), .words = modes, .normal = 1},
	{.key = "owner", .kind = OPTION_USER, .offset = offsetof(struct thing, owner), .value = "USER", .common = true},
	{.key = "fast", .kind = OPTION_FLAG, .offset = offsetof(struct thing, fast), .normal = true, .on = "not slow"},
	{.key = "safe", .kind = OPTION_FLAG, .offset = offsetof(struct thing, safe), .live = true},
	{.key = "speed", .kind = OPTION_RATE, .offset = offsetof(struct thing, speed), .value = "N", .least = 1500,
	 .most = 8000000000000, .unit = "bit/s", .live = true},
	{.key = "places", .kind = OPTION_LIST, .offset = offsetof(struct thing, places), .value = "LIST",
	 .entries = &places},
	{.key = "calm", .kind = OPTION_RATE, .offset = offsetof(struct thing, calm), .value = "N", .least = 16,
	 .most = 8000000000000, .unit = "bit/s", .otherwise = "what it needs", .live = true},
};
static const struct option_table table = OPTION_TABLE(rows, struct thing);

static int read_thing(const char *yaml, struct thing *thing, struct fail *fail)
{
	const struct option_part part = {.table = &table, .values = thing};
	struct tree *tree;
	int error = tree_read_yaml("file", yaml, strlen(yaml), &tree, fail);

	assert_int_equal(option_init(&table, thing), 0);
	if (error == 0) {
		const struct option_entry entry = {.what = "thing x", .list = "things", .source = "file", .node = tree};

		error = option_read(&entry, &part, 1, fail);
	}
	tree_free(tree);
	return error;
}

#define ALL                                                                                                            \
	"path: /a\nsize: 9\nmode: near\nowner: 7\nfast: no\nsafe: true\nspeed: 50M\n"                                \
	"places: [{mac: \"52:54:00:00:00:01\", port: p}, {mac: \"52:54:00:00:00:02\"}]\n"

static void reads_each_kind(void **state)
{
	const struct place *place;
	struct thing thing;
	struct fail fail;

	assert_int_equal(read_thing(ALL, &thing, &fail), 0);
	assert_string_equal(thing.path, "/a");
	assert_int_equal(thing.size, 9);
	assert_int_equal(thing.mode, 0);
	assert_int_equal(thing.owner, 7);
	assert_false(thing.fast);
	assert_true(thing.safe);
	assert_int_equal(thing.speed, 50000000);
	assert_int_equal(thing.places.n, 2);
	place = thing.places.entries;
	assert_memory_equal(place[0].mac, "\x52\x54\0\0\0\1", 6);
	assert_string_equal(place[0].port, "p");
	assert_null(place[1].port);
	assert_int_equal(thing.given, 0xff);
	option_clear(&table, &thing);
	/* What is not written is as it is by itself. */
	assert_int_equal(read_thing("path: /b\n", &thing, &fail), 0);
	assert_int_equal(thing.size, 4);
	assert_int_equal(thing.mode, 1);
	assert_true(thing.fast);
	assert_false(thing.safe);
	assert_int_equal(thing.speed, 0);
	assert_true(option_given(&table, &thing, "path"));
	assert_false(option_given(&table, &thing, "size"));
	assert_int_equal(option_bit(&table, "none"), 0);
	option_clear(&table, &thing);
}

static void says_what_is_wrong(void **state)
{
	static const struct {
		const char *yaml, *said;
	} cases[] = {
		{"size: 3\n", "file:1: thing x has no path; say where"},
		{"path: /a\n\nsize: 1\n", "file:3: thing x: size: 1 is out of range; use 2 to 9"},
		{"path: /a\nsize: 4294967298\n", "file:2: thing x: size: 4294967298 is out of range; use 2 to 9"},
		{"path: /a\nsize: 0x3\n", "file:2: thing x: size has to be a whole number from 2 to 9, not '0x3'"},
		{"path: /a\nsize: [3]\n", "file:2: thing x: size has to be a whole number from 2 to 9"},
		{"path: /a\nfast: [on]\n", "file:2: thing x: fast has to be on or off"},
		{"path: [a]\n", "file:1: thing x: path has to be a single word or path"},
		{"path: /a\nmode: off\n",
		 "file:2: thing x: mode \"off\" is not known; use near (on this side) or far (on the other)"},
		{"path: /a\nfast: Onn\n", "file:2: thing x: fast \"Onn\" is not known; use on (not slow) or off"},
		{"path: /a\nspeed: 1499\n", "file:2: thing x: speed: 1499 is out of range; use 1500 to 8T bit/s, or off"},
		{"path: /a\nspeed: 9T\n", "file:2: thing x: speed: 9T is out of range; use 1500 to 8T bit/s, or off"},
		{"path: /a\nspeed: 18446744073709551615T\n",
		 "file:2: thing x: speed: 18446744073709551615T is out of range; use 1500 to 8T bit/s, or off"},
		{"path: /a\nspeed: 5m\n",
		 "file:2: thing x: speed has to be off, or a whole number that may end in k, M, G or T, as in 50M, not '5m'"},
		{"path: /a\nspeed: M\n",
		 "file:2: thing x: speed has to be off, or a whole number that may end in k, M, G or T, as in 50M, not 'M'"},
		{"path: /a\nsafe: 1\n", "file:2: thing x: safe \"1\" is not known; use on or off"},
		{"path: /a\nfest: on\n",
		 "file:2: key \"fest\" of thing x is not known under things; did you mean fast?"},
		{"path: /a\nweather: on\n",
		 "file:2: key \"weather\" of thing x is not known under things; known here: path, "
		 "size, mode, owner, fast, safe, speed, places, calm"},
		{"path: /a\nsize: 3\npath: /b\n", "file:3: path is written twice, first at line 1; remove one"},
		{"path: /a\nplaces: 7\n",
		 "file:2: thing x: places has to be a list: one entry a line, each beginning with \"- \""},
		{"path: /a\nplaces:\n- port: p\n", "file:3: this entry has no mac; add it"},
		{"path: /a\nplaces:\n- mac: 5254\n", "file:3: mac \"5254\" is not an Ethernet address; write it as "
						     "\"52:54:00:12:34:56\", with the quotes"},
		{"- path\n", "file:1: an entry of things has to be keys with values, as in {path: vm1}"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct thing thing;
		struct fail fail = {.text = ""};

		assert_true(read_thing(cases[i].yaml, &thing, &fail) < 0);
		assert_string_equal(fail.text, cases[i].said);
		option_clear(&table, &thing);
	}
}

static void a_copy_is_its_own(void **state)
{
	struct thing thing, copy;
	struct fail fail;

	assert_int_equal(read_thing(ALL, &thing, &fail), 0);
	thing.derived = 5;
	assert_int_equal(option_copy(&table, &copy, &thing), 0);
	assert_int_equal(option_changed(&table, &thing, &copy), 0);
	assert_ptr_not_equal(thing.path, copy.path);
	option_clear(&table, &thing);
	assert_string_equal(copy.path, "/a");
	assert_string_equal(((struct place *)copy.places.entries)->port, "p");
	assert_int_equal(copy.derived, 5);
	option_clear(&table, &copy);
}

static void differences_are_rows(void **state)
{
	struct thing from, to;
	struct fail fail;
	uint64_t bits;
	char text[256];

	assert_int_equal(read_thing("path: /a\nsize: 4\n", &from, &fail), 0);
	assert_int_equal(read_thing("path: /a\n", &to, &fail), 0);
	assert_int_equal(option_changed(&table, &from, &to), 0);
	option_clear(&table, &to);
	assert_int_equal(read_thing("path: /a\nsize: 5\nowner: 0\nsafe: on\n", &to, &fail), 0);
	bits = option_changed(&table, &from, &to);
	assert_int_equal(bits, option_bit(&table, "size") | option_bit(&table, "owner") | option_bit(&table, "safe"));
	assert_int_equal(bits & ~option_live(&table), option_bit(&table, "owner"));
	option_describe_change(&table, &from, &to, bits, text, sizeof(text));
	assert_string_equal(text, "size 4 -> 5, owner not set -> root (0), safe off -> on");
	option_describe(&table, &to, text, sizeof(text));
	assert_string_equal(text, ", path /a, size 5, owner root (0), safe on");
	/* What is said for all holds where nothing else is said. */
	assert_int_equal(option_inherit(&table, &from, &to), 0);
	assert_true(option_given(&table, &from, "owner"));
	assert_int_equal(from.size, 4);
	option_clear(&table, &from);
	option_clear(&table, &to);
}

/* "off" is not what stands where nothing is written, in words, in JSON and where two are compared. */
static void a_default_in_words_is_not_off(void **state)
{
	static const char *const texts[] = {"path: /a\n", "path: /a\ncalm: off\n", "path: /a\ncalm: 2k\n"};
	static const char *const words[] = {"the default", "off", "2k"};

	for (unsigned int i = 0; i < 9; i++) {
		const unsigned int before = i / 3, after = i % 3;
		struct thing from, to, copy;
		char text[256], want[64] = "";
		json_t *json = json_object();
		struct fail fail;

		assert_int_equal(read_thing(texts[before], &from, &fail), 0);
		assert_int_equal(read_thing(texts[after], &to, &fail), 0);
		assert_int_equal(option_copy(&table, &copy, &to), 0);
		assert_int_equal(option_changed(&table, &to, &copy), 0);
		assert_int_equal(option_changed(&table, &from, &copy), before == after ? 0 : option_bit(&table, "calm"));
		option_describe_change(&table, &from, &to, option_bit(&table, "calm"), text, sizeof(text));
		snprintf(want, sizeof(want), "calm %s -> %s", words[before], words[after]);
		assert_string_equal(text, want);
		option_describe(&table, &to, text, sizeof(text));
		assert_int_equal(strstr(text, "calm") != NULL, after != 0);
		option_to_json(&table, &to, json);
		assert_int_equal(json_object_get(json, "calm") != NULL, after != 0);
		json_decref(json);
		option_clear(&table, &from);
		option_clear(&table, &to);
		option_clear(&table, &copy);
	}
}

static void json_can_be_read_again(void **state)
{
	struct thing thing, again;
	const struct option_part part = {.table = &table, .values = &again};
	struct option_entry entry = {.source = "json"};
	json_t *json = json_object();
	struct fail fail;
	struct tree *tree;

	assert_int_equal(read_thing(ALL, &thing, &fail), 0);
	option_to_json(&table, &thing, json);
	assert_true(json_is_false(json_object_get(json, "fast")));
	assert_int_equal(json_integer_value(json_object_get(json, "size")), 9);
	entry.node = tree = tree_from_json(json);
	assert_int_equal(option_init(&table, &again), 0);
	assert_int_equal(option_read(&entry, &part, 1, &fail), 0);
	assert_int_equal(option_changed(&table, &thing, &again), 0);
	tree_free(tree);
	json_decref(json);
	option_clear(&table, &thing);
	option_clear(&table, &again);
}

/* --- trees ------------------------------------------------------------------------------------------------------ */

static void an_alias_is_the_same_node(void **state)
{
	static const char text[] = "a: &x [1, 2]\nb: *x\nc: ~\nd: 'null'\n";
	struct fail fail;
	struct tree *tree;

	assert_int_equal(tree_read_yaml("file", text, sizeof(text) - 1, &tree, &fail), 0);
	assert_int_equal(tree->n, 4);
	assert_ptr_equal(tree->item[0].value, tree->item[1].value);
	assert_int_equal(tree->item[1].line, 2);
	assert_true(tree_find(tree, "c")->value->nothing);
	assert_false(tree_find(tree, "d")->value->nothing);
	assert_null(tree_find(tree, "e"));
	tree_free(tree);
}

static void hostile_texts_are_refused(void **state)
{
	static const struct {
		const char *text, *said;
	} cases[] = {
		{"", "file:1: there is nothing in this text"},
		{"a: *b\n", "file:1: this alias (*name) has no anchor (&name) before it; write the value out"},
		{"a:\n- &b [*b]\n", "file:2: this alias stands for a part that it is in itself; write the value out"},
		{"? [a]\n: b\n", "file:1: a key has to be a single word"},
		{"a: &b {c: d}\ne:\n  <<: *b\n", "file:3: a merge (<<) is not taken over; write its keys out here"},
		{"a: \"x\\0y\"\n", "file:1: this text has a NUL character (\\0); remove it"},
		{"a: b\n---\n", "file:2: a second document begins here, which would be ignored; remove this \"---\", or what "
				"follows it"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fail fail = {.text = ""};
		struct tree *tree;

		assert_true(tree_read_yaml("file", cases[i].text, strlen(cases[i].text), &tree, &fail) < 0);
		assert_null(tree);
		assert_string_equal(fail.text, cases[i].said);
	}
}

/* Good texts with bytes put in, taken out and exchanged: each is read or refused in one line. */
static void random_texts_do_no_harm(void **state)
{
	static const char texts[][256] = {ALL, "a: &x [1, 2]\nb: *x\npath: {c: [{}, 'd', \"\\x41\"]}\n", "? - [&a x]\n: *a\n"};
	static const char bytes[] = "[]{}:,-&*?#'\"\\\n\t ~!|>%@\0ax1";
	unsigned int seed = 1;

	for (unsigned int i = 0; i < 60000; i++) {
		char text[256];
		size_t len = strlen(texts[i % 3]);
		struct fail fail = {.text = ""};
		struct thing thing;

		memcpy(text, texts[i % 3], len + 1);
		for (int n = 1 + rand_r(&seed) % 4; n > 0; n--)
			text[(size_t)rand_r(&seed) % len] = bytes[(size_t)rand_r(&seed) % (sizeof(bytes) - 1)];
		if (read_thing(text, &thing, &fail) != 0)
			assert_true(fail.text[0] != '\0' && strchr(fail.text, '\n') == NULL);
		option_clear(&table, &thing);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_each_kind),
		cmocka_unit_test(says_what_is_wrong),
		cmocka_unit_test(a_copy_is_its_own),
		cmocka_unit_test(differences_are_rows),
		cmocka_unit_test(a_default_in_words_is_not_off),
		cmocka_unit_test(json_can_be_read_again),
		cmocka_unit_test(an_alias_is_the_same_node),
		cmocka_unit_test(hostile_texts_are_refused),
		cmocka_unit_test(random_texts_do_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
