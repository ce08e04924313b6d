/* SPDX-License-Identifier: BSD-3-Clause */
/* disposal_private.h: accounts and threads from inside; disposal.c and disposal_account.c only.
 *
 * Context: any thread, with the lock of the disposal, unless said otherwise.
 */
#ifndef VUS_DISPOSAL_PRIVATE_H
#define VUS_DISPOSAL_PRIVATE_H

#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <sys/queue.h>

#include "clock.h"
#include "disposal.h"
#include "log.h"
#include "vus_limits.h"

enum {
	/* Where the brief call of an account is among those that run. */
	BRIEF = DISPOSAL_THREADS,
	/* Closing jobs that an account brings along, so that closing needs no memory in ordinary times. */
	OWN_CLOSES = 16,
};

struct close_job {
	struct disposal_job job;
	struct close_job *next_free;
	bool own; /* one of its account's OWN_CLOSES */
};

/* A call that is being made. The job itself may be gone by now. */
struct running {
	uint64_t since_ns; /* 0: a free place */
	const char *what;
	int fd;
	bool blocks; /* jobs about the same descriptor wait for it */
	bool weighed, closes;
	bool late;
};

struct disposal_account {
	struct disposal *disposal;
	LIST_ENTRY(disposal_account) account_link;
	struct disposal_account *next_queued;
	unsigned int refs; /* the owner, who holds it, each job, and the call of `notify` */
	char name[64];
	struct log_limit log;
	struct disposal_job *queue, **queue_tail;
	bool in_place; /* control's */
	bool queued; /* in disposal->queued, as long as its queue is not empty */
	unsigned int waiting, running_n; /* without the brief ones */
	unsigned int brief_waiting;
	struct running running[DISPOSAL_THREADS + 1];
	uint64_t done, late;
	/* Late calls that came back since the last look. */
	unsigned int returned;
	uint64_t returned_ns;
	struct close_job own[OWN_CLOSES];
	struct close_job *free_closes;
	bool full; /* as `changed` was told last */
	bool waited_for; /* disposal_full() said that it is, and `changed` was not called since */
	bool notifying;
	struct loop_call notify;
	void (*changed)(void *arg); /* control's, as its argument is */
	void *changed_arg;
	/* CPU time of its slow calls, and when the last one ended: what is more than the bound is told. */
	uint64_t slow_ns, slowed_ns;
	struct disposal_slow slow; /* that used it up, since `tell_slow` was called; ns 0: none did */
	void (*tell_slow)(void *arg, const struct disposal_slow *slow); /* control's, as its argument is */
	void *slow_arg;
};

/* It outlives the loop for as long as a lost thread does. All below is under the lock, which is held for a few
 * instructions, and never while a job runs; no lcore takes it. */
struct disposal {
	pthread_mutex_t lock;
	/* For idle threads. Not a condition variable: there, waking one may wait for another that was woken and has no CPU. */
	sem_t more;
	pthread_cond_t ended; /* for the end: a call came back, or a thread has ended */
	struct loop *loop; /* NULL: it is gone */
	bool ending; /* disposal_destroy() waits on `ended` */
	unsigned int refs; /* the loop, each account, each thread */
	unsigned int threads, idle;
	unsigned int due; /* jobs that need a thread now: in a queue, within their account's quota */
	LIST_HEAD(, disposal_account) accounts;
	struct disposal_account *queued, **queued_tail;
	struct loop_timer look;
	/* Control's: jobs that were made in place, with a done() that is due. */
	struct disposal_job *made, **made_tail;
	struct loop_timer tell_made;
	bool placed; /* threads move to `cpus` as they begin */
	cpu_set_t cpus;
};

/* Drops a reference, and unlocks. */
void disposal_unref(struct disposal *disposal);
/* The disposal is kept by whoever calls: the loop, or a thread. */
void disposal_account_unref(struct disposal_account *account);

/* Calls are made, or wait. */
bool disposal_account_busy(const struct disposal_account *account);
/* The owner is told if there is something to tell: fullness that changed, a call that took long. */
void disposal_account_notify(struct disposal_account *account);
/* Logs calls that have not come back for too long, each once, and those that have after all. */
void disposal_account_report(struct disposal_account *account, uint64_t now);
/* "vm1 (4), vm2 (1)" of all accounts, and the sum. */
unsigned int disposal_accounts_running(const struct disposal *disposal, char *text, size_t size);

#endif
