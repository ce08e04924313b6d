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
#include "monitor.h"
#include "vus_limits.h"

enum { ACCEPTS_A_TURN = 8 };
static const uint64_t PAUSE_NS = 100 * NS_PER_MS;
static const uint64_t RETRY_NS = 450 * NS_PER_MS;
static const uint64_t TOGETHER_NS = VHU_FOLDER_LOOKS_MS * NS_PER_MS;
/* The first try after a connection was lost: soon, but not in a tight loop with a peer that hangs up at once. */
static const uint64_t RETRY_FIRST_NS = 50 * NS_PER_MS;

/* --- server ----------------------------------------------------------------------------------------------------- */

/* A connection that comes during the backoff, while all places to wait are taken, or while all calls that refused ones may
 * cost are under way, waits in the listener's queue. */
static void listen_or_not(struct vhu_endpoint *endpoint) RUNS_ON(control_thread)
{
	bool wanted = !endpoint->resting && !vhu_waiting_full(&endpoint->waiting) && !disposal_full(endpoint->account);

	if (endpoint->listener.fd >= 0)
		loop_fd_change(endpoint->loop, &endpoint->listener, wanted ? EPOLLIN : 0);
}

static void pause_listening(struct vhu_endpoint *endpoint, uint64_t ns) RUNS_ON(control_thread)
{
	endpoint->resting = true;
	listen_or_not(endpoint);
	loop_timer_start(endpoint->loop, &endpoint->timer, ns);
}

/* No descriptor left (L3): without this the listener would stay readable and wake us for ever. */
static void accept_without_room(struct vhu_endpoint *endpoint) RUNS_ON(control_thread)
{
	int fd;

	if (endpoint->spare_fd >= 0)
		close(endpoint->spare_fd);
	fd = accept4(endpoint->listener.fd, NULL, NULL, SOCK_CLOEXEC);
	if (fd >= 0) {
		disposal_close_socket(endpoint->account, fd);
		endpoint->refused++;
	}
	endpoint->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	pause_listening(endpoint, PAUSE_NS);
}

/* Offers the connection to the owner, but not during the backoff. */
static enum vhu_room ask_owner(struct vhu_endpoint *endpoint, int fd) RUNS_ON(control_thread)
{
	enum vhu_room room = endpoint->resting ? VHU_SOON : endpoint->events->connected(endpoint, fd);

	if (room == VHU_TAKEN) {
		loop_timer_stop(endpoint->loop, &endpoint->alone);
		endpoint->hint.text[0] = '\0';
		endpoint->refusal_reported = false;
	}
	return room;
}

/* To the owner, or to those who wait. */
static void offer(struct vhu_endpoint *endpoint, int fd) RUNS_ON(control_thread)
{
	if (ask_owner(endpoint, fd) != VHU_TAKEN)
		vhu_waiting_add(&endpoint->waiting, fd);
	listen_or_not(endpoint);
}

static void let_in(struct vhu_endpoint *endpoint) RUNS_ON(control_thread)
{
	int fd = vhu_waiting_take(&endpoint->waiting);

	if (fd >= 0)
		offer(endpoint, fd);
	else
		listen_or_not(endpoint); /* those who waited have left */
}

/* Once for each front end that has the port: one that is turned away tries again. */
static void tell_refusal(struct vhu_endpoint *endpoint, int fd)
{
	struct ucred peer = {.pid = 0};
	socklen_t len = sizeof(peer);

	if (endpoint->refusal_reported)
		return;
	endpoint->refusal_reported = true;
	getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len);
	log_warn(endpoint->name,
		 "another front end (process %d, user %u) wants this port, which has one: it was kept waiting for %d ms "
		 "and turned away; give each VM a port of its own. Further ones are counted (connections_refused)",
		 (int)peer.pid, (unsigned int)peer.uid, VHU_WAITING_MS);
}

static void has_waited(struct vhu_waiting *waiting, int fd)
{
	struct vhu_endpoint *endpoint = container_of(waiting, struct vhu_endpoint, waiting);
	enum vhu_room room;

	role_assert_control();
	room = ask_owner(endpoint, fd);
	if (room == VHU_SOON) {
		vhu_waiting_add(waiting, fd);
	} else if (room == VHU_OCCUPIED) {
		tell_refusal(endpoint, fd);
		endpoint->refused++;
		disposal_close_socket(endpoint->account, fd);
	}
	listen_or_not(endpoint);
}

static void vhu_endpoint_listener_ready(struct loop_fd *source, uint32_t events VUS_UNUSED)
{
	struct vhu_endpoint *endpoint = container_of(source, struct vhu_endpoint, listener);

	role_assert_control();
	for (int i = 0; i < ACCEPTS_A_TURN && endpoint->listener.fd >= 0 && !vhu_waiting_full(&endpoint->waiting) &&
			!disposal_full(endpoint->account);
	     i++) {
		int fd = accept4(source->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd < 0 && (errno == EMFILE || errno == ENFILE))
			accept_without_room(endpoint);
		if (fd < 0)
			return;
		if (vhu_waiting_has_left(fd))
			disposal_close_socket(endpoint->account, fd);
		else
			offer(endpoint, fd);
	}
	listen_or_not(endpoint);
}

static void still_alone(struct loop_timer *timer)
{
	struct vhu_endpoint *endpoint = container_of(timer, struct vhu_endpoint, alone);

	role_assert_control();
	vhu_hint_alone(&endpoint->hint, endpoint->name, endpoint->path, &endpoint->file);
}

/* --- client ----------------------------------------------------------------------------------------------------- */

/* Those of all ports in one turn of the loop, more or less. */
static void try_again_later(struct vhu_endpoint *endpoint) RUNS_ON(control_thread)
{
	uint64_t due = endpoint->last_try_ns + RETRY_NS;

	loop_timer_start(endpoint->loop, &endpoint->timer, RETRY_NS + (TOGETHER_NS - due % TOGETHER_NS));
}

/* The last try found nobody, and nobody can have come since: there is still no file, or one on which nobody listens. Who makes
 * a socket gives it a name first, and then listens. */
static bool still_nobody(struct vhu_endpoint *endpoint) RUNS_ON(control_thread)
{
	struct vhu_folder folder = vhu_folder_of(endpoint->path);
	uint64_t now = clock_ns();
	bool same = vhu_folder_is_same(&endpoint->folder, &folder);

	endpoint->folder = folder;
	if (!same)
		endpoint->changed_ns = now;
	if (!same || now >= endpoint->connect_ns + VHU_SURE_MS * NS_PER_MS)
		return false;
	return endpoint->last_error == ENOENT || (endpoint->last_error == ECONNREFUSED &&
						  now >= endpoint->changed_ns + VHU_SURE_MS * NS_PER_MS);
}

static void try_now(struct vhu_endpoint *endpoint) RUNS_ON(control_thread)
{
	bool nobody;

	if (endpoint->connect.job != NULL)
		return;
	nobody = still_nobody(endpoint);
	endpoint->last_try_ns = clock_ns();
	if (nobody) {
		try_again_later(endpoint);
		return;
	}
	endpoint->connect_ns = endpoint->last_try_ns;
	if (vhu_connect_start(&endpoint->connect, endpoint->account, endpoint->path) != 0) {
		endpoint->last_error = ENOMEM;
		try_again_later(endpoint);
	}
}

static void tried(struct vhu_connect *connect, int error, int fd)
{
	struct vhu_endpoint *endpoint = container_of(connect, struct vhu_endpoint, connect);

	role_assert_control();
	endpoint->last_error = -error;
	/* Tried again when the rest is over. */
	if (endpoint->resting && error == 0)
		disposal_close_socket(endpoint->account, fd);
	if (endpoint->resting)
		return;
	if (endpoint->last_error == EACCES)
		vhu_hint_refused(&endpoint->hint, endpoint->name, endpoint->path);
	else
		endpoint->hint.text[0] = '\0';
	if (endpoint->last_error != 0) {
		try_again_later(endpoint);
		return;
	}
	endpoint->searching = false;
	if (endpoint->events->connected(endpoint, fd) != VHU_TAKEN)
		disposal_close_socket(endpoint->account, fd);
}

static void vhu_endpoint_timer_fired(struct loop_timer *timer)
{
	struct vhu_endpoint *endpoint = container_of(timer, struct vhu_endpoint, timer);

	role_assert_control();
	if (endpoint->held_down)
		monitor_emit(MONITOR_PORT_LET_IN, endpoint->name, NULL);
	endpoint->resting = endpoint->held_down = false;
	if (endpoint->mode == VHU_CLIENT && endpoint->searching)
		try_now(endpoint);
	else if (endpoint->mode == VHU_SERVER)
		let_in(endpoint);
}

void vhu_endpoint_next(struct vhu_endpoint *endpoint)
{
	if (endpoint->mode == VHU_SERVER && !endpoint->resting)
		let_in(endpoint);
	if (endpoint->mode != VHU_CLIENT || endpoint->searching)
		return;
	endpoint->searching = true;
	if (!endpoint->resting)
		loop_timer_start(endpoint->loop, &endpoint->timer,
				 endpoint->last_try_ns == 0 ? 0 : RETRY_FIRST_NS);
}

void vhu_endpoint_back_off(struct vhu_endpoint *endpoint, uint64_t ns, const char *why)
{
	if (!endpoint->held_down)
		monitor_emit(MONITOR_PORT_HELD_DOWN, endpoint->name, "{s:f, s:s}", "seconds", (double)ns / (double)NS_PER_S,
			     "reason", monitor_text(why));
	endpoint->held_down = true;
	if (!endpoint->resting || endpoint->timer.due_ns < clock_ns() + ns)
		pause_listening(endpoint, ns);
}

/* --- both ------------------------------------------------------------------------------------------------------- */

static void endpoint_room_changed(void *arg)
{
	role_assert_control();
	listen_or_not(arg);
}

static void endpoint_call_was_slow(void *arg, const struct disposal_slow *slow)
{
	struct vhu_endpoint *endpoint = arg;

	role_assert_control();
	endpoint->events->slow(endpoint, slow);
}

int vhu_endpoint_open(struct vhu_endpoint *endpoint, struct loop *loop,
		      const struct vhu_config *config, const struct vhu_endpoint_events *events,
		      struct fail *fail)
{
	int error;

	*endpoint = (struct vhu_endpoint){
		.loop = loop,
		.events = events,
		.mode = config->mode,
		.listener = {.fd = -1, .ready = vhu_endpoint_listener_ready},
		.timer = {.fire = vhu_endpoint_timer_fired},
		.alone = {.fire = still_alone},
		.connect = {.done = tried},
		.spare_fd = -1,
		.name = strdup(config->name),
		.path = strdup(config->socket),
		.account = disposal_account_create(loop, config->name),
	};
	vhu_waiting_init(&endpoint->waiting, loop, endpoint->account, has_waited);
	if (endpoint->path == NULL || endpoint->name == NULL || endpoint->account == NULL) {
		vhu_endpoint_close(endpoint);
		return fail_set(fail, -ENOMEM, "no memory for socket %s", config->socket);
	}
	disposal_account_watch(endpoint->account, endpoint_room_changed, endpoint);
	disposal_account_watch_slow(endpoint->account, endpoint_call_was_slow, endpoint);
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

int vhu_endpoint_set_rights(struct vhu_endpoint *endpoint, const struct rights *rights, struct fail *fail)
{
	if (endpoint->mode == VHU_CLIENT)
		return 0;
	return vhu_socket_give(endpoint->path, &endpoint->file, rights, fail);
}

void vhu_endpoint_close(struct vhu_endpoint *endpoint)
{
	loop_timer_stop(endpoint->loop, &endpoint->timer);
	loop_timer_stop(endpoint->loop, &endpoint->alone);
	vhu_waiting_clear(&endpoint->waiting);
	vhu_connect_forget(&endpoint->connect);
	if (endpoint->listener.fd >= 0) {
		loop_fd_remove(endpoint->loop, &endpoint->listener);
		/* Connections that were never accepted are in it, and what was sent over them. */
		disposal_close(endpoint->account, endpoint->listener.fd);
		endpoint->listener.fd = -1;
		vhu_socket_remove(endpoint->path, &endpoint->file);
	}
	if (endpoint->spare_fd >= 0)
		close(endpoint->spare_fd);
	endpoint->spare_fd = -1;
	endpoint->searching = false;
	disposal_account_put(endpoint->account);
	endpoint->account = NULL;
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
		snprintf(text, size, "waiting: no front end is connected, listening on %s%s%s", path,
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
