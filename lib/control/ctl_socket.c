/* SPDX-License-Identifier: BSD-3-Clause */
#include "ctl_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "changes.h"
#include "clock.h"
#include "ctl_capture.h"
#include "ctl_commands.h"
#include "ctl_events.h"
#include "ctl_list.h"
#include "ctl_peer.h"
#include "ctl_why.h"
#include "disposal.h"
#include "log.h"
#include "socket_read.h"
#include "unix_connect.h"

enum {
	CLIENTS_MAX = 16,
	/* The longest request to look at something names a port or a bridge; one that changes something may list all of them. */
	LOOK_BYTES_MAX = 1024,
	CHANGE_BYTES_MAX = 256 * 1024,
};

struct ctl_client {
	struct ctl_socket *ctl;
	struct loop_fd source; /* fd -1: a free place */
	uint64_t turn;	       /* ctl->turns when it was last heard of */
	uint64_t asked_ns;     /* when the turn began in which its last request was read */
	struct ctl_list *list; /* the rest of the reply, still to be made: of a list, */
	struct ctl_why *why;   /* or of what would become of a frame */
	struct change *change; /* the reply comes when this has been made; nothing is read meanwhile */
	char *reply;	       /* being sent; nothing is read meanwhile */
	size_t reply_len, reply_sent;
	char *request; /* what has been received: `request_len` bytes, with room for `request_room` */
	size_t request_len, request_room;
};

struct ctl_socket {
	struct loop *loop;
	struct vus_switch *sw;
	struct changes *changes; /* NULL: nothing can be changed */
	struct log_limit denied;
	struct disposal_account *account; /* descriptors that clients send, and the closing of clients */
	struct ctl_events *events;	  /* clients that do nothing but listen to events, */
	struct ctl_captures *captures;	  /* and those that capture frames */
	struct loop_fd listener;
	struct sockaddr_un address;
	struct stat file; /* ours, to be distinguished from a successor's */
	uint64_t turns;
	int spare; /* a descriptor to give up when there is no other */
	struct ctl_client client[CLIENTS_MAX];
};

static struct histogram took[CTL_REQUESTS];

static void client_ready(struct loop_fd *source, uint32_t events);

/* --- the conversation ------------------------------------------------------------------------------------------- */

static void client_close(struct ctl_client *client) RUNS_ON(control_thread)
{
	if (client->source.fd < 0)
		return;
	loop_fd_remove(client->ctl->loop, &client->source);
	disposal_close(client->ctl->account, client->source.fd);
	if (client->change != NULL)
		changes_forget(client->change);
	free(client->request);
	free(client->reply);
	ctl_list_end(client->list);
	ctl_why_end(client->why);
	*client = (struct ctl_client){.ctl = client->ctl, .source.fd = -1};
}

/* There is more of a reply that is made a piece at a time. */
static bool has_more(const struct ctl_client *client)
{
	return client->list != NULL || client->why != NULL;
}

/* A reply is on its way to it, or is being made. */
static bool is_answered(const struct ctl_client *client)
{
	return client->reply != NULL || has_more(client) || client->change != NULL;
}

/* Makes the next piece of a reply. False: no memory. */
static bool next_piece(struct ctl_client *client) RUNS_ON(control_thread)
{
	struct ctl_text text = {0};

	if (client->list != NULL ? !ctl_list_next(client->list, &text) : !ctl_why_next(client->why, &text)) {
		ctl_list_end(client->list);
		ctl_why_end(client->why);
		client->list = NULL;
		client->why = NULL;
		ctl_text_add(&text, "\n", 1);
	}
	client->reply = text.bytes;
	client->reply_len = text.n;
	client->reply_sent = 0;
	return !text.failed;
}

/* Sends what fits; of a long reply, a piece at a time, so that others' requests have their turn. False: the client is gone. */
static bool ctl_socket_send_reply(struct ctl_client *client) RUNS_ON(control_thread)
{
	/* It is only heard whether it hangs up. */
	if (client->change != NULL) {
		loop_fd_change(client->ctl->loop, &client->source, 0);
		return true;
	}
	while (client->reply_sent < client->reply_len) {
		ssize_t n = send(client->source.fd, client->reply + client->reply_sent,
				 client->reply_len - client->reply_sent, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			loop_fd_change(client->ctl->loop, &client->source, EPOLLOUT);
			return true;
		}
		if (n <= 0)
			return false;
		client->reply_sent += (size_t)n;
	}
	free(client->reply);
	client->reply = NULL;
	loop_fd_change(client->ctl->loop, &client->source, has_more(client) ? EPOLLOUT : EPOLLIN);
	return !has_more(client) || next_piece(client);
}

/* A reply that is made at once. False: no memory. */
static bool set_reply(struct ctl_client *client, json_t *reply) RUNS_ON(control_thread)
{
	char *text = reply != NULL ? json_dumps(reply, JSON_COMPACT) : NULL;
	size_t len = text != NULL ? strlen(text) : 0;

	json_decref(reply);
	if (text == NULL)
		return false;
	/* The end of the string becomes the end of the line. */
	text[len] = '\n';
	client->reply = text;
	client->reply_len = len + 1;
	client->reply_sent = 0;
	return true;
}

static bool begin_list(struct ctl_client *client, const json_t *request) RUNS_ON(control_thread)
{
	json_t *error;

	client->list = ctl_list_begin(client->ctl->sw, request, &error);
	return client->list != NULL ? next_piece(client) : set_reply(client, error);
}

static bool begin_why(struct ctl_client *client, const json_t *request) RUNS_ON(control_thread)
{
	json_t *error;

	client->why = ctl_why_begin(client->ctl->sw, request, &error);
	return client->why != NULL ? next_piece(client) : set_reply(client, error);
}

/* From here on the client is a listener to events, and its place is free. False: it is. True: it is answered why not. */
static bool stays(struct ctl_client *client, const json_t *request) RUNS_ON(control_thread)
{
	int fd = client->source.fd;
	json_t *error;

	loop_fd_remove(client->ctl->loop, &client->source);
	error = ctl_events_add(client->ctl->events, fd, request);
	if (error != NULL)
		return loop_fd_add(client->ctl->loop, &client->source, EPOLLIN) == 0 && set_reply(client, error);
	free(client->request);
	*client = (struct ctl_client){.ctl = client->ctl, .source.fd = -1};
	return false;
}

static json_t *deny(struct ctl_socket *ctl, const char *command, const char *who) RUNS_ON(control_thread);
static bool may_change(struct ctl_client *client, char *who, size_t size) RUNS_ON(control_thread);

/* The same of a client that captures. */
static bool begin_capture(struct ctl_client *client, const json_t *request) RUNS_ON(control_thread)
{
	int fd = client->source.fd;
	char who[96] = "";
	json_t *error;

	if (!may_change(client, who, sizeof(who)))
		return set_reply(client, deny(client->ctl, "capture", who));
	loop_fd_remove(client->ctl->loop, &client->source);
	error = ctl_captures_add(client->ctl->captures, fd, request, who);
	if (error != NULL)
		return loop_fd_add(client->ctl->loop, &client->source, EPOLLIN) == 0 && set_reply(client, error);
	free(client->request);
	*client = (struct ctl_client){.ctl = client->ctl, .source.fd = -1};
	return false;
}

static bool answer_lines(struct ctl_client *client) RUNS_ON(control_thread);

static void note_answered(const struct ctl_client *client, enum ctl_request request) RUNS_ON(control_thread)
{
	histogram_add(&took[request], clock_ns() - client->asked_ns);
}

const struct histogram *ctl_socket_answer_times(enum ctl_request request)
{
	return &took[request];
}

static void change_was_made(void *arg, json_t *reply)
{
	struct ctl_client *client = arg;

	role_assert_control();
	client->change = NULL;
	note_answered(client, CTL_CHANGE);
	if (!set_reply(client, reply) || !ctl_socket_send_reply(client) || !answer_lines(client))
		client_close(client);
}

/* Whether the client may change anything; `who` it is. */
static bool may_change(struct ctl_client *client, char *who, size_t size) RUNS_ON(control_thread)
{
	return client->ctl->changes != NULL &&
	       ctl_peer_may_change(client->source.fd, &switch_config(client->ctl->sw)->options, who, size);
}

static json_t *deny(struct ctl_socket *ctl, const char *command, const char *who) RUNS_ON(control_thread)
{
	json_t *reply;

	if (ctl->changes == NULL)
		return ctl_error("nothing can be changed through this socket");
	log_limited(&ctl->denied, LOG_WARN, "control", "%.64s was refused: %s may look, and change nothing", command, who);
	reply = ctl_error("you may look, and change nothing; the switch's change-users and change-groups say who may");
	json_object_set_new(reply, "code", json_string("denied"));
	return reply;
}

static bool begin_change(struct ctl_client *client, const json_t *request) RUNS_ON(control_thread)
{
	struct ctl_socket *ctl = client->ctl;
	const char *command = json_string_value(json_object_get(request, "command"));
	json_t *error = NULL;
	char who[96] = "";

	if (!may_change(client, who, sizeof(who)) && (ctl->changes == NULL || changes_changes(command)))
		return set_reply(client, deny(ctl, command, who));
	client->change = changes_ask(ctl->changes, request, who, change_was_made, client, &error);
	return client->change != NULL || set_reply(client, error);
}

/* Makes the reply to the first line of what was received. False: no memory, or the client is not here any more. */
static bool ctl_socket_answer(struct ctl_client *client, size_t line_len) RUNS_ON(control_thread)
{
	json_error_t error;
	json_t *request = json_loadb(client->request, line_len, JSON_REJECT_DUPLICATES, &error);
	const char *command = json_string_value(json_object_get(request, "command"));
	bool made;

	client->asked_ns = loop_turn_began(client->ctl->loop);
	if (request == NULL)
		made = set_reply(client, ctl_error("the request is not JSON: %s", error.text));
	else if (command != NULL && ctl_list_is(command))
		made = begin_list(client, request);
	else if (command != NULL && strcmp(command, "why") == 0)
		made = begin_why(client, request);
	else if (command != NULL && strcmp(command, "events") == 0)
		made = stays(client, request);
	else if (command != NULL && strcmp(command, "capture") == 0)
		made = begin_capture(client, request);
	else if (command != NULL && changes_has(command))
		made = begin_change(client, request);
	else
		made = set_reply(client, ctl_command(client->ctl->sw, request));
	json_decref(request);
	if (client->source.fd < 0)
		return false;
	if (client->change == NULL)
		note_answered(client, CTL_LOOK);
	client->request_len -= line_len + 1;
	memmove(client->request, client->request + line_len + 1, client->request_len);
	return made;
}

/* Room for more of a request. False: this client's are not as long as that. */
static bool make_room(struct ctl_client *client) RUNS_ON(control_thread)
{
	size_t room = client->request_room == 0 ? LOOK_BYTES_MAX : 4 * client->request_room;
	char who[96], *request;

	if (client->request_len < client->request_room)
		return true;
	if (room > CHANGE_BYTES_MAX || (room > LOOK_BYTES_MAX && !may_change(client, who, sizeof(who))))
		return false;
	request = realloc(client->request, room);
	if (request == NULL)
		return false;
	client->request = request;
	client->request_room = room;
	return true;
}

/* Answers what has come, a line at a time, as long as the client takes the replies. */
static bool answer_lines(struct ctl_client *client) RUNS_ON(control_thread)
{
	while (!is_answered(client)) {
		char *end = client->request_len > 0 ? memchr(client->request, '\n', client->request_len) : NULL;

		if (end == NULL)
			return make_room(client);
		if (!ctl_socket_answer(client, (size_t)(end - client->request)) || !ctl_socket_send_reply(client))
			return false;
	}
	return true;
}

static bool ctl_socket_receive(struct ctl_client *client) RUNS_ON(control_thread)
{
	int fd[SOCKET_READ_FDS_MAX];
	unsigned int fds_n = 0;
	ssize_t n;

	if (!make_room(client))
		return false;
	n = socket_read(client->source.fd, client->request + client->request_len,
			client->request_room - client->request_len, fd, &fds_n);
	/* No request has a descriptor: one that comes ends the conversation. */
	for (unsigned int i = 0; i < fds_n; i++)
		disposal_close(client->ctl->account, fd[i]);
	if (n == -EAGAIN)
		return true;
	if (n <= 0 || fds_n > 0)
		return false;
	client->request_len += (size_t)n;
	return answer_lines(client);
}

static void client_ready(struct loop_fd *source, uint32_t events)
{
	struct ctl_client *client = container_of(source, struct ctl_client, source);
	bool alive = (events & EPOLLERR) == 0;

	role_assert_control();
	client->turn = ++client->ctl->turns;
	if (alive && client->change != NULL)
		alive = (events & EPOLLHUP) == 0;
	else if (alive && is_answered(client))
		alive = ctl_socket_send_reply(client) && answer_lines(client);
	else if (alive)
		alive = ctl_socket_receive(client);
	if (!alive)
		client_close(client);
}

/* --- the listener ----------------------------------------------------------------------------------------------- */

/* A free place, or that of the client that has been silent for longest. */
static struct ctl_client *ctl_socket_place(struct ctl_socket *ctl) RUNS_ON(control_thread)
{
	struct ctl_client *best = &ctl->client[0];

	for (unsigned int i = 0; i < CLIENTS_MAX; i++) {
		struct ctl_client *client = &ctl->client[i];

		if (client->source.fd < 0)
			return client;
		if (client->turn < best->turn)
			best = client;
	}
	client_close(best);
	return best;
}

/* No descriptor is left: a waiting client is turned away with the help of the spare one, lest the loop spin. */
static void turn_away(struct ctl_socket *ctl) RUNS_ON(control_thread)
{
	int fd;

	close(ctl->spare);
	fd = accept4(ctl->listener.fd, NULL, NULL, SOCK_CLOEXEC);
	disposal_close(ctl->account, fd);
	ctl->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void ctl_socket_listener_ready(struct loop_fd *source, uint32_t events VUS_UNUSED)
{
	struct ctl_socket *ctl = container_of(source, struct ctl_socket, listener);
	struct ctl_client *client;
	int fd = accept4(source->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	role_assert_control();
	if (fd < 0 && (errno == EMFILE || errno == ENFILE))
		turn_away(ctl);
	if (fd < 0)
		return;
	client = ctl_socket_place(ctl);
	client->source = (struct loop_fd){.fd = fd, .ready = client_ready};
	client->turn = ++ctl->turns;
	if (loop_fd_add(ctl->loop, &client->source, EPOLLIN) != 0) {
		disposal_close(ctl->account, fd);
		client->source.fd = -1;
	}
}

static int fill_address(struct sockaddr_un *address, const char *path, struct fail *fail)
{
	*address = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof(address->sun_path))
		return fail_set(fail, -ENAMETOOLONG,
				"%s: a socket's path has at most 107 characters; give --control a "
				"shorter one",
				path);
	strcpy(address->sun_path, path);
	return 0;
}

int ctl_socket_probe(const char *path, struct fail *fail)
{
	struct sockaddr_un address;
	struct stat file;
	int error = fill_address(&address, path, fail);

	if (error != 0)
		return error;
	if (stat(path, &file) != 0)
		return 0;
	if (!S_ISSOCK(file.st_mode))
		return fail_set(fail, -EEXIST,
				"%s: this file is not a socket; move it away, or give --control "
				"another path",
				path);
	if (unix_is_listened_on(path))
		return fail_set(fail, -EADDRINUSE,
				"%s: another vuswitch answers here; stop it, or give --control "
				"another path",
				path);
	return 0;
}

static void ctl_socket_make_folder(const char *path)
{
	char copy[sizeof(((struct sockaddr_un *)0)->sun_path)];

	snprintf(copy, sizeof(copy), "%s", path);
	mkdir(dirname(copy), 0755);
}

static int listen_at(struct ctl_socket *ctl, const char *path, struct fail *fail)
	RUNS_ON(control_thread)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int error;

	if (fd < 0)
		return fail_set(fail, -errno, "%s: no socket: %s", path, strerror(errno));
	ctl->listener = (struct loop_fd){.fd = fd, .ready = ctl_socket_listener_ready};
	ctl_socket_make_folder(path);
	unlink(path);
	/* The mode a socket has when it is bound becomes its file's, less the umask: there is no moment at which others
	 * may connect. */
	if (fchmod(fd, 0660) != 0 ||
	    bind(fd, (struct sockaddr *)&ctl->address, sizeof(ctl->address)) != 0 ||
	    chmod(path, 0660) != 0 || stat(path, &ctl->file) != 0 || listen(fd, CLIENTS_MAX) != 0)
		return fail_set(fail, -errno,
				"%s: the control socket cannot be made: %s; give --control a path "
				"in a folder you may write to",
				path, strerror(errno));
	error = loop_fd_add(ctl->loop, &ctl->listener, EPOLLIN);
	return error == 0 ? 0 : fail_set(fail, error, "%s: %s", path, strerror(-error));
}

void ctl_socket_take_changes(struct ctl_socket *ctl, struct changes *changes)
{
	ctl->changes = changes;
}

int ctl_socket_create(struct loop *loop, const char *path, struct vus_switch *sw,
		      struct ctl_socket **result, struct fail *fail)
{
	int error = ctl_socket_probe(path, fail);
	struct ctl_socket *ctl;

	if (error != 0)
		return error;
	ctl = calloc(1, sizeof(*ctl));
	if (ctl == NULL)
		return fail_set(fail, -ENOMEM, "%s: no memory", path);
	ctl->loop = loop;
	ctl->sw = sw;
	ctl->listener.fd = -1;
	ctl->account = disposal_account_create(loop, "control");
	ctl->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
	for (unsigned int i = 0; i < CLIENTS_MAX; i++)
		ctl->client[i] = (struct ctl_client){.ctl = ctl, .source.fd = -1};
	error = ctl->account != NULL ? fill_address(&ctl->address, path, fail)
				     : fail_set(fail, -ENOMEM, "%s: no memory", path);
	if (error == 0) {
		ctl->events = ctl_events_create(loop, ctl->account);
		ctl->captures = ctl_captures_create(loop, sw);
		error = ctl->events != NULL && ctl->captures != NULL ? listen_at(ctl, path, fail)
								     : fail_set(fail, -ENOMEM, "%s: no memory", path);
	}
	if (error != 0) {
		ctl_socket_destroy(ctl);
		return error;
	}
	*result = ctl;
	return 0;
}

void ctl_socket_destroy(struct ctl_socket *ctl)
{
	struct stat file;

	if (ctl == NULL)
		return;
	for (unsigned int i = 0; i < CLIENTS_MAX; i++)
		client_close(&ctl->client[i]);
	ctl_events_destroy(ctl->events);
	ctl_captures_destroy(ctl->captures);
	if (ctl->listener.fd >= 0) {
		loop_fd_remove(ctl->loop, &ctl->listener);
		disposal_close(ctl->account, ctl->listener.fd);
	}
	if (stat(ctl->address.sun_path, &file) == 0 && file.st_ino == ctl->file.st_ino &&
	    file.st_dev == ctl->file.st_dev)
		unlink(ctl->address.sun_path);
	if (ctl->spare >= 0)
		close(ctl->spare);
	disposal_account_put(ctl->account);
	free(ctl);
}
