/* SPDX-License-Identifier: BSD-3-Clause */
#include "fg_halt.h"

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

static bool is_called(pid_t pid, pid_t thread, const char *name)
{
	char path[64], text[32] = "";
	bool read;
	size_t n;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/comm", (int)pid, (int)thread);
	f = fopen(path, "r");
	read = f != NULL && fgets(text, sizeof(text), f) != NULL;
	if (f != NULL)
		fclose(f);
	n = strcspn(text, "\n");
	text[n] = '\0';
	return read && n >= strlen(name) && strcmp(text + n - strlen(name), name) == 0;
}

static pid_t find(pid_t pid, const char *name)
{
	char path[64];
	const struct dirent *entry;
	pid_t found = 0;
	DIR *tasks;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	tasks = opendir(path);
	while (tasks != NULL && found == 0 && (entry = readdir(tasks)) != NULL)
		if (atoi(entry->d_name) > 0 && is_called(pid, atoi(entry->d_name), name))
			found = atoi(entry->d_name);
	if (tasks != NULL)
		closedir(tasks);
	return found;
}

int fg_halt(pid_t pid, const char *name, pid_t *thread)
{
	*thread = find(pid, name);
	if (*thread == 0)
		return -ESRCH;
	if (ptrace(PTRACE_SEIZE, *thread, NULL, NULL) != 0)
		return -errno;
	if (ptrace(PTRACE_INTERRUPT, *thread, NULL, NULL) != 0 || waitpid(*thread, NULL, __WALL) != *thread)
		return -errno;
	return 0;
}

int fg_halt_end(pid_t thread)
{
	return ptrace(PTRACE_DETACH, thread, NULL, NULL) == 0 ? 0 : -errno;
}
