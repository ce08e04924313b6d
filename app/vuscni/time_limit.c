/* SPDX-License-Identifier: BSD-3-Clause */
#include "time_limit.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cni_error.h"

/* A handler may not make a text: both are there before, for the runtime and for people. */
static char text[2048], line[2048];
static volatile pid_t child_now;

static void end(int signal_number)
{
	(void)signal_number;
	if (child_now > 0)
		kill(child_now, SIGKILL);
	if (write(STDERR_FILENO, line, strlen(line)) < 0 || write(STDOUT_FILENO, text, strlen(text)) < 0)
		_exit(EXIT_FAILURE + 1);
	_exit(EXIT_FAILURE);
}

void time_limit_set(unsigned int seconds, const char *version)
{
	struct sigaction action = {.sa_handler = end};
	struct cni_error error;

	alarm(0);
	cni_fail(&error, CNI_TRY_AGAIN,
		 "not done within %u s: look at what keeps it waiting (vusctl version, the IPAM plugin), or say "
		 "\"timeout\" in the "
		 "network configuration",
		 seconds);
	cni_error_json(&error, version, text, sizeof(text));
	snprintf(line, sizeof(line), "vuscni: %s\n", error.text);
	sigaction(SIGALRM, &action, NULL);
	alarm(seconds);
}

void time_limit_child(pid_t child)
{
	child_now = child;
}
