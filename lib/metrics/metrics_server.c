/* SPDX-License-Identifier: BSD-3-Clause */
#include "metrics_server.h"

#include <errno.h>
#include <microhttpd.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "doorbell.h"
#include "metrics_text.h"
#include "thread_kind.h"

enum {
	/* Of a request's head: what is longer is refused. */
	CONNECTION_BYTES = 16 * 1024,
};

/* A connection. */
struct place {
	int fd;	       /* libmicrohttpd's; -1: a free place */
	uint64_t turn; /* server->turns when it last asked */
};

struct metrics_server {
	struct metrics_server_options options;
	struct metrics_listener listener; /* control's */
	struct MHD_Daemon *daemon;	  /* the thread's, once that runs */
	struct doorbell bell;
	atomic_bool ends;
	atomic_uint holders; /* control and the thread */

	pthread_mutex_t lock; /* held for a few instructions */
	pthread_cond_t given;
	/* With the lock. */
	void (*ask)(void *arg); /* NULL: it is the end */
	bool asked;		/* and nothing was given yet */
	struct metrics_set *next;
	uint64_t next_cost_ns;

	/* The thread's. */
	struct metrics_set *set;
	uint64_t stale_ns; /* when it is too old */
	struct MHD_Response *response[METRICS_FORMS];
	struct place place[METRICS_PLACES];
	uint64_t turns;
	bool closed; /* a place has become free */
};

/* --- the set: on the thread -------------------------------------------------------------------------------------- */

static void forget_set(struct metrics_server *server)
{
	for (unsigned int i = 0; i < METRICS_FORMS; i++) {
		if (server->response[i] != NULL)
			MHD_destroy_response(server->response[i]);
		server->response[i] = NULL;
	}
	metrics_set_free(server->set);
	server->set = NULL;
}

/* With the lock. */
static void wait_for_set(struct metrics_server *server)
{
	struct timespec end;
	uint64_t end_ns = clock_ns() + METRICS_ANSWER_MS * NS_PER_MS;
	int error = 0;

	end = (struct timespec){.tv_sec = (time_t)(end_ns / NS_PER_S),
				.tv_nsec = (long)(end_ns % NS_PER_S)};
	while (server->asked && server->ask != NULL && error == 0)
		error = pthread_cond_timedwait(&server->given, &server->lock, &end);
}

/* Has a set that is fresh. False: control has not given one. */
static bool have_set(struct metrics_server *server)
{
	struct metrics_set *set;
	uint64_t rest_ns;

	if (server->set != NULL && clock_ns() < server->stale_ns)
		return true;
	forget_set(server);
	pthread_mutex_lock(&server->lock);
	/* One that came too late for whoever had asked was made a while ago. */
	if (server->next != NULL) {
		set = server->next;
		server->next = NULL;
		metrics_set_free(set);
	}
	if (!server->asked && server->ask != NULL) {
		server->asked = true;
		server->ask(server->options.arg);
	}
	wait_for_set(server);
	server->set = server->next;
	server->next = NULL;
	rest_ns = METRICS_REST * server->next_cost_ns;
	pthread_mutex_unlock(&server->lock);
	if (rest_ns < METRICS_FRESH_MS * NS_PER_MS)
		rest_ns = METRICS_FRESH_MS * NS_PER_MS;
	server->stale_ns = clock_ns() + rest_ns;
	return server->set != NULL;
}

/* NULL: no memory, or control has not answered. It is the server's. */
static struct MHD_Response *response_of(struct metrics_server *server, enum metrics_form form)
{
	static const char *const types[METRICS_FORMS] = {
		[METRICS_OPENMETRICS] = METRICS_OPENMETRICS_TYPE,
		[METRICS_PROMETHEUS] = METRICS_PROMETHEUS_TYPE,
	};
	struct metrics_text text = {0};

	if (!have_set(server))
		return NULL;
	if (server->response[form] != NULL)
		return server->response[form];
	metrics_text_write(&text, server->set, form);
	if (text.failed) {
		free(text.bytes);
		return NULL;
	}
	server->response[form] =
		MHD_create_response_from_buffer(text.n, text.bytes, MHD_RESPMEM_MUST_FREE);
	if (server->response[form] == NULL)
		free(text.bytes);
	else
		MHD_add_response_header(server->response[form], MHD_HTTP_HEADER_CONTENT_TYPE,
					types[form]);
	return server->response[form];
}

/* --- HTTP: called by libmicrohttpd, on the thread ---------------------------------------------------------------- */

static enum MHD_Result say(struct MHD_Connection *connection, unsigned int status,
			   const char *words)
{
	/* libmicrohttpd takes it without const, and does not change it. */
	struct MHD_Response *response = MHD_create_response_from_buffer(
		strlen(words), (void *)(uintptr_t)words, MHD_RESPMEM_PERSISTENT);
	enum MHD_Result result;

	if (response == NULL)
		return MHD_NO;
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE,
				"text/plain; charset=utf-8");
	if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
		MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
	result = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return result;
}

/* OpenMetrics, but for a reader that asks for the format before it and for no other. */
static enum metrics_form form_for(struct MHD_Connection *connection)
{
	const char *accept =
		MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_ACCEPT);

	return accept != NULL && strstr(accept, "text/plain") != NULL &&
			       strstr(accept, "application/openmetrics-text") == NULL
		       ? METRICS_PROMETHEUS
		       : METRICS_OPENMETRICS;
}

static enum MHD_Result answer(void *arg, struct MHD_Connection *connection, const char *url,
			      const char *method, const char *version, const char *upload,
			      size_t *upload_n, void **context)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	struct metrics_server *server = arg;
	struct MHD_Response *response;
	struct place *place = info != NULL ? info->socket_context : NULL;

	(void)version, (void)upload;
	if (place != NULL)
		place->turn = ++server->turns;
	/* What is answered before its body has come ends the connection. */
	if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
		return say(connection, MHD_HTTP_METHOD_NOT_ALLOWED,
			   "metrics can be read (GET), and nothing else\n");
	/* The first call is about the head, the last about the whole of a request, which has no
	 * body to speak of. */
	if (*context == NULL || *upload_n > 0) {
		*context = server;
		*upload_n = 0;
		return MHD_YES;
	}
	if (strcmp(url, "/metrics") != 0)
		return say(connection, MHD_HTTP_NOT_FOUND,
			   "there is nothing here; metrics are at /metrics\n");
	response = response_of(server, form_for(connection));
	if (response == NULL)
		return say(connection, MHD_HTTP_SERVICE_UNAVAILABLE,
			   "the switch has not answered within a second; ask again\n");
	return MHD_queue_response(connection, MHD_HTTP_OK, response);
}

/* Another connection may come while one place is free: the one that has asked for nothing for
 * longest makes it so. */
static void keep_a_place(struct metrics_server *server)
{
	struct place *oldest = NULL;

	for (unsigned int i = 0; i < METRICS_PLACES; i++) {
		struct place *place = &server->place[i];

		if (place->fd < 0)
			return;
		if (oldest == NULL || place->turn < oldest->turn)
			oldest = place;
	}
	shutdown(oldest->fd, SHUT_RDWR);
}

static void connection_changed(void *arg, struct MHD_Connection *connection, void **context,
			       enum MHD_ConnectionNotificationCode what)
{
	struct metrics_server *server = arg;
	const union MHD_ConnectionInfo *info;
	struct place *place = *context;

	if (what == MHD_CONNECTION_NOTIFY_CLOSED) {
		if (place != NULL)
			place->fd = -1;
		server->closed = true;
		return;
	}
	info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	for (unsigned int i = 0; i < METRICS_PLACES && place == NULL; i++)
		if (server->place[i].fd < 0)
			place = &server->place[i];
	if (place == NULL || info == NULL)
		return;
	*place = (struct place){.fd = info->connect_fd, .turn = ++server->turns};
	*context = place;
	keep_a_place(server);
}

/* --- the thread -------------------------------------------------------------------------------------------------- */

static void release(struct metrics_server *server)
{
	/* Pairs with the other holder's release(): what it has written comes before the server is
	 * freed. */
	if (atomic_fetch_sub_explicit(&server->holders, 1, memory_order_acq_rel) > 1)
		return;
	metrics_set_free(server->next);
	doorbell_fini(&server->bell);
	pthread_mutex_destroy(&server->lock);
	pthread_cond_destroy(&server->given);
	free(server);
}

static void *metrics_server_main(void *arg)
{
	struct metrics_server *server = arg;
	const union MHD_DaemonInfo *info =
		MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	struct pollfd fds[2] = {{.fd = server->bell.fd, .events = POLLIN},
				{.fd = info->epoll_fd, .events = POLLIN}};
	sigset_t all;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, NULL);
	pthread_setaffinity_np(pthread_self(), sizeof(server->options.cpus), &server->options.cpus);
	thread_begins(THREAD_METRICS);
	doorbell_arm(&server->bell);
	while (!atomic_load(&server->ends)) {
		MHD_UNSIGNED_LONG_LONG wait_ms;
		int timeout_ms =
			MHD_get_timeout(server->daemon, &wait_ms) == MHD_YES ? (int)wait_ms : -1;

		poll(fds, 2, timeout_ms);
		/* It stops listening while all places are taken, and begins again only in the run
		 * after the one that frees one. */
		do {
			server->closed = false;
			MHD_run(server->daemon);
		} while (server->closed);
	}
	MHD_stop_daemon(server->daemon);
	forget_set(server);
	release(server);
	return NULL;
}

/* --- control ----------------------------------------------------------------------------------------------------- */

static int listen_at(struct metrics_server *server, struct fail *fail) RUNS_ON(control_thread)
{
	const struct metrics_server_options *options = &server->options;
	const char *where = options->path != NULL ? options->path : options->listen;
	int error = options->path != NULL
			    ? metrics_listen_unix(&server->listener, options->path,
						  &options->rights, fail)
			    : metrics_listen_tcp(&server->listener, options->listen, fail);
	int fd = server->listener.fd;

	if (error != 0)
		return error;
	server->daemon = MHD_start_daemon(
		MHD_USE_EPOLL, 0, NULL, NULL, answer, server, MHD_OPTION_LISTEN_SOCKET, fd,
		MHD_OPTION_CONNECTION_LIMIT, (unsigned int)METRICS_PLACES,
		MHD_OPTION_CONNECTION_TIMEOUT, (unsigned int)METRICS_IDLE_S,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_BYTES,
		MHD_OPTION_NOTIFY_CONNECTION, connection_changed, server, MHD_OPTION_END);
	if (server->daemon != NULL)
		return 0;
	metrics_listen_end(&server->listener);
	close(fd);
	return fail_set(fail, -ENOMEM,
			"metrics cannot be read at %s: no memory, or no descriptor is left", where);
}

static int start_thread(struct metrics_server *server, struct fail *fail) RUNS_ON(control_thread)
{
	pthread_t thread;
	int error = -pthread_create(&thread, NULL, metrics_server_main, server);

	if (error == 0) {
		pthread_setname_np(thread, "vus-metrics");
		pthread_detach(thread);
		return 0;
	}
	metrics_listen_end(&server->listener);
	MHD_stop_daemon(server->daemon);
	return fail_set(fail, error, "metrics: no thread: %s", strerror(-error));
}

int metrics_server_create(const struct metrics_server_options *options,
			  struct metrics_server **result, struct fail *fail)
{
	struct metrics_server *server = calloc(1, sizeof(*server));
	pthread_condattr_t attributes;
	int error;

	if (server == NULL)
		return fail_set(fail, -ENOMEM, "metrics: no memory");
	server->options = *options;
	server->ask = options->ask;
	server->listener.fd = server->listener.folder = -1;
	atomic_store(&server->holders, 1);
	for (unsigned int i = 0; i < METRICS_PLACES; i++)
		server->place[i].fd = -1;
	pthread_mutex_init(&server->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&server->given, &attributes);
	pthread_condattr_destroy(&attributes);
	error = doorbell_init(&server->bell);
	if (error != 0) {
		free(server);
		return fail_set(fail, error, "metrics: %s", strerror(-error));
	}
	error = listen_at(server, fail);
	if (error == 0) {
		atomic_store(&server->holders, 2);
		error = start_thread(server, fail);
		if (error != 0)
			atomic_store(&server->holders, 1);
	}
	if (error != 0)
		release(server);
	else
		*result = server;
	return error;
}

void metrics_server_give(struct metrics_server *server, struct metrics_set *set, uint64_t cost_ns)
{
	struct metrics_set *before;

	pthread_mutex_lock(&server->lock);
	before = server->next;
	server->next = set;
	server->next_cost_ns = cost_ns;
	server->asked = false;
	pthread_cond_signal(&server->given);
	pthread_mutex_unlock(&server->lock);
	metrics_set_free(before);
}

void metrics_server_end(struct metrics_server *server)
{
	if (server == NULL)
		return;
	metrics_listen_end(&server->listener);
	pthread_mutex_lock(&server->lock);
	server->ask = NULL;
	pthread_cond_signal(&server->given);
	pthread_mutex_unlock(&server->lock);
	atomic_store(&server->ends, true);
	doorbell_ring(&server->bell);
	release(server);
}
