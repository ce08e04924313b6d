/* SPDX-License-Identifier: BSD-3-Clause */
#include "ipam.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "time_limit.h"

enum { RESULT_BYTES_MAX = 1024 * 1024 };

extern char **environ;

/* In the folders of CNI_PATH, the first that has it. */
static bool find_program(const char *folders, const char *name, char program[PATH_MAX])
{
	for (;;) {
		size_t len = strcspn(folders, ":");

		if (len > 0 && len + 1 + strlen(name) < PATH_MAX) {
			memcpy(program, folders, len);
			program[len] = '/';
			strcpy(program + len + 1, name);
			if (access(program, X_OK) == 0)
				return true;
		}
		if (folders[len] == '\0')
			return false;
		folders += len + 1;
	}
}

/* A file, not a pipe: a plugin that says something before it has read all does not stop us. */
static int file_with(const char *text, size_t len)
{
	int fd = memfd_create("netconf", MFD_CLOEXEC);

	for (size_t done = 0; fd >= 0 && done < len;) {
		ssize_t n = write(fd, text + done, len - done);

		if (n <= 0) {
			close(fd);
			return -1;
		}
		done += (size_t)n;
	}
	if (fd >= 0)
		lseek(fd, 0, SEEK_SET);
	return fd;
}

static pid_t start(const char *program, int in, int out)
{
	char *argv[] = {(char *)(uintptr_t)program, NULL};
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t as_usual;
	pid_t child = -1;

	if (posix_spawn_file_actions_init(&actions) != 0)
		return -1;
	if (posix_spawnattr_init(&attributes) != 0) {
		posix_spawn_file_actions_destroy(&actions);
		return -1;
	}
	/* We ignore SIGPIPE; a plugin that nobody listens to any longer is to end by it. */
	sigemptyset(&as_usual);
	sigaddset(&as_usual, SIGPIPE);
	posix_spawnattr_setsigdefault(&attributes, &as_usual);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
	posix_spawn_file_actions_adddup2(&actions, in, STDIN_FILENO);
	posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
	if (posix_spawn(&child, program, &actions, &attributes, argv, environ) != 0)
		child = -1;
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	return child;
}

/* All that a child says, a text that the caller frees, and how it ended. */
static char *hear(int fd, pid_t child, int *status)
{
	char *text = malloc(RESULT_BYTES_MAX + 1);
	siginfo_t ended;
	size_t len = 0;
	ssize_t n;

	if (text != NULL) {
		while (len < RESULT_BYTES_MAX && (n = read(fd, text + len, RESULT_BYTES_MAX - len)) != 0)
			if (n > 0)
				len += (size_t)n;
			else if (errno != EINTR)
				break;
		text[len] = '\0';
	}
	/* One that has more to say is not listened to any longer, and ends by that. */
	close(fd);
	/* Its number is its own until it is reaped: the time limit kills nobody else. */
	while (waitid(P_PID, (id_t)child, &ended, WEXITED | WNOWAIT) < 0 && errno == EINTR)
		;
	time_limit_child(0);
	while (waitpid(child, status, 0) < 0 && errno == EINTR)
		;
	return text;
}

/* Its own words and number, if it has any. */
static int failed(const char *ipam, const char *text, struct cni_error *error)
{
	json_t *said = json_loads(text, 0, NULL);
	const char *msg = json_string_value(json_object_get(said, "msg")),
		   *details = json_string_value(json_object_get(said, "details"));
	int code = (int)json_integer_value(json_object_get(said, "code"));

	cni_fail(error, CNI_IPAM_FAILED, "IPAM plugin %s: %s%s%s", ipam,
		 msg != NULL ? msg : "it failed, and did not say why: look at its own log", details != NULL ? "; " : "",
		 details != NULL ? details : "");
	error->code = code > 0 ? code : CNI_IPAM_FAILED;
	json_decref(said);
	return error->code;
}

int ipam_run(const struct netconf *conf, const struct cni_args *args, const char *command, json_t **result,
	     struct cni_error *error)
{
	char program[PATH_MAX], *text;
	int in, ends[2] = {-1, -1}, status = -1, code = 0;
	pid_t child;

	*result = NULL;
	if (conf->ipam == NULL)
		return 0;
	if (!find_program(args->path, conf->ipam, program))
		return cni_fail(error, CNI_INVALID_CONFIG,
				"no IPAM plugin %s is in CNI_PATH (%s): install it, or leave \"ipam\" out", conf->ipam,
				args->path);
	in = file_with(conf->text, conf->len);
	if (in < 0 || pipe2(ends, O_CLOEXEC) != 0) {
		if (in >= 0)
			close(in);
		return cni_fail(error, CNI_IO_FAILURE, "no pipe for IPAM plugin %s: %s", conf->ipam, strerror(errno));
	}
	setenv("CNI_COMMAND", command, true);
	child = start(program, in, ends[1]);
	time_limit_child(child > 0 ? child : 0);
	close(in);
	close(ends[1]);
	if (child < 0) {
		close(ends[0]);
		return cni_fail(error, CNI_IO_FAILURE, "IPAM plugin %s cannot be started", program);
	}
	text = hear(ends[0], child, &status);
	if (text == NULL)
		return cni_fail(error, CNI_IO_FAILURE, "no memory");
	if (status != 0)
		code = failed(conf->ipam, text, error);
	else if (text[strspn(text, " \t\r\n")] != '\0' && (*result = json_loads(text, 0, NULL)) == NULL)
		code = cni_fail(error, CNI_DECODE_FAILURE, "IPAM plugin %s: what it answered is not JSON", conf->ipam);
	free(text);
	return code;
}
