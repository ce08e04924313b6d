/* SPDX-License-Identifier: BSD-3-Clause */
#include "running.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "unix_connect.h"

enum { ANSWER_SECONDS = 5 };

struct teller {
	FILE *to;
	unsigned int lines;
};

static void running_tell(void *arg, const struct config_told *told)
{
	struct teller *teller = arg;

	teller->lines++;
	fprintf(teller->to, "%s\n", told->line);
}

/* The reply, or NULL. */
static json_t *running_ask(int fd)
{
	static const char request[] = "{\"command\": \"config\"}\n";
	const struct timeval limit = {.tv_sec = ANSWER_SECONDS};
	json_t *reply = NULL;
	char *line = NULL;
	size_t size = 0;
	FILE *from;

	/* It may wait from here on, for as long as that. */
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	from = fdopen(fd, "r");
	if (from == NULL)
		return NULL;
	if (send(fd, request, strlen(request), MSG_NOSIGNAL) == (ssize_t)strlen(request) && getline(&line, &size, from) > 0)
		reply = json_loads(line, 0, NULL);
	free(line);
	fclose(from);
	return reply;
}

static bool has_name(const json_t *names, const char *name)
{
	json_t *other;
	size_t i;

	json_array_foreach (names, i, other)
		if (json_is_string(other) && strcmp(json_string_value(other), name) == 0)
			return true;
	return false;
}

/* Then a reload changes nothing: what the file has by then cannot be a request's. */
static void warn_of_same(const json_t *names, const char *kind, const char *name, enum config_from from, FILE *warnings)
{
	if (from != CONFIG_FROM_REQUEST && has_name(names, name))
		fprintf(warnings,
			"warning: %s %s is a request's as well: a reload is refused until it is removed here or there\n", kind,
			name);
}

static void warn_of_requests(const struct config *config, const json_t *requests, FILE *warnings)
{
	const json_t *ports = json_object_get(requests, "ports"), *bridges = json_object_get(requests, "bridges");
	const json_t *profiles = json_object_get(requests, "profiles");

	for (unsigned int i = 0; i < config->profiles_n; i++)
		warn_of_same(profiles, "profile", config->profiles[i].name, config->profiles[i].from, warnings);
	for (unsigned int i = 0; i < config->bridges_n; i++)
		if (!config->bridges[i].implied)
			warn_of_same(bridges, "bridge", config->bridges[i].name, config->bridges[i].from, warnings);
	for (unsigned int i = 0; i < config->ports_n; i++)
		warn_of_same(ports, "port", config->ports[i].name, config->ports[i].from, warnings);
}

/* Ports of the running switch's command line, and what requests have added, are no part of a file: a reload keeps them. */
static void set_aside(struct config *running, const json_t *reply)
{
	const json_t *typed = json_object_get(reply, "command_line"), *requests = json_object_get(reply, "requests");
	const json_t *ports = json_object_get(requests, "ports"), *bridges = json_object_get(requests, "bridges");
	const json_t *profiles = json_object_get(requests, "profiles");

	for (unsigned int i = 0; i < running->ports_n; i++)
		running->ports[i].aside = has_name(typed, running->ports[i].name) || has_name(ports, running->ports[i].name);
	for (unsigned int i = 0; i < running->bridges_n; i++)
		running->bridges[i].aside = has_name(bridges, running->bridges[i].name);
	for (unsigned int i = 0; i < running->profiles_n; i++)
		running->profiles[i].aside = has_name(profiles, running->profiles[i].name);
}

static bool is_typed(const struct options *options, const char *key)
{
	for (unsigned int i = 0; i < options->typed_n; i++)
		if (!options->typed[i].is_port && strcmp(options->typed[i].option, key) == 0)
			return true;
	return false;
}

/* What the running switch would make of the file: its command line's options count more than the file's, now and then. 0 or
 * -errno with a line in `fail`. */
static int read_as_it_would(const struct options *options, const json_t *typed, struct tree *requests, struct config *config,
			    struct fail *fail)
{
	struct options its = *options;
	const char *key;
	json_t *value;
	int error;

	its.typed = calloc(options->typed_n + json_object_size(typed) + 1, sizeof(*its.typed));
	if (its.typed == NULL)
		return fail_set(fail, -ENOMEM, "no memory");
	for (unsigned int i = 0; i < options->typed_n; i++)
		its.typed[i] = options->typed[i];
	json_object_foreach((json_t *)(uintptr_t)typed, key, value)
		if (json_is_string(value) && !is_typed(options, key))
			its.typed[its.typed_n++] = (struct typed_option){.option = key, .value = json_string_value(value)};
	error = options_read_config(&its, requests, config, fail);
	free(its.typed);
	return error;
}

static void compare(const json_t *reply, const struct options *options, const struct config *config, FILE *to, FILE *warnings)
{
	struct config running = {.drivers = config->drivers}, wanted = {.drivers = config->drivers};
	const json_t *typed = json_object_get(reply, "command_line_options");
	const char *control = options->control;
	struct teller teller = {.to = to};
	struct fail fail = {.text = "it is another version"};
	int error = -EINVAL;

	if (json_object_get(reply, "config") != NULL)
		error = config_read_json(&running, control, json_object_get(reply, "config"), &fail);
	if (error == 0)
		error = config_check(&running, &fail);
	if (error == 0)
		error = read_as_it_would(options, typed, tree_hold(config->requests), &wanted, &fail);
	if (error != 0) {
		fprintf(warnings, "warning: what this would change in the switch at %s cannot be said: %s\n", control,
			fail.text);
	} else {
		set_aside(&running, reply);
		fprintf(to, "compared with the switch that runs at %s:\n", control);
		config_tell_changes(&running, &wanted, running_tell, &teller);
		if (teller.lines == 0)
			fprintf(to, "nothing changes\n");
		warn_of_requests(config, json_object_get(reply, "requests"), warnings);
	}
	config_free(&running);
	config_free(&wanted);
}

void running_compare(const struct options *options, const struct config *config, FILE *to, FILE *warnings)
{
	const char *control = options->control;
	json_t *reply;
	int fd, error = unix_connect(control, &fd);

	if (error == -ENOENT || error == -ECONNREFUSED)
		return;
	if (error != 0) {
		fprintf(warnings, "warning: the switch at %s cannot be asked what this would change: %s\n", control,
			strerror(-error));
		return;
	}
	reply = running_ask(fd);
	if (reply == NULL) {
		fprintf(warnings,
			"warning: the switch at %s gave no answer that can be read within %d s: what this "
			"would change is not said; see `vusctl version`, and try again\n",
			control, ANSWER_SECONDS);
		return;
	}
	compare(reply, options, config, to, warnings);
	json_decref(reply);
}
