/* SPDX-License-Identifier: BSD-3-Clause */
#include "vhu_waiting.h"

#include <poll.h>
#include <string.h>

#include "clock.h"

static int remove_at(struct vhu_waiting *waiting, unsigned int i)
{
	int fd = waiting->place[i].fd;

	waiting->n--;
	memmove(&waiting->place[i], &waiting->place[i + 1], (waiting->n - i) * sizeof(waiting->place[0]));
	return fd;
}

static void vhu_waiting_watch(struct vhu_waiting *waiting) RUNS_ON(control_thread)
{
	uint64_t now = clock_ns();

	if (waiting->n == 0)
		loop_timer_stop(waiting->loop, &waiting->timer);
	else
		loop_timer_start(waiting->loop, &waiting->timer,
				 waiting->place[0].until_ns > now ? waiting->place[0].until_ns - now : 0);
}

static void vhu_waiting_timer_fired(struct loop_timer *timer)
{
	struct vhu_waiting *waiting = container_of(timer, struct vhu_waiting, timer);

	role_assert_control();
	if (waiting->n == 0)
		return;
	waiting->due(waiting, remove_at(waiting, 0));
	vhu_waiting_watch(waiting);
}

void vhu_waiting_init(struct vhu_waiting *waiting, struct loop *loop, struct disposal_account *account,
		      void (*due)(struct vhu_waiting *waiting, int fd))
{
	*waiting = (struct vhu_waiting){.loop = loop, .account = account, .due = due, .timer = {.fire = vhu_waiting_timer_fired}};
}

void vhu_waiting_add(struct vhu_waiting *waiting, int fd)
{
	unsigned int i = waiting->n++;

	waiting->place[i].fd = fd;
	waiting->place[i].until_ns = clock_ns() + VHU_WAITING_MS * NS_PER_MS;
	vhu_waiting_watch(waiting);
}

static short events_of(int fd)
{
	struct pollfd peer = {.fd = fd, .events = POLLIN};

	return poll(&peer, 1, 0) == 1 ? peer.revents : 0;
}

bool vhu_waiting_has_left(int fd)
{
	return (events_of(fd) & POLLHUP) != 0;
}

int vhu_waiting_take(struct vhu_waiting *waiting)
{
	unsigned int first = 0, i = 0;
	int fd = -1;

	while (i < waiting->n)
		if (vhu_waiting_has_left(waiting->place[i].fd))
			disposal_close_socket(waiting->account, remove_at(waiting, i));
		else
			i++;
	/* A front end speaks first. One that is silent does not stand in the way of one that is not. */
	while (first < waiting->n && (events_of(waiting->place[first].fd) & POLLIN) == 0)
		first++;
	if (waiting->n > 0)
		fd = remove_at(waiting, first < waiting->n ? first : 0);
	vhu_waiting_watch(waiting);
	return fd;
}

void vhu_waiting_clear(struct vhu_waiting *waiting)
{
	while (waiting->n > 0)
		disposal_close_socket(waiting->account, remove_at(waiting, 0));
	vhu_waiting_watch(waiting);
}
