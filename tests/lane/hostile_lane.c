/* SPDX-License-Identifier: BSD-3-Clause */
/* hostile_lane: a lane that says what it is told to say: what the real one would if its guest's front end had taken it over.
 *
 * The name of its port is what it says, once it has been asked something: words of five numbers, request:ring:error:
 * descriptors:times. Without a word it is a lane that is slow to listen and then agrees with everything.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "lane_message.h"

static struct lane_message message;

static void say(unsigned int descriptors)
{
	int fds[LANE_FDS_MAX] = {-1, -1};

	for (unsigned int i = 0; i < descriptors; i++)
		fds[i] = eventfd(0, 0);
	if (lane_message_send(LANE_SOCKET, &message, fds, descriptors, 0) != 0)
		exit(EXIT_SUCCESS);
	for (unsigned int i = 0; i < descriptors; i++)
		close(fds[i]);
}

static void listen_once(void)
{
	int fds[LANE_FDS_MAX];
	unsigned int n;

	if (lane_message_receive(LANE_SOCKET, &message, fds, &n, 0) != 1)
		exit(EXIT_SUCCESS);
	while (n > 0)
		close(fds[--n]);
}

static void play(const char *script)
{
	unsigned int request, ring, descriptors, times;
	int error, n;

	while (sscanf(script, "%u:%u:%d:%u:%u%n", &request, &ring, &error, &descriptors, &times, &n) == 5) {
		message = (struct lane_message){.request = request, .ring = ring, .error = error};
		for (unsigned int i = 0; i < times; i++)
			say(descriptors);
		script += n;
	}
}

int main(int argc, char **argv)
{
	const char *script = argc > 1 ? argv[1] : "";

	listen_once();
	say(0);
	if (*script == '\0')
		usleep(300000);
	else
		listen_once();
	play(script);
	for (;;) {
		listen_once();
		if (*script == '\0')
			say(message.request == LANE_UFFD);
	}
}
