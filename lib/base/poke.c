/* SPDX-License-Identifier: BSD-3-Clause */
#include "poke.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "clock.h"
#include "lines.h"
#include "role.h"
#include "watch_thread.h"

/* A watched thread. `turn` is its own: odd inside a write. The rest is under the lock. */
struct poker {
	_Alignas(64) _Atomic uint32_t turn;
	pid_t tid; /* 0: the place is free */
	uint32_t seen;
};
WHOLE_LINES(struct poker);

static struct {
	pthread_mutex_t lock; /* never taken by poke() */
	struct poker poker[POKE_THREADS_MAX];
	struct watch_thread watch;
} watchdog = {.lock = PTHREAD_MUTEX_INITIALIZER, .watch = {.bell = {.fd = -1}}};

static _Thread_local struct poker *mine;

/* --- the watchdog ------------------------------------------------------------------------------------------------- */

/* Looks at each thread once: whether one has poked since the last look, or still does. */
static bool poke_look(void)
{
	bool busy = false;

	pthread_mutex_lock(&watchdog.lock);
	for (unsigned int i = 0; i < POKE_THREADS_MAX; i++) {
		struct poker *poker = &watchdog.poker[i];
		uint32_t turn = atomic_load_explicit(&poker->turn, memory_order_relaxed);

		if (poker->tid == 0)
			continue;
		/* Still in the write it was in. One that came back this very moment is interrupted for nothing,
		 * which it is prepared for: a sleep that ends early. */
		if (turn % 2 == 1 && turn == poker->seen)
			syscall(SYS_tgkill, getpid(), poker->tid, SIGURG);
		busy |= turn != poker->seen || turn % 2 == 1;
		poker->seen = turn;
	}
	pthread_mutex_unlock(&watchdog.lock);
	return busy;
}

static void interrupted(int number VUS_UNUSED)
{
}

int poke_watch(void)
{
	struct sigaction action = {.sa_handler = interrupted};

	if (sigaction(SIGURG, &action, NULL) != 0)
		return -errno;
	watchdog.watch.look = poke_look;
	watchdog.watch.period_ms = POKE_PATIENCE_MS;
	watchdog.watch.vigil = POKE_VIGIL;
	watchdog.watch.name = "watchdog";
	return watch_thread_start(&watchdog.watch);
}

void poke_unwatch(void)
{
	watch_thread_stop(&watchdog.watch);
}

/* --- those who poke ----------------------------------------------------------------------------------------------- */

void poke_join(void)
{
	pthread_mutex_lock(&watchdog.lock);
	for (unsigned int i = 0; i < POKE_THREADS_MAX && mine == NULL; i++) {
		if (watchdog.poker[i].tid != 0)
			continue;
		mine = &watchdog.poker[i];
		mine->tid = (pid_t)syscall(SYS_gettid);
		mine->seen = atomic_load(&mine->turn);
	}
	pthread_mutex_unlock(&watchdog.lock);
}

void poke_leave(void)
{
	if (mine == NULL)
		return;
	pthread_mutex_lock(&watchdog.lock);
	mine->tid = 0;
	pthread_mutex_unlock(&watchdog.lock);
	mine = NULL;
}

int poke_once(int fd)
{
	sigset_t urgent, before;
	int error;

	sigemptyset(&urgent);
	sigaddset(&urgent, SIGURG);
	poke_join();
	pthread_sigmask(SIG_UNBLOCK, &urgent, &before);
	error = poke(fd);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	poke_leave();
	return error;
}

int poke(int fd)
{
	const uint64_t one = 1;
	struct poker *poker = mine;
	uint32_t turn;
	int error;

	if (fd < 0)
		return 0;
	if (poker == NULL)
		return write(fd, &one, sizeof(one)) < 0 && errno == EINTR ? -EINTR : 0;
	turn = atomic_load_explicit(&poker->turn, memory_order_relaxed);
	atomic_store_explicit(&poker->turn, turn + 1, memory_order_relaxed);
	/* Its fence comes after that store: a watchdog who goes to sleep sees us, or we see that it sleeps. */
	doorbell_ring(&watchdog.watch.bell);
	error = write(fd, &one, sizeof(one)) < 0 && errno == EINTR ? -EINTR : 0;
	atomic_store_explicit(&poker->turn, turn + 2, memory_order_relaxed);
	return error;
}

/* When the calling thread was asked for its CPU time, and what that was: a system call, so not at each poke. */
static _Thread_local struct {
	uint64_t at_ns, cpu_ns;
} known;

static void know(void)
{
	known.cpu_ns = clock_thread_cpu_ns();
	known.at_ns = clock_ns();
}

int poke_timed(int fd, uint64_t *took_ns)
{
	uint64_t before, ran, passed;
	int error;

	*took_ns = 0;
	if (fd < 0)
		return 0;
	before = clock_ns();
	if (before > known.at_ns + POKE_KNOWN_NS) {
		know();
		before = known.at_ns;
	}
	error = poke(fd);
	*took_ns = clock_ns() - before;
	if (__builtin_expect(*took_ns <= POKE_LONG_NS, 1))
		return error;
	ran = known.cpu_ns;
	passed = known.at_ns;
	know();
	ran = known.cpu_ns - ran;
	passed = known.at_ns - passed;
	if (passed > ran)
		*took_ns -= passed - ran < *took_ns ? passed - ran : *took_ns;
	return error;
}
