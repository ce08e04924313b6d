/* SPDX-License-Identifier: BSD-3-Clause */
/* What requests have added is there after a restart, whenever the switch was killed: with --state. What cannot be used of it, or
 * not be kept, is told, and the switch goes on; and what it saves as a file is the same switch. */
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dice.h"
#include "fixture.h"
#include "requester.h"

#define PORT(name, more) "'port': {'name': '" name "', 'type': 'vhost-user', 'socket': '@/" name "'" more "}"

static char state_folder[64], state[96], last_good[96];

static void kill_and_restart(struct client *client)
{
	client_close(client);
	fg_switch_kill(&fixture.sw);
	OK(fg_switch_restart(&fixture.sw));
	*client = client_open();
	/* It is ready, and has said what there was to say. */
	json_decref(ask(client, "{'command': 'version'}"));
}

static void write_state(const char *text)
{
	FILE *f = fopen(state, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void it_is_there_after_a_restart(void **test)
{
	struct client client = client_open();

	expect(&client, "changed", "port a: comes",
	       "{'command': 'ensure', 'config': {'profiles': [{'name': 'web', 'queues': 2}], 'bridges': [{'name': 'lan'}], "
	       "'ports': [{'name': 'a', 'type': 'vhost-user', 'socket': '@/a', 'profile': 'web', 'bridge': 'lan'}]}}");
	expect(&client, "changed", "port b: comes",
	       "{'command': 'port.add', " PORT("b", ", 'isolated': true") ", 'dry-run': true}");
	kill_and_restart(&client);
	expect(&client, "same", "[]",
	       "{'command': 'ensure', 'config': {'profiles': [{'name': 'web', 'queues': 2}], 'bridges': [{'name': 'lan'}], "
	       "'ports': [{'name': 'a', 'type': 'vhost-user', 'socket': '@/a', 'profile': 'web', 'bridge': 'lan'}]}}");
	assert_true(is_there("a") && !is_there("b"));
	expect(&client, "not-found", "there is no port b", "{'command': 'port.remove', 'name': 'b'}");
	/* What could not be made is taken back there, too. */
	expect(&client, "failed", "no DPDK driver of this name",
	       "{'command': 'port.add', 'port': {'name': 'n', 'type': 'ethdev', 'device': 'net_nope0'}}");
	expect(&client, "not-found", "there is no port n", "{'command': 'port.remove', 'name': 'n'}");
	clean(&client);
	kill_and_restart(&client);
	expect(&client, "not-found", "there is no port a", "{'command': 'port.remove', 'name': 'a'}");
	assert_false(is_there("a"));
	client_close(&client);
}

static void what_is_broken_is_set_aside(void **test)
{
	static const char *const broken[] = {"", "{\"ports\": [{\"name\": \"a\", \"ty", "[]", "{\"colours\": []}",
					     "{\"ports\": [{\"name\": \"a\", \"type\": \"no\"}]}"};
	char left[96];
	struct client client = client_open();
	char aside[128];

	snprintf(aside, sizeof(aside), "%s.broken", state);
	for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
		expect(&client, "changed", "port b: comes", "{'command': 'port.add', " PORT("b", "") "}");
		write_state(broken[i]);
		kill_and_restart(&client);
		assert_true(log_lines("starts without what requests had added") > 0);
		OK(unlink(aside));
		expect(&client, "not-found", "there is no port b", "{'command': 'port.remove', 'name': 'b'}");
	}
	/* A name that the file has by now: the file counts, and not the last good one. */
	expect(&client, "changed", "port b: comes", "{'command': 'port.add', " PORT("b", "") "}");
	write_file("ports:\n- {name: b, type: vhost-user, socket: @/f}\n");
	kill_and_restart(&client);
	assert_true(log_lines("port b is here, and is a request's as well") > 0);
	assert_true(is_there("f"));
	OK(unlink(aside));
	/* What was saved there is the file's, and costs nobody else anything. */
	expect(&client, "changed", "port c: comes", "{'command': 'port.add', " PORT("c", "") "}");
	expect(&client, "changed", "port d: comes", "{'command': 'port.add', " PORT("d", "") "}");
	write_file("ports:\n- {name: b, type: vhost-user, socket: @/f}\n- {name: c, type: vhost-user, socket: @/c}\n");
	kill_and_restart(&client);
	assert_true(is_there("c") && is_there("d") && access(aside, F_OK) != 0);
	expect(&client, "changed", "port d: goes", "{'command': 'port.remove', 'name': 'd'}");
	expect(&client, "from-file", "port c", "{'command': 'port.remove', 'name': 'c'}");
	write_file("ports:\n- {name: b, type: vhost-user, socket: @/f}\n");
	/* The sockets of those that were killed, which no port has any more. */
	snprintf(left, sizeof(left), "%s/b", requester_folder);
	OK(unlink(left));
	snprintf(left, sizeof(left), "%s/c", requester_folder);
	OK(unlink(left));
	/* A device that is not there any more: the others are. */
	write_state("{\"ports\": [{\"name\": \"n\", \"type\": \"ethdev\", \"device\": \"net_nope0\"}]}");
	kill_and_restart(&client);
	assert_true(log_lines("no DPDK driver of this name") > 0);
	assert_true(is_there("f"));
	clean(&client);
	client_close(&client);
}

/* Then nothing is changed, and who asked is told. */
static bool last_good_has(const char *words)
{
	char text[1024];
	FILE *f = fopen(last_good, "r");
	size_t n = f != NULL ? fread(text, 1, sizeof(text) - 1, f) : 0;

	text[n] = '\0';
	if (f != NULL)
		fclose(f);
	return strstr(text, words) != NULL;
}

static void await_last_good(const char *words)
{
	int64_t deadline = fg_deadline(FG_WAIT_MS);

	while (!last_good_has(words)) {
		if (fg_left_ms(deadline) <= 0)
			fail_msg("the last good file never has \"%s\"", words);
		fg_sleep_us(5000);
	}
}

/* A port that a request has added, and that cannot be made any more, keeps no file from being a good one. */
static void a_good_file_is_kept_as_the_last_good_one(void **test)
{
	struct client client = client_open();
	char sub[64], socket[80];

	snprintf(sub, sizeof(sub), "%s/sub", requester_folder);
	snprintf(socket, sizeof(socket), "%s/t", sub);
	expect(&client, "changed", "port t: comes",
	       "{'command': 'port.add', 'port': {'name': 't', 'type': 'vhost-user', 'socket': '@/sub/t'}}");
	OK(unlink(socket));
	OK(rmdir(sub));
	OK(mknod(sub, S_IFREG | 0600, 0));
	kill_and_restart(&client);
	write_file("# of the request that fails\nports:\n- {name: a, type: vhost-user, socket: @/a}\n");
	expect(&client, "failed", "port t cannot be made", "{'command': 'reload'}");
	await_last_good("of the request that fails");
	/* What fails of the file does. */
	write_file("# of the file itself\nports:\n- {name: a, type: vhost-user, socket: @/sub/a}\n");
	expect(&client, "failed", "port a cannot be made", "{'command': 'reload'}");
	fg_sleep_us(50000);
	assert_false(last_good_has("of the file itself"));
	write_file("# good again\nports: []\n");
	expect(&client, "failed", "port t cannot be made", "{'command': 'reload'}");
	await_last_good("good again");
	OK(unlink(sub));
	clean(&client);
	rmdir(sub);
	client_close(&client);
}

static void what_cannot_be_kept_is_not_done(void **test)
{
	struct client client = client_open();
	char elsewhere[80];

	snprintf(elsewhere, sizeof(elsewhere), "%s.not", state_folder);
	OK(rename(state_folder, elsewhere));
	expect(&client, "failed", "cannot be kept", "{'command': 'port.add', " PORT("a", "") "}");
	assert_false(is_there("a"));
	expect(&client, "not-found", "there is no port a", "{'command': 'port.remove', 'name': 'a'}");
	OK(rename(elsewhere, state_folder));
	expect(&client, "changed", "port a: comes", "{'command': 'port.add', " PORT("a", "") "}");
	clean(&client);
	client_close(&client);
}

/* --- many at once ------------------------------------------------------------------------------------------------- */

enum { CLIENTS = 8, TRIES = 50 };

/* Each asks for a port of its own, before any of them has heard. */
static void all_say(struct client *clients, bool add)
{
	for (int i = 0; i < CLIENTS; i++) {
		char text[256];

		if (add)
			snprintf(text, sizeof(text),
				 "{'command': 'port.add', 'port': {'name': 'm%d', 'type': 'vhost-user', 'socket': '@/m%d'}}",
				 i, i);
		else
			snprintf(text, sizeof(text), "{'command': 'port.remove', 'name': 'm%d'}", i);
		say_request(&clients[i], text);
	}
}

static void all_hear(struct client *clients, const char *verdict, const char *words)
{
	for (int i = 0; i < CLIENTS; i++) {
		json_t *reply = hear(&clients[i]);
		char *text = json_dumps(reply, 0);

		if (strcmp(verdict_in(reply), verdict) != 0 || strstr(text, words) == NULL)
			fail_msg("client %d: %s", i, text);
		free(text);
		json_decref(reply);
	}
}

static void assert_ports(bool there)
{
	for (int i = 0; i < CLIENTS; i++) {
		char name[8];

		snprintf(name, sizeof(name), "m%d", i);
		assert_int_equal(is_there(name), there);
	}
}

/* Each is told that what it asked for cannot be kept; and what is kept then is there after a restart. */
static void each_of_many_is_told(void **test)
{
	struct client clients[CLIENTS], client = client_open();
	char elsewhere[80];

	for (int i = 0; i < CLIENTS; i++)
		clients[i] = client_open();
	snprintf(elsewhere, sizeof(elsewhere), "%s.not", state_folder);
	OK(rename(state_folder, elsewhere));
	for (int i = 0; i < 3; i++) {
		all_say(clients, true);
		all_hear(clients, "failed", "cannot be kept");
		assert_ports(false);
	}
	OK(rename(elsewhere, state_folder));
	all_say(clients, true);
	all_hear(clients, "changed", "comes");
	for (int i = 0; i < CLIENTS; i++)
		client_close(&clients[i]);
	kill_and_restart(&client);
	assert_ports(true);
	clean(&client);
	assert_ports(false);
	client_close(&client);
}

/* How often the file was replaced since this was asked last. */
static int replaced(int watch)
{
	_Alignas(struct inotify_event) char bytes[4096];
	int n = 0;
	ssize_t len;

	while ((len = read(watch, bytes, sizeof(bytes))) > 0)
		for (char *at = bytes; at < bytes + len; at += sizeof(struct inotify_event)) {
			const struct inotify_event *event = (const struct inotify_event *)(void *)at;

			n += (event->mask & IN_MOVED_TO) != 0 && event->len > 0 && strstr(state, event->name) != NULL;
			at += event->len;
		}
	return n;
}

/* Changes that come while another is written are written together: the file is replaced less often than there are changes. */
static void many_share_a_write(void **test)
{
	int watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC), fewest = CLIENTS, tries = 0;
	struct client clients[CLIENTS], client = client_open();

	/* Two events that follow each other and are alike would be one: so what the file was called before is watched, too. */
	assert_true(watch >= 0 && inotify_add_watch(watch, state_folder, IN_MOVED_FROM | IN_MOVED_TO) >= 0);
	for (int i = 0; i < CLIENTS; i++)
		clients[i] = client_open();
	for (; tries < TRIES && fewest > CLIENTS / 2; tries++) {
		int n;

		all_say(clients, true);
		all_hear(clients, "changed", "comes");
		n = replaced(watch);
		assert_true(n >= 1 && n <= CLIENTS);
		fewest = n < fewest ? n : fewest;
		all_say(clients, false);
		all_hear(clients, "changed", "goes");
		replaced(watch);
	}
	print_message("%d changes were written at %d times at the least, of %d tries\n", CLIENTS, fewest, tries);
	assert_true(fewest <= CLIENTS / 2);
	for (int i = 0; i < CLIENTS; i++)
		client_close(&clients[i]);
	close(watch);
	client_close(&client);
}

/* --- saved ------------------------------------------------------------------------------------------------------- */

/* What `vuswitch --check` says of a file, beside the switch that runs. */
static void assert_check_says(const char *words, const char *text)
{
	char path[96], command[512], line[1024], said[4096] = "";
	FILE *to, *from;

	snprintf(path, sizeof(path), "%s/saved.yaml", state_folder);
	to = fopen(path, "w");
	assert_non_null(to);
	fputs(text, to);
	fclose(to);
	snprintf(command, sizeof(command), "%s --config %s --control %s --check 2>&1", getenv("VUSWITCH"), path,
		 fixture.sw.control);
	from = popen(command, "r");
	assert_non_null(from);
	while (fgets(line, sizeof(line), from) != NULL && strlen(said) + strlen(line) < sizeof(said))
		strcat(said, line);
	if (pclose(from) != 0 || strstr(said, words) == NULL)
		fail_msg("--check of\n%ssays\n%s", text, said);
	OK(unlink(path));
}

static void what_is_saved_is_the_same_switch(void **test)
{
	struct client client = client_open();
	json_t *reply;
	const char *text;

	write_file("rebalance: off\nprofiles:\n- {name: web, isolated: on, offloads: 'off'}\nbridges:\n- name: lan\n"
		   "  static-macs:\n  - {mac: '52:54:00:12:34:56', port: f}\n"
		   "ports:\n- {name: f, type: vhost-user, bridge: lan, socket: @/f}\n");
	expect(&client, "changed", "port f: comes", "{'command': 'reload'}");
	expect(&client, "changed", "port a: comes",
	       "{'command': 'port.add', " PORT("a", ", 'profile': 'web', 'socket-mode': '0660'") "}");
	expect(&client, "changed", "comes",
	       "{'command': 'port.add', 'port': {'name': 'b', 'type': 'vhost-user', 'socket': '@/ä #b: [c]', 'queues': 2}}");
	expect(&client, "changed", "comes", "{'command': 'bridge.add', 'bridge': {'name': 'x', 'mac-aging': 0}}");
	reply = ask(&client, "{'command': 'save'}");
	text = json_string_value(json_object_get(reply, "text"));
	assert_non_null(text);
	assert_non_null(strstr(text, "  - name: x  # request\n    mac-aging: 0\n"));
	assert_non_null(strstr(text, "  - name: v0  # --vhost v0="));
	assert_non_null(strstr(text, "/vuswitch.yaml:9\n"));
	assert_check_says("nothing changes", text);
	/* What a reload would refuse is told before. */
	assert_check_says("port a is a request's as well", "ports:\n- {name: a, socket: /run/elsewhere}\n");
	assert_check_says("bridge x is a request's as well", "bridges:\n- {name: x}\nports: []\n");
	json_decref(reply);
	clean(&client);
	client_close(&client);
}

/* --- at random --------------------------------------------------------------------------------------------------- */

enum { PORTS = 4, ROUNDS = 12, EACH = 6 };

/* Queues of each port; 0: it is not there. */
static int model[PORTS];

/* A request that succeeds, and what it makes of its port. */
static int random_request(int *port, char *text, size_t size)
{
	int queues = (int)dice(4);

	*port = (int)dice(PORTS);
	if (queues == 0 && model[*port] > 0)
		snprintf(text, size, "{'command': 'port.remove', 'name': 'p%d'}", *port);
	else
		snprintf(text, size,
			 "{'command': 'port.ensure', 'port': {'name': 'p%d', 'type': 'vhost-user', 'socket': '@/p%d', "
			 "'queues': %d}}", *port, *port, queues > 0 ? queues : 1);
	return queues == 0 && model[*port] == 0 ? 1 : queues;
}

static int queues_now(int port)
{
	char name[8];
	json_t *reply;
	int queues;

	snprintf(name, sizeof(name), "p%d", port);
	reply = fg_switch_query(&fixture.sw, "port", name);
	queues = (int)json_integer_value(
		json_object_get(json_object_get(json_object_get(reply, "port"), "options"), "queues"));
	json_decref(reply);
	return queues;
}

/* Of the last one it is not known whether it was done: nobody was told. */
static void killed_at_any_moment(void **test)
{
	struct client client = client_open();
	unsigned int done = 0;

	for (int round = 0; round < ROUNDS; round++) {
		int port, next = 0, before;
		char text[256];

		for (int i = 0; i < EACH; i++) {
			next = random_request(&port, text, sizeof(text));
			say_request(&client, text);
			if (i == EACH - 1)
				break;
			json_decref(hear(&client));
			model[port] = next;
		}
		before = model[port];
		fg_sleep_us(dice(4000));
		kill_and_restart(&client);
		model[port] = queues_now(port);
		done += model[port] == next;
		assert_true(model[port] == next || model[port] == before);
		for (int i = 0; i < PORTS; i++)
			assert_int_equal(queues_now(i), model[i]);
	}
	print_message("killed %d times; in %u of them the last request was done\n", ROUNDS, done);
	clean(&client);
	client_close(&client);
}

/* A switch that is killed while it makes or ends a socket leaves that, or its draft. */
static void sweep(void)
{
	static const char *const left[] = {"p*", ".p*", "m*", ".m*"};
	char pattern[96];
	glob_t found;

	for (size_t i = 0; i < sizeof(left) / sizeof(left[0]); i++) {
		snprintf(pattern, sizeof(pattern), "%s/%s", requester_folder, left[i]);
		if (glob(pattern, 0, NULL, &found) != 0)
			continue;
		for (size_t at = 0; at < found.gl_pathc; at++)
			unlink(found.gl_pathv[at]);
		globfree(&found);
	}
}

int main(void)
{
	static const char *const ports[] = {"v0", "h0", "h1", NULL};
	const char *const args[] = {"--config", requester_begin(), "--state", state, "--last-good", last_good, NULL};
	const struct fg_switch_options opt = {.ports = ports, .args = args};
	const struct CMUnitTest cases[] = {
		TEST_CASE(it_is_there_after_a_restart),
		TEST_CASE(what_is_broken_is_set_aside),
		TEST_CASE(a_good_file_is_kept_as_the_last_good_one),
		TEST_CASE(what_cannot_be_kept_is_not_done),
		TEST_CASE(each_of_many_is_told),
		TEST_CASE(many_share_a_write),
		TEST_CASE(what_is_saved_is_the_same_switch),
		TEST_CASE(killed_at_any_moment),
	};
	int failed;

	snprintf(state_folder, sizeof(state_folder), "%s/kept", requester_folder);
	snprintf(state, sizeof(state), "%s/requests.json", state_folder);
	snprintf(last_good, sizeof(last_good), "%s/last-good.yaml", state_folder);
	if (mkdir(state_folder, 0700) != 0)
		return EXIT_FAILURE;
	failed = fixture_main_on(&opt, "request_kept", CASES(cases));
	unlink(state);
	unlink(last_good);
	strcat(last_good, ".new");
	unlink(last_good);
	rmdir(state_folder);
	sweep();
	return requester_end() != 0 || failed != 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
