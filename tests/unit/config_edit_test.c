/* SPDX-License-Identifier: BSD-3-Clause */
/* config_edit_test.c: what requests make of the tree of requests; and that a configuration that shares with the one before what
 * stays is the one that all of it read anew would be, and the one that it is when it has been saved as a file. */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "cases.h"
#include "config_edit.h"
#include "config_save.h"
#include "dice.h"
#include "ethdev_port.h"
#include "vhost_options.h"
#include "vhost_port.h"

static const struct port_driver *const drivers[] = {&vhost_port_driver, &ethdev_port_driver, NULL};

/* --- helpers ------------------------------------------------------------------------------------------------------ */

/* What a file says, with " in place of '. */
static json_t *json_of(const char *text)
{
	char copy[1024];
	json_t *json;

	snprintf(copy, sizeof(copy), "%s", text);
	for (char *c = copy; *c != '\0'; c++)
		*c = *c == '\'' ? '"' : *c;
	json = json_loads(copy, 0, NULL);
	if (json == NULL)
		fail_msg("not JSON: %s", copy);
	return json;
}

static void read_file(struct config *config, const char *text)
{
	json_t *json = json_of(text);
	struct fail fail;

	*config = (struct config){.drivers = drivers};
	OK(config_read_json(config, "FILE", json, &fail));
	json_decref(json);
	if (config_check(config, &fail) != 0)
		fail_msg("%s", fail.text);
}

/* Makes `config` what the edit makes of it; after an error it is what it was. */
static int edit(struct config *config, struct config_edit *edit, struct fail *fail)
{
	struct config next;
	int error = config_share(&next, config, fail);

	assert_int_equal(error, 0);
	error = config_edit_apply(edit, &next, fail);
	if (error == 0)
		error = config_check(&next, fail);
	if (error != 0) {
		config_free(&next);
		return error;
	}
	config_free(config);
	*config = next;
	return 0;
}

static int edit_list(struct config *config, enum config_edit_list list, enum config_edit_verb verb, const char *text,
		     struct fail *fail)
{
	struct config_edit one = {0};
	json_t *json = text[0] == '{' ? json_of(text) : NULL;
	int error = config_edit_add(&one, list, verb, json == NULL ? text : NULL, json, fail);

	if (error == 0)
		error = edit(config, &one, fail);
	config_edit_free(&one);
	json_decref(json);
	return error;
}

static int edit_port(struct config *config, enum config_edit_verb verb, const char *text, struct fail *fail)
{
	return edit_list(config, CONFIG_EDIT_PORTS, verb, text, fail);
}

#define A(more) "{'name': 'a', 'type': 'vhost-user', 'socket': '/a'" more "}"
static const char file[] = "{'bridges': [{'name': 'lan'}], 'ports': [{'name': 'f', 'type': 'vhost-user', 'socket': '/f'}]}";

static unsigned int queues_of(const struct config *config, const char *name)
{
	const struct config_port *port = config_find_port(config, name);

	return port != NULL ? ((const struct vhost_options *)port->options)->queues : 0;
}

/* --- one after the other ------------------------------------------------------------------------------------------ */

static void each_verb(void **state)
{
	struct config config;
	struct fail fail;

	read_file(&config, file);
	OK(edit_port(&config, CONFIG_EDIT_ADD, A(", 'queues': 2"), &fail));
	assert_int_equal(queues_of(&config, "a"), 2);
	assert_string_equal(config_port_from(config_find_port(&config, "a")), "request");
	assert_string_equal(config_port_from(config_find_port(&config, "f")), "file");
	assert_int_equal(edit_port(&config, CONFIG_EDIT_ADD, A(""), &fail), -EEXIST);
	OK(edit_port(&config, CONFIG_EDIT_SET, "{'name': 'a', 'isolated': true}", &fail));
	assert_true(config_find_port(&config, "a")->member.isolated);
	assert_int_equal(queues_of(&config, "a"), 2);
	OK(edit_port(&config, CONFIG_EDIT_SET, "{'name': 'a', 'queues': null}", &fail));
	assert_int_equal(queues_of(&config, "a"), 1);
	OK(edit_port(&config, CONFIG_EDIT_ENSURE, A(", 'queues': 3"), &fail));
	assert_int_equal(queues_of(&config, "a"), 3);
	assert_false(config_find_port(&config, "a")->member.isolated);
	OK(edit_port(&config, CONFIG_EDIT_REMOVE, "a", &fail));
	assert_null(config_find_port(&config, "a"));
	assert_int_equal(edit_port(&config, CONFIG_EDIT_REMOVE, "a", &fail), -ENOENT);
	assert_int_equal(edit_port(&config, CONFIG_EDIT_SET, A(""), &fail), -ENOENT);
	OK(edit_port(&config, CONFIG_EDIT_ENSURE, A(""), &fail));
	config_free(&config);
}

static void what_is_the_files_stays(void **state)
{
	struct config config;
	struct fail fail;

	read_file(&config, file);
	assert_int_equal(edit_port(&config, CONFIG_EDIT_REMOVE, "f", &fail), -EPERM);
	assert_int_equal(edit_port(&config, CONFIG_EDIT_SET, "{'name': 'f', 'queues': 2}", &fail), -EPERM);
	assert_int_equal(edit_port(&config, CONFIG_EDIT_ENSURE, "{'name': 'f', 'type': 'vhost-user', 'socket': '/g'}", &fail),
			 -EPERM);
	OK(edit_port(&config, CONFIG_EDIT_ENSURE, "{'name': 'f', 'type': 'vhost-user', 'socket': '/f'}", &fail));
	assert_int_equal(config.ports_n, 1);
	/* What it takes is taken, whoever wants it. */
	assert_int_equal(edit_port(&config, CONFIG_EDIT_ADD, "{'name': 'g', 'type': 'vhost-user', 'socket': '/f'}", &fail),
			 -EEXIST);
	assert_int_equal(config.ports_n, 1);
	config_free(&config);
}

static void a_name_in_both_is_an_error(void **state)
{
	struct config config, next;
	struct fail fail;
	json_t *json = json_of("{'ports': [" A("") "]}");

	read_file(&config, file);
	OK(edit_port(&config, CONFIG_EDIT_ADD, A(""), &fail));
	next = (struct config){.drivers = drivers};
	OK(config_read_json(&next, "FILE", json, &fail));
	next.requests = tree_hold(config.requests);
	assert_int_equal(config_check(&next, &fail), -EEXIST);
	assert_string_equal(fail.text, "FILE: port a is here, and is a request's as well; remove it here or there");
	json_decref(json);
	config_free(&next);
	config_free(&config);
}

static int edit_profile(struct config *config, enum config_edit_verb verb, const char *text, struct fail *fail)
{
	return edit_list(config, CONFIG_EDIT_PROFILES, verb, text, fail);
}

static void a_port_has_what_its_profile_says(void **state)
{
	struct config config;
	struct fail fail;

	read_file(&config, file);
	OK(edit_profile(&config, CONFIG_EDIT_ADD, "{'name': 'web', 'type': 'vhost-user', 'queues': 2, 'isolated': 'on'}", &fail));
	OK(edit_port(&config, CONFIG_EDIT_ADD, "{'name': 'a', 'socket': '/a', 'profile': 'web'}", &fail));
	OK(edit_port(&config, CONFIG_EDIT_ADD, "{'name': 'b', 'socket': '/b', 'profile': 'web', 'queues': 4}", &fail));
	assert_int_equal(queues_of(&config, "a"), 2);
	assert_int_equal(queues_of(&config, "b"), 4);
	assert_true(config_find_port(&config, "b")->member.isolated);
	OK(edit_profile(&config, CONFIG_EDIT_SET, "{'name': 'web', 'queues': 3, 'isolated': null}", &fail));
	assert_int_equal(queues_of(&config, "a"), 3);
	assert_int_equal(queues_of(&config, "b"), 4);
	assert_false(config_find_port(&config, "b")->member.isolated);
	OK(edit_port(&config, CONFIG_EDIT_SET, "{'name': 'b', 'queues': null}", &fail));
	assert_int_equal(queues_of(&config, "b"), 3);
	assert_int_equal(edit_profile(&config, CONFIG_EDIT_REMOVE, "web", &fail), -ENOENT);
	assert_string_equal(fail.text, "profile web is used by ports a, b; give them another profile, or none, first");
	/* What is wrong with the port is wrong where the profile says it. */
	assert_int_equal(edit_profile(&config, CONFIG_EDIT_SET, "{'name': 'web', 'control-queue': false}", &fail), -EINVAL);
	assert_int_equal(edit_profile(&config, CONFIG_EDIT_SET, "{'name': 'web', 'profile': 'web'}", &fail), -EINVAL);
	assert_int_equal(edit_profile(&config, CONFIG_EDIT_SET, "{'name': 'web', 'socket': '/c'}", &fail), -EINVAL);
	assert_int_equal(edit_profile(&config, CONFIG_EDIT_SET, "{'name': 'web', 'mtu': 1500}", &fail), -EINVAL);
	OK(edit_port(&config, CONFIG_EDIT_REMOVE, "a", &fail));
	/* Its socket tells of which type it is. */
	OK(edit_port(&config, CONFIG_EDIT_SET, "{'name': 'b', 'profile': null}", &fail));
	assert_string_equal(config_find_port(&config, "b")->type, "vhost-user");
	assert_int_equal(queues_of(&config, "b"), 1);
	OK(edit_profile(&config, CONFIG_EDIT_REMOVE, "web", &fail));
	config_free(&config);
}

/* A few of them are named. */
static void what_is_in_use_stays(void **state)
{
	struct config config;
	struct fail fail;
	char text[128];

	read_file(&config, file);
	OK(edit_list(&config, CONFIG_EDIT_BRIDGES, CONFIG_EDIT_ADD, "{'name': 'b'}", &fail));
	for (int i = 0; i < 7; i++) {
		snprintf(text, sizeof(text), "{'name': 'u%d', 'type': 'vhost-user', 'socket': '/u%d', 'bridge': 'b'}", i, i);
		OK(edit_port(&config, CONFIG_EDIT_ADD, text, &fail));
	}
	assert_int_equal(edit_list(&config, CONFIG_EDIT_BRIDGES, CONFIG_EDIT_REMOVE, "b", &fail), -ENOENT);
	assert_string_equal(fail.text, "bridge b is used by ports u0, u1, u2, u3 and 3 more; move them to another bridge, or "
				       "remove them, first");
	config_free(&config);
}

/* Of the file: it must hold without requests. */
static void a_port_of_the_file_has_a_profile_of_the_file(void **state)
{
	struct config config, next;
	struct fail fail;
	json_t *json = json_of("{'ports': [{'name': 'f', 'type': 'vhost-user', 'socket': '/f', 'profile': 'web'}]}");

	read_file(&config, file);
	OK(edit_profile(&config, CONFIG_EDIT_ADD, "{'name': 'web', 'queues': 2}", &fail));
	next = (struct config){.drivers = drivers};
	OK(config_read_json(&next, "FILE", json, &fail));
	next.requests = tree_hold(config.requests);
	assert_int_equal(config_check(&next, &fail), -ENOENT);
	assert_string_equal(fail.text,
			    "FILE: port f: profile web is a request's, and not there at the next start; list it beside the port");
	config_free(&next);
	json_decref(json);
	json = json_of("{'profiles': [{'name': 'web', 'queues': 2}]}");
	OK(config_read_json(&next, "FILE", json, &fail));
	next.requests = tree_hold(config.requests);
	assert_int_equal(config_check(&next, &fail), -EEXIST);
	assert_string_equal(fail.text, "FILE: profile web is here, and is a request's as well; remove it here or there");
	json_decref(json);
	config_free(&next);
	config_free(&config);
}

static void an_edit_is_undone(void **state)
{
	struct config_edit first = {0}, undo = {0}, again = {0};
	struct config config;
	struct fail fail;
	json_t *json = json_of(A(", 'queues': 2"));

	read_file(&config, file);
	OK(edit_port(&config, CONFIG_EDIT_ADD, A(""), &fail));
	OK(config_edit_add(&first, CONFIG_EDIT_PORTS, CONFIG_EDIT_ENSURE, NULL, json, &fail));
	OK(edit(&config, &first, &fail));
	OK(config_edit_add_restore(&undo, &first, 0));
	OK(config_edit_add_restore(&again, &first, 0));
	OK(edit(&config, &undo, &fail));
	assert_int_equal(queues_of(&config, "a"), 1);
	/* It is what somebody else has made of it since: that stays. */
	OK(edit_port(&config, CONFIG_EDIT_SET, "{'name': 'a', 'queues': 4}", &fail));
	OK(edit(&config, &again, &fail));
	assert_int_equal(queues_of(&config, "a"), 4);
	json_decref(json);
	config_edit_free(&first);
	config_edit_free(&undo);
	config_edit_free(&again);
	config_free(&config);
}

static void a_document(void **state)
{
	struct config_edit whole = {0}, twice = {0};
	struct config config;
	struct fail fail;
	json_t *json = json_of("{'bridges': [{'name': 'x'}], 'ports': [" A(", 'bridge': 'x'") ", "
			       "{'name': 'b', 'type': 'vhost-user', 'socket': '/b', 'bridge': 'lan'}]}");

	read_file(&config, file);
	OK(config_edit_read_document(&whole, json, &fail));
	assert_int_equal(whole.n, 3);
	OK(edit(&config, &whole, &fail));
	assert_int_equal(config.ports_n, 3);
	assert_string_equal(config_find_port(&config, "a")->member.bridge, "x");
	assert_string_equal(config_bridge_from(config_find_bridge(&config, "x")), "request");
	json_decref(json);
	json = json_of("{'ports': [" A("") ", " A("") "]}");
	OK(config_edit_read_document(&twice, json, &fail));
	assert_int_equal(edit(&config, &twice, &fail), -EINVAL);
	json_decref(json);
	config_edit_free(&whole);
	config_edit_free(&twice);
	config_free(&config);
}

/* --- at random ---------------------------------------------------------------------------------------------------- */

enum { STEPS = 2000, NAMES = 12, PROFILES = 3 };

static void random_profile(struct config *config, enum config_edit_verb verb)
{
	struct fail fail;
	char text[256];
	uint32_t i = dice(PROFILES);

	if (verb == CONFIG_EDIT_REMOVE)
		snprintf(text, sizeof(text), "s%u", i);
	else
		snprintf(text, sizeof(text), "{'name': 's%u', %s, 'isolated': %s}", i,
			 dice(2) == 0 ? "'queues': 3" : dice(8) == 0 ? "'mtu': 1500" : "'offloads': false",
			 dice(2) == 0 ? "true" : "null");
	edit_profile(config, verb, text, &fail);
}

static void random_edit(struct config *config)
{
	static const enum config_edit_verb verbs[] = {CONFIG_EDIT_ADD, CONFIG_EDIT_SET, CONFIG_EDIT_REMOVE, CONFIG_EDIT_ENSURE};
	enum config_edit_verb verb = verbs[dice(4)];
	struct fail fail;
	char text[256], profile[32] = "null";
	uint32_t i = dice(NAMES);

	if (dice(4) == 0) {
		random_profile(config, verb);
		return;
	}
	if (dice(2) == 0)
		snprintf(profile, sizeof(profile), "'s%u'", dice(PROFILES));
	if (verb == CONFIG_EDIT_REMOVE)
		snprintf(text, sizeof(text), "p%u", i);
	else
		snprintf(text, sizeof(text), "{'name': 'p%u'%s%u', %s'profile': %s, 'queues': %u, 'bridge': '%s'}", i,
			 verb == CONFIG_EDIT_SET ? ", 'socket': '/p" : ", 'type': 'vhost-user', 'socket': '/p",
			 dice(8) == 0 ? dice(NAMES) : i, dice(4) == 0 ? "'postcopy': false, " : "", profile, dice(20),
			 dice(8) == 0 ? "none" : "lan");
	edit_port(config, verb, text, &fail);
}

static void what_is_shared_is_what_all_of_it_read_anew_is(void **state)
{
	struct config config;
	unsigned int most = 0;
	char *text;
	size_t len;

	read_file(&config, file);
	for (int i = 0; i < STEPS; i++) {
		struct config anew = {.drivers = drivers};
		json_t *then = json_of(file), *shared, *all;
		struct fail fail;

		random_edit(&config);
		OK(config_read_json(&anew, "FILE", then, &fail));
		anew.requests = tree_hold(config.requests);
		OK(config_check(&anew, &fail));
		shared = config_to_json(&config);
		all = config_to_json(&anew);
		assert_true(json_equal(shared, all));
		most = config.ports_n > most ? config.ports_n : most;
		if (config_save(&config, &text, &len, &fail) != 0)
			fail_msg("%s", fail.text);
		free(text);
		json_decref(then);
		json_decref(shared);
		json_decref(all);
		config_free(&anew);
	}
	assert_true(most > NAMES / 2);
	config_free(&config);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_verb),
		cmocka_unit_test(what_is_the_files_stays),
		cmocka_unit_test(a_name_in_both_is_an_error),
		cmocka_unit_test(a_port_has_what_its_profile_says),
		cmocka_unit_test(what_is_in_use_stays),
		cmocka_unit_test(a_port_of_the_file_has_a_profile_of_the_file),
		cmocka_unit_test(an_edit_is_undone),
		cmocka_unit_test(a_document),
		cmocka_unit_test(what_is_shared_is_what_all_of_it_read_anew_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
