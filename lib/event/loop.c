/* SPDX-License-Identifier: BSD-3-Clause */
#include "loop.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "clock.h"
#include "disposal.h"
#include "loop_private.h"
#include "rcu.h"

/* How soon to look again at readers that have not passed yet: an lcore passes once a burst, in microseconds, unless it
 * shares its CPU with us, in which case it needs us to sleep. */
static const uint64_t RCU_LOOK_FIRST_NS = 10 * NS_PER_US;
static const uint64_t RCU_LOOK_LAST_NS = NS_PER_MS;
/* How soon to try again what the kernel did not do. */
static const uint64_t CHANGE_AGAIN_NS = NS_PER_MS;

struct loop *loop_create(void)
{
	struct loop *loop = calloc(1, sizeof(*loop));
	int error;

	if (loop == NULL)
		return NULL;
	role_assert_control();
	loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epoll_fd < 0) {
		free(loop);
		return NULL;
	}
	loop->disposal = disposal_create(loop);
	error = loop->disposal == NULL ? -ENOMEM : loop_jobs_init(loop);
	if (error != 0) {
		disposal_destroy(loop->disposal);
		close(loop->epoll_fd);
		free(loop);
		errno = -error;
		return NULL;
	}
	return loop;
}

void loop_destroy(struct loop *loop)
{
	if (loop == NULL)
		return;
	role_assert_control();
	disposal_destroy(loop->disposal);
	loop_jobs_fini(loop);
	close(loop->epoll_fd);
	free(loop);
}

int loop_fd_add(struct loop *loop, struct loop_fd *source, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.ptr = source};

	return epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, source->fd, &event) == 0 ? 0 : -errno;
}

static void forget_change(struct loop *loop, const struct loop_fd *source)
{
	for (struct loop_fd **at = &loop->behind; *at != NULL; at = &(*at)->behind) {
		if (*at == source) {
			*at = source->behind;
			return;
		}
	}
}

void loop_fd_change(struct loop *loop, struct loop_fd *source, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.ptr = source};

	forget_change(loop, source);
	if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_MOD, source->fd, &event) == 0)
		return;
	source->wanted = events;
	source->behind = loop->behind;
	loop->behind = source;
}

static void change_again(struct loop *loop) RUNS_ON(control_thread)
{
	struct loop_fd *source = loop->behind, *next;

	for (loop->behind = NULL; source != NULL; source = next) {
		next = source->behind;
		loop_fd_change(loop, source, source->wanted);
	}
}

void loop_fd_remove(struct loop *loop, struct loop_fd *source)
{
	forget_change(loop, source);
	epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, source->fd, NULL);
	for (int i = loop->events_at; i < loop->events_n; i++)
		if (loop->events[i].data.ptr == source)
			loop->events[i].data.ptr = NULL;
}

static void run_events(struct loop *loop, struct epoll_event *events, int n)
{
	loop->events = events;
	loop->events_n = n;
	for (int i = 0; i < n; i++) {
		struct loop_fd *source = events[i].data.ptr;

		loop->events_at = i + 1;
		if (source != NULL)
			source->ready(source, events[i].events);
	}
	loop->events_at = loop->events_n = 0;
}

/* The time this turn may sleep: until the first timer, and not long while an rcu_wait is pending. */
static uint64_t sleep_ns(struct loop *loop, uint64_t timeout_ns, enum rcu_rest rest)
{
	uint64_t sleep = timeout_ns;

	if (loop->timers != NULL) {
		uint64_t now = clock_ns();
		uint64_t due = loop->timers->due_ns;
		uint64_t left = due >= now ? due - now + 1 : 0;

		if (left < sleep)
			sleep = left;
	}
	if (rest == RCU_MORE) {
		loop->rcu_looks = 0;
		return 0;
	}
	if (rest == RCU_WAITS) {
		uint64_t look = RCU_LOOK_FIRST_NS << (loop->rcu_looks < 8 ? loop->rcu_looks : 8);

		if (look > RCU_LOOK_LAST_NS)
			look = RCU_LOOK_LAST_NS;
		loop->rcu_looks++;
		if (look < sleep)
			sleep = look;
	} else {
		loop->rcu_looks = 0;
	}
	if (loop->behind != NULL && sleep > CHANGE_AGAIN_NS)
		sleep = CHANGE_AGAIN_NS;
	return sleep;
}

void loop_turn(struct loop *loop, uint64_t timeout_ns)
{
	struct epoll_event events[LOOP_EVENTS_MAX];
	uint64_t sleep = sleep_ns(loop, timeout_ns, rcu_poll());
	struct timespec ts = {.tv_sec = (time_t)(sleep / NS_PER_S),
			      .tv_nsec = (long)(sleep % NS_PER_S)};
	int n = epoll_pwait2(loop->epoll_fd, events, LOOP_EVENTS_MAX, &ts, NULL);

	loop->began_ns = clock_ns();
	if (n > 0) {
		loop->rcu_looks = 0;
		run_events(loop, events, n);
	}
	change_again(loop);
	loop_run_timers(loop);
	rcu_poll();
	histogram_add(&loop->turns, clock_ns() - loop->began_ns);
}

uint64_t loop_turn_began(const struct loop *loop)
{
	return loop->began_ns;
}

const struct histogram *loop_turns(const struct loop *loop)
{
	return &loop->turns;
}

void loop_place_threads(struct loop *loop, const cpu_set_t *cpus)
{
	loop_jobs_place(loop, cpus);
	disposal_place(loop->disposal, cpus);
}

bool loop_thread_cpus(const struct loop *loop, cpu_set_t *cpus)
{
	*cpus = loop->jobs.cpus;
	return loop->jobs.placed;
}

void loop_run(struct loop *loop)
{
	loop->stopping = false;
	while (!loop->stopping)
		loop_turn(loop, NS_PER_S);
}

void loop_stop(struct loop *loop)
{
	loop->stopping = true;
}
