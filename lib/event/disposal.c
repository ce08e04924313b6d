/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "disposal_private.h"
#include "loop_private.h"
#include "thread_kind.h"

enum { STACK_BYTES = 256 * 1024 };

/* How often running calls are looked at, while there are any. */
static const uint64_t LOOK_NS = 250 * NS_PER_MS;

void disposal_unref(struct disposal *disposal)
{
	bool last = --disposal->refs == 0;

	pthread_mutex_unlock(&disposal->lock);
	if (!last)
		return;
	pthread_mutex_destroy(&disposal->lock);
	sem_destroy(&disposal->more);
	pthread_cond_destroy(&disposal->ended);
	free(disposal);
}

/* --- threads ----------------------------------------------------------------------------------------------------- */

/* By a call that is being made, or by its owner, who has to hear of one. */
static bool is_blocked_by_calls(const struct disposal_account *account, const struct disposal_job *job)
{
	/* The owner hears of a slow one first. */
	if (job->brief && account->slow.ns != 0 && !account->disposal->ending)
		return true;
	if (job->brief ? account->running[BRIEF].since_ns != 0 : account->running_n == DISPOSAL_THREADS)
		return true;
	for (unsigned int i = 0; i <= BRIEF; i++) {
		const struct running *running = &account->running[i];

		if (running->since_ns != 0 && job->ordered && running->blocks && running->fd == job->fd)
			return true;
	}
	return false;
}

static bool is_blocked(const struct disposal_account *account, const struct disposal_job *job)
{
	if (is_blocked_by_calls(account, job))
		return true;
	/* One that waits for its turn among the brief ones. */
	for (const struct disposal_job *before = account->queue; job->ordered && before != job; before = before->next)
		if (before->ordered && before->fd == job->fd && !before->closes)
			return true;
	return false;
}

static void unlink_job(struct disposal_account *account, struct disposal_job **at)
{
	*at = (*at)->next;
	if (*at == NULL)
		account->queue_tail = at;
}

/* The first job of the queue that waits for no other. Where all places are taken, however many wait are not looked at: others
 * wait for the lock meanwhile, control among them. */
static struct disposal_job *unqueue(struct disposal_account *account)
{
	if (account->running_n == DISPOSAL_THREADS &&
	    (account->brief_waiting == 0 || account->running[BRIEF].since_ns != 0))
		return NULL;
	for (struct disposal_job **at = &account->queue; *at != NULL; at = &(*at)->next) {
		struct disposal_job *job = *at;

		if (is_blocked(account, job))
			continue;
		unlink_job(account, at);
		return job;
	}
	return NULL;
}

static struct running *occupy(struct disposal_account *account, const struct disposal_job *job)
{
	struct running *running = job->brief ? &account->running[BRIEF] : account->running;

	while (running->since_ns != 0)
		running++;
	if (job->brief) {
		account->brief_waiting--;
	} else {
		account->running_n++;
		account->waiting--;
	}
	*running = (struct running){
		.since_ns = clock_ns(),
		.what = job->what != NULL ? job->what : "a call",
		.fd = job->fd,
		.blocks = job->ordered && !job->closes,
		.weighed = job->brief || job->weighed,
		.closes = job->closes,
	};
	return running;
}

static void make_thread(struct disposal *disposal);

/* Locked. For jobs that became due together, or that others waited for, when a thread looked for work in vain. */
static void wake_another(struct disposal *disposal)
{
	if (disposal->due > disposal->idle)
		make_thread(disposal);
	else if (disposal->due > 0)
		sem_post(&disposal->more);
}

static void enqueue_account(struct disposal *disposal, struct disposal_account *account)
{
	account->next_queued = NULL;
	account->queued = true;
	*disposal->queued_tail = account;
	disposal->queued_tail = &account->next_queued;
}

/* A job that may run now, or NULL. Accounts take turns. */
static struct disposal_job *take_job(struct disposal *disposal, struct running **running)
{
	for (struct disposal_account **at = &disposal->queued; *at != NULL; at = &(*at)->next_queued) {
		struct disposal_account *account = *at;
		struct disposal_job *job = unqueue(account);

		if (job == NULL)
			continue;
		*at = account->next_queued;
		if (*at == NULL)
			disposal->queued_tail = at;
		account->queued = false;
		if (account->queue != NULL)
			enqueue_account(disposal, account);
		*running = occupy(account, job);
		disposal->due--;
		disposal->idle--;
		wake_another(disposal);
		return job;
	}
	return NULL;
}

static void call_done(struct loop_call *call)
{
	struct disposal_job *job = container_of(call, struct disposal_job, call);

	job->done(job);
}

/* Locked. `job` is there still if it has a done(). */
static void job_came_back(struct disposal_account *account, struct disposal_job *job, bool has_done,
			  struct running *running)
{
	struct disposal *disposal = account->disposal;

	account->done++;
	if (running->late) {
		uint64_t took = clock_ns() - running->since_ns;

		account->returned++;
		if (took > account->returned_ns)
			account->returned_ns = took;
	}
	/* One that waited for the place is due. */
	if (running == &account->running[BRIEF]) {
		disposal->due += account->brief_waiting > 0;
	} else {
		disposal->due += account->waiting > DISPOSAL_THREADS - account->running_n;
		account->running_n--;
	}
	running->since_ns = 0;
	disposal->idle++;
	if (has_done && disposal->loop != NULL) {
		job->call.run = call_done;
		loop_call(disposal->loop, &job->call);
	}
	disposal_account_notify(account);
	if (disposal->ending)
		pthread_cond_signal(&disposal->ended);
	disposal_account_unref(account);
}

/* Locked. False: nothing came for so long that the thread is not needed. */
static bool wait_for_more(struct disposal *disposal)
{
	struct timespec until;
	bool woken;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += DISPOSAL_IDLE_S;
	pthread_mutex_unlock(&disposal->lock);
	woken = sem_clockwait(&disposal->more, CLOCK_MONOTONIC, &until) == 0 || errno != ETIMEDOUT;
	pthread_mutex_lock(&disposal->lock);
	return woken || disposal->due >= disposal->idle;
}

/* A weighed call took so much of a CPU. One of some milliseconds may have had its CPU taken away by a hypervisor, which the
 * kernel counts as ours; several in a short time are the peer's doing. */
static void weigh(struct disposal_account *account, const struct running *running, uint64_t cpu)
{
	uint64_t now = clock_ns(), forgiven = (now - account->slowed_ns) / 1000 * DISPOSAL_SLOW_MS_A_SECOND;

	if (cpu < DISPOSAL_BRIEF_MS * NS_PER_MS)
		return;
	account->slow_ns = cpu + (account->slow_ns > forgiven ? account->slow_ns - forgiven : 0);
	account->slowed_ns = now;
	if (account->slow_ns < DISPOSAL_SLOW_MS * NS_PER_MS && account->slow.ns == 0)
		return;
	account->slow = (struct disposal_slow){
		.what = running->what,
		.ns = account->slow.ns + account->slow_ns,
		.closed = running->closes && (account->slow.ns == 0 || account->slow.closed),
	};
	account->slow_ns = 0;
}

/* Makes the call; unlocked meanwhile. The job may be gone then. */
static void make_call(struct disposal *disposal, struct disposal_job *job, struct running *running)
{
	struct disposal_account *account = job->account;
	bool has_done = job->done != NULL;
	uint64_t cpu;

	pthread_mutex_unlock(&disposal->lock);
	cpu = clock_thread_cpu_ns();
	job->run(job);
	cpu = clock_thread_cpu_ns() - cpu;
	pthread_mutex_lock(&disposal->lock);
	if (running->weighed)
		weigh(account, running, cpu);
	job_came_back(account, job, has_done, running);
}

/* Not with the lock: another's call may have the CPUs it moves to. Such as are gone by now leave it where the control thread
 * is. */
static void move_to_its_cpus(struct disposal *disposal)
{
	cpu_set_t cpus;
	bool placed;

	pthread_mutex_lock(&disposal->lock);
	placed = disposal->placed;
	cpus = disposal->cpus;
	pthread_mutex_unlock(&disposal->lock);
	if (placed)
		(void)sched_setaffinity(0, sizeof(cpus), &cpus);
}

/* Locked, but for the call, which control makes: it is its peer itself, so there is nothing to weigh. */
static void make_in_place(struct disposal *disposal, struct disposal_account *account, struct disposal_job *job)
	RUNS_ON(control_thread)
{
	struct running *running = occupy(account, job);
	bool has_done = job->done != NULL;

	pthread_mutex_unlock(&disposal->lock);
	job->run(job);
	if (has_done && disposal->loop != NULL) {
		job->next = NULL;
		*disposal->made_tail = job;
		disposal->made_tail = &job->next;
		loop_timer_start(disposal->loop, &disposal->tell_made, 0);
	}
	pthread_mutex_lock(&disposal->lock);
	job_came_back(account, job, false, running);
	/* This thread is none of those that look for more now. */
	disposal->idle--;
}

/* Those that these start, too. */
static void tell_made(struct loop_timer *timer)
{
	struct disposal *disposal = container_of(timer, struct disposal, tell_made);

	role_assert_control();
	while (disposal->made != NULL) {
		struct disposal_job *job = disposal->made;

		disposal->made = job->next;
		if (disposal->made == NULL)
			disposal->made_tail = &disposal->made;
		job->done(job);
	}
}

static void *disposal_main(void *arg)
{
	struct disposal *disposal = arg;

	loop_block_signals();
	pthread_setname_np(pthread_self(), "disposal");
	move_to_its_cpus(disposal);
	thread_begins(THREAD_DISPOSAL);
	pthread_mutex_lock(&disposal->lock);
	for (;;) {
		struct running *running;
		struct disposal_job *job = take_job(disposal, &running);

		if (job != NULL) {
			make_call(disposal, job, running);
		} else if (disposal->loop == NULL || !wait_for_more(disposal)) {
			break;
		}
	}
	disposal->idle--;
	disposal->threads--;
	pthread_cond_signal(&disposal->ended);
	disposal_unref(disposal);
	return NULL;
}

/* Locked. One that cannot be made is made at the next look. */
static void make_thread(struct disposal *disposal)
{
	pthread_attr_t attr;
	pthread_t thread;

	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	if (pthread_create(&thread, &attr, disposal_main, disposal) == 0) {
		disposal->refs++;
		disposal->threads++;
		disposal->idle++;
	}
	pthread_attr_destroy(&attr);
}

/* --- looking after calls that do not come back ------------------------------------------------------------------- */

static void look_at_calls(struct loop_timer *timer)
{
	struct disposal *disposal = container_of(timer, struct disposal, look);
	struct disposal_account *account;
	uint64_t now = clock_ns();
	bool busy = false;

	role_assert_control();
	pthread_mutex_lock(&disposal->lock);
	while (disposal->due > disposal->idle) {
		unsigned int before = disposal->idle;

		make_thread(disposal);
		if (disposal->idle == before)
			break;
	}
	LIST_FOREACH (account, &disposal->accounts, account_link) {
		busy |= disposal_account_busy(account);
		disposal_account_report(account, now);
		disposal_account_notify(account);
	}
	pthread_mutex_unlock(&disposal->lock);
	if (busy)
		loop_timer_start(disposal->loop, timer, LOOK_NS);
}

/* --- jobs -------------------------------------------------------------------------------------------------------- */

/* Whether it is among those of the queue for which there are places. */
static bool has_place(const struct disposal_account *account, const struct disposal_job *job)
{
	if (job->brief)
		return account->brief_waiting == 1 && account->running[BRIEF].since_ns == 0;
	return account->running_n + account->waiting <= DISPOSAL_THREADS;
}

/* Locked. */
static void queue_job(struct disposal *disposal, struct disposal_account *account, struct disposal_job *job)
{
	*account->queue_tail = job;
	account->queue_tail = &job->next;
	if (!account->queued)
		enqueue_account(disposal, account);
	if (has_place(account, job)) {
		disposal->due++;
		if (disposal->due > disposal->idle)
			make_thread(disposal);
		else
			sem_post(&disposal->more);
	}
	disposal_account_notify(account);
}

void disposal_start(struct disposal_account *account, struct disposal_job *job)
{
	struct disposal *disposal = account->disposal;

	job->account = account;
	job->next = NULL;
	pthread_mutex_lock(&disposal->lock);
	account->refs++;
	if (job->brief)
		account->brief_waiting++;
	else
		account->waiting++;
	if (account->in_place && account->queue == NULL && !is_blocked_by_calls(account, job))
		make_in_place(disposal, account, job);
	else
		queue_job(disposal, account, job);
	pthread_mutex_unlock(&disposal->lock);
	if (disposal->loop != NULL && disposal->look.due_ns == 0)
		loop_timer_start(disposal->loop, &disposal->look, LOOK_NS);
}

/* Locked. It has no jobs left. */
static void dequeue_account(struct disposal *disposal, struct disposal_account *account)
{
	struct disposal_account **at = &disposal->queued;

	while (*at != account)
		at = &(*at)->next_queued;
	*at = account->next_queued;
	if (*at == NULL)
		disposal->queued_tail = at;
	account->queued = false;
}

bool disposal_cancel(struct disposal_job *job)
{
	struct disposal_account *account = job->account;
	struct disposal *disposal = account->disposal;
	struct disposal_job **at = &account->queue;
	bool waits;

	pthread_mutex_lock(&disposal->lock);
	while (*at != NULL && *at != job)
		at = &(*at)->next;
	waits = *at != NULL;
	if (waits) {
		unlink_job(account, at);
		if (has_place(account, job))
			disposal->due--;
		if (job->brief)
			account->brief_waiting--;
		else
			account->waiting--;
		if (account->queue == NULL)
			dequeue_account(disposal, account);
		disposal_account_notify(account);
	}
	pthread_mutex_unlock(&disposal->lock);
	if (waits)
		disposal_account_release(account);
	return waits;
}

static void run_close(struct disposal_job *job)
{
	struct close_job *closing = container_of(job, struct close_job, job);
	struct disposal_account *account = job->account;
	int fd = job->fd;

	/* First, so that a call that does not come back holds nothing but its thread. */
	if (!closing->own) {
		free(closing);
	} else {
		pthread_mutex_lock(&account->disposal->lock);
		closing->next_free = account->free_closes;
		account->free_closes = closing;
		pthread_mutex_unlock(&account->disposal->lock);
	}
	close(fd);
}

static void start_close(struct disposal_account *account, int fd, const char *what, bool weighed) RUNS_ON(control_thread)
{
	struct close_job *closing;

	if (fd < 0)
		return;
	pthread_mutex_lock(&account->disposal->lock);
	closing = account->free_closes;
	if (closing != NULL)
		account->free_closes = closing->next_free;
	pthread_mutex_unlock(&account->disposal->lock);
	if (closing == NULL)
		closing = calloc(1, sizeof(*closing));
	if (closing == NULL) {
		log_limited(&account->log, LOG_ERROR, account->name,
			    "no memory to close a descriptor: it stays open");
		return;
	}
	closing->job = (struct disposal_job){
		.run = run_close,
		.what = what,
		.ordered = true,
		.closes = true,
		.weighed = weighed,
		.fd = fd,
	};
	disposal_start(account, &closing->job);
}

void disposal_close(struct disposal_account *account, int fd)
{
	start_close(account, fd, "close() of a descriptor that its front end gave", false);
}

void disposal_close_socket(struct disposal_account *account, int fd)
{
	start_close(account, fd, "close() of a connection", true);
}

/* --- beginning and end ------------------------------------------------------------------------------------------- */

struct disposal *disposal_create(struct loop *loop)
{
	struct disposal *disposal = calloc(1, sizeof(*disposal));
	pthread_condattr_t attr;

	if (disposal == NULL)
		return NULL;
	disposal->loop = loop;
	disposal->refs = 1;
	disposal->queued_tail = &disposal->queued;
	disposal->look.fire = look_at_calls;
	disposal->made_tail = &disposal->made;
	disposal->tell_made.fire = tell_made;
	pthread_mutex_init(&disposal->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	sem_init(&disposal->more, 0, 0);
	pthread_cond_init(&disposal->ended, &attr);
	pthread_condattr_destroy(&attr);
	return disposal;
}

void disposal_place(struct disposal *disposal, const cpu_set_t *cpus)
{
	pthread_mutex_lock(&disposal->lock);
	disposal->cpus = *cpus;
	disposal->placed = true;
	pthread_mutex_unlock(&disposal->lock);
}

/* Locked. */
static void wake_threads(struct disposal *disposal)
{
	for (unsigned int i = 0; i < disposal->threads; i++)
		sem_post(&disposal->more);
}

void disposal_destroy(struct disposal *disposal)
{
	struct timespec until;
	uint64_t end = clock_ns() + DISPOSAL_END_MS * NS_PER_MS;
	unsigned int calls;
	char names[256];

	if (disposal == NULL)
		return;
	loop_timer_stop(disposal->loop, &disposal->tell_made);
	tell_made(&disposal->tell_made);
	loop_timer_stop(disposal->loop, &disposal->look);
	until = (struct timespec){.tv_sec = (time_t)(end / NS_PER_S), .tv_nsec = (long)(end % NS_PER_S)};
	pthread_mutex_lock(&disposal->lock);
	disposal->ending = true;
	wake_threads(disposal);
	while (disposal->threads > disposal->idle || disposal->due > 0) {
		if (disposal->threads == 0)
			make_thread(disposal);
		if (pthread_cond_timedwait(&disposal->ended, &disposal->lock, &until) == ETIMEDOUT)
			break;
	}
	calls = disposal_accounts_running(disposal, names, sizeof(names));
	if (calls > 0)
		log_warn("disposal", "%u call%s on what peers gave %s not come back, and %s left behind: %s", calls,
			 calls == 1 ? "" : "s", calls == 1 ? "has" : "have", calls == 1 ? "is" : "are", names);
	disposal->loop = NULL;
	wake_threads(disposal);
	while (disposal->idle > 0 &&
	       pthread_cond_timedwait(&disposal->ended, &disposal->lock, &until) != ETIMEDOUT)
		;
	disposal_unref(disposal);
}
