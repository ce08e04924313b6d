/* SPDX-License-Identifier: BSD-3-Clause */
/* vuswitch-lane: a stand-in for the lcores, for one virtual machine, from POSTCOPY_LISTEN to POSTCOPY_END.
 *
 * vuswitch starts it when a front end advises that a postcopy migration may come, and sends it requests over a socket
 * (lane_message.h). This thread answers and never touches guest memory; the worker (worker.h) does, and waits for pages
 * that are missing. The program knows one guest's memory and two rings of frames, nothing of the switch, and ends when the
 * socket does.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "memory.h"
#include "sandbox.h"
#include "worker.h"

static struct lane_memory memory = {.uffd = -1};
static struct worker worker;

/* --- answers ----------------------------------------------------------------------------------------------------- */

/* The switch has no use for a lane that cannot answer, nor the lane for a switch that is gone. */
static void say(const struct lane_message *message, int fd)
{
	if (lane_message_send(LANE_SOCKET, message, &fd, fd >= 0, 0) != 0)
		_exit(EXIT_FAILURE);
}

static void lane_answer(const struct lane_message *message, int error)
{
	struct lane_message reply = *message;

	reply.error = error;
	say(&reply, -1);
}

/* Gives the worker something to do, and answers: but for COMMAND_LEAVE, which is answered when it is done. */
static void post(const struct lane_message *message, const struct command *what)
{
	struct command *command = malloc(sizeof(*command));

	if (command == NULL)
		_exit(EXIT_FAILURE);
	*command = *what;
	command->ring = message->ring;
	worker_post(&worker, command);
	if (what->kind != COMMAND_LEAVE)
		lane_answer(message, 0);
}

static void free_conf(const struct virtq_conf *conf)
{
	if (conf != NULL && conf->call_fd >= 0)
		close(conf->call_fd);
	free((void *)(uintptr_t)conf);
}

static void command_done(struct command *command)
{
	struct lane_message message = {.ring = command->ring};

	switch (command->kind) {
	case COMMAND_BROKEN:
		message.request = LANE_RING_BROKEN;
		message.fault = command->fault;
		say(&message, -1);
		break;
	case COMMAND_MAP:
		mem_map_free((struct mem_map *)(uintptr_t)command->map);
		if (command->unmap != NULL)
			munmap(command->unmap, command->unmap_len);
		break;
	case COMMAND_LEAVE:
		free_conf(command->conf);
		message.request = LANE_RING_LEAVE;
		message.base = command->base;
		say(&message, -1);
		break;
	case COMMAND_CALL:
		if (command->conf == NULL && command->call_fd >= 0)
			close(command->call_fd);
		free_conf(command->conf);
		break;
	case COMMAND_HALT:
	case COMMAND_RUN:
		break;
	}
	free(command);
}

static void commands_done(void)
{
	struct command *command;
	uint64_t n;

	if (read(worker.done_fd, &n, sizeof(n)) < 0)
		return;
	while ((command = worker_take(&worker)) != NULL)
		command_done(command);
}

/* --- requests ---------------------------------------------------------------------------------------------------- */

static void uffd(struct lane_message *message)
{
	int fd = lane_memory_uffd(&memory);

	message->error = fd < 0 ? fd : 0;
	say(message, fd);
}

static void map(struct lane_message *message, const int *fds, unsigned int n)
{
	uint64_t address = 0;

	message->error = n != 1 ? -EINVAL
				: lane_memory_map(&memory, &message->region, fds[0], &address);
	message->address = address;
	say(message, -1);
}

static void commit(const struct lane_message *message)
{
	int error = lane_memory_commit(&memory);

	if (error != 0)
		lane_answer(message, error);
	else
		post(message, &(struct command){.kind = COMMAND_MAP, .map = memory.map});
}

static void unmap(const struct lane_message *message)
{
	struct lane_piece left;
	int error = lane_memory_remove(&memory, &message->region, &left);

	if (error != 0)
		lane_answer(message, error);
	else
		post(message, &(struct command){
				      .kind = COMMAND_MAP,
				      .map = memory.map,
				      .unmap = left.at,
				      .unmap_len = left.region.len,
			      });
}

/* True if the descriptor is the ring's from now on. */
static bool run_ring(const struct lane_message *message, int call_fd)
{
	const struct virtq_setup setup = {
		.size = message->setup.size,
		.desc_uva = message->setup.desc_uva,
		.avail_uva = message->setup.avail_uva,
		.used_uva = message->setup.used_uva,
		.features = message->setup.features,
		.call_fd = call_fd,
	};
	struct virtq_conf *conf = memory.map == NULL ? NULL
						     : virtq_conf_create(&setup, memory.map);

	if (conf == NULL) {
		lane_answer(message, memory.map == NULL ? -EFAULT : -errno);
		return false;
	}
	post(message, &(struct command){
			      .kind = COMMAND_RUN,
			      .conf = conf,
			      .base = message->setup.base,
			      .discards = message->setup.discards,
		      });
	return true;
}

static void lane_handle(struct lane_message *message, int *fds, unsigned int n)
{
	int fd = n > 0 ? fds[0] : -1;
	bool keep = false;

	if (message->ring >= VHOST_RINGS_MAX)
		_exit(EXIT_FAILURE);
	switch (message->request) {
	case LANE_UFFD:
		uffd(message);
		break;
	case LANE_MAP:
		map(message, fds, n);
		break;
	case LANE_COMMIT:
		commit(message);
		break;
	case LANE_UNMAP:
		unmap(message);
		break;
	case LANE_RING_RUN:
		keep = run_ring(message, fd);
		break;
	case LANE_HALT:
		post(message, &(struct command){.kind = COMMAND_HALT});
		break;
	case LANE_RING_LEAVE:
		post(message, &(struct command){.kind = COMMAND_LEAVE});
		break;
	case LANE_RING_CALL:
		post(message, &(struct command){.kind = COMMAND_CALL, .call_fd = fd});
		keep = true;
		break;
	case LANE_PING:
		lane_answer(message, 0);
		break;
	default:
		_exit(EXIT_FAILURE);
	}
	for (unsigned int i = keep ? 1 : 0; i < n; i++)
		close(fds[i]);
}

/* --- life -------------------------------------------------------------------------------------------------------- */

static void request_came(void)
{
	struct lane_message message;
	int fds[LANE_FDS_MAX];
	unsigned int n;

	/* The switch is gone, or has let go of us: nothing is left to be done, and the worker may be waiting for a
	 * page that never comes. */
	if (lane_message_receive(LANE_SOCKET, &message, fds, &n, MSG_DONTWAIT) <= 0)
		_exit(EXIT_SUCCESS);
	lane_handle(&message, fds, n);
}

/* The first message says who we are: 0 or -errno. */
static int lane_begin(void)
{
	struct lane_message hello;
	struct lane_shared *shared;
	int fds[LANE_FDS_MAX], error;
	unsigned int n;

	error = lane_message_receive(LANE_SOCKET, &hello, fds, &n, 0);
	if (error <= 0 || hello.request != LANE_HELLO || n != 2)
		return error < 0 ? error : -EPROTO;
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED, fds[0], 0);
	if (shared == MAP_FAILED)
		return -errno;
	close(fds[0]);
	/* Naps as short as they are meant to be; the worker inherits it. */
	prctl(PR_SET_TIMERSLACK, 1000, 0, 0, 0);
	error = worker_start(&worker, shared, fds[1]);
	if (error == 0)
		error = sandbox_enter();
	lane_answer(&hello, error);
	return error;
}

int main(void)
{
	int type, error;
	socklen_t len = sizeof(type);

	if (getsockopt(LANE_SOCKET, SOL_SOCKET, SO_TYPE, &type, &len) != 0 ||
	    type != SOCK_SEQPACKET) {
		fputs("vuswitch-lane is a part of vuswitch, which starts it; nobody starts it by hand\n", stderr);
		return 2;
	}
	error = lane_begin();
	while (error == 0) {
		struct pollfd fds[] = {
			{.fd = LANE_SOCKET, .events = POLLIN},
			{.fd = worker.done_fd, .events = POLLIN},
		};

		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			break;
		if (fds[1].revents != 0)
			commands_done();
		if (fds[0].revents != 0)
			request_came();
	}
	_exit(EXIT_FAILURE);
}
