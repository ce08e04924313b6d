/* SPDX-License-Identifier: BSD-3-Clause */
/* changes_act.c: requests that change the running switch, and nothing of the configuration. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "changes_private.h"
#include "lcore.h"
#include "one_line.h"

/* --- what is asked for ------------------------------------------------------------------------------------------ */

static const struct {
	const char *word;
	enum log_level level;
} levels[] = {{"error", LOG_ERROR}, {"warning", LOG_WARN}, {"info", LOG_INFO}, {"debug", LOG_DEBUG}};
enum { LEVELS = sizeof(levels) / sizeof(levels[0]) };

static const char *level_word(enum log_level level)
{
	for (int i = 0; i < (int)LEVELS; i++)
		if (levels[i].level == level)
			return levels[i].word;
	return "?";
}

/* A text that is there, or need not be: then it is "". */
static int read_text(const json_t *request, const char *key, bool needed, char *text, size_t size, struct fail *fail)
{
	const json_t *value = json_object_get(request, key);
	const char *word = json_string_value(value);

	if (value == NULL && !needed) {
		text[0] = '\0';
		return 0;
	}
	if (word == NULL || strlen(word) >= size)
		return fail_set(fail, -EINVAL, "%s: the request has no \"%s\", or it is no name",
				json_string_value(json_object_get(request, "command")), key);
	strcpy(text, word);
	return 0;
}

/* A number, or a text that is one, as a shell gives it. */
static int read_number(const json_t *request, const char *key, int *number, struct fail *fail)
{
	const json_t *value = json_object_get(request, key);
	const char *text = json_string_value(value);
	char *end = NULL;
	long long n = json_is_integer(value) ? json_integer_value(value) : text != NULL ? strtoll(text, &end, 10) : -1;

	if (n < 0 || n > UINT16_MAX || (end != NULL && (*end != '\0' || end == text)))
		return fail_set(fail, -EINVAL, "%s: %s has to be a number",
				json_string_value(json_object_get(request, "command")), key);
	*number = (int)n;
	return 0;
}

static int read_link(struct change_act *act, const json_t *request, struct fail *fail)
{
	char link[8];
	int error = read_text(request, "name", true, act->port, sizeof(act->port), fail);

	if (error == 0)
		error = read_text(request, "link", true, link, sizeof(link), fail);
	if (error != 0)
		return error;
	act->up = strcmp(link, "up") == 0;
	if (act->up || strcmp(link, "down") == 0)
		return 0;
	return fail_set(fail, -EINVAL, "link \"%s\" is not known; use up or down", link);
}

static int read_flush(struct change_act *act, const json_t *request, struct fail *fail)
{
	int error = read_text(request, "port", false, act->port, sizeof(act->port), fail);

	if (error == 0)
		error = read_text(request, "bridge", false, act->bridge, sizeof(act->bridge), fail);
	if (error == 0 && (act->port[0] == '\0') == (act->bridge[0] == '\0'))
		error = fail_set(fail, -EINVAL, "whose addresses? the request has to have a \"port\" or a \"bridge\"");
	return error;
}

static int read_unpin(struct change_act *act, const json_t *request, struct fail *fail)
{
	int error = read_text(request, "port", true, act->port, sizeof(act->port), fail);

	act->lcore = -1;
	return error == 0 ? read_number(request, "queue", &act->queue, fail) : error;
}

static int read_pin(struct change_act *act, const json_t *request, struct fail *fail)
{
	int error = read_unpin(act, request, fail);

	return error == 0 ? read_number(request, "lcore", &act->lcore, fail) : error;
}

static int read_level(struct change_act *act, const json_t *request, struct fail *fail)
{
	char level[16];
	int error = read_text(request, "topic", false, act->topic, sizeof(act->topic), fail);

	if (error == 0)
		error = read_text(request, "level", true, level, sizeof(level), fail);
	for (int i = 0; error == 0 && i < (int)LEVELS; i++)
		if (strcmp(levels[i].word, level) == 0) {
			act->level = levels[i].level;
			return 0;
		}
	return error != 0 ? error
			  : fail_set(fail, -EINVAL, "level \"%s\" is not known; use error, warning, info or debug", level);
}

/* --- what is done ----------------------------------------------------------------------------------------------- */

static void tell(struct change *change, const char *kind, const char *name, const char *cost, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));
static void tell(struct change *change, const char *kind, const char *name, const char *cost, const char *fmt, ...)
{
	char line[512];
	va_list args;

	va_start(args, fmt);
	mark_cut(line, sizeof(line), (size_t)vsnprintf(line, sizeof(line), fmt, args));
	va_end(args);
	change_add_told(change,
			&(struct config_told){.kind = kind, .name = name, .what = "changed", .cost = cost, .line = line});
}

static int check_port(const struct change *change, struct fail *fail) RUNS_ON(control_thread)
{
	const char *name = change->act.port;

	if (name[0] == '\0' || config_find_port(switch_config(change->sw), name) != NULL)
		return 0;
	return fail_set(fail, -ENOENT, "there is no port %s%s; `vusctl ports` lists them", name,
			config_like_port(switch_config(change->sw), name).text);
}

/* The port is to be where it is to be before this is answered. */
static int wait_for_port(struct change *change)
{
	change->others = calloc(1, sizeof(*change->others));
	if (change->others == NULL)
		return -ENOMEM;
	change->others[0] = strdup(change->act.port);
	change->others_n = change->others[0] != NULL;
	return change->others_n == 1 ? 0 : -ENOMEM;
}

/* A link that is up moves nothing while a guard has closed the port. */
static void note_closed(struct change *change) RUNS_ON(control_thread)
{
	const char *name = change->act.port;
	const struct config_port *config = config_find_port(switch_config(change->sw), name);
	const struct port *port = switch_find_port(change->sw, name);
	unsigned int closed = port != NULL ? switch_port_closed_seconds(change->sw, port) : 0;
	char how[96] = "";

	if (closed == 0)
		return;
	if (config->from == CONFIG_FROM_REQUEST)
		snprintf(how, sizeof(how), "; at once: vusctl port set %s bpdu-guard=drop", name);
	else if (config->from == CONFIG_FROM_FILE)
		snprintf(how, sizeof(how), "; at once: write bpdu-guard: drop in the file, then vusctl reload");
	snprintf(change->note, sizeof(change->note), "port %s is closed by bpdu-guard, and opens by itself in %u s%s", name,
		 closed, how);
}

static int run_link(struct change *change, struct fail *fail)
{
	static const char cost[] = "frames go neither way";
	const struct change_act *act = &change->act;

	role_assert_control();
	if (act->up)
		note_closed(change);
	if (switch_link_is_set_down(change->sw, act->port) == !act->up)
		return 0;
	tell(change, "port", act->port, act->up ? NULL : cost, "port %s: link %s", act->port,
	     act->up ? "down -> up" : "up -> down: frames go neither way; its peer stays connected");
	if (change->dry_run)
		return 0;
	if (wait_for_port(change) != 0 || switch_set_link(change->sw, act->port, act->up) != 0)
		return fail_set(fail, -ENOMEM, "port %s: no memory", act->port);
	return 0;
}

static int run_flush(struct change *change, struct fail *fail)
{
	const struct change_act *act = &change->act;
	bool of_port = act->port[0] != '\0';
	const char *kind = of_port ? "port" : "bridge", *name = of_port ? act->port : act->bridge;
	int n = 0;

	role_assert_control();
	if (!of_port && config_find_bridge(switch_config(change->sw), name) == NULL)
		return fail_set(fail, -ENOENT, "there is no bridge %s%s; `vusctl bridges` lists them", name,
				config_like_bridge(switch_config(change->sw), name).text);
	if (!change->dry_run)
		n = of_port ? switch_flush_port(change->sw, name) : switch_flush_bridge(change->sw, name);
	if (change->dry_run)
		tell(change, kind, name, NULL, "%s %s: its addresses are forgotten", kind, name);
	else if (n > 0)
		tell(change, kind, name, NULL, "%s %s: addresses forgotten: %d", kind, name, n);
	return 0;
}

static int find_lcore(int id)
{
	for (unsigned int i = 0; i < lcores_n(); i++)
		if ((int)lcore_id(lcore_at(i)) == id)
			return (int)i;
	return -1;
}

static int run_pin(struct change *change, struct fail *fail)
{
	const struct change_act *act = &change->act;
	int to, now, has;

	role_assert_control();
	to = act->lcore >= 0 ? find_lcore(act->lcore) : -1;
	now = switch_pin_of(change->sw, act->port, (unsigned int)act->queue);
	if (act->lcore >= 0 && to < 0)
		return fail_set(fail, -ENOENT, "no lcore %d moves frames; `vusctl lcores` lists them", act->lcore);
	if (act->queue >= VHOST_QUEUE_PAIRS_MAX)
		return fail_set(fail, -EINVAL, "queue %d is out of range; use 0 to %d", act->queue, VHOST_QUEUE_PAIRS_MAX - 1);
	has = switch_queues_of(change->sw, act->port);
	/* One that was pinned before the port had fewer queues may move again. */
	if (has >= 0 && act->queue >= has && now < 0)
		return fail_set(fail, -ENOENT, "port %s has no queue %d; its queues are 0 to %d", act->port, act->queue, has - 1);
	if (to == now)
		return 0;
	if (to >= 0)
		tell(change, "port", act->port, NULL, "port %s: queue %d stays at lcore %d", act->port, act->queue, act->lcore);
	else
		tell(change, "port", act->port, NULL, "port %s: queue %d may move again", act->port, act->queue);
	if (change->dry_run || switch_pin_queue(change->sw, act->port, (unsigned int)act->queue, to) == 0)
		return 0;
	return fail_set(fail, -ENOMEM, "port %s: no memory", act->port);
}

static int run_level(struct change *change, struct fail *fail)
{
	const struct change_act *act = &change->act;
	const char *topic = act->topic[0] != '\0' ? act->topic : NULL;
	enum log_level now = log_get_topic(topic);
	char known[128];
	int error = 0;

	role_assert_control();
	if (topic != NULL && !switch_has_topic(change->sw, topic)) {
		switch_list_topics(known, sizeof(known));
		return fail_set(fail, -ENOENT, "there is no topic %s; there are the names of ports and of bridges, and %s", topic,
				known);
	}
	if (now == act->level)
		return 0;
	tell(change, "log", topic, NULL, "log%s%s: %s -> %s", topic != NULL ? " of " : "", act->topic, level_word(now),
	     level_word(act->level));
	if (!change->dry_run && topic != NULL)
		error = log_set_topic(topic, act->level);
	else if (!change->dry_run)
		log_set_level(act->level);
	return error == 0 ? 0
			  : fail_set(fail, error, "log: %d topics have levels of their own, which is the most", LOG_TOPICS_MAX);
}

/* --- the table -------------------------------------------------------------------------------------------------- */

static const struct act {
	const char *command, *members[3];
	int (*read)(struct change_act *act, const json_t *request, struct fail *fail);
	int (*run)(struct change *change, struct fail *fail);
} acts[] = {
	{"port.link", {"name", "link"}, read_link, run_link},
	{"macs.flush", {"port", "bridge"}, read_flush, run_flush},
	{"queue.pin", {"port", "queue", "lcore"}, read_pin, run_pin},
	{"queue.unpin", {"port", "queue"}, read_unpin, run_pin},
	{"log.level", {"topic", "level"}, read_level, run_level},
};

static const struct act *act_of(const char *command)
{
	for (size_t i = 0; i < sizeof(acts) / sizeof(acts[0]); i++)
		if (strcmp(acts[i].command, command) == 0)
			return &acts[i];
	return NULL;
}

bool change_is_act(const char *command)
{
	return act_of(command) != NULL;
}

int change_act_read(struct change *change, const json_t *request, struct fail *fail)
{
	const struct act *act = act_of(json_string_value(json_object_get(request, "command")));
	int error = change_check_members(request, act->command, act->members, 3, fail);

	if (error == 0)
		error = act->read(&change->act, request, fail);
	snprintf(change->what, sizeof(change->what), "%s %.64s", act->command,
		 change->act.port[0] != '\0'	? change->act.port
		 : change->act.bridge[0] != '\0' ? change->act.bridge
						 : change->act.topic);
	change->act.run = act->run;
	return error;
}

int change_act_run(struct change *change, struct fail *fail)
{
	int error = check_port(change, fail);

	return error == 0 ? change->act.run(change, fail) : error;
}
