/* SPDX-License-Identifier: BSD-3-Clause */
#include "lane_process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "lane_program.h"
#include "vus_limits.h"

extern char **environ;

enum {
	/* The kernel's own bound of what is an error. */
	ERRNO_MAX = 4095,
	/* All that can be asked before the lane, which may share our CPU, reads the first: every region and every ring,
	 * at a kilobyte each by the kernel's reckoning. */
	SOCKET_BYTES = 1024 * (MEM_SLOTS_MAX + 2 * VHOST_RINGS_MAX),
};

/* --- beginning --------------------------------------------------------------------------------------------------- */

/* The new process gets a socket and nothing else: no descriptor, no signal that is masked here. */
static int spawn(struct lane_process *lane, const char *path)
{
	char *argv[] = {(char *)"vuswitch-lane", (char *)(uintptr_t)lane->name, NULL};
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	sigset_t none, all;
	int error;

	sigemptyset(&none);
	sigfillset(&all);
	posix_spawn_file_actions_init(&files);
	posix_spawnattr_init(&attr);
	posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_addopen(&files, 1, "/dev/null", O_WRONLY, 0);
	posix_spawn_file_actions_adddup2(&files, lane->lane_socket, LANE_SOCKET);
	posix_spawn_file_actions_addclosefrom_np(&files, LANE_SOCKET + 1);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setsigdefault(&attr, &all);
	/* In a session of its own: it has no terminal, and a ^C there is for the switch. */
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
						POSIX_SPAWN_SETSID);
	error = posix_spawn(&lane->pid, path, &files, &attr, argv, environ);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&files);
	return -error;
}

static int start_process(struct lane_process *lane)
{
	const int bytes = SOCKET_BYTES;
	int ends[2] = {-1, -1}, error;
	struct lane_program_path path;

	error = lane_program_find(&path);
	if (error != 0)
		return error;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
		return -errno;
	lane->socket.fd = ends[0];
	/* As far as the kernel lets us. */
	(void)setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
	/* Not where the spawned end has to be: a descriptor that is in its place already would stay close-on-exec. */
	lane->lane_socket = fcntl(ends[1], F_DUPFD_CLOEXEC, LANE_SOCKET + 1);
	close(ends[1]);
	if (lane->lane_socket < 0)
		return -errno;
	error = spawn(lane, path.text);
	close(lane->lane_socket);
	if (error != 0)
		return error;
	lane->process.fd = (int)syscall(SYS_pidfd_open, lane->pid, 0);
	if (lane->process.fd >= 0)
		return 0;
	error = -errno;
	kill(lane->pid, SIGKILL);
	waitpid(lane->pid, NULL, 0);
	return error;
}

/* On the helper thread: what follows takes a millisecond or two. */
static void start_run(struct loop_job *job)
{
	struct lane_process *lane = container_of(job, struct lane_process, start);

	lane->link = lane_link_create();
	lane->error = lane->link == NULL ? -errno : start_process(lane);
}

/* --- the end ----------------------------------------------------------------------------------------------------- */

static void close_fd(struct loop *loop, struct loop_fd *source) RUNS_ON(control_thread)
{
	if (source->fd < 0)
		return;
	loop_fd_remove(loop, source);
	close(source->fd);
	source->fd = -1;
}

/* No process is there any more, if ever there was one. */
static void lane_process_finish(struct lane_process *lane) RUNS_ON(control_thread)
{
	loop_timer_stop(lane->loop, &lane->ping);
	close_fd(lane->loop, &lane->socket);
	close_fd(lane->loop, &lane->process);
	lane_link_destroy(lane->link);
	lane->link = NULL;
	lane->pid = 0;
	lane->state = LANE_PROCESS_NONE;
	lane->events->gone(lane);
}

/* By its descriptor: the number may be another's by now. */
static void kill_process(struct lane_process *lane)
{
	if (lane->process.fd >= 0)
		syscall(SYS_pidfd_send_signal, lane->process.fd, SIGKILL, NULL, 0);
}

static void lane_process_give_up(struct lane_process *lane, const char *why) RUNS_ON(control_thread)
{
	if (lane->state == LANE_PROCESS_ENDING || lane->state == LANE_PROCESS_NONE)
		return;
	lane->state = LANE_PROCESS_ENDING;
	close_fd(lane->loop, &lane->socket);
	kill_process(lane);
	lane->events->failed(lane, why);
}

bool lane_process_kill(struct lane_process *lane)
{
	if (lane->state == LANE_PROCESS_NONE)
		return false;
	/* One that is still starting is ended when it has. */
	if (lane->state == LANE_PROCESS_ENTERING || lane->state == LANE_PROCESS_READY) {
		close_fd(lane->loop, &lane->socket);
		kill_process(lane);
	}
	lane->state = LANE_PROCESS_ENDING;
	return true;
}

static void process_ended(struct loop_fd *source, uint32_t events VUS_UNUSED)
{
	struct lane_process *lane = container_of(source, struct lane_process, process);
	siginfo_t info = {0};
	char why[96];

	role_assert_control();
	waitid((idtype_t)P_PIDFD, (id_t)lane->process.fd, &info, WEXITED | WNOHANG);
	snprintf(why, sizeof(why), "the lane ended by itself (%s %d)",
		 info.si_code == CLD_EXITED ? "exit status" : "signal", info.si_status);
	lane_process_give_up(lane, why);
	lane_process_finish(lane);
}

/* --- conversation ------------------------------------------------------------------------------------------------ */

static void now_owed(struct lane_process *lane, const struct lane_message *message)
{
	const uint32_t ring = UINT32_C(1) << message->ring;

	lane->owed[message->request]++;
	if (message->request == LANE_RING_LEAVE)
		lane->leaving |= ring;
	if (message->request == LANE_RING_RUN)
		lane->may_break |= ring;
}

/* Whether it may say so now: each answer was asked for, and a ring breaks once for each time it is run. A lane can thus
 * neither flood us nor make us believe that something is done which is not. */
static bool was_owed(struct lane_process *lane, const struct lane_message *message, int fd)
{
	uint32_t *rings = message->request == LANE_RING_LEAVE	 ? &lane->leaving
			  : message->request == LANE_RING_BROKEN ? &lane->may_break
								 : NULL;

	if (message->request >= LANE_REQUESTS || message->ring >= VHOST_RINGS_MAX ||
	    message->error > 0 || message->error < -ERRNO_MAX ||
	    (message->request == LANE_UFFD && message->error == 0 && fd < 0))
		return false;
	if (rings != NULL && (*rings >> message->ring & 1) == 0)
		return false;
	if (rings != NULL)
		*rings &= ~(UINT32_C(1) << message->ring);
	return message->request == LANE_RING_BROKEN || lane->owed[message->request]-- > 0;
}

static void understand(struct lane_process *lane, const struct lane_message *message, int *fd)
	RUNS_ON(control_thread)
{
	lane->silent_s = 0;
	if (message->request == LANE_PING)
		return;
	if (message->request != LANE_HELLO) {
		lane->events->answered(lane, message, fd);
	} else if (message->error != 0) {
		lane_process_give_up(lane, "the lane could not enter its sandbox");
	} else {
		lane->state = LANE_PROCESS_READY;
		lane->events->ready(lane);
	}
}

static void lane_process_message_came(struct loop_fd *source, uint32_t events VUS_UNUSED)
{
	struct lane_process *lane = container_of(source, struct lane_process, socket);
	int fds[LANE_FDS_MAX] = {-1, -1}, got;
	struct lane_message message;
	unsigned int n;

	role_assert_control();
	got = lane_message_receive(source->fd, &message, fds, &n, MSG_DONTWAIT);
	if (got == -EAGAIN)
		return;
	if (got == 1 && was_owed(lane, &message, fds[0]))
		understand(lane, &message, &fds[0]);
	else
		lane_process_give_up(lane, got == 0 ? "the lane hung up" : "the lane said what makes no sense");
	for (unsigned int i = 0; i < n; i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

void lane_process_ask(struct lane_process *lane, const struct lane_message *message, int fd)
{
	int error = -ENOTCONN;

	now_owed(lane, message);
	if (lane->state == LANE_PROCESS_READY)
		error = lane_message_send(lane->socket.fd, message, &fd, fd >= 0, MSG_DONTWAIT);
	/* A lane that does not read is as good as dead: its end is noticed in the loop. */
	if (error != 0)
		kill_process(lane);
}

static void ping_due(struct loop_timer *timer)
{
	struct lane_process *lane = container_of(timer, struct lane_process, ping);
	const struct lane_message ping = {.request = LANE_PING};

	role_assert_control();
	if (++lane->silent_s > LANE_DEADLINE_S) {
		lane_process_give_up(lane, "the lane does not answer");
		return;
	}
	if (lane->state == LANE_PROCESS_READY)
		lane_process_ask(lane, &ping, -1);
	loop_timer_start(lane->loop, &lane->ping, NS_PER_S);
}

static int say_hello(struct lane_process *lane)
{
	const struct lane_message hello = {.request = LANE_HELLO};
	const int fds[] = {lane->link->memory_fd, lane->link->wake_fd};

	now_owed(lane, &hello);
	return lane_message_send(lane->socket.fd, &hello, fds, 2, MSG_DONTWAIT);
}

/* A process whose end would go unnoticed is ended on the spot. */
static int watch_process(struct lane_process *lane) RUNS_ON(control_thread)
{
	int error = loop_fd_add(lane->loop, &lane->process, EPOLLIN);

	if (error != 0) {
		kill_process(lane);
		waitid((idtype_t)P_PIDFD, (id_t)lane->process.fd, &(siginfo_t){0}, WEXITED);
		close(lane->process.fd);
		lane->process.fd = -1;
	}
	return error;
}

static void start_done(struct loop_job *job)
{
	struct lane_process *lane = container_of(job, struct lane_process, start);
	int error = lane->error;
	char why[128];

	role_assert_control();
	if (error == 0)
		error = watch_process(lane);
	if (error == 0)
		error = loop_fd_add(lane->loop, &lane->socket, EPOLLIN);
	if (error == 0)
		error = say_hello(lane);
	if (error == 0 && lane->state == LANE_PROCESS_STARTING) {
		lane->state = LANE_PROCESS_ENTERING;
		lane->silent_s = 0;
		loop_timer_start(lane->loop, &lane->ping, NS_PER_S);
		return;
	}
	kill_process(lane);
	if (lane->state == LANE_PROCESS_STARTING) {
		lane->state = LANE_PROCESS_ENDING;
		snprintf(why, sizeof(why), "the lane could not be started: %s", strerror(-error));
		lane->events->failed(lane, why);
	}
	/* Where there is a process its end is noticed; where there is none, this is the end. */
	if (lane->process.fd < 0)
		lane_process_finish(lane);
}

void lane_process_init(struct lane_process *lane, struct loop *loop, const char *name,
		   const struct lane_process_events *events)
{
	*lane = (struct lane_process){
		.loop = loop,
		.name = name,
		.events = events,
		.process = {.fd = -1, .ready = process_ended},
		.socket = {.fd = -1, .ready = lane_process_message_came},
		.ping = {.fire = ping_due},
		.start = {.run = start_run, .done = start_done},
	};
}

void lane_process_start(struct lane_process *lane)
{
	lane->state = LANE_PROCESS_STARTING;
	memset(lane->owed, 0, sizeof(lane->owed));
	lane->leaving = lane->may_break = 0;
	lane->error = 0;
	loop_job_start(lane->loop, &lane->start);
}

struct lane_link *lane_process_take_link(struct lane_process *lane)
{
	struct lane_link *link = lane->link;

	lane->link = NULL;
	return link;
}
