/* SPDX-License-Identifier: BSD-3-Clause */
/* What requests cost where there are many ports, and many clients at once: with --state, so that each change is on the disk
 * before it is answered. Victims talk meanwhile. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dice.h"
#include "fixture.h"
#include "requester.h"

enum { PORTS = 500, CLIENTS = 8, LOOKS = CLIENTS / 2, ROUNDS = 100, BEHIND = 20, ALL_MS = 1000, LOOK_MS = 10 };

static char state_folder[64], state[96];

/* --- 500 ports ---------------------------------------------------------------------------------------------------- */

/* The request that ensures them; the caller's. */
static char *ensure_all(void)
{
	char *text;
	size_t size;
	FILE *to = open_memstream(&text, &size);

	assert_non_null(to);
	fputs("{'command': 'ensure', 'config': {'ports': [", to);
	for (int i = 0; i < PORTS; i++)
		fprintf(to, "%s{'name': 'c%d', 'type': 'vhost-user', 'socket': '@/c%d'}", i > 0 ? ", " : "", i, i);
	fputs("]}}", to);
	fclose(to);
	return text;
}

/* How long something took, and how much of it control did not wait for a CPU. */
struct watch {
	uint64_t from_us;
	double control, we;
};

static struct watch watch_start(void)
{
	return (struct watch){fg_now_us(), fg_cpu_of(fixture.sw.pid).waited_ms, fg_cpu_of(getpid()).waited_ms};
}

static double watch_ms(const struct watch *watch, double *own)
{
	double ms = (double)(fg_now_us() - watch->from_us) / 1e3;

	*own = ms - (fg_cpu_of(fixture.sw.pid).waited_ms - watch->control) - (fg_cpu_of(getpid()).waited_ms - watch->we);
	return ms;
}

static void ensure(struct client *client, const char *text, const char *verdict)
{
	struct watch watch = watch_start();
	double ms, own;
	json_t *reply;

	say_request(client, text);
	reply = hear(client);
	ms = watch_ms(&watch, &own);
	if (strcmp(verdict_in(reply), verdict) != 0 || json_object_get(reply, "waits") != NULL)
		fail_msg("%d ports ensured: %.300s", PORTS, json_dumps(reply, 0));
	print_message("%d ports ensured, %s: %.1f ms, %.1f without waiting for a CPU\n", PORTS, verdict, ms, own);
	if (own > ALL_MS && !fixture.before.sanitizer)
		fail_msg("%.1f ms are more than %d", own, ALL_MS);
	json_decref(reply);
}

/* So many at a time as their answers have room for, while nobody reads these. */
static void remove_all(struct client *client)
{
	for (int i = 0; i < PORTS + BEHIND; i++) {
		char text[64];
		json_t *reply;

		snprintf(text, sizeof(text), "{'command': 'port.remove', 'name': 'c%d'}", i);
		if (i < PORTS)
			say_request(client, text);
		if (i < BEHIND)
			continue;
		reply = hear(client);
		assert_string_equal(verdict_in(reply), "changed");
		json_decref(reply);
	}
}

static void all_are_ensured_in_a_second(void **test)
{
	char *text = ensure_all();
	struct client client = client_open();

	ensure(&client, text, "changed");
	assert_true(is_there("c0") && is_there("c499"));
	ensure(&client, text, "same");
	remove_all(&client);
	assert_false(is_there("c0") || is_there("c499"));
	free(text);
	client_close(&client);
}

/* --- clients at once ----------------------------------------------------------------------------------------------- */

struct asker {
	struct client client;
	unsigned int said, heard;
	struct watch watch;
	double ms[ROUNDS], own[ROUNDS];
};

/* The first ones look, and the others change a port of their own. */
static void asker_say(struct asker *asker, int i)
{
	char text[128];

	if (i < LOOKS)
		snprintf(text, sizeof(text), "{'command': 'port', 'name': 'c%d'}", i);
	else
		snprintf(text, sizeof(text), "{'command': 'port.set', 'port': {'name': 'c%d', 'isolated': %s}}", i,
			 asker->said % 2 == 0 ? "true" : "false");
	asker->said++;
	asker->watch = watch_start();
	say_request(&asker->client, text);
}

static void asker_hear(struct asker *asker, int i)
{
	json_t *reply = hear(&asker->client);

	asker->ms[asker->heard] = watch_ms(&asker->watch, &asker->own[asker->heard]);
	asker->heard++;
	if (i < LOOKS)
		assert_non_null(json_object_get(reply, "port"));
	else
		assert_string_equal(verdict_in(reply), "changed");
	json_decref(reply);
}

/* It asks for all there is, as often as the switch takes it, and reads nothing. */
static void deafly_ask(struct client *deaf)
{
	static const char line[] = "{\"command\": \"ports\"}\n";

	if (send(deaf->fd, line, sizeof(line) - 1, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0 || errno == EAGAIN)
		return;
	client_close(deaf);
	*deaf = client_open();
}

static void send_rubbish(struct client *rubbish)
{
	uint8_t bytes[300];

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = dice(20) == 0 ? '\n' : (uint8_t)dice(256);
	if (send(rubbish->fd, bytes, sizeof(bytes), MSG_DONTWAIT | MSG_NOSIGNAL) >= 0 || errno == EAGAIN)
		return;
	client_close(rubbish);
	*rubbish = client_open();
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Of the askers from `first` to before `last`: the 99th percentile, in its own time. */
static double tell(const char *what, const struct asker *asker, int first, int last)
{
	double ms[CLIENTS * ROUNDS], own[CLIENTS * ROUNDS];
	size_t n = 0;

	for (int i = first; i < last; i++)
		for (unsigned int j = 0; j < ROUNDS; j++, n++) {
			ms[n] = asker[i].ms[j];
			own[n] = asker[i].own[j];
		}
	qsort(ms, n, sizeof(ms[0]), by_value);
	qsort(own, n, sizeof(own[0]), by_value);
	print_message("%d clients that %s: median %.2f ms, p99 %.2f, at most %.2f; without waiting for a CPU %.2f, %.2f, %.2f\n",
		      last - first, what, ms[n / 2], ms[n * 99 / 100], ms[n - 1], own[n / 2], own[n * 99 / 100], own[n - 1]);
	return own[n * 99 / 100];
}

static void ask_all(struct asker *asker, struct client *deaf, struct client *rubbish)
{
	struct pollfd fds[CLIENTS];
	int left = CLIENTS;

	for (int i = 0; i < CLIENTS; i++) {
		asker_say(&asker[i], i);
		fds[i] = (struct pollfd){.fd = asker[i].client.fd, .events = POLLIN};
	}
	while (left > 0) {
		assert_true(poll(fds, CLIENTS, FG_WAIT_MS) > 0);
		for (int i = 0; i < CLIENTS; i++) {
			if ((fds[i].revents & POLLIN) == 0)
				continue;
			asker_hear(&asker[i], i);
			deafly_ask(deaf);
			send_rubbish(rubbish);
			if (asker[i].said < ROUNDS) {
				asker_say(&asker[i], i);
				continue;
			}
			fds[i].fd = -1;
			left--;
		}
	}
}

static void others_do_not_notice(void **test)
{
	static struct asker asker[CLIENTS];
	struct client client = client_open(), deaf = client_open(), rubbish = client_open();
	char *text = ensure_all();
	double looked;

	ensure(&client, text, "changed");
	for (int i = 0; i < CLIENTS; i++)
		asker[i] = (struct asker){.client = client_open()};
	ask_all(asker, &deaf, &rubbish);
	looked = tell("look", asker, 0, LOOKS);
	tell("change a port", asker, LOOKS, CLIENTS);
	for (int i = 0; i < CLIENTS; i++)
		client_close(&asker[i].client);
	client_close(&deaf);
	client_close(&rubbish);
	remove_all(&client);
	client_close(&client);
	free(text);
	if (looked > LOOK_MS && !fixture.before.sanitizer)
		fail_msg("a look takes %.2f ms, while others are deaf or send rubbish", looked);
}

int main(void)
{
	static const char *const ports[] = {"v0", "v1", "h0,queues=4", "h1", NULL};
	const char *const args[] = {"--config", requester_begin(), "--state", state, NULL};
	const struct fg_switch_options opt = {.ports = ports, .args = args};
	const struct CMUnitTest cases[] = {
		TEST_CASE(all_are_ensured_in_a_second),
		TEST_CASE(others_do_not_notice),
	};
	int failed;

	snprintf(state_folder, sizeof(state_folder), "%s/kept", requester_folder);
	snprintf(state, sizeof(state), "%s/requests.json", state_folder);
	if (mkdir(state_folder, 0700) != 0)
		return EXIT_FAILURE;
	fixture.with_victims = true;
	failed = fixture_main_on(&opt, "request_many", CASES(cases));
	unlink(state);
	rmdir(state_folder);
	return requester_end() != 0 || failed != 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
