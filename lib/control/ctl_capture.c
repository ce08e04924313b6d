/* SPDX-License-Identifier: BSD-3-Clause */
#include "ctl_capture.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "capture.h"
#include "container_of.h"
#include "ctl_commands.h"
#include "lcore.h"
#include "log.h"
#include "monitor.h"
#include "rcu.h"

enum { NAMES_BYTES = CAPTURE_PORTS_MAX * (NAME_LEN_MAX + 2), WHO_BYTES = 96 };

struct ctl_capture {
	struct ctl_captures *captures;
	struct capture *capture; /* NULL: a free place */
	bool begun;		 /* lcores may have it */
	bool waits;		 /* for them to have passed */
	bool closed;
	bool told; /* that it has begun */
	char *refused; /* else what its reader is told instead, once no lcore has it any more */
	struct rcu_wait wait;
	struct loop_timer retry; /* memory was short */
	char names[NAMES_BYTES], who[WHO_BYTES];
};

struct ctl_captures {
	struct loop *loop;
	struct vus_switch *sw;
	struct ctl_capture place[CAPTURES_MAX];
};

/* --- ending ------------------------------------------------------------------------------------------------------ */

static void passed(struct rcu_wait *wait)
{
	struct ctl_capture *place = container_of(wait, struct ctl_capture, wait);

	role_assert_control();
	place->closed = true;
	capture_close(place->capture, place->refused);
	place->refused = NULL;
}

/* No lcore is to have it any more; the rest follows when they have passed. */
static void end(struct ctl_capture *place) RUNS_ON(control_thread)
{
	if (!place->begun || place->waits)
		return;
	if (switch_uncapture(place->captures->sw, place->capture) != 0) {
		loop_timer_start(place->captures->loop, &place->retry, 100 * NS_PER_MS);
		return;
	}
	place->waits = true;
	rcu_wait_start(&place->wait, passed);
}

static void end_again(struct loop_timer *timer)
{
	role_assert_control();
	end(container_of(timer, struct ctl_capture, retry));
}

static void ends(void *arg, struct capture *capture VUS_UNUSED)
{
	role_assert_control();
	end(arg);
}

static void tell_ended(const struct ctl_capture *place) RUNS_ON(control_thread)
{
	struct capture_sum all = {0};

	for (unsigned int i = 0; i < capture_ports_n(place->capture); i++) {
		struct capture_sum sum;

		capture_sum(place->capture, i, &sum);
		all.accepted += sum.accepted;
		all.lost += sum.lost;
	}
	log_info("control", "capture of %s has ended: %llu frames, %llu lost", place->names, (unsigned long long)all.accepted,
		 (unsigned long long)all.lost);
	monitor_emit(MONITOR_CAPTURE_ENDED, NULL, "{s:s, s:I, s:I}", "ports", place->names, "frames", (json_int_t)all.accepted,
		     "lost", (json_int_t)all.lost);
}

static void gone(void *arg, struct capture *capture)
{
	struct ctl_capture *place = arg;

	role_assert_control();
	if (place->told)
		tell_ended(place);
	place->capture = NULL;
	capture_put(capture, true);
}

/* Those of which no other port is left end. */
static void port_gone(void *arg, const char *port VUS_UNUSED)
{
	struct ctl_captures *captures = arg;

	role_assert_control();
	for (unsigned int i = 0; i < CAPTURES_MAX; i++) {
		struct ctl_capture *place = &captures->place[i];

		if (place->capture != NULL && place->begun && !switch_captures(captures->sw, place->capture))
			end(place);
	}
}

/* --- beginning --------------------------------------------------------------------------------------------------- */

static char *line_of(json_t *reply)
{
	char *line = json_dumps(reply, JSON_COMPACT);

	json_decref(reply);
	return line;
}

static char *begun_line(const struct capture *capture)
{
	json_t *ports = json_array();

	for (unsigned int i = 0; i < capture_ports_n(capture); i++)
		json_array_append_new(ports, json_string(capture_port(capture, i)));
	return line_of(json_pack("{s:{s:o}}", "capture", "ports", ports));
}

/* Nothing comes of it. */
static void refuse(struct ctl_capture *place, json_t *error) RUNS_ON(control_thread)
{
	place->closed = true;
	capture_close(place->capture, line_of(error));
}

static void opened(void *arg, struct capture *capture, const struct fail *fail)
{
	struct ctl_capture *place = arg;
	struct vus_switch *sw = place->captures->sw;
	int error = 0;

	role_assert_control();
	if (fail != NULL) {
		refuse(place, ctl_error("filter: %s", fail->text));
		return;
	}
	for (unsigned int i = 0; i < capture_ports_n(capture) && error == 0; i++)
		error = switch_capture(sw, capture_port(capture, i), capture, i);
	place->begun = true;
	place->told = error == 0;
	if (place->told) {
		log_info("control", "%s is captured by %s", place->names, place->who);
		monitor_emit(MONITOR_CAPTURE_BEGUN, NULL, "{s:s, s:s}", "ports", place->names, "by", monitor_text(place->who));
		capture_begin(capture, begun_line(capture));
	} else {
		place->refused = line_of(error == -ENOENT ? ctl_error("one of these ports has just gone: %s", place->names)
							  : ctl_error("no memory for a capture"));
		end(place);
	}
}

/* --- what is asked for ------------------------------------------------------------------------------------------- */

static json_t *read_direction(const json_t *request, struct capture_options *options)
{
	const json_t *value = json_object_get(request, "direction");
	const char *word = value != NULL ? json_string_value(value) : "both";

	options->from = word != NULL && (strcmp(word, "from") == 0 || strcmp(word, "both") == 0);
	options->to = word != NULL && (strcmp(word, "to") == 0 || strcmp(word, "both") == 0);
	if (options->from || options->to)
		return NULL;
	return ctl_error("direction is \"from\" (what the ports send), \"to\" (what goes to them) or \"both\"");
}

static json_t *read_numbers(const json_t *request, struct capture_options *options)
{
	const json_t *snap = json_object_get(request, "snap"), *n = json_object_get(request, "count");

	options->snap = FRAME_LEN_MAX;
	if (snap != NULL && (!json_is_integer(snap) || json_integer_value(snap) < FRAME_LEN_MIN ||
			     json_integer_value(snap) > FRAME_LEN_MAX))
		return ctl_error("snap is a number of bytes, %d to %d", FRAME_LEN_MIN, FRAME_LEN_MAX);
	if (n != NULL && (!json_is_integer(n) || json_integer_value(n) < 1))
		return ctl_error("count is a number of frames, 1 or more");
	if (snap != NULL)
		options->snap = (uint32_t)json_integer_value(snap);
	options->count = n != NULL ? (uint64_t)json_integer_value(n) : 0;
	return NULL;
}

static json_t *read_ports(struct vus_switch *sw, const json_t *request, struct capture_options *options) RUNS_ON(control_thread)
{
	const json_t *ports = json_object_get(request, "ports"), *port;
	size_t i;

	if (!json_is_array(ports) || json_array_size(ports) == 0)
		return ctl_error("of which ports? as in {\"command\": \"capture\", \"ports\": [\"vm1\"]}");
	if (json_array_size(ports) > CAPTURE_PORTS_MAX)
		return ctl_error("a capture has at most %d ports", CAPTURE_PORTS_MAX);
	json_array_foreach(ports, i, port)
	{
		const char *name = json_string_value(port);

		if (name == NULL || switch_find_port(sw, name) == NULL)
			return ctl_no_port(sw, name != NULL ? name : "");
		for (unsigned int k = 0; k < i; k++)
			if (strcmp(options->port[k], name) == 0)
				return ctl_error("port \"%s\" is named twice", name);
		options->port[i] = name;
		options->ports_n++;
	}
	return NULL;
}

static json_t *read_request(struct vus_switch *sw, const json_t *request, struct capture_options *options) RUNS_ON(control_thread)
{
	const json_t *filter = json_object_get(request, "filter");
	json_t *error = read_ports(sw, request, options);

	if (error == NULL)
		error = read_direction(request, options);
	if (error == NULL)
		error = read_numbers(request, options);
	if (error == NULL && filter != NULL && !json_is_string(filter))
		error = ctl_error("filter is an expression of pcap-filter(7)");
	options->filter = filter != NULL && error == NULL ? json_string_value(filter) : "";
	options->drops = json_is_true(json_object_get(request, "drops"));
	return error;
}

static void join_names(const struct capture_options *options, char *names)
{
	size_t n = 0;

	for (unsigned int i = 0; i < options->ports_n; i++)
		n += (size_t)snprintf(names + n, NAMES_BYTES - n, "%s%s", i > 0 ? "," : "", options->port[i]);
}

json_t *ctl_captures_add(struct ctl_captures *captures, int fd, const json_t *request, const char *who)
{
	struct capture_options options = {
		.lcores = lcores_n(), .loop = captures->loop, .opened = opened, .ends = ends, .gone = gone};
	struct ctl_capture *place = captures->place;
	json_t *error;
	struct fail fail;

	while (place < captures->place + CAPTURES_MAX && place->capture != NULL)
		place++;
	if (place == captures->place + CAPTURES_MAX)
		return ctl_error("%d captures run already, and more cannot: end one", CAPTURES_MAX);
	error = read_request(captures->sw, request, &options);
	if (error != NULL)
		return error;
	*place = (struct ctl_capture){.captures = captures, .retry.fire = end_again};
	options.arg = place;
	join_names(&options, place->names);
	snprintf(place->who, sizeof(place->who), "%s", who);
	if (capture_create(&options, fd, &place->capture, &fail) != 0) {
		place->capture = NULL;
		return ctl_error("%s", fail.text);
	}
	return NULL;
}

/* --- the list ---------------------------------------------------------------------------------------------------- */

struct ctl_captures *ctl_captures_create(struct loop *loop, struct vus_switch *sw)
{
	struct ctl_captures *captures = calloc(1, sizeof(*captures));

	if (captures == NULL)
		return NULL;
	captures->loop = loop;
	captures->sw = sw;
	switch_on_port_gone(sw, port_gone, captures);
	return captures;
}

/* The process ends: one that an lcore may have still stays as it is. */
void ctl_captures_destroy(struct ctl_captures *captures)
{
	bool waits = false;

	if (captures == NULL)
		return;
	switch_on_port_gone(captures->sw, NULL, NULL);
	for (unsigned int i = 0; i < CAPTURES_MAX; i++) {
		struct ctl_capture *place = &captures->place[i];

		if (place->capture == NULL)
			continue;
		loop_timer_stop(captures->loop, &place->retry);
		if (place->begun && !place->closed)
			switch_uncapture(captures->sw, place->capture);
		free(place->refused);
		place->refused = NULL;
		waits |= place->waits && !place->closed;
		capture_put(place->capture, !place->begun || place->closed);
	}
	if (!waits)
		free(captures);
}
