/* SPDX-License-Identifier: BSD-3-Clause */
/* The looking parts of fg_switch.h: what the process holds, what its control socket says. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fg_clock.h"
#include "fg_switch.h"

extern char **environ;

static int count_entries(const struct fg_switch *sw, const char *what)
{
	char path[64];
	int n = 0;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)sw->pid, what);
	d = opendir(path);
	if (d == NULL)
		return -errno;
	for (struct dirent *e; (e = readdir(d)) != NULL;)
		n += e->d_name[0] != '.';
	closedir(d);
	return n;
}

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
	while (fgets(line, sizeof(line), f) != NULL)
		sscanf(line, "VmRSS: %" SCNu64, &u->rss_kib);
	fclose(f);
	return 0;
}

int fg_switch_usage(const struct fg_switch *sw, struct fg_usage *u)
{
	int n;

	memset(u, 0, sizeof(*u));
	n = count_entries(sw, "fd");
	if (n < 0)
		return n;
	u->fds = (unsigned int)n;
	n = count_entries(sw, "task");
	if (n < 0)
		return n;
	u->threads = (unsigned int)n;
	n = read_maps(sw, u);
	return n < 0 ? n : read_rss(sw, u);
}

/* Reads all of @fd until its end or the deadline. */
static size_t read_all(int fd, char *text, size_t room, int64_t deadline)
{
	size_t at = 0;

	for (;;) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		ssize_t n;

		if (poll(&p, 1, fg_left_ms(deadline)) != 1)
			return 0;
		n = read(fd, text + at, room - at);
		if (n <= 0)
			return at;
		at += (size_t)n;
		if (at == room)
			return 0;
	}
}

json_t *fg_switch_query(const struct fg_switch *sw, const char *word, const char *argument)
{
	static char text[1 << 20];
	const char *vusctl = getenv("VUSCTL");
	char *argv[] = {(char *)(uintptr_t)(vusctl != NULL ? vusctl : "vusctl"),
			(char *)(uintptr_t) "--control",
			(char *)(uintptr_t)sw->control,
			(char *)(uintptr_t) "-j",
			(char *)(uintptr_t)word,
			(char *)(uintptr_t)argument,
			NULL};
	posix_spawn_file_actions_t actions;
	json_error_t error;
	json_t *answer;
	int ends[2], err;
	size_t len;
	pid_t pid;

	if (sw->stand_in || pipe2(ends, O_CLOEXEC) < 0)
		return NULL;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
	err = posix_spawnp(&pid, argv[0], &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	close(ends[1]);
	len = err == 0 ? read_all(ends[0], text, sizeof(text), fg_deadline(FG_WAIT_MS)) : 0;
	close(ends[0]);
	if (err == 0) {
		if (len == 0)
			kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
	answer = json_loadb(text, len, 0, &error);
	if (answer == NULL)
		fprintf(stderr, "vusctl -j %s: %s\n", word, len > 0 ? error.text : "no answer");
	return answer;
}

int64_t fg_counter(const struct fg_switch *sw, const char *port, const char *path)
{
	json_t *answer = fg_switch_query(sw, "port", port);
	const json_t *at = answer;
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
