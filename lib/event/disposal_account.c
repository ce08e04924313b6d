/* SPDX-License-Identifier: BSD-3-Clause */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "disposal_private.h"
#include "loop_private.h"

static const uint64_t LOST_NS = DISPOSAL_LOST_MS * NS_PER_MS;

/* --- references -------------------------------------------------------------------------------------------------- */

void disposal_account_unref(struct disposal_account *account)
{
	struct disposal *disposal = account->disposal;

	if (--account->refs > 0)
		return;
	LIST_REMOVE(account, account_link);
	disposal->refs--;
	free(account);
}

void disposal_account_release(struct disposal_account *account)
{
	struct disposal *disposal = account->disposal;

	pthread_mutex_lock(&disposal->lock);
	/* A reference of our own keeps the lock until it is released. */
	disposal->refs++;
	disposal_account_unref(account);
	disposal_unref(disposal);
}

static unsigned int running_calls(const struct disposal_account *account)
{
	return account->running_n + (account->running[BRIEF].since_ns != 0);
}

bool disposal_account_busy(const struct disposal_account *account)
{
	return running_calls(account) + account->waiting + account->brief_waiting > 0;
}

/* --- fullness ---------------------------------------------------------------------------------------------------- */

/* Of the first n places. */
static unsigned int count_lost(const struct disposal_account *account, unsigned int n, uint64_t now)
{
	unsigned int lost = 0;

	for (unsigned int i = 0; i < n; i++) {
		const struct running *running = &account->running[i];

		lost += running->since_ns != 0 && now > running->since_ns + LOST_NS;
	}
	return lost;
}

static bool is_full(const struct disposal_account *account)
{
	return account->waiting + account->brief_waiting >= DISPOSAL_WAITING_MAX ||
	       count_lost(account, DISPOSAL_THREADS, clock_ns()) == DISPOSAL_THREADS;
}

/* Whether `changed` is due: the owner was told otherwise, or waits for room that is there. */
static bool has_changed(const struct disposal_account *account, bool full)
{
	return full != account->full || (account->waited_for && !full);
}

static void tell_owner(struct loop_call *call)
{
	struct disposal_account *account = container_of(call, struct disposal_account, notify);
	struct disposal *disposal = account->disposal;
	void (*changed)(void *arg);
	struct disposal_slow slow;
	bool full;

	role_assert_control();
	pthread_mutex_lock(&disposal->lock);
	account->notifying = false;
	full = is_full(account);
	changed = has_changed(account, full) ? account->changed : NULL;
	account->full = full;
	account->waited_for &= full;
	slow = account->slow;
	pthread_mutex_unlock(&disposal->lock);
	if (changed != NULL)
		changed(account->changed_arg);
	if (slow.ns != 0) {
		if (account->tell_slow != NULL)
			account->tell_slow(account->slow_arg, &slow);
		pthread_mutex_lock(&disposal->lock);
		/* Others may have come back since. */
		account->slow.ns -= slow.ns;
		disposal_account_notify(account);
		sem_post(&disposal->more);
		pthread_mutex_unlock(&disposal->lock);
	}
	disposal_account_release(account);
}

void disposal_account_notify(struct disposal_account *account)
{
	if (account->notifying || account->disposal->loop == NULL ||
	    (account->slow.ns == 0 && !has_changed(account, is_full(account))))
		return;
	account->notifying = true;
	account->refs++;
	loop_call(account->disposal->loop, &account->notify);
}

void disposal_account_report(struct disposal_account *account, uint64_t now)
{
	for (unsigned int i = 0; i <= BRIEF; i++) {
		struct running *running = &account->running[i];

		if (running->since_ns == 0 || running->late || now <= running->since_ns + LOST_NS)
			continue;
		running->late = true;
		account->late++;
		log_limited(&account->log, LOG_WARN, account->name,
			    "%s has not come back for %.1f s; %d such calls may be under way at a time",
			    running->what, (double)(now - running->since_ns) / (double)NS_PER_S, DISPOSAL_THREADS);
	}
	if (account->returned > 0)
		log_limited(&account->log, LOG_INFO, account->name,
			    "of the calls that had not come back %u have, after %.1f s at most", account->returned,
			    (double)account->returned_ns / (double)NS_PER_S);
	account->returned = 0;
	account->returned_ns = 0;
}

/* --- what the owner asks --------------------------------------------------------------------------------------- */

struct disposal_account *disposal_account_create(struct loop *loop, const char *name)
{
	struct disposal_account *account = calloc(1, sizeof(*account));
	struct disposal *disposal = loop->disposal;

	if (account == NULL)
		return NULL;
	account->disposal = disposal;
	account->refs = 1;
	snprintf(account->name, sizeof(account->name), "%s", name);
	account->queue_tail = &account->queue;
	account->notify.run = tell_owner;
	for (unsigned int i = 0; i < OWN_CLOSES; i++) {
		account->own[i].own = true;
		account->own[i].next_free = account->free_closes;
		account->free_closes = &account->own[i];
	}
	pthread_mutex_lock(&disposal->lock);
	disposal->refs++;
	LIST_INSERT_HEAD(&disposal->accounts, account, account_link);
	pthread_mutex_unlock(&disposal->lock);
	return account;
}

void disposal_account_put(struct disposal_account *account)
{
	if (account == NULL)
		return;
	account->changed = NULL;
	account->tell_slow = NULL;
	disposal_account_release(account);
}

void disposal_account_watch(struct disposal_account *account, void (*changed)(void *arg), void *arg)
{
	account->changed = changed;
	account->changed_arg = arg;
}

void disposal_account_hold(struct disposal_account *account)
{
	pthread_mutex_lock(&account->disposal->lock);
	account->refs++;
	pthread_mutex_unlock(&account->disposal->lock);
}

void disposal_account_watch_slow(struct disposal_account *account,
				 void (*slow)(void *arg, const struct disposal_slow *slow), void *arg)
{
	account->tell_slow = slow;
	account->slow_arg = arg;
}

void disposal_account_in_place(struct disposal_account *account, bool in_place)
{
	account->in_place = in_place;
}

bool disposal_full(struct disposal_account *account)
{
	bool full;

	pthread_mutex_lock(&account->disposal->lock);
	full = is_full(account);
	account->waited_for |= full;
	pthread_mutex_unlock(&account->disposal->lock);
	return full;
}

void disposal_account_stats(const struct disposal_account *account, struct disposal_stats *stats)
{
	uint64_t now = clock_ns();

	pthread_mutex_lock(&account->disposal->lock);
	*stats = (struct disposal_stats){
		.running = running_calls(account),
		.waiting = account->waiting + account->brief_waiting,
		.lost = count_lost(account, BRIEF + 1, now),
		.done = account->done,
		.late = account->late,
	};
	for (unsigned int i = 0; i <= BRIEF; i++) {
		uint64_t since = account->running[i].since_ns;

		if (since != 0 && now > since && now - since > stats->longest_ns)
			stats->longest_ns = now - since;
	}
	pthread_mutex_unlock(&account->disposal->lock);
}

void disposal_account_describe(const struct disposal_account *account, char *text, size_t size)
{
	struct disposal_stats stats;

	disposal_account_stats(account, &stats);
	text[0] = '\0';
	if (stats.running > 0)
		snprintf(text, size,
			 "%" PRIu64 " call%s on what front ends gave %s not come back, the longest for %.0f s",
			 stats.running, stats.running == 1 ? "" : "s", stats.running == 1 ? "has" : "have",
			 (double)stats.longest_ns / (double)NS_PER_S);
}

unsigned int disposal_accounts_running(const struct disposal *disposal, char *text, size_t size)
{
	const struct disposal_account *account;
	unsigned int running = 0;
	size_t n = 0;

	text[0] = '\0';
	LIST_FOREACH (account, &disposal->accounts, account_link) {
		unsigned int calls = running_calls(account);

		if (calls == 0)
			continue;
		if (n < size)
			n += (size_t)snprintf(text + n, size - n, "%s%s (%u)", running > 0 ? ", " : "",
					      account->name, calls);
		running += calls;
	}
	return running;
}
