/* SPDX-License-Identifier: BSD-3-Clause */
/* The looking parts of fg_switch.h: what the process holds, what its control socket says. */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fg_clock.h"
#include "fg_socket.h"
#include "fg_switch.h"
#include "fg_wire.h"

static int read_maps(const struct fg_switch *sw, struct fg_usage *u)
{
	char path[64], line[512];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/maps", (int)sw->pid);
	f = fopen(path, "r");
	if (f == NULL)
		return -errno;
	while (fgets(line, sizeof(line), f) != NULL) {
		uint64_t from, to;

		if (strstr(line, "libasan") != NULL || strstr(line, "libclang_rt") != NULL)
			u->sanitizer = true;
		if (strstr(line, "memfd:fake-guest") != NULL &&
		    sscanf(line, "%" SCNx64 "-%" SCNx64, &from, &to) == 2) {
			u->guest_maps++;
			u->guest_bytes += to - from;
		}
	}
	fclose(f);
	return 0;
}

static int read_rss(const struct fg_switch *sw, struct fg_usage *u)
{
	char path[64], line[256];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)sw->pid);
	f = fopen(path, "r");
	if (f == NULL)
		return -errno;
	while (fgets(line, sizeof(line), f) != NULL) {
		sscanf(line, "VmRSS: %" SCNu64, &u->rss_kib);
		sscanf(line, "RssShmem: %" SCNu64, &u->guest_kib);
	}
	fclose(f);
	u->rss_kib -= u->guest_kib;
	return 0;
}

/* Its threads but those that close what peers gave: these are made on demand, and end when they have been idle for a while. */
static int lasting_threads(const struct fg_switch *sw)
{
	char path[300], name[32];
	struct dirent *entry;
	int n = 0;
	DIR *tasks;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)sw->pid);
	tasks = opendir(path);
	if (tasks == NULL)
		return -errno;
	while ((entry = readdir(tasks)) != NULL) {
		FILE *comm;

		snprintf(path, sizeof(path), "/proc/%d/task/%.20s/comm", (int)sw->pid, entry->d_name);
		comm = entry->d_name[0] != '.' ? fopen(path, "r") : NULL;
		if (comm == NULL)
			continue;
		n += fgets(name, sizeof(name), comm) != NULL && strcmp(name, "disposal\n") != 0;
		fclose(comm);
	}
	closedir(tasks);
	return n;
}

int fg_switch_usage(const struct fg_switch *sw, struct fg_usage *u)
{
	int n;

	memset(u, 0, sizeof(*u));
	/* It closes those of its peers on threads of their own. */
	n = fg_fds_settled(sw->pid, 10);
	if (n < 0)
		return n;
	u->fds = (unsigned int)n;
	n = lasting_threads(sw);
	if (n < 0)
		return n;
	u->threads = (unsigned int)n;
	n = read_maps(sw, u);
	return n < 0 ? n : read_rss(sw, u);
}

/* Reads a line from @sock. Returns its length, 0 if none comes in time. */
static size_t read_line(int sock, char *text, size_t room, int64_t deadline)
{
	size_t at = 0;

	for (;;) {
		struct pollfd p = {.fd = sock, .events = POLLIN};
		ssize_t n;

		if (poll(&p, 1, fg_left_ms(deadline)) != 1)
			return 0;
		n = read(sock, text + at, room - at);
		if (n <= 0)
			return 0;
		at += (size_t)n;
		if (text[at - 1] == '\n')
			return at;
		if (at == room)
			return 0;
	}
}

json_t *fg_switch_ask(const struct fg_switch *sw, const char *line)
{
	static char text[1 << 20];
	int sock = sw->stand_in ? -ENOTSUP : fg_wire_connect(sw->control, 0);
	json_error_t error;
	json_t *answer;
	size_t len;

	if (sock < 0)
		return NULL;
	if (fg_wire_send_raw(sock, line, strlen(line), NULL, 0) == 0)
		len = read_line(sock, text, sizeof(text), fg_deadline(FG_WAIT_MS));
	else
		len = 0;
	close(sock);
	answer = json_loadb(text, len, 0, &error);
	if (answer == NULL)
		fprintf(stderr, "%s: %s\n", line, len > 0 ? error.text : "no answer");
	return answer;
}

void fg_switch_settle(const struct fg_switch *sw)
{
	int sock = sw->stand_in ? -ENOTSUP : fg_wire_connect(sw->control, 0);
	struct pollfd p = {.fd = sock, .events = POLLIN};
	int64_t deadline = fg_deadline(FG_WAIT_MS);
	char text[256];

	if (sock < 0)
		return;
	shutdown(sock, SHUT_WR);
	while (poll(&p, 1, fg_left_ms(deadline)) == 1 && read(sock, text, sizeof(text)) > 0)
		;
	close(sock);
}

json_t *fg_switch_query(const struct fg_switch *sw, const char *command, const char *name)
{
	char line[256];

	snprintf(line, sizeof(line), "{\"command\": \"%s\", \"name\": \"%s\"}\n", command,
		 name != NULL ? name : "");
	return fg_switch_ask(sw, line);
}

double fg_longest_round_us(const struct fg_switch *sw, bool reset)
{
	json_t *answer = fg_switch_ask(sw, reset ? "{\"command\": \"lcores\", \"reset\": true}\n"
						 : "{\"command\": \"lcores\"}\n");
	const json_t *lcore;
	double longest = 0;
	size_t i;

	json_array_foreach(json_object_get(answer, "lcores"), i, lcore)
	{
		double us = json_number_value(json_object_get(lcore, "longest_us"));

		longest = us > longest ? us : longest;
	}
	json_decref(answer);
	return longest;
}

int64_t fg_counter(const struct fg_switch *sw, const char *port, const char *path)
{
	json_t *answer = fg_switch_query(sw, "port", port);
	const json_t *at = json_object_get(answer, "port");
	char word[64];
	int64_t n;

	while (at != NULL && *path != '\0') {
		size_t len = strcspn(path, ".");

		snprintf(word, sizeof(word), "%.*s", (int)len, path);
		at = json_object_get(at, word);
		path += len + (path[len] == '.');
	}
	n = json_is_integer(at) ? json_integer_value(at) : -1;
	json_decref(answer);
	return n;
}
