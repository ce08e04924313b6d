/* SPDX-License-Identifier: BSD-3-Clause */
#include "vhu_lane.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "vus_limits.h"
#include "vus_paths.h"

extern char **environ;

/* --- whether it can be ------------------------------------------------------------------------------------------- */

/* Beside this program's build folder, then where both are installed; relative, so that a tree can be moved. */
static int find_program(char *path, size_t size)
{
	static const char *const places[] = {
		"../lane/vuswitch-lane",
		"../libexec/vuswitch/vuswitch-lane",
	};
	char self[512];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	self[n > 0 ? n : 0] = '\0';
	*(strrchr(self, '/') != NULL ? strrchr(self, '/') + 1 : self) = '\0';
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		if (snprintf(path, size, "%s%s", self, places[i]) < (int)size &&
		    access(path, X_OK) == 0)
			return 0;
	}
	snprintf(path, size, "%s", VUS_LANE_PROGRAM);
	return access(path, X_OK) == 0 ? 0 : -errno;
}

/* A userfaultfd as the lane will make it, with shared memory and huge pages, and at once closed again. */
static int try_faults(struct fail *fail)
{
	const uint64_t needed = UFFD_FEATURE_MISSING_SHMEM | UFFD_FEATURE_MISSING_HUGETLBFS;
	struct uffdio_api api = {.api = UFFD_API};
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE_ONLY);
	int error;

	if (fd < 0 && errno == EPERM)
		return fail_set(fail, -EPERM,
				"userfaultfd(2) is forbidden to this process: allow it in the seccomp "
				"profile of its container or service");
	if (fd < 0)
		return fail_set(fail, -errno,
				"this kernel has no userfaultfd for user-mode faults: it takes Linux 5.11 "
				"with CONFIG_USERFAULTFD");
	error = ioctl(fd, UFFDIO_API, &api) != 0 ? -errno : 0;
	close(fd);
	if (error == 0 && (api.features & needed) == needed)
		return 0;
	return fail_set(fail, -EOPNOTSUPP,
			"this kernel's userfaultfd does not know shared memory and huge pages");
}

int vhu_lane_possible(struct fail *fail)
{
	char path[512];
	int error = find_program(path, sizeof(path));

	if (error != 0)
		return fail_set(fail, error, "the program vuswitch-lane is not at %s: install it there",
				path);
	return try_faults(fail);
}

/* --- beginning --------------------------------------------------------------------------------------------------- */

/* The new process gets a socket and nothing else: no descriptor, no signal that is masked here. */
static int spawn(struct vhu_lane *lane, const char *path)
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
	/* A ^C at the terminal is for the switch. */
	posix_spawnattr_setpgroup(&attr, 0);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
						POSIX_SPAWN_SETPGROUP);
	error = posix_spawn(&lane->pid, path, &files, &attr, argv, environ);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&files);
	return -error;
}

static int start_process(struct vhu_lane *lane)
{
	int ends[2] = {-1, -1}, error;
	char path[512];

	error = find_program(path, sizeof(path));
	if (error != 0)
		return error;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
		return -errno;
	lane->socket.fd = ends[0];
	/* Not where the spawned end has to be: a descriptor that is in its place already would stay close-on-exec. */
	lane->lane_socket = fcntl(ends[1], F_DUPFD_CLOEXEC, LANE_SOCKET + 1);
	close(ends[1]);
	if (lane->lane_socket < 0)
		return -errno;
	error = spawn(lane, path);
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
	struct vhu_lane *lane = container_of(job, struct vhu_lane, start);

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
static void finish(struct vhu_lane *lane) RUNS_ON(control_thread)
{
	loop_timer_stop(lane->loop, &lane->ping);
	close_fd(lane->loop, &lane->socket);
	close_fd(lane->loop, &lane->process);
	lane_link_destroy(lane->link);
	lane->link = NULL;
	lane->pid = 0;
	lane->state = VHU_LANE_NONE;
	lane->events->gone(lane);
}

/* By its descriptor: the number may be another's by now. */
static void kill_process(struct vhu_lane *lane)
{
	if (lane->process.fd >= 0)
		syscall(SYS_pidfd_send_signal, lane->process.fd, SIGKILL, NULL, 0);
}

static void give_up(struct vhu_lane *lane, const char *why) RUNS_ON(control_thread)
{
	if (lane->state == VHU_LANE_ENDING || lane->state == VHU_LANE_NONE)
		return;
	lane->state = VHU_LANE_ENDING;
	close_fd(lane->loop, &lane->socket);
	kill_process(lane);
	lane->events->failed(lane, why);
}

bool vhu_lane_end(struct vhu_lane *lane)
{
	if (lane->state == VHU_LANE_NONE)
		return false;
	/* One that is still starting is ended when it has. */
	if (lane->state == VHU_LANE_READY) {
		close_fd(lane->loop, &lane->socket);
		kill_process(lane);
	}
	lane->state = VHU_LANE_ENDING;
	return true;
}

static void process_ended(struct loop_fd *source, uint32_t events VUS_UNUSED)
{
	struct vhu_lane *lane = container_of(source, struct vhu_lane, process);
	siginfo_t info = {0};
	char why[96];

	role_assert_control();
	waitid((idtype_t)P_PIDFD, (id_t)lane->process.fd, &info, WEXITED | WNOHANG);
	snprintf(why, sizeof(why), "the lane ended by itself (%s %d)",
		 info.si_code == CLD_EXITED ? "exit status" : "signal", info.si_status);
	give_up(lane, why);
	finish(lane);
}

/* --- conversation ------------------------------------------------------------------------------------------------ */

static void understand(struct vhu_lane *lane, const struct lane_message *message, int *fd)
	RUNS_ON(control_thread)
{
	lane->silent_s = 0;
	if (message->request == LANE_PING)
		return;
	if (message->request != LANE_HELLO) {
		if (lane->state == VHU_LANE_READY)
			lane->events->answered(lane, message, fd);
	} else if (message->error != 0) {
		give_up(lane, "the lane could not enter its sandbox");
	} else if (lane->state == VHU_LANE_STARTING) {
		lane->state = VHU_LANE_READY;
		lane->events->ready(lane);
	}
}

static void message_came(struct loop_fd *source, uint32_t events VUS_UNUSED)
{
	struct vhu_lane *lane = container_of(source, struct vhu_lane, socket);
	int fds[LANE_FDS_MAX] = {-1, -1}, got;
	struct lane_message message;
	unsigned int n;

	role_assert_control();
	got = lane_message_receive(source->fd, &message, fds, &n, MSG_DONTWAIT);
	if (got == -EAGAIN)
		return;
	if (got == 1 && message.request < LANE_REQUESTS && message.ring < VHOST_RINGS_MAX)
		understand(lane, &message, &fds[0]);
	else
		give_up(lane, got == 0 ? "the lane hung up" : "the lane said what makes no sense");
	for (unsigned int i = 0; i < n; i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

void vhu_lane_ask(struct vhu_lane *lane, const struct lane_message *message, int fd)
{
	int error = -ENOTCONN;

	if (lane->state == VHU_LANE_READY)
		error = lane_message_send(lane->socket.fd, message, &fd, fd >= 0, MSG_DONTWAIT);
	/* A lane that does not read is as good as dead: its end is noticed in the loop, where nobody waits for us. */
	if (error != 0)
		kill_process(lane);
}

static void ping_due(struct loop_timer *timer)
{
	struct vhu_lane *lane = container_of(timer, struct vhu_lane, ping);
	const struct lane_message ping = {.request = LANE_PING};

	role_assert_control();
	if (++lane->silent_s > LANE_DEADLINE_S) {
		give_up(lane, "the lane does not answer");
		return;
	}
	if (lane->state == VHU_LANE_READY)
		vhu_lane_ask(lane, &ping, -1);
	loop_timer_start(lane->loop, &lane->ping, NS_PER_S);
}

static int say_hello(struct vhu_lane *lane)
{
	const struct lane_message hello = {.request = LANE_HELLO};
	const int fds[] = {lane->link->memory_fd, lane->link->wake_fd};

	return lane_message_send(lane->socket.fd, &hello, fds, 2, MSG_DONTWAIT);
}

/* A process whose end would go unnoticed is ended on the spot. */
static int watch_process(struct vhu_lane *lane) RUNS_ON(control_thread)
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
	struct vhu_lane *lane = container_of(job, struct vhu_lane, start);
	int error = lane->error;
	char why[128];

	role_assert_control();
	if (error == 0)
		error = watch_process(lane);
	if (error == 0)
		error = loop_fd_add(lane->loop, &lane->socket, EPOLLIN);
	if (error == 0)
		error = say_hello(lane);
	if (error == 0 && lane->state == VHU_LANE_STARTING) {
		lane->silent_s = 0;
		loop_timer_start(lane->loop, &lane->ping, NS_PER_S);
		return;
	}
	kill_process(lane);
	if (lane->state == VHU_LANE_STARTING) {
		lane->state = VHU_LANE_ENDING;
		snprintf(why, sizeof(why), "the lane could not be started: %s", strerror(-error));
		lane->events->failed(lane, why);
	}
	/* Where there is a process its end is noticed; where there is none, this is the end. */
	if (lane->process.fd < 0)
		finish(lane);
}

void vhu_lane_init(struct vhu_lane *lane, struct loop *loop, const char *name,
		   const struct vhu_lane_events *events)
{
	*lane = (struct vhu_lane){
		.loop = loop,
		.name = name,
		.events = events,
		.process = {.fd = -1, .ready = process_ended},
		.socket = {.fd = -1, .ready = message_came},
		.ping = {.fire = ping_due},
		.start = {.run = start_run, .done = start_done},
	};
}

void vhu_lane_start(struct vhu_lane *lane)
{
	lane->state = VHU_LANE_STARTING;
	lane->error = 0;
	loop_job_start(lane->loop, &lane->start);
}

struct lane_link *vhu_lane_take_link(struct vhu_lane *lane)
{
	struct lane_link *link = lane->link;

	lane->link = NULL;
	return link;
}
