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
#include "dpdk_compat.h"
#include "log.h"

enum {
	WAIT_SECONDS = 1,
	/* What a reply of 16 KiB holds. */
	MACS_LIMIT = 128,
	/* How deep a reply may go: a list of many has room for the numbers of each, not for its lists. */
	DEPTH_OF_LIST = 1,
	DEPTH_OF_ONE = 3,
};

/* A question on its way to the loop and back. Both sides hold it; the last one frees it. */
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

/* The loop may be gone: then nobody else holds the question. */
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

/* `depth`: how many levels may follow. */
static void put(struct rte_tel_data *dict, const char *key, const json_t *value, int depth);

/* Telemetry's names are letters, digits, '_' and '/'. */
static void clean_name(char *name, size_t size, const char *from)
{
	snprintf(name, size, "%s", from);
	for (char *c = name; *c != '\0'; c++)
		if (!isalnum((unsigned char)*c) && *c != '/')
			*c = '_';
}

/* An entry of a list goes by its name; entries without one are numbered. */
static void entry_name(char *name, size_t size, const json_t *entry, size_t i)
{
	static const char *const keys[] = {"name", "mac"};
	const json_t *lcore = json_object_get(entry, "lcore");

	for (size_t k = 0; k < sizeof(keys) / sizeof(keys[0]); k++) {
		const char *text = json_string_value(json_object_get(entry, keys[k]));

		if (text != NULL) {
			clean_name(name, size, text);
			return;
		}
	}
	if (json_is_integer(lcore) && json_object_get(entry, "cpu") != NULL)
		i = (size_t)json_integer_value(lcore);
	snprintf(name, size, "%zu", i);
}

static void fill(struct rte_tel_data *dict, const json_t *from, int depth)
{
	const json_t *value;
	const char *key;
	size_t i;

	/* jansson iterates without const, and does not change what it iterates over. */
	json_object_foreach((json_t *)from, key, value)
	{
		char name[RTE_TEL_MAX_STRING_LEN / 2];

		clean_name(name, sizeof(name), key);
		put(dict, name, value, depth);
	}
	json_array_foreach((json_t *)from, i, value)
	{
		char name[RTE_TEL_MAX_STRING_LEN / 2];

		entry_name(name, sizeof(name), value, i);
		put(dict, name, value, depth);
	}
}

static void put_container(struct rte_tel_data *dict, const char *key, const json_t *value,
			  int depth)
{
	struct rte_tel_data *inner = depth > 0 ? rte_tel_data_alloc() : NULL;

	if (inner == NULL)
		return;
	rte_tel_data_start_dict(inner);
	fill(inner, value, depth - 1);
	if (rte_tel_data_add_dict_container(dict, key, inner, 0) != 0)
		rte_tel_data_free(inner);
}

/* What telemetry has no room for is left out. */
static void put(struct rte_tel_data *dict, const char *key, const json_t *value, int depth)
{
	char text[32];

	switch (json_typeof(value)) {
	case JSON_OBJECT:
	case JSON_ARRAY:
		put_container(dict, key, value, depth);
		break;
	case JSON_STRING:
		rte_tel_data_add_dict_string(dict, key, json_string_value(value));
		break;
	case JSON_INTEGER:
		if (json_integer_value(value) >= 0)
			rte_tel_data_add_dict_uint(dict, key, (uint64_t)json_integer_value(value));
		else
			rte_tel_data_add_dict_int(dict, key, (int)json_integer_value(value));
		break;
	case JSON_REAL:
		snprintf(text, sizeof(text), "%.2f", json_real_value(value));
		rte_tel_data_add_dict_string(dict, key, text);
		break;
	case JSON_TRUE:
	case JSON_FALSE:
		rte_tel_data_add_dict_int(dict, key, json_is_true(value));
		break;
	case JSON_NULL:
		break;
	}
}

/* A reply is an object with one part that was asked for, and a few numbers beside it. */
static void put_reply(struct rte_tel_data *data, const json_t *reply, const char *part, int depth)
{
	const json_t *value = json_object_get(reply, part);

	rte_tel_data_start_dict(data);
	fill(data, value != NULL ? value : reply, depth);
}

/* --- telemetry's callbacks: on its threads ---------------------------------------------------------------------- */

static int ask(json_t *request, const char *part, int depth, struct rte_tel_data *data)
{
	struct question *question = question_create(request);
	int error = -ETIMEDOUT;

	if (question == NULL)
		return -ENOMEM;
	if (!question_post(question)) {
		question_release(question);
		return -ESHUTDOWN;
	}
	question_wait(question);
	pthread_mutex_lock(&question->lock);
	if (question->done && question->reply != NULL) {
		put_reply(data, question->reply, part, depth);
		error = 0;
	}
	pthread_mutex_unlock(&question->lock);
	question_release(question);
	return error;
}

static int tel_ports(const char *cmd VUS_UNUSED, const char *params VUS_UNUSED,
		     struct rte_tel_data *data)
{
	return ask(json_pack("{s:s}", "command", "ports"), "ports", DEPTH_OF_LIST, data);
}

static int tel_port(const char *cmd VUS_UNUSED, const char *params, struct rte_tel_data *data)
{
	return ask(json_pack("{s:s, s:s}", "command", "port", "name", params != NULL ? params : ""),
		   "port", DEPTH_OF_ONE, data);
}

static int tel_macs(const char *cmd VUS_UNUSED, const char *params, struct rte_tel_data *data)
{
	return ask(json_pack("{s:s, s:i, s:s*}", "command", "macs", "limit", MACS_LIMIT, "bridge",
			     params),
		   "macs", DEPTH_OF_LIST, data);
}

static int tel_bridges(const char *cmd VUS_UNUSED, const char *params VUS_UNUSED,
		       struct rte_tel_data *data)
{
	return ask(json_pack("{s:s}", "command", "bridges"), "bridges", DEPTH_OF_LIST, data);
}

static int tel_lcores(const char *cmd VUS_UNUSED, const char *params VUS_UNUSED,
		      struct rte_tel_data *data)
{
	return ask(json_pack("{s:s}", "command", "lcores"), "lcores", DEPTH_OF_ONE, data);
}

void ctl_telemetry_start(struct loop *loop, struct vus_switch *sw)
{
	static const struct {
		const char *path;
		telemetry_cb run;
		const char *help;
	} commands[] = {
		{"/vuswitch/ports", tel_ports, "Every port and its counters. No parameter."},
		{"/vuswitch/port", tel_port, "One port. Parameter: its name."},
		{"/vuswitch/macs", tel_macs, "MAC addresses. Parameter: a bridge, or none."},
		{"/vuswitch/bridges", tel_bridges, "Every bridge. No parameter."},
		{"/vuswitch/lcores", tel_lcores, "Every lcore. No parameter."},
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
