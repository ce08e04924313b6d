/* SPDX-License-Identifier: BSD-3-Clause */
/* What a request over the control socket changes, and what its answer says: good and wrong ones, again, many at once, with the
 * file read again in between; who may; and a random sequence against a model of what should be there. Ports that none of it
 * concerns lose nothing. */
#include <errno.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "dice.h"
#include "fixture.h"
#include "requester.h"

/* --- one after the other ----------------------------------------------------------------------------------------- */

/* "@" in a text is the folder. */
#define PORT(name, more) "'port': {'name': '" name "', 'type': 'vhost-user', 'socket': '@/" name "'" more "}"

struct row {
	const char *verdict, *words, *request;
};

/* One after the other; "%" is the control socket. */
static void expect_rows(struct client *client, const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		char request[LINE_MAX_BYTES];
		const char *percent = strchr(rows[i].request, '%');

		snprintf(request, sizeof(request), "%.*s%s%s",
			 percent != NULL ? (int)(percent - rows[i].request) : (int)strlen(rows[i].request), rows[i].request,
			 percent != NULL ? fixture.sw.control : "", percent != NULL ? percent + 1 : "");
		expect(client, rows[i].verdict, rows[i].words, request);
	}
}

static void good_and_wrong_ones(void **state)
{
	static const struct row rows[] = {
		{"changed", "port a: comes", "{'command': 'port.add', " PORT("a", "") "}"},
		{"exists", "already", "{'command': 'port.add', " PORT("a", "") "}"},
		{"same", "[]", "{'command': 'port.ensure', " PORT("a", "") "}"},
		{"same", "[]", "{'command': 'port.ensure', " PORT("a", ", 'queues': 1") "}"},
		{"changed", "queues 1 -> 2", "{'command': 'port.ensure', " PORT("a", ", 'queues': 2") ", 'dry-run': true}"},
		{"changed", "its VM loses the connection", "{'command': 'port.set', 'port': {'name': 'a', 'queues': 2}}"},
		{"same", "[]", "{'command': 'port.set', 'port': {'name': 'a', 'queues': 2}}"},
		{"changed", "while it runs", "{'command': 'port.set', 'port': {'name': 'a', 'isolated': true}}"},
		{"changed", "queues 2 -> 1", "{'command': 'port.set', 'port': {'name': 'a', 'queues': null}}"},
		{"invalid", "did you mean queues?", "{'command': 'port.set', 'port': {'name': 'a', 'quues': 1}}"},
		{"invalid", "out of range", "{'command': 'port.set', 'port': {'name': 'a', 'queues': 99}}"},
		{"not-found", "add it first", "{'command': 'port.set', 'port': {'name': 'a', 'bridge': 'none'}}"},
		{"not-found", "there is no port b", "{'command': 'port.set', 'port': {'name': 'b', 'queues': 2}}"},
		{"not-found", "there is no port A; did you mean a?", "{'command': 'port.remove', 'name': 'A'}"},
		{"not-found", "there is no bridge br1; did you mean br0?; add it first",
		 "{'command': 'port.set', 'port': {'name': 'a', 'bridge': 'br1'}}"},
		{"exists", "already", "{'command': 'port.add', 'port': {'name': 'b', 'type': 'vhost-user', 'socket': '@/a'}}"},
		{"invalid", "not a path from the root",
		 "{'command': 'port.add', 'port': {'name': 'b', 'type': 'vhost-user', 'socket': 'b.sock'}}"},
		{"invalid", "port b has no type; add socket (type vhost-user) or device (type ethdev)",
		 "{'command': 'port.add', 'port': {'name': 'b', 'bridge': 'br0'}}"},
		{"invalid", "which port", "{'command': 'port.add', 'port': {'type': 'vhost-user'}}"},
		{"invalid", "which port", "{'command': 'port.add'}"},
		{"invalid", "has to be an object", "{'command': 'port.add', 'port': 'a'}"},
		{"invalid", "there are name", "{'command': 'port.remove', 'name': 'a', 'force': true}"},
		{"invalid", "dry-run has to be", "{'command': 'port.remove', 'name': 'a', 'dry-run': 1}"},
		{"exists", "control socket",
		 "{'command': 'port.add', 'port': {'name': 'b', 'type': 'vhost-user', 'socket': '%'}}"},
		{"from-file", "change it there", "{'command': 'port.set', 'port': {'name': 'v0', 'queues': 2}}"},
		{"from-file", "change it there", "{'command': 'port.remove', 'name': 'v1'}"},
		{"changed", "bridge lan: comes", "{'command': 'bridge.add', 'bridge': {'name': 'lan'}}"},
		{"changed", "bridge br0 -> lan", "{'command': 'port.set', 'port': {'name': 'a', 'bridge': 'lan'}}"},
		{"not-found", "bridge lan is used by port a; move them", "{'command': 'bridge.remove', 'name': 'lan'}"},
		{"changed", "learns its addresses again",
		 "{'command': 'bridge.set', 'bridge': {'name': 'lan', 'mac-aging': 60}}"},
		{"same", "[]", "{'command': 'bridge.ensure', 'bridge': {'name': 'lan', 'mac-aging': 60}}"},
		{"changed", "port c: comes",
		 "{'command': 'ensure', 'config': {'bridges': [{'name': 'lan', 'mac-aging': 60}], 'ports': ["
		 "{'name': 'c', 'type': 'vhost-user', 'socket': '@/c', 'bridge': 'lan'}]}}"},
		{"invalid", "there twice", "{'command': 'ensure', 'config': {'bridges': [{'name': 'x'}, {'name': 'x'}]}}"},
		{"invalid", "no list of requests", "{'command': 'ensure', 'config': {'rebalance': false}}"},
		{"invalid", "has to be an object", "{'command': 'ensure'}"},
		{"same", "[]", "{'command': 'reload'}"},
		{"changed", "port a: goes", "{'command': 'port.remove', 'name': 'a'}"},
		{"not-found", "there is no port a", "{'command': 'port.remove', 'name': 'a'}"},
		{"error", "is not known", "{'command': 'port.move', 'name': 'a'}"},
	};
	struct client client = client_open();

	expect_rows(&client, rows, sizeof(rows) / sizeof(rows[0]));
	clean(&client);
	client_close(&client);
}

static void profiles(void **state)
{
	static const struct row rows[] = {
		{"changed", "profile web: comes", "{'command': 'profile.add', 'profile': {'name': 'web', 'queues': 2}}"},
		{"exists", "already", "{'command': 'profile.add', 'profile': {'name': 'web', 'queues': 2}}"},
		{"same", "[]", "{'command': 'profile.ensure', 'profile': {'name': 'web', 'queues': 2}}"},
		{"not-found", "add it first", "{'command': 'port.add', " PORT("a", ", 'profile': 'wep'") "}"},
		{"changed", "port a: comes", "{'command': 'port.add', " PORT("a", ", 'profile': 'web'") "}"},
		{"changed", "port a: queues 2 -> 3: the port is made anew, its VM loses the connection",
		 "{'command': 'profile.set', 'profile': {'name': 'web', 'queues': 3}, 'dry-run': true}"},
		{"changed", "port a: isolated off -> on: changed while it runs",
		 "{'command': 'profile.set', 'profile': {'name': 'web', 'isolated': true}}"},
		{"changed", "port a: isolated on -> off: changed while it runs",
		 "{'command': 'port.set', 'port': {'name': 'a', 'isolated': false}}"},
		{"changed", "port a: profile web -> not set",
		 "{'command': 'port.set', 'port': {'name': 'a', 'profile': null}, 'dry-run': true}"},
		{"not-found", "profile web is used by port a; give them", "{'command': 'profile.remove', 'name': 'web'}"},
		{"invalid", "did you mean queues?", "{'command': 'profile.set', 'profile': {'name': 'web', 'quues': 3}}"},
		{"invalid", "refers to no other one", "{'command': 'profile.set', 'profile': {'name': 'web', 'profile': 'web'}}"},
		{"invalid", "each port's own", "{'command': 'profile.set', 'profile': {'name': 'web', 'socket': '@/a'}}"},
		{"invalid", "control-queue", "{'command': 'profile.set', 'profile': {'name': 'web', 'control-queue': false}}"},
		{"not-found", "there is no profile b", "{'command': 'profile.set', 'profile': {'name': 'b'}}"},
		{"changed", "port a: queues 2 -> 4",
		 "{'command': 'ensure', 'config': {'profiles': [{'name': 'web', 'queues': 4}], 'ports': [{'name': 'b', "
		 "'profile': 'web', 'type': 'vhost-user', 'socket': '@/b'}]}}"},
		{"not-found", "profile web is used by ports a, b; give them another profile, or none, first",
		 "{'command': 'profile.remove', 'name': 'web'}"},
		{"changed", "port b: goes", "{'command': 'port.remove', 'name': 'b'}"},
		{"changed", "port a: goes", "{'command': 'port.remove', 'name': 'a'}"},
		{"changed", "profile web: goes", "{'command': 'profile.remove', 'name': 'web'}"},
	};
	struct client client = client_open();

	expect_rows(&client, rows, sizeof(rows) / sizeof(rows[0]));
	clean(&client);
	client_close(&client);
}

/* What was asked for is there when the answer is. */
static void answered_when_it_has_taken_effect(void **state)
{
	struct client client = client_open();

	for (int i = 0; i < 20; i++) {
		expect(&client, "changed", "comes", "{'command': 'port.add', " PORT("a", "") "}");
		assert_true(is_there("a"));
		expect(&client, "changed", "goes", "{'command': 'port.remove', 'name': 'a'}");
		assert_false(is_there("a"));
	}
	client_close(&client);
}

static void what_cannot_be_made_is_taken_back(void **state)
{
	struct client client = client_open();

	expect(&client, "failed", "no DPDK driver of this name",
	       "{'command': 'port.add', 'port': {'name': 'n', 'type': 'ethdev', 'device': 'net_nope0'}}");
	expect(&client, "not-found", "there is no port n", "{'command': 'port.remove', 'name': 'n'}");
	/* What else the same request has asked for stays. */
	expect(&client, "failed", "port m: comes",
	       "{'command': 'ensure', 'config': {'ports': [{'name': 'm', 'type': 'vhost-user', 'socket': '@/m'}, "
	       "{'name': 'n', 'type': 'ethdev', 'device': 'net_nope0'}]}}");
	assert_true(is_there("m"));
	expect(&client, "changed", "port n: comes", "{'command': 'port.add', " PORT("n", "") "}");
	/* One that is made anew, and cannot be, is again as it was. */
	expect(&client, "failed", "cannot be made",
	       "{'command': 'port.set', 'port': {'name': 'n', 'type': 'ethdev', 'socket': null, 'device': 'net_nope0'}}");
	expect(&client, "same", "[]", "{'command': 'port.ensure', " PORT("n", "") "}");
	assert_true(is_there("n"));
	clean(&client);
	client_close(&client);
}

/* Then it is tried once, and left as it was; whoever asks for it again tries it again. */
static void nor_can_what_was_there_before(void **state)
{
	const unsigned int before = log_lines("is taken back");
	struct client client = client_open();
	char sub[64], socket[72];

	snprintf(sub, sizeof(sub), "%s/sub", requester_folder);
	snprintf(socket, sizeof(socket), "%s/t", sub);
	expect(&client, "changed", "port t: comes",
	       "{'command': 'port.add', 'port': {'name': 't', 'type': 'vhost-user', 'socket': '@/sub/t'}}");
	OK(unlink(socket));
	OK(rmdir(sub));
	OK(mknod(sub, S_IFREG | 0600, 0));
	expect(&client, "failed", "port t cannot be made", "{'command': 'port.set', 'port': {'name': 't', 'queues': 2}}");
	for (int i = 0; i < 3; i++)
		expect(&client, "failed", "port t cannot be made",
		       "{'command': 'port.ensure', 'port': {'name': 't', 'type': 'vhost-user', 'socket': '@/sub/t'}}");
	fg_sleep_us(100000);
	assert_int_equal(log_lines("is taken back"), before + 1);
	OK(unlink(sub));
	expect(&client, "same", "[]",
	       "{'command': 'port.ensure', 'port': {'name': 't', 'type': 'vhost-user', 'socket': '@/sub/t'}}");
	assert_true(is_there("sub/t"));
	clean(&client);
	rmdir(sub);
	client_close(&client);
}

/* So is a profile, where not all ports that have it can be made anew: with those that could. */
static void a_profile_is_taken_back(void **state)
{
	struct client client = client_open();
	char sub[64];
	json_t *reply, *port;

	snprintf(sub, sizeof(sub), "%s/sub", requester_folder);
	expect(&client, "changed", "port t: comes",
	       "{'command': 'ensure', 'config': {'profiles': [{'name': 's', 'type': 'vhost-user', 'queues': 1}], 'ports': ["
	       "{'name': 't', 'socket': '@/sub/t', 'profile': 's'}, {'name': 'u', 'socket': '@/u', 'profile': 's'}]}}");
	assert_true(is_there("sub/t"));
	snprintf(sub, sizeof(sub), "%s/sub/t", requester_folder);
	OK(unlink(sub));
	snprintf(sub, sizeof(sub), "%s/sub", requester_folder);
	OK(rmdir(sub));
	OK(mknod(sub, S_IFREG | 0600, 0));
	expect(&client, "failed", "port t cannot be made or changed",
	       "{'command': 'profile.set', 'profile': {'name': 's', 'queues': 2}}");
	expect(&client, "same", "[]",
	       "{'command': 'profile.ensure', 'profile': {'name': 's', 'type': 'vhost-user', 'queues': 1}}");
	/* Answered when the port is there again. */
	expect(&client, "same", "[]", "{'command': 'port.ensure', 'port': {'name': 'u', 'socket': '@/u', 'profile': 's'}}");
	reply = ask(&client, "{'command': 'port', 'name': 'u'}");
	port = json_object_get(reply, "port");
	assert_int_equal(json_integer_value(json_object_get(json_object_get(port, "options"), "queues")), 1);
	assert_string_equal(json_string_value(json_object_get(port, "profile")), "s");
	json_decref(reply);
	OK(unlink(sub));
	clean(&client);
	rmdir(sub);
	client_close(&client);
}

static void a_reload_keeps_what_requests_have_added(void **state)
{
	struct client client = client_open();
	json_t *reply;

	expect(&client, "changed", "port a: comes", "{'command': 'port.add', " PORT("a", "") "}");
	write_file("bridges:\n- name: lan\nports:\n- {name: f, type: vhost-user, socket: @/f, bridge: lan}\n");
	expect(&client, "changed", "port f: comes", "{'command': 'reload', 'dry-run': true}");
	assert_false(is_there("f"));
	expect(&client, "changed", "port f: comes", "{'command': 'reload'}");
	assert_true(is_there("f") && is_there("a"));
	expect(&client, "changed", "port b: comes", "{'command': 'port.add', " PORT("b", ", 'bridge': 'lan'") "}");
	reply = ask(&client, "{'command': 'port', 'name': 'b'}");
	assert_string_equal(json_string_value(json_object_get(json_object_get(reply, "port"), "from")), "request");
	json_decref(reply);
	reply = ask(&client, "{'command': 'port', 'name': 'f'}");
	assert_string_equal(json_string_value(json_object_get(json_object_get(reply, "port"), "from")), "file");
	json_decref(reply);
	/* A name in both; a bridge that a request's port is on; a port of the file on a bridge that is a request's. */
	write_file("bridges:\n- name: lan\nports:\n- {name: a, type: vhost-user, socket: @/f, bridge: lan}\n");
	expect(&client, "exists", "vuswitch.yaml:4: port a is here, and is a request's as well", "{'command': 'reload'}");
	write_file("ports: []\n");
	expect(&client, "not-found", "port b: there is no bridge lan", "{'command': 'reload'}");
	expect(&client, "changed", "bridge x: comes", "{'command': 'bridge.add', 'bridge': {'name': 'x'}}");
	write_file("bridges:\n- name: lan\nports:\n- {name: f, type: vhost-user, socket: @/f, bridge: x}\n");
	expect(&client, "not-found", "bridge x is a request's", "{'command': 'reload'}");
	write_file("colour: red\n");
	expect(&client, "invalid", "colour", "{'command': 'reload'}");
	assert_true(is_there("f") && is_there("a") && is_there("b"));
	write_file("bridges:\n- name: lan\nports: []\n");
	expect(&client, "changed", "port f: goes", "{'command': 'reload'}");
	expect(&client, "changed", "port b: goes", "{'command': 'port.remove', 'name': 'b'}");
	clean(&client);
	client_close(&client);
}

/* --- many at once ------------------------------------------------------------------------------------------------ */

enum { CLIENTS = 8, EACH = 10 };

static void say_port(struct client *client, const char *command, int i, int j)
{
	char text[LINE_MAX_BYTES];

	if (strcmp(command, "port.remove") == 0)
		snprintf(text, sizeof(text), "{'command': '%s', 'name': 'c%d_%d'}", command, i, j);
	else
		snprintf(text, sizeof(text),
			 "{'command': '%s', 'port': {'name': 'c%d_%d', 'type': 'vhost-user', 'socket': '@/c%d_%d'}}", command,
			 i, j, i, j);
	say_request(client, text);
}

/* Each says all it has to say at once, and hears the answers in that order; others hang up, do not listen or send rubbish. */
static void many_at_once(void **state)
{
	struct client client[CLIENTS], deaf = client_open(), last = client_open();

	for (int j = 0; j < EACH; j++)
		say_port(&deaf, "port.ensure", 100, j % 3);
	for (int i = 0; i < CLIENTS; i++) {
		struct client gone = client_open(), rubbish = client_open();

		client[i] = client_open();
		for (int j = 0; j < EACH; j++) {
			say_port(&client[i], "port.add", i, j);
			say_port(&client[i], j % 2 == 0 ? "port.remove" : "port.ensure", i, j);
		}
		say_port(&gone, "port.add", 200 + i, 0);
		say(&rubbish, "{\"command\": \"port.add\", \"port\": [[[[\n\xff\xfe");
		client_close(&gone);
		client_close(&rubbish);
		OK(kill(fixture.sw.pid, SIGHUP));
	}
	for (int i = 0; i < CLIENTS; i++) {
		for (int j = 0; j < EACH; j++) {
			json_t *first = hear(&client[i]), *second = hear(&client[i]);
			char words[32];

			snprintf(words, sizeof(words), "c%d_%d", i, j);
			assert_string_equal(verdict_in(first), "changed");
			assert_string_equal(json_string_value(json_object_get(
						    json_array_get(json_object_get(first, "changes"), 0), "name")),
					    words);
			assert_string_equal(verdict_in(second), j % 2 == 0 ? "changed" : "same");
			assert_int_equal(is_there(words), j % 2 != 0);
			json_decref(first);
			json_decref(second);
		}
		client_close(&client[i]);
	}
	/* Behind all of those. */
	expect(&last, "same", "[]", "{'command': 'reload'}");
	for (int i = 0; i < CLIENTS; i++) {
		char name[32];

		snprintf(name, sizeof(name), "c%d_0", 200 + i);
		assert_true(is_there(name));
	}
	client_close(&deaf);
	clean(&last);
	client_close(&last);
}

/* --- who may ------------------------------------------------------------------------------------------------------ */

enum { NOBODY = 65534, SOME_GROUP = 4711 };

/* What a request of another user is answered; in a process of his. */
static void assert_as_user(gid_t group, const char *verdict)
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		struct client client;
		json_t *reply;
		bool same;

		if (setgroups(group != 0, &group) != 0 || setgid(NOBODY) != 0 || setuid(NOBODY) != 0)
			_exit(2);
		client = client_open();
		reply = ask(&client, "{'command': 'ports'}");
		same = json_object_get(reply, "ports") != NULL;
		reply = ask(&client, "{'command': 'bridge.ensure', 'bridge': {'name': 'lan'}}");
		_exit(same && strcmp(verdict_in(reply), verdict) == 0 ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (status != 0)
		fail_msg("another user, in group %u, is not told \"%s\"", group, verdict);
}

static void who_may_change(void **state)
{
	struct client client = client_open();

	if (geteuid() != 0)
		skip();
	OK(chmod(fixture.sw.control, 0666));
	OK(chmod(fixture.sw.dir, 0755));
	assert_as_user(0, "denied");
	write_file("change-users: daemon, nobody\n");
	expect(&client, "changed", "change-users", "{'command': 'reload'}");
	assert_as_user(0, "changed");
	write_file("change-groups: 4711\n");
	expect(&client, "changed", "change-groups", "{'command': 'reload'}");
	assert_as_user(0, "denied");
	assert_as_user(SOME_GROUP, "same");
	write_file("change-users: nobody-has-this-name\n");
	expect(&client, "not-found", "vuswitch.yaml:1: change-users", "{'command': 'reload'}");
	clean(&client);
	client_close(&client);
}

/* --- at random ---------------------------------------------------------------------------------------------------- */

enum { PORTS = 6, NAMES = PORTS + 3, BRIDGES = 3, NO_BRIDGE = BRIDGES, PROFILES = 2, NO_PROFILE = PROFILES };
enum { QUEUES = 4, LCORE = 1 };

struct model_port {
	bool there, isolated;
	int queues; /* 0: what its profile says */
	int bridge, profile;
};

static struct {
	struct model_port port[PORTS];
	bool bridge[BRIDGES];
	int profile[PROFILES]; /* queues of ports that have it; 0: it is not there */
	int file;	 /* the ports of the file, a bit for each; PORTS and above: names that no request uses */
	/* What is in no configuration, of whatever port has the name; all zero once none has. */
	struct model_set {
		bool down, pinned[QUEUES];
		int level; /* a place in level_words */
	} set[NAMES];
} model;

static const char *const level_words[] = {"info", "debug", "warning"};

static const char *bridge_text(int bridge)
{
	static char text[2][8];
	static int next;

	next = !next;
	snprintf(text[next], sizeof(text[0]), bridge == NO_BRIDGE ? "br0" : "b%d", bridge);
	return text[next];
}

static bool in_file(int port)
{
	return (model.file >> port & 1) != 0;
}

static bool bridge_is_used(int bridge)
{
	for (int i = 0; i < PORTS; i++)
		if (model.port[i].there && model.port[i].bridge == bridge)
			return true;
	return false;
}

static int queues_of(const struct model_port *port)
{
	if (port->queues > 0)
		return port->queues;
	return port->profile == NO_PROFILE ? 1 : model.profile[port->profile];
}

static bool same_port(const struct model_port *a, const struct model_port *b)
{
	return a->there == b->there && a->isolated == b->isolated && queues_of(a) == queues_of(b) && a->bridge == b->bridge &&
	       a->profile == b->profile;
}

/* "null", "2"; "null", "'s1'" */
static const char *number_or_null(int number)
{
	static const char *const words[] = {"null", "1", "2", "3"};

	return words[number];
}

static const char *profile_text(int profile)
{
	static const char *const words[] = {"'s0'", "'s1'", "null"};

	return words[profile];
}

/* A random request for port `i`, what it makes of it, and what it is answered. */
static const char *random_port(int i, char *text, size_t size, struct model_port *after)
{
	const struct model_port *now = &model.port[i];
	struct model_port next = {true, dice(2) == 0, (int)dice(3), (int)dice(BRIDGES + 1), (int)dice(PROFILES + 1)};
	static const char *const verbs[] = {"add", "ensure", "set", "remove"};
	const char *verb = verbs[dice(4)];

	*after = *now;
	if (strcmp(verb, "remove") == 0)
		snprintf(text, size, "'command': 'port.remove', 'name': 'p%d'", i);
	else
		snprintf(text, size,
			 "'command': 'port.%s', 'port': {'name': 'p%d', %s'isolated': %s, 'queues': %s, 'profile': %s, "
			 "'bridge': '%s'}", verb, i,
			 strcmp(verb, "set") == 0 ? "" : "'type': 'vhost-user', 'socket': '@/p#', ",
			 next.isolated ? "true" : "false", number_or_null(next.queues), profile_text(next.profile),
			 bridge_text(next.bridge));
	if (strchr(text, '#') != NULL)
		*strchr(text, '#') = (char)('0' + i);
	if (in_file(i))
		return "from-file";
	if (strcmp(verb, "add") == 0 && now->there)
		return "exists";
	if ((strcmp(verb, "set") == 0 || strcmp(verb, "remove") == 0) && !now->there)
		return "not-found";
	if (strcmp(verb, "remove") == 0) {
		*after = (struct model_port){0};
		return "changed";
	}
	if ((next.bridge != NO_BRIDGE && !model.bridge[next.bridge]) ||
	    (next.profile != NO_PROFILE && model.profile[next.profile] == 0))
		return "not-found";
	*after = next;
	return same_port(now, after) ? "same" : "changed";
}

static const char *random_bridge(int i, char *text, size_t size, bool *after)
{
	static const char *const verbs[] = {"add", "ensure", "remove"};
	const char *verb = verbs[dice(3)];

	*after = model.bridge[i];
	if (strcmp(verb, "remove") == 0)
		snprintf(text, size, "'command': 'bridge.remove', 'name': 'b%d'", i);
	else
		snprintf(text, size, "'command': 'bridge.%s', 'bridge': {'name': 'b%d'}", verb, i);
	if (strcmp(verb, "add") == 0 && *after)
		return "exists";
	if (strcmp(verb, "remove") == 0 && (!*after || bridge_is_used(i)))
		return "not-found";
	*after = strcmp(verb, "remove") != 0;
	return model.bridge[i] == *after ? "same" : "changed";
}

static bool profile_is_used(int profile)
{
	for (int i = 0; i < PORTS; i++)
		if (model.port[i].there && model.port[i].profile == profile)
			return true;
	return false;
}

static const char *random_profile(int i, char *text, size_t size, int *after)
{
	static const char *const verbs[] = {"add", "ensure", "set", "remove"};
	const char *verb = verbs[dice(4)];
	int now = model.profile[i], next = 1 + (int)dice(3);

	*after = now;
	if (strcmp(verb, "remove") == 0)
		snprintf(text, size, "'command': 'profile.remove', 'name': 's%d'", i);
	else
		snprintf(text, size, "'command': 'profile.%s', 'profile': {'name': 's%d', 'queues': %d}", verb, i, next);
	if (strcmp(verb, "add") == 0 && now > 0)
		return "exists";
	if (strcmp(verb, "set") == 0 && now == 0)
		return "not-found";
	if (strcmp(verb, "remove") == 0 && (now == 0 || profile_is_used(i)))
		return "not-found";
	*after = strcmp(verb, "remove") == 0 ? 0 : next;
	return now == *after ? "same" : "changed";
}

/* The file has other ports, perhaps one that a request has added, too. */
static void random_reload(struct client *client)
{
	int next = (int)dice(8) << PORTS | (dice(4) == 0 ? 1 << dice(PORTS) : 0);
	char text[1024] = "ports:\n- {name: always, type: vhost-user, socket: @/always}\n";
	const char *verdict = next == model.file ? "same" : "changed";
	json_t *reply;

	for (int i = 0; i < NAMES; i++) {
		if ((next >> i & 1) != 0)
			snprintf(text + strlen(text), sizeof(text) - strlen(text),
				 "- {name: p%d, type: vhost-user, socket: @/p%d}\n", i, i);
		if ((next >> i & 1) != 0 && i < PORTS && model.port[i].there)
			verdict = "exists";
	}
	write_file(text);
	if (dice(4) == 0)
		OK(kill(fixture.sw.pid, SIGHUP));
	reply = ask(client, "{'command': 'reload'}");
	/* The signal may have been faster. */
	if (strcmp(verdict_in(reply), verdict) != 0 && strcmp(verdict_in(reply), "same") != 0)
		fail_msg("a reload is %s, and not %s: %s", verdict_in(reply), verdict, json_dumps(reply, 0));
	if (strcmp(verdict, "exists") != 0)
		model.file = next;
	json_decref(reply);
}

static bool has_name(int i)
{
	return in_file(i) || (i < PORTS && model.port[i].there);
}

static int queues_now(int i)
{
	return in_file(i) ? 1 : queues_of(&model.port[i]);
}

static const char *random_pin(int i, char *text, size_t size, struct model_set *after)
{
	int queue = (int)dice(QUEUES), lcore = dice(5) == 0 ? LCORE + 1 : LCORE;
	bool pin = dice(2) == 0, *pinned = &after->pinned[queue], before = *pinned;

	if (pin)
		snprintf(text, size, "'command': 'queue.pin', 'port': 'p%d', 'queue': %d, 'lcore': %d", i, queue, lcore);
	else
		snprintf(text, size, "'command': 'queue.unpin', 'port': 'p%d', 'queue': %d", i, queue);
	if (!has_name(i) || (pin && lcore != LCORE) || (queue >= queues_now(i) && !before))
		return "not-found";
	*pinned = pin;
	return pin == before ? "same" : "changed";
}

static const char *random_act(int i, char *text, size_t size, bool dry, struct model_set *after)
{
	const struct model_set *now = &model.set[i];
	int bridge = (int)dice(BRIDGES);

	*after = *now;
	switch (dice(5)) {
	case 0:
		after->down = dice(2) == 0;
		snprintf(text, size, "'command': 'port.link', 'name': 'p%d', 'link': '%s'", i, after->down ? "down" : "up");
		return !has_name(i) ? "not-found" : after->down == now->down ? "same" : "changed";
	case 1:
		after->level = (int)dice(sizeof(level_words) / sizeof(level_words[0]));
		snprintf(text, size, "'command': 'log.level', 'topic': 'p%d', 'level': '%s'", i, level_words[after->level]);
		return !has_name(i) ? "not-found" : after->level == now->level ? "same" : "changed";
	/* Nobody is behind these ports: no address is forgotten. */
	case 2:
		snprintf(text, size, "'command': 'macs.flush', 'port': 'p%d'", i);
		return !has_name(i) ? "not-found" : dry ? "changed" : "same";
	case 3:
		snprintf(text, size, "'command': 'macs.flush', 'bridge': 'b%d'", bridge);
		return !model.bridge[bridge] ? "not-found" : dry ? "changed" : "same";
	default:
		return random_pin(i, text, size, after);
	}
}

static void random_act_request(struct client *client)
{
	int i = (int)dice(NAMES);
	bool dry = dice(8) == 0;
	struct model_set after;
	char text[256];
	const char *verdict = random_act(i, text, sizeof(text), dry, &after);
	json_t *reply = ask(client, "{%s%s}", text, dry ? ", 'dry-run': true" : "");

	if (strcmp(verdict_in(reply), verdict) != 0)
		fail_msg("{%s} is answered by %s, and not by %s", text, json_dumps(reply, 0), verdict);
	json_decref(reply);
	if (!dry && strcmp(verdict, "changed") == 0)
		model.set[i] = after;
}

static void random_request(struct client *client)
{
	bool dry = dice(8) == 0, is_bridge = dice(4) == 0, is_profile = !is_bridge && dice(4) == 0, bridge = false;
	int i = (int)dice(is_bridge ? BRIDGES : is_profile ? PROFILES : PORTS), profile = 0;
	struct model_port port;
	char text[1024];
	const char *verdict = is_bridge	   ? random_bridge(i, text, sizeof(text), &bridge)
			      : is_profile ? random_profile(i, text, sizeof(text), &profile)
					   : random_port(i, text, sizeof(text), &port);
	json_t *reply = ask(client, "{%s%s}", text, dry ? ", 'dry-run': true" : "");

	if (strcmp(verdict_in(reply), verdict) != 0)
		fail_msg("{%s} is answered by %s, and not by %s", text, json_dumps(reply, 0), verdict);
	json_decref(reply);
	if (dry)
		return;
	if (is_bridge)
		model.bridge[i] = bridge;
	else if (is_profile)
		model.profile[i] = profile;
	else
		model.port[i] = port;
}

/* What is in no configuration. */
static void check_set(struct client *client, int i)
{
	const struct model_set *set = &model.set[i];
	json_t *reply = ask(client, "{'command': 'port', 'name': 'p%d'}", i), *port = json_object_get(reply, "port"), *queue;
	size_t q;

	assert_int_equal(json_object_get(port, "link_set") != NULL, set->down);
	assert_int_equal(json_array_size(json_object_get(port, "rx_queues")), queues_now(i));
	/* One that is in no bridge takes its pins up when it joins one. */
	json_array_foreach(json_object_get(port, "rx_queues"), q, queue)
		if (!set->down)
			assert_int_equal(json_is_true(json_object_get(queue, "pinned")), set->pinned[q]);
	json_decref(reply);
	reply = ask(client, "{'command': 'log.level', 'topic': 'p%d', 'level': '%s', 'dry-run': true}", i,
		    level_words[set->level]);
	assert_string_equal(verdict_in(reply), "same");
	json_decref(reply);
}

/* What the switch has is what the model has. */
static void check_model(struct client *client)
{
	json_t *reply = ask(client, "{'command': 'config'}"), *ports = ask(client, "{'command': 'ports'}");
	unsigned int there = 0, file = 0, profiles = 0;
	const json_t *port;
	size_t i;

	for (int n = 0; n < PROFILES; n++)
		profiles += model.profile[n] > 0;
	assert_int_equal(json_array_size(json_object_get(json_object_get(reply, "config"), "profiles")), profiles);

	json_array_foreach(json_object_get(json_object_get(reply, "config"), "ports"), i, port)
	{
		const char *name = json_string_value(json_object_get(port, "name"));
		int n = name[0] == 'p' ? atoi(name + 1) : -1;
		const struct model_port *wanted = n >= 0 && n < PORTS && !in_file(n) ? &model.port[n] : NULL;

		file += n >= 0 && in_file(n);
		if (wanted == NULL)
			continue;
		there++;
		assert_true(wanted->there);
		assert_int_equal(json_integer_value(json_object_get(port, "queues")), queues_of(wanted));
		assert_int_equal(json_is_true(json_object_get(port, "isolated")), wanted->isolated);
		assert_string_equal(json_string_value(json_object_get(port, "bridge")), bridge_text(wanted->bridge));
	}
	assert_int_equal(file, __builtin_popcount((unsigned int)model.file));
	for (int n = 0; n < PORTS; n++) {
		char name[8];

		snprintf(name, sizeof(name), "p%d", n);
		there -= model.port[n].there;
		assert_int_equal(is_there(name), model.port[n].there || in_file(n));
	}
	assert_int_equal(there, 0);
	for (int n = 0; n < NAMES; n++)
		if (has_name(n))
			check_set(client, n);
	assert_int_equal(json_array_size(json_object_get(ports, "ports")),
			 json_array_size(json_object_get(json_object_get(reply, "config"), "ports")));
	json_decref(reply);
	json_decref(ports);
}

static void random_ones_follow_a_model(void **state)
{
	const char *wish = getenv("VUSWITCH_REQUESTS");
	unsigned int steps = wish != NULL ? (unsigned int)strtoul(wish, NULL, 10) : 400;
	struct client client = client_open();

	write_file("ports:\n- {name: always, type: vhost-user, socket: @/always}\n");
	expect(&client, "changed", "always", "{'command': 'reload'}");
	for (unsigned int i = 0; i < steps; i++) {
		if (dice(12) == 0)
			random_reload(&client);
		else if (dice(3) == 0)
			random_act_request(&client);
		else
			random_request(&client);
		for (int n = 0; n < NAMES; n++)
			if (!has_name(n))
				model.set[n] = (struct model_set){0};
		if (i % 16 == 0)
			check_model(&client);
	}
	check_model(&client);
	print_message("%u requests and reloads\n", steps);
	clean(&client);
	client_close(&client);
}

/* --- what they cost ------------------------------------------------------------------------------------------------ */

enum { MANY = 200 };

static void what_they_cost(void **state)
{
	struct client client = client_open();
	double longest = 0;
	int64_t began = fg_now_ms();
	json_t *reply;

	for (int i = 0; i < MANY; i++) {
		int64_t then = fg_now_ms();

		say_port(&client, "port.ensure", 300, i);
		reply = hear(&client);
		assert_string_equal(verdict_in(reply), "changed");
		json_decref(reply);
		if ((double)(fg_now_ms() - then) > longest)
			longest = (double)(fg_now_ms() - then);
	}
	print_message("%d ports ensured one by one: %lld ms, the slowest %.0f\n", MANY, (long long)(fg_now_ms() - began),
		      longest);
	clean(&client);
	client_close(&client);
}

int main(void)
{
	static const char *const ports[] = {"v0", "v1", "h0,queues=4", "h1", NULL};
	const char *const args[] = {"--config", requester_begin(), NULL};
	const struct fg_switch_options opt = {.ports = ports, .args = args};
	const struct CMUnitTest cases[] = {
		TEST_CASE(good_and_wrong_ones),
		TEST_CASE(profiles),
		TEST_CASE(answered_when_it_has_taken_effect),
		TEST_CASE(what_cannot_be_made_is_taken_back),
		TEST_CASE(nor_can_what_was_there_before),
		TEST_CASE(a_profile_is_taken_back),
		TEST_CASE(a_reload_keeps_what_requests_have_added),
		TEST_CASE(many_at_once),
		TEST_CASE(who_may_change),
		TEST_CASE(random_ones_follow_a_model),
		TEST_CASE(what_they_cost),
	};
	int failed;

	fixture.with_victims = true;
	failed = fixture_main_on(&opt, "request", CASES(cases));
	return requester_end() != 0 || failed != 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
