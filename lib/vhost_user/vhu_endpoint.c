/* SPDX-License-Identifier: BSD-3-Clause */
#include "vhu_endpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "vus_limits.h"

enum {
	ACCEPTS_A_TURN = 8,
	/* Refusals within one pause before listening stops for as long. */
	REFUSALS_MAX = 16,
};
static const uint64_t PAUSE_NS = 100 * NS_PER_MS;
static const uint64_t RETRY_NS = 500 * NS_PER_MS;
/* The first try after a connection was lost: soon, but not in a tight loop with a peer that hangs up at once. */
static const uint64_t RETRY_FIRST_NS = 50 * NS_PER_MS;

/* --- server ----------------------------------------------------------------------------------------------------- */

static void refuse(struct vhu_endpoint *endpoint, int fd) RUNS_ON(control_thread)
{
	uint64_t now = clock_ns();

	close(fd);
	endpoint->refused++;
	if (now - endpoint->burst_ns > PAUSE_NS) {
		endpoint->burst_ns = now;
		endpoint->refused_burst = 0;
	}
	if (++endpoint->refused_burst < REFUSALS_MAX)
		return;
	loop_fd_change(endpoint->loop, &endpoint->listener, 0);
	loop_timer_start(endpoint->loop, &endpoint->timer, PAUSE_NS);
}

/* No descriptor left (L3): without this the listener would stay readable and wake us for ever. */
static void accept_without_room(struct vhu_endpoint *endpoint) RUNS_ON(control_thread)
{
	int fd;

	if (endpoint->spare_fd >= 0)
		close(endpoint->spare_fd);
	fd = accept4(endpoint->listener.fd, NULL, NULL, SOCK_CLOEXEC);
	if (fd >= 0)
		refuse(endpoint, fd);
	endpoint->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	loop_fd_change(endpoint->loop, &endpoint->listener, 0);
	loop_timer_start(endpoint->loop, &endpoint->timer, PAUSE_NS);
}

static void listener_ready(struct loop_fd *source, uint32_t events VUS_UNUSED)
{
	struct vhu_endpoint *endpoint = container_of(source, struct vhu_endpoint, listener);

	role_assert_control();
	for (int i = 0; i < ACCEPTS_A_TURN && endpoint->listener.fd >= 0; i++) {
		int fd = accept4(source->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd < 0 && (errno == EMFILE || errno == ENFILE))
			accept_without_room(endpoint);
		if (fd < 0)
			return;
		if (!endpoint->events->connected(endpoint, fd)) {
			refuse(endpoint, fd);
			continue;
		}
		loop_timer_stop(endpoint->loop, &endpoint->alone);
		endpoint->hint.text[0] = '\0';
	}
}

static void still_alone(struct loop_timer *timer)
{
	struct vhu_endpoint *endpoint = container_of(timer, struct vhu_endpoint, alone);

	role_assert_control();
	vhu_hint_alone(&endpoint->hint, endpoint->name, endpoint->path, &endpoint->file);
}

/* --- client ----------------------------------------------------------------------------------------------------- */

static void try_now(struct vhu_endpoint *endpoint) RUNS_ON(control_thread)
{
	int fd;

	endpoint->last_error = -vhu_socket_connect(endpoint->path, &fd);
	endpoint->last_try_ns = clock_ns();
	if (endpoint->last_error == EACCES)
		vhu_hint_refused(&endpoint->hint, endpoint->name, endpoint->path);
	else
		endpoint->hint.text[0] = '\0';
	if (endpoint->last_error != 0) {
		loop_timer_start(endpoint->loop, &endpoint->timer, RETRY_NS);
		return;
	}
	endpoint->searching = false;
	if (!endpoint->events->connected(endpoint, fd))
		close(fd);
}

static void timer_fired(struct loop_timer *timer)
{
	struct vhu_endpoint *endpoint = container_of(timer, struct vhu_endpoint, timer);

	role_assert_control();
	endpoint->resting = false;
	if (endpoint->mode == VHU_CLIENT && endpoint->searching)
		try_now(endpoint);
	else if (endpoint->listener.fd >= 0)
		loop_fd_change(endpoint->loop, &endpoint->listener, EPOLLIN);
}

void vhu_endpoint_search(struct vhu_endpoint *endpoint)
{
	if (endpoint->mode != VHU_CLIENT || endpoint->searching)
		return;
	endpoint->searching = true;
	if (!endpoint->resting)
		loop_timer_start(endpoint->loop, &endpoint->timer,
				 endpoint->last_try_ns == 0 ? 0 : RETRY_FIRST_NS);
}

void vhu_endpoint_rest(struct vhu_endpoint *endpoint)
{
	endpoint->resting = true;
	if (endpoint->listener.fd >= 0)
		loop_fd_change(endpoint->loop, &endpoint->listener, 0);
	loop_timer_start(endpoint->loop, &endpoint->timer, VHU_REST_MS * NS_PER_MS);
}

/* --- both ------------------------------------------------------------------------------------------------------- */

int vhu_endpoint_open(struct vhu_endpoint *endpoint, struct loop *loop,
		      const struct vhu_config *config, const struct vhu_endpoint_events *events,
		      struct fail *fail)
{
	int error;

	*endpoint = (struct vhu_endpoint){
		.loop = loop,
		.events = events,
		.mode = config->mode,
		.listener = {.fd = -1, .ready = listener_ready},
		.timer = {.fire = timer_fired},
		.alone = {.fire = still_alone},
		.spare_fd = -1,
		.name = strdup(config->name),
		.path = strdup(config->socket),
	};
	if (endpoint->path == NULL || endpoint->name == NULL) {
		vhu_endpoint_close(endpoint);
		return fail_set(fail, -ENOMEM, "no memory for socket %s", config->socket);
	}
	if (config->mode == VHU_CLIENT) {
		error = vhu_socket_check(config->socket, fail);
	} else {
		endpoint->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
		error = vhu_socket_listen(config->socket, &config->rights, &endpoint->listener.fd,
					  &endpoint->file, fail);
		if (error == 0)
			error = loop_fd_add(loop, &endpoint->listener, EPOLLIN);
		loop_timer_start(loop, &endpoint->alone, HINT_AFTER_S * NS_PER_S);
	}
	if (error != 0)
		vhu_endpoint_close(endpoint);
	return error;
}

void vhu_endpoint_close(struct vhu_endpoint *endpoint)
{
	loop_timer_stop(endpoint->loop, &endpoint->timer);
	loop_timer_stop(endpoint->loop, &endpoint->alone);
	if (endpoint->listener.fd >= 0) {
		loop_fd_remove(endpoint->loop, &endpoint->listener);
		close(endpoint->listener.fd);
		endpoint->listener.fd = -1;
		vhu_socket_remove(endpoint->path, &endpoint->file);
	}
	if (endpoint->spare_fd >= 0)
		close(endpoint->spare_fd);
	endpoint->spare_fd = -1;
	endpoint->searching = false;
	free(endpoint->path);
	free(endpoint->name);
	endpoint->path = endpoint->name = NULL;
}

void vhu_endpoint_describe(const struct vhu_endpoint *endpoint, char *text, size_t size)
{
	double ago = (double)(clock_ns() - endpoint->last_try_ns) / (double)NS_PER_S;
	const char *path = endpoint->path == NULL ? "?" : endpoint->path;
	const char *hint = endpoint->hint.text;
	int error = endpoint->last_error;

	if (endpoint->mode == VHU_SERVER)
		snprintf(text, size, "waiting: listening on %s, no front end has connected%s%s", path,
			 hint[0] != '\0' ? "; " : "", hint);
	else if (endpoint->last_try_ns == 0 || error == 0)
		snprintf(text, size, "waiting: about to connect to %s", path);
	else if (error == ENOENT || error == ECONNREFUSED)
		snprintf(text, size, "waiting: no listener at %s (%s), last try %.1f s ago", path,
			 strerrorname_np(error), ago);
	else if (hint[0] != '\0')
		snprintf(text, size, "waiting: cannot connect to %s: %s, last try %.1f s ago", path,
			 hint, ago);
	else
		snprintf(text, size, "waiting: cannot connect to %s (%s: %s), last try %.1f s ago",
			 path, strerrorname_np(error), strerror(error), ago);
}
