/* SPDX-License-Identifier: BSD-3-Clause */
#include "ctl_telemetry.h"

#include <ctype.h>
#include <errno.h>
#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <rte_telemetry.h>

#include "ctl_commands.h"
#include "ctl_page.h"
#include "dpdk_compat.h"
#include "log.h"

enum {
	WAIT_SECONDS = 1,
};

/* A question on its way to the loop and back. Both sides refer to it; the last one frees it. */
struct question {
	struct loop_call call;
	pthread_mutex_t lock;
	pthread_cond_t answered;
	json_t *request;
	json_t *reply; /* what the loop answered, when `done` */
	bool done;
	unsigned int holders;
};

/* Guards the two below: telemetry's threads read them, the control thread sets them. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct loop *the_loop;
static struct vus_switch *the_switch;

/* --- the question ----------------------------------------------------------------------------------------------- */

static void question_release(struct question *question)
{
	bool last;

	pthread_mutex_lock(&question->lock);
	last = --question->holders == 0;
	pthread_mutex_unlock(&question->lock);
	if (!last)
		return;
	json_decref(question->request);
	json_decref(question->reply);
	pthread_mutex_destroy(&question->lock);
	pthread_cond_destroy(&question->answered);
	free(question);
}

static void question_answer(struct loop_call *call)
{
	struct question *question = container_of(call, struct question, call);
	json_t *reply = NULL;

	role_assert_control();
	if (the_switch != NULL)
		reply = ctl_command(the_switch, question->request);
	pthread_mutex_lock(&question->lock);
	question->reply = reply;
	question->done = true;
	pthread_cond_signal(&question->answered);
	pthread_mutex_unlock(&question->lock);
	question_release(question);
}

static struct question *question_create(json_t *request)
{
	struct question *question = calloc(1, sizeof(*question));
	pthread_condattr_t attributes;

	if (question == NULL || request == NULL) {
		free(question);
		json_decref(request);
		return NULL;
	}
	question->call.run = question_answer;
	question->request = request;
	question->holders = 2;
	pthread_mutex_init(&question->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&question->answered, &attributes);
	pthread_condattr_destroy(&attributes);
	return question;
}

/* The loop may be gone: then nothing else refers to the question. */
static bool question_post(struct question *question)
{
	bool posted;

	pthread_mutex_lock(&lock);
	posted = the_loop != NULL;
	if (posted)
		loop_call(the_loop, &question->call);
	pthread_mutex_unlock(&lock);
	if (!posted)
		question_release(question);
	return posted;
}

static void question_wait(struct question *question)
{
	struct timespec end;
	int error = 0;

	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += WAIT_SECONDS;
	pthread_mutex_lock(&question->lock);
	while (!question->done && error == 0)
		error = pthread_cond_timedwait(&question->answered, &question->lock, &end);
	pthread_mutex_unlock(&question->lock);
}

/* --- from JSON to telemetry ------------------------------------------------------------------------------------- */

/* What could not be put into telemetry's own form, which has 256 names at most and needs memory for each object. */
static bool ctl_telemetry_put(struct rte_tel_data *dict, const char *key, const json_t *value);

/* False: something is missing. */
static bool fill(struct rte_tel_data *dict, const json_t *from)
{
	const json_t *value;
	const char *key;
	bool whole = true;

	/* jansson iterates without const, and does not change what it iterates over. */
	json_object_foreach((json_t *)from, key, value)
		whole = ctl_telemetry_put(dict, key, value) && whole;
	return whole;
}

static bool put_object(struct rte_tel_data *dict, const char *key, const json_t *value)
{
	struct rte_tel_data *inner = rte_tel_data_alloc();
	bool whole;

	if (inner == NULL)
		return false;
	rte_tel_data_start_dict(inner);
	whole = fill(inner, value);
	if (rte_tel_data_add_dict_container(dict, key, inner, 0) == 0)
		return whole;
	rte_tel_data_free(inner);
	return false;
}

static bool ctl_telemetry_put(struct rte_tel_data *dict, const char *key, const json_t *value)
{
	if (json_is_object(value))
		return put_object(dict, key, value);
	if (json_is_string(value))
		return rte_tel_data_add_dict_string(dict, key, json_string_value(value)) == 0;
	if (json_integer_value(value) >= 0)
		return rte_tel_data_add_dict_uint(dict, key,
						  (uint64_t)json_integer_value(value)) == 0;
	return rte_tel_data_add_dict_int(dict, key, (int)json_integer_value(value)) == 0;
}

static void put_page(struct rte_tel_data *data, const json_t *reply, const struct ctl_page *page)
{
	json_t *shown = ctl_page_make(reply, page);

	rte_tel_data_start_dict(data);
	if (shown == NULL || !fill(data, shown))
		rte_tel_data_add_dict_string(data, "error",
					     "incomplete: telemetry has no room for all of it");
	json_decref(shown);
}

/* --- telemetry's callbacks: on its threads ---------------------------------------------------------------------- */

static int tell_error(struct rte_tel_data *data, const char *what)
{
	rte_tel_data_start_dict(data);
	rte_tel_data_add_dict_string(data, "error", what);
	return 0;
}

static int ctl_telemetry_ask(json_t *request, struct ctl_page *page, struct rte_tel_data *data)
{
	struct question *question = question_create(request);
	json_t *reply = NULL;

	if (question == NULL)
		return tell_error(data, request == NULL ? "the name is no text (UTF-8)" : "no memory");
	if (!question_post(question)) {
		question_release(question);
		return tell_error(data, "the switch is not running");
	}
	question_wait(question);
	pthread_mutex_lock(&question->lock);
	if (question->done)
		reply = json_incref(question->reply);
	pthread_mutex_unlock(&question->lock);
	question_release(question);
	if (reply == NULL)
		return tell_error(data, "the switch did not answer within a second; ask again");
	/* Ports and addresses come a page at a time. */
	page->total = (size_t)json_integer_value(json_object_get(reply, "total"));
	json_object_del(reply, "more");
	put_page(data, reply, page);
	json_decref(reply);
	return 0;
}

/* Takes "FIRST[,COUNT]" from where it begins. False: it is something else. */
static bool parse_range(const char *text, struct ctl_page *page)
{
	unsigned long first = 0, count = CTL_PAGE_ENTRIES;
	char *end = NULL;

	if (text != NULL && text[0] != '\0') {
		if (!isdigit((unsigned char)text[0]))
			return false;
		first = strtoul(text, &end, 10);
		if (*end == ',' && isdigit((unsigned char)end[1]))
			count = strtoul(end + 1, &end, 10);
		if (*end != '\0' || count == 0 || first > INT32_MAX)
			return false;
	}
	page->first = first;
	page->count = count;
	return true;
}

static int tell_range(struct rte_tel_data *data)
{
	return tell_error(data, "FIRST or FIRST,COUNT are whole numbers, and COUNT is 1 or more");
}

/* Cuts "WHICH[,FIRST[,COUNT]]" at its first comma. */
static bool parse_which(const char *params, char *which, size_t size, struct ctl_page *page)
{
	size_t len = params != NULL ? strcspn(params, ",") : 0;

	snprintf(which, size, "%.*s", (int)len, params != NULL ? params : "");
	return parse_range(params != NULL && params[len] == ',' ? params + len + 1 : NULL, page);
}

static int ask_list(const char *command, const char *ask_next, const char *single,
		    const char *params, struct rte_tel_data *data)
{
	struct ctl_page page = {.part = command, .ask = ask_next, .single = single};

	if (!parse_range(params, &page))
		return tell_range(data);
	return ctl_telemetry_ask(json_pack("{s:s}", "command", command), &page, data);
}

static int tel_ports(const char *cmd VUS_UNUSED, const char *params, struct rte_tel_data *data)
{
	struct ctl_page page = {.part = "ports", .ask = "/vuswitch/ports,", .single = "/vuswitch/port,"};

	if (!parse_range(params, &page))
		return tell_range(data);
	return ctl_telemetry_ask(json_pack("{s:s, s:I, s:i}", "command", "ports", "first", (json_int_t)page.first, "limit",
					   CTL_PAGE_ENTRIES),
				 &page, data);
}

static int tel_bridges(const char *cmd VUS_UNUSED, const char *params, struct rte_tel_data *data)
{
	return ask_list("bridges", "/vuswitch/bridges,", NULL, params, data);
}

static int tel_lcores(const char *cmd VUS_UNUSED, const char *params, struct rte_tel_data *data)
{
	return ask_list("lcores", "/vuswitch/lcores,", "/vuswitch/lcore,", params, data);
}

static int tel_port(const char *cmd VUS_UNUSED, const char *params, struct rte_tel_data *data)
{
	char name[64], next[96];
	struct ctl_page page = {.part = "port", .ask = next, .values = true};

	if (!parse_which(params, name, sizeof(name), &page))
		return tell_range(data);
	if (name[0] == '\0')
		return tell_error(data, "which port? /vuswitch/port,NAME; /vuswitch/ports lists them");
	snprintf(next, sizeof(next), "/vuswitch/port,%s,", name);
	return ctl_telemetry_ask(json_pack("{s:s, s:s}", "command", "port", "name", name), &page, data);
}

static int tel_lcore(const char *cmd VUS_UNUSED, const char *params, struct rte_tel_data *data)
{
	char which[64], next[96];
	struct ctl_page page = {.part = "lcore", .ask = next, .values = true};
	char *end;
	long id;

	if (!parse_which(params, which, sizeof(which), &page))
		return tell_range(data);
	id = strtol(which, &end, 10);
	if (end == which || *end != '\0')
		return tell_error(data, "which lcore? /vuswitch/lcores lists them");
	snprintf(next, sizeof(next), "/vuswitch/lcore,%ld,", id);
	return ctl_telemetry_ask(json_pack("{s:s, s:I}", "command", "lcore", "lcore", (json_int_t)id), &page, data);
}

static int tel_macs(const char *cmd VUS_UNUSED, const char *params, struct rte_tel_data *data)
{
	char bridge[64], next[96];
	struct ctl_page page = {.part = "macs", .ask = next};

	if (!parse_which(params, bridge, sizeof(bridge), &page))
		return tell_range(data);
	snprintf(next, sizeof(next), "/vuswitch/macs,%s,", bridge);
	return ctl_telemetry_ask(json_pack("{s:s, s:I, s:i, s:s*}", "command", "macs", "first",
					   (json_int_t)page.first, "limit", CTL_PAGE_ENTRIES, "bridge",
					   bridge[0] != '\0' ? bridge : NULL),
				 &page, data);
}

void ctl_telemetry_start(struct loop *loop, struct vus_switch *sw)
{
	static const struct {
		const char *path;
		telemetry_cb run;
		const char *help;
	} commands[] = {
		{"/vuswitch/ports", tel_ports, "Ports and their counters. Parameters: [FIRST[,COUNT]]"},
		{"/vuswitch/port", tel_port, "One port. Parameters: NAME[,FIRST[,COUNT]]"},
		{"/vuswitch/macs", tel_macs, "MAC addresses. Parameters: [BRIDGE[,FIRST[,COUNT]]]"},
		{"/vuswitch/bridges", tel_bridges, "Bridges. Parameters: [FIRST[,COUNT]]"},
		{"/vuswitch/lcores", tel_lcores, "Lcores. Parameters: [FIRST[,COUNT]]"},
		{"/vuswitch/lcore", tel_lcore, "One lcore. Parameters: LCORE[,FIRST[,COUNT]]"},
	};

	pthread_mutex_lock(&lock);
	the_loop = loop;
	the_switch = sw;
	pthread_mutex_unlock(&lock);
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (rte_telemetry_register_cmd(commands[i].path, commands[i].run,
					       commands[i].help) != 0)
			log_warn("vuswitch", "%s is not in telemetry", commands[i].path);
}

void ctl_telemetry_stop(void)
{
	pthread_mutex_lock(&lock);
	the_loop = NULL;
	the_switch = NULL;
	pthread_mutex_unlock(&lock);
}
