/* SPDX-License-Identifier: BSD-3-Clause */
#include "lcore_bell.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "clock.h"
#include "lcore_private.h"
#include "thread_kind.h"

/* Above BELL_BUSY turns in BELL_REST_US each, the bell rests before the next one. */
enum { BELL_EVENTS = 64, BELL_REST_US = 50, BELL_BUSY = 16 };

static struct {
	int epoll_fd; /* lcores' sets, and its own doorbell */
	struct doorbell end;
	pthread_t thread;
	bool runs;
	atomic_bool stop;
} bell = {.epoll_fd = -1, .end = {.fd = -1}};

/* --- the thread -------------------------------------------------------------------------------------------------- */

void bell_mark(struct lcore *lc, uint16_t slot)
{
	struct lcore_rung *rung = &lc->rung;

	atomic_fetch_or(&rung->place[slot / 64], UINT64_C(1) << slot % 64);
	atomic_fetch_or(&rung->word[slot / 4096], UINT64_C(1) << slot / 64 % 64);
	/* Pairs with lcore_answer(): the bits before the flag. */
	atomic_store(&rung->any, true);
}

/* Takes what its set has to tell. */
static void bell_drain(struct lcore *lc)
{
	struct epoll_event events[BELL_EVENTS];
	bool rung = false;
	int n;

	do {
		n = epoll_wait(lc->epoll_fd, events, BELL_EVENTS, 0);
		for (int i = 0; i < n; i++) {
			if (events[i].data.u64 == BELL_OF_LCORE)
				continue;
			bell_mark(lc, (uint16_t)events[i].data.u64);
			rung = true;
		}
	} while (n == BELL_EVENTS);
	if (rung)
		doorbell_ring(&lc->bell);
}

/* Somebody rings faster than the bell should run. */
static void rest_if_busy(uint64_t *turns_ns)
{
	const struct timespec rest = {.tv_nsec = BELL_REST_US * 1000};
	struct pollfd end = {.fd = bell.end.fd, .events = POLLIN};
	uint64_t now = clock_ns(), floor = now - BELL_BUSY * BELL_REST_US * UINT64_C(1000);

	/* Each turn takes up BELL_REST_US; BELL_BUSY of them may be taken up beforehand. */
	*turns_ns = (*turns_ns > floor ? *turns_ns : floor) + BELL_REST_US * 1000;
	if (*turns_ns > now)
		ppoll(&end, 1, &rest, NULL);
}

static void *bell_main(void *arg VUS_UNUSED)
{
	struct epoll_event events[BELL_EVENTS];
	uint64_t turns_ns = 0;

	thread_begins(THREAD_BELL);
	while (!atomic_load(&bell.stop)) {
		int n = epoll_wait(bell.epoll_fd, events, BELL_EVENTS, -1);

		for (int i = 0; i < n; i++)
			if (events[i].data.ptr != NULL)
				bell_drain(events[i].data.ptr);
		rest_if_busy(&turns_ns);
	}
	return NULL;
}

void bell_listen(struct lcore *lc, bool on)
{
	struct epoll_event event = {.events = on ? EPOLLIN | EPOLLET : 0, .data = {.ptr = lc}};

	epoll_ctl(bell.epoll_fd, EPOLL_CTL_MOD, lc->epoll_fd, &event);
	lc->rest.bell_on = on;
}

/* --- life -------------------------------------------------------------------------------------------------------- */

int bell_init(void)
{
	struct epoll_event event = {.events = EPOLLIN, .data = {.ptr = NULL}};
	int error = doorbell_init(&bell.end);

	if (error != 0)
		return error;
	bell.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (bell.epoll_fd < 0 || epoll_ctl(bell.epoll_fd, EPOLL_CTL_ADD, bell.end.fd, &event) != 0)
		return -errno;
	return 0;
}

void bell_fini(void)
{
	doorbell_fini(&bell.end);
	if (bell.epoll_fd >= 0)
		close(bell.epoll_fd);
	bell.epoll_fd = -1;
}

int bell_add(struct lcore *lc)
{
	struct epoll_event event = {.events = 0, .data = {.ptr = lc}};

	return epoll_ctl(bell.epoll_fd, EPOLL_CTL_ADD, lc->epoll_fd, &event) != 0 ? -errno : 0;
}

int bell_start(void)
{
	sigset_t all, before;
	int error;

	sigfillset(&all);
	atomic_store(&bell.stop, false);
	doorbell_disarm(&bell.end);
	doorbell_arm(&bell.end);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	error = -pthread_create(&bell.thread, NULL, bell_main, NULL);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	bell.runs = error == 0;
	if (bell.runs)
		pthread_setname_np(bell.thread, "vus-bell");
	return error;
}

void bell_stop(void)
{
	if (!bell.runs)
		return;
	atomic_store(&bell.stop, true);
	doorbell_ring(&bell.end);
	pthread_join(bell.thread, NULL);
	bell.runs = false;
}
