/* SPDX-License-Identifier: BSD-3-Clause */
#include "stages_capture.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "capture.h"
#include "loop.h"
#include "policy.h"
#include "rcu.h"
#include "vus_limits.h"

static struct loop *loop;
static struct capture *capture;
static bool has_opened, has_gone;
static pthread_t reader;
static int end = -1;

static void opened(void *arg, struct capture *of, const struct fail *fail)
{
	(void)arg;
	(void)of;
	has_opened = fail == NULL;
}

static void ends(void *arg, struct capture *of)
{
	(void)arg;
	(void)of;
}

static void gone(void *arg, struct capture *of)
{
	(void)arg;
	role_assert_control();
	has_gone = true;
	capture_put(of, true);
}

static void *read_all(void *arg)
{
	static uint8_t piece[1 << 18];

	(void)arg;
	while (recv(end, piece, sizeof(piece), 0) > 0)
		;
	return NULL;
}

static int set_policy(struct port *port, const struct capture_points *points) RUNS_ON(control_thread)
{
	const struct policy_config config = {.capture = points};

	return port_policy_set(port, &config);
}

int stages_capture_begin(struct port *port, const cpu_set_t *cpus)
{
	struct capture_options options = {
		.from = true,
		.to = true,
		.snap = FRAME_LEN_MAX,
		.filter = "",
		.ports_n = 1,
		.port = {"vm"},
		.lcores = 1,
		.opened = opened,
		.ends = ends,
		.gone = gone,
	};
	struct capture_points points = {.n = 1};
	pthread_attr_t attributes;
	struct fail fail;
	int pair[2];

	role_assert_control();
	has_opened = has_gone = false;
	options.loop = loop = loop_create();
	if (loop == NULL || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
		return -1;
	end = pair[0];
	loop_place_threads(loop, cpus);
	pthread_attr_init(&attributes);
	pthread_attr_setaffinity_np(&attributes, sizeof(*cpus), cpus);
	if (capture_create(&options, pair[1], &capture, &fail) != 0 || pthread_create(&reader, &attributes, read_all, NULL) != 0)
		return -1;
	pthread_attr_destroy(&attributes);
	while (!has_opened)
		loop_turn(loop, 1000000);
	capture_begin(capture, strdup("all"));
	points.at[0].capture = capture;
	return set_policy(port, &points) == 0 ? 0 : -1;
}

void stages_capture_end(struct port *port)
{
	const struct capture_points none = {.n = 0};
	struct capture_sum sum;

	role_assert_control();
	set_policy(port, &none);
	while (rcu_poll())
		;
	capture_sum(capture, 0, &sum);
	fprintf(stderr, "captured: %" PRIu64 " seen, %" PRIu64 " lost\n", sum.seen, sum.lost);
	capture_close(capture, NULL);
	while (!has_gone)
		loop_turn(loop, 1000000);
	pthread_join(reader, NULL);
	close(end);
	loop_destroy(loop);
}
