/* SPDX-License-Identifier: BSD-3-Clause */
#include "fg_waiters.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <unistd.h>

int fg_waiters_open(struct fg_waiters *w, int fd)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLET};

	w->copies = w->sets = 0;
	for (; w->copies < FG_WAITERS_SIDE; w->copies++) {
		w->copy[w->copies] = fcntl(fd, F_DUPFD_CLOEXEC, 0);
		if (w->copy[w->copies] < 0)
			return -errno;
	}
	for (; w->sets < FG_WAITERS_SIDE; w->sets++) {
		w->set[w->sets] = epoll_create1(EPOLL_CLOEXEC);
		if (w->set[w->sets] < 0)
			return -errno;
		for (unsigned int i = 0; i < w->copies; i++)
			if (epoll_ctl(w->set[w->sets], EPOLL_CTL_ADD, w->copy[i], &event) != 0)
				return -errno;
	}
	return 0;
}

void fg_waiters_close(struct fg_waiters *w)
{
	while (w->sets > 0)
		close(w->set[--w->sets]);
	while (w->copies > 0)
		close(w->copy[--w->copies]);
}
