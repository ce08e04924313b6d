/* SPDX-License-Identifier: BSD-3-Clause */
#include "rcu.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_rcu_qsbr.h>

#include "clock.h"
#include "role.h"

/* A poll takes no longer than this, but for the continuation under way; and a few it runs however long they take. */
static const uint64_t POLL_NS = NS_PER_MS;
enum { POLL_LEAST = 32 };

static struct rte_rcu_qsbr *qsbr;

/* The writer's: the waits for all, and the scopes in which there are others. */
static struct rcu_scope everybody;
static struct rcu_scope *scopes;
static uint64_t scopes_oldest = UINT64_MAX; /* the lowest token among these */

int rcu_init(unsigned int readers_max)
{
	size_t size = rte_rcu_qsbr_get_memsize(readers_max);

	if (qsbr != NULL)
		return 0;
	if (readers_max > LCORES_MAX)
		return -EINVAL;
	qsbr = aligned_alloc(RTE_CACHE_LINE_SIZE, size);
	if (qsbr == NULL)
		return -ENOMEM;
	if (rte_rcu_qsbr_init(qsbr, readers_max) != 0) {
		free(qsbr);
		qsbr = NULL;
		return -EINVAL;
	}
	for (unsigned int i = 0; i < readers_max; i++)
		rte_rcu_qsbr_thread_register(qsbr, i);
	return 0;
}

void rcu_fini(void)
{
	free(qsbr);
	qsbr = NULL;
	everybody.oldest = NULL;
	scopes = NULL;
	scopes_oldest = UINT64_MAX;
}

void rcu_online(unsigned int reader)
{
	rte_rcu_qsbr_thread_online(qsbr, reader);
}

void rcu_quiescent(unsigned int reader)
{
	rte_rcu_qsbr_quiescent(qsbr, reader);
}

void rcu_offline(unsigned int reader)
{
	rte_rcu_qsbr_thread_offline(qsbr, reader);
}

uint64_t rcu_mark(void)
{
	return rte_rcu_qsbr_start(qsbr);
}

bool rcu_has_passed(unsigned int reader, uint64_t mark)
{
	/* As rte_rcu_qsbr_check() does it for all of them. Pairs with rcu_quiescent() and rcu_offline(). */
	uint64_t seen = __atomic_load_n(&qsbr->qsbr_cnt[reader].cnt, __ATOMIC_ACQUIRE);

	return seen == __RTE_QSBR_CNT_THR_OFFLINE || seen >= mark;
}

void rcu_readers_all(struct rcu_readers *readers)
{
	memset(readers, 0xff, sizeof(*readers));
}

static void append(struct rcu_scope *scope, struct rcu_wait *wait)
{
	wait->next = NULL;
	if (scope->oldest == NULL)
		scope->newest = &scope->oldest;
	*scope->newest = wait;
	scope->newest = &wait->next;
}

static void list(struct rcu_scope *scope)
{
	scope->next = scopes;
	scopes = scope;
	scope->listed = true;
}

void rcu_wait_start_in(struct rcu_scope *scope, struct rcu_wait *wait, void (*done)(struct rcu_wait *wait))
{
	if (scope == NULL) {
		rcu_wait_start(wait, done);
		return;
	}
	wait->done = done;
	wait->token = rte_rcu_qsbr_start(qsbr);
	memset(&wait->readers, 0, sizeof(wait->readers));
	scope->readers(scope, &wait->readers);
	append(scope, wait);
	if (wait->token < scopes_oldest)
		scopes_oldest = wait->token;
	if (!scope->listed)
		list(scope);
}

void rcu_wait_start(struct rcu_wait *wait, void (*done)(struct rcu_wait *wait))
{
	wait->done = done;
	wait->token = rte_rcu_qsbr_start(qsbr);
	append(&everybody, wait);
}

/* The wait is its owner's again: it may free it or start it anew. */
static void end_oldest(struct rcu_scope *scope)
{
	struct rcu_wait *wait = scope->oldest;

	scope->oldest = wait->next;
	if (scope->oldest == NULL)
		scope->newest = &scope->oldest;
	wait->done(wait);
}

static bool have_passed(const struct rcu_wait *wait)
{
	for (unsigned int i = 0; i < qsbr->max_threads; i++)
		if (rcu_readers_have(&wait->readers, i) && !rcu_has_passed(i, wait->token))
			return false;
	return true;
}

struct poll {
	uint64_t end_ns;
	unsigned int ended;
};

static bool is_over(const struct poll *poll)
{
	return poll->ended >= POLL_LEAST && clock_ns() >= poll->end_ns;
}

/* Those that were not looked at are the first next time. */
static void list_again(struct rcu_scope *rest)
{
	struct rcu_scope *last = rest;

	if (rest == NULL)
		return;
	while (last->next != NULL)
		last = last->next;
	last->next = scopes;
	scopes = rest;
}

static void poll_scopes(struct poll *poll)
{
	struct rcu_scope *rest = scopes, *scope;

	scopes = NULL;
	while ((scope = rest) != NULL && !is_over(poll)) {
		rest = scope->next;
		for (; scope->oldest != NULL && !is_over(poll) && have_passed(scope->oldest); poll->ended++)
			end_oldest(scope);
		scope->listed = false;
		if (scope->oldest != NULL)
			list(scope);
	}
	list_again(rest);
	scopes_oldest = UINT64_MAX;
	for (scope = scopes; scope != NULL; scope = scope->next)
		if (scope->oldest->token < scopes_oldest)
			scopes_oldest = scope->oldest->token;
}

enum rcu_rest rcu_poll(void)
{
	struct poll poll = {0};

	if (scopes == NULL && everybody.oldest == NULL)
		return RCU_NOTHING;
	poll.end_ns = clock_ns() + POLL_NS;
	poll_scopes(&poll);
	for (; everybody.oldest != NULL && everybody.oldest->token < scopes_oldest && !is_over(&poll) &&
	       rte_rcu_qsbr_check(qsbr, everybody.oldest->token, false) == 1;
	     poll.ended++)
		end_oldest(&everybody);
	if (scopes == NULL && everybody.oldest == NULL)
		return RCU_NOTHING;
	return is_over(&poll) ? RCU_MORE : RCU_WAITS;
}

struct deferred_free {
	struct rcu_wait wait; /* first, so that the two pointers are one */
	void *object;
};

static void free_now(struct rcu_wait *wait)
{
	struct deferred_free *deferred = (struct deferred_free *)wait;

	free(deferred->object);
	free(deferred);
}

void rcu_free_in(struct rcu_scope *scope, void *object)
{
	struct deferred_free *deferred;

	if (object == NULL)
		return;
	deferred = malloc(sizeof(*deferred));
	if (deferred == NULL) {
		rte_rcu_qsbr_synchronize(qsbr, RTE_QSBR_THRID_INVALID);
		free(object);
		return;
	}
	deferred->object = object;
	rcu_wait_start_in(scope, &deferred->wait, free_now);
}

void rcu_free(void *object)
{
	rcu_free_in(NULL, object);
}
