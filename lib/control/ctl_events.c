/* SPDX-License-Identifier: BSD-3-Clause */
#include "ctl_events.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "ctl_commands.h"
#include "monitor.h"
#include "socket_read.h"
#include "vus_limits.h"

enum {
	/* Room that an event leaves for the line that says how many were missed. */
	MISSED_BYTES = 128,
	READ_BYTES = 1024,
};

struct ctl_listener {
	struct ctl_events *events;
	struct monitor_listener monitor;
	struct loop_fd source; /* fd -1: a free place */
	char only[NAME_LEN_MAX + 1]; /* the port it asked for; "": all */
	char *queue;		     /* [CTL_EVENTS_BYTES]; what is to be sent begins at `first` and goes round */
	size_t first, n;
	uint64_t missed;
};

struct ctl_events {
	struct loop *loop;
	struct disposal_account *account;
	struct ctl_listener listener[CTL_LISTENERS_MAX];
};

static void listener_close(struct ctl_listener *listener) RUNS_ON(control_thread)
{
	struct ctl_events *events = listener->events;

	if (listener->source.fd < 0)
		return;
	monitor_detach(&listener->monitor);
	loop_fd_remove(events->loop, &listener->source);
	disposal_close(events->account, listener->source.fd);
	free(listener->queue);
	*listener = (struct ctl_listener){.events = events, .source.fd = -1};
}

/* --- the queue -------------------------------------------------------------------------------------------------- */

static void put(struct ctl_listener *listener, const char *line, size_t len) RUNS_ON(control_thread)
{
	size_t at = (listener->first + listener->n) % CTL_EVENTS_BYTES;
	size_t straight = len < CTL_EVENTS_BYTES - at ? len : CTL_EVENTS_BYTES - at;

	memcpy(listener->queue + at, line, straight);
	memcpy(listener->queue, line + straight, len - straight);
	if (listener->n == 0)
		loop_fd_change(listener->events->loop, &listener->source, EPOLLIN | EPOLLOUT);
	listener->n += len;
}

static void put_missed(struct ctl_listener *listener) RUNS_ON(control_thread)
{
	char line[MONITOR_LINE_MAX];
	size_t len;

	if (listener->missed == 0)
		return;
	len = monitor_line(line, MONITOR_MISSED, NULL, "{s:I}", "count", (json_int_t)listener->missed);
	if (len == 0 || len > MISSED_BYTES)
		return;
	listener->missed = 0;
	put(listener, line, len);
}

static bool listener_wants(struct monitor_listener *monitor, const char *port)
{
	struct ctl_listener *listener = container_of(monitor, struct ctl_listener, monitor);
	size_t room = CTL_EVENTS_BYTES - listener->n;

	if (listener->only[0] != '\0' && port != NULL && strcmp(listener->only, port) != 0)
		return false;
	if (room >= MONITOR_LINE_MAX + MISSED_BYTES)
		return true;
	listener->missed++;
	return false;
}

static void listener_take(struct monitor_listener *monitor, const char *line, size_t len)
{
	struct ctl_listener *listener = container_of(monitor, struct ctl_listener, monitor);

	role_assert_control();
	put_missed(listener);
	put(listener, line, len);
}

/* --- the connection --------------------------------------------------------------------------------------------- */

/* Sends what fits. False: the listener is gone. */
static bool listener_send(struct ctl_listener *listener) RUNS_ON(control_thread)
{
	while (listener->n > 0) {
		size_t straight = CTL_EVENTS_BYTES - listener->first;
		ssize_t n = send(listener->source.fd, listener->queue + listener->first,
				 listener->n < straight ? listener->n : straight, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return true;
		if (n <= 0)
			return false;
		listener->first = (listener->first + (size_t)n) % CTL_EVENTS_BYTES;
		listener->n -= (size_t)n;
		if (listener->n == 0)
			put_missed(listener);
	}
	loop_fd_change(listener->events->loop, &listener->source, EPOLLIN);
	return true;
}

/* What it sends is dropped. False: it has hung up. */
static bool listener_receive(struct ctl_listener *listener) RUNS_ON(control_thread)
{
	char dropped[READ_BYTES];
	int fd[SOCKET_READ_FDS_MAX];
	unsigned int fds_n = 0;
	ssize_t n = socket_read(listener->source.fd, dropped, sizeof(dropped), fd, &fds_n);

	for (unsigned int i = 0; i < fds_n; i++)
		disposal_close(listener->events->account, fd[i]);
	return n == -EAGAIN || (n > 0 && fds_n == 0);
}

static void listener_ready(struct loop_fd *source, uint32_t events)
{
	struct ctl_listener *listener = container_of(source, struct ctl_listener, source);
	bool alive = (events & EPOLLERR) == 0;

	role_assert_control();
	if (alive && (events & (EPOLLIN | EPOLLHUP)) != 0)
		alive = listener_receive(listener);
	if (alive && (events & EPOLLOUT) != 0)
		alive = listener_send(listener);
	if (!alive)
		listener_close(listener);
}

/* --- the list --------------------------------------------------------------------------------------------------- */

json_t *ctl_events_add(struct ctl_events *events, int fd, const json_t *request)
{
	const char *only = json_string_value(json_object_get(request, "port"));
	struct ctl_listener *listener = events->listener;
	char line[MONITOR_LINE_MAX];
	size_t len;

	while (listener < events->listener + CTL_LISTENERS_MAX && listener->source.fd >= 0)
		listener++;
	if (listener == events->listener + CTL_LISTENERS_MAX)
		return ctl_error("%d clients listen to events already, and more cannot: close one", CTL_LISTENERS_MAX);
	if (only != NULL && strlen(only) > NAME_LEN_MAX)
		return ctl_error("port \"%.64s\": a name has at most %d characters", only, NAME_LEN_MAX);
	listener->queue = malloc(CTL_EVENTS_BYTES);
	listener->source = (struct loop_fd){.fd = fd, .ready = listener_ready};
	if (listener->queue == NULL || loop_fd_add(events->loop, &listener->source, EPOLLIN) != 0) {
		free(listener->queue);
		*listener = (struct ctl_listener){.events = events, .source.fd = -1};
		return ctl_error("no memory for a listener");
	}
	listener->monitor = (struct monitor_listener){.wants = listener_wants, .take = listener_take};
	if (only != NULL)
		strcpy(listener->only, only);
	len = monitor_line(line, MONITOR_LISTENING, NULL, NULL);
	put(listener, line, len);
	monitor_attach(&listener->monitor);
	return NULL;
}

struct ctl_events *ctl_events_create(struct loop *loop, struct disposal_account *account)
{
	struct ctl_events *events = calloc(1, sizeof(*events));

	if (events == NULL)
		return NULL;
	events->loop = loop;
	events->account = account;
	for (unsigned int i = 0; i < CTL_LISTENERS_MAX; i++)
		events->listener[i] = (struct ctl_listener){.events = events, .source.fd = -1};
	return events;
}

void ctl_events_destroy(struct ctl_events *events)
{
	if (events == NULL)
		return;
	for (unsigned int i = 0; i < CTL_LISTENERS_MAX; i++)
		listener_close(&events->listener[i]);
	free(events);
}
