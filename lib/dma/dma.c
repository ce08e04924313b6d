/* SPDX-License-Identifier: BSD-3-Clause */
#include "dma.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "log.h"
#include "rcu.h"

/* Memory that is short is the caller's to deal with. */
#define HASH_NONFATAL_OOM 1
#define uthash_nonfatal_oom(entry) ((entry)->failed = true)
#include <uthash.h>

/* Pieces that are mapped one after the other become reached together. */
static const uint64_t PUBLISH_NS = NS_PER_MS;

/* What devices reach: sorted, disjoint. */
struct table {
	uint32_t n;
	struct reach {
		const uint8_t *at;
		size_t len;
	} piece[];
};

enum state { OFFERED, MAPPING, MAPPED, REFUSED };

struct piece {
	UT_hash_handle hh;
	bool failed; /* no memory to find it by its address */
	uint8_t *at;
	size_t len;
	enum state state;
	atomic_bool withdrawn; /* while MAPPING */
	unsigned int generation; /* of the devices, for which it is being mapped */
	int error;
	struct loop_job job;
};

struct ending {
	struct loop_job job;
	void (*done)(void *arg);
	void *arg;
};

static RCU_PTR(const struct table) reached;
static struct piece *pieces OWNED_BY(control_thread); /* by address, in the order of their offers */
static bool stale OWNED_BY(control_thread); /* what is reached has changed since it was published */
static struct loop_timer publishing OWNED_BY(control_thread);
static struct loop *loop OWNED_BY(control_thread);
static unsigned int devices OWNED_BY(control_thread), generation OWNED_BY(control_thread);
static struct log_limit refusals OWNED_BY(control_thread);

/* What is mapped for devices: of the helper thread, and of the thread that unmaps. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static const struct dma_ops *ops;
static struct mapped {
	UT_hash_handle hh;
	bool failed;
	uint8_t *at;
	size_t len;
} *mapped; /* by address */

/* --- mapping: the helper ----------------------------------------------------------------------------------------- */

static void map_piece(struct loop_job *job)
{
	struct piece *piece = container_of(job, struct piece, job);
	struct mapped *made = calloc(1, sizeof(*made));

	piece->error = -ENOMEM;
	if (made == NULL)
		return;
	made->at = piece->at;
	made->len = piece->len;
	pthread_mutex_lock(&lock);
	HASH_ADD_PTR(mapped, at, made);
	if (!made->failed) {
		/* Who withdrew it may have called dma_unmap() by now, and the memory be gone. */
		piece->error = atomic_load(&piece->withdrawn) ? -ECANCELED : ops->map(piece->at, piece->len);
		if (piece->error == 0)
			made = NULL;
		else
			HASH_DEL(mapped, made);
	}
	pthread_mutex_unlock(&lock);
	free(made);
}

/* Locked. */
static void unmap(struct mapped *gone)
{
	HASH_DEL(mapped, gone);
	ops->unmap(gone->at, gone->len);
	free(gone);
}

void dma_unmap(const uint8_t *at)
{
	struct mapped *gone = NULL;

	pthread_mutex_lock(&lock);
	HASH_FIND_PTR(mapped, &at, gone);
	if (gone != NULL)
		unmap(gone);
	pthread_mutex_unlock(&lock);
}

/* The lock is free in between: who unmaps a piece of its own waits for one, not for all. */
static void unmap_all(struct loop_job *job VUS_UNUSED)
{
	bool more;

	do {
		pthread_mutex_lock(&lock);
		more = mapped != NULL;
		if (more)
			unmap(mapped);
		pthread_mutex_unlock(&lock);
	} while (more);
}

/* --- the table --------------------------------------------------------------------------------------------------- */

static int by_address(const void *a, const void *b)
{
	const struct reach *one = a, *other = b;

	return one->at < other->at ? -1 : one->at > other->at;
}

/* No memory for a table: nothing is reached. */
static void dma_publish(void) RUNS_ON(control_thread)
{
	const struct table *before = rcu_own(&reached);
	struct table *table;
	uint32_t n = 0;

	stale = false;
	if (loop != NULL)
		loop_timer_stop(loop, &publishing);
	for (struct piece *piece = pieces; piece != NULL; piece = piece->hh.next)
		n += piece->state == MAPPED;
	table = n > 0 ? malloc(sizeof(*table) + n * sizeof(table->piece[0])) : NULL;
	if (table != NULL) {
		table->n = 0;
		for (struct piece *piece = pieces; piece != NULL; piece = piece->hh.next)
			if (piece->state == MAPPED)
				table->piece[table->n++] = (struct reach){piece->at, piece->len};
		qsort(table->piece, table->n, sizeof(table->piece[0]), by_address);
	}
	rcu_set(&reached, table);
	rcu_free((void *)(uintptr_t)before);
}

static void dma_publish_now(struct loop_timer *timer VUS_UNUSED)
{
	role_assert_control();
	dma_publish();
}

bool dma_reaches(const uint8_t *at, size_t len)
{
	const struct table *table = rcu_get(&reached);
	const struct reach *base;
	uint32_t n;

	if (table == NULL)
		return false;
	base = table->piece;
	for (n = table->n; n > 1; n -= n / 2)
		base = base[n / 2].at <= at ? base + n / 2 : base;
	return (uintptr_t)at - (uintptr_t)base->at < base->len &&
	       len <= base->len - (size_t)(at - base->at);
}

/* --- pieces ------------------------------------------------------------------------------------------------------ */

static void mapping_done(struct loop_job *job);

static void map_start(struct piece *piece) RUNS_ON(control_thread)
{
	piece->state = MAPPING;
	piece->generation = generation;
	piece->job.run = map_piece;
	piece->job.done = mapping_done;
	loop_job_start(loop, &piece->job);
}

static void mapping_done(struct loop_job *job)
{
	struct piece *piece = container_of(job, struct piece, job);

	role_assert_control();
	if (atomic_load(&piece->withdrawn)) {
		free(piece); /* the one who withdrew it unmaps */
	} else if (devices == 0) {
		piece->state = OFFERED;
	} else if (piece->generation != generation) {
		map_start(piece);
	} else {
		piece->state = piece->error == 0 ? MAPPED : REFUSED;
		if (piece->error != 0)
			log_limited(&refusals, LOG_WARN, "dma",
				    "%zu MiB of a guest's memory cannot be mapped for devices (%s): what "
				    "lies there is copied",
				    piece->len >> 20, strerror(-piece->error));
		stale = true;
		publishing.fire = dma_publish_now;
		if (publishing.due_ns == 0)
			loop_timer_start(loop, &publishing, PUBLISH_NS);
	}
}

void dma_offer(uint8_t *at, size_t len)
{
	struct piece *piece = calloc(1, sizeof(*piece));

	if (piece == NULL)
		return;
	piece->at = at;
	piece->len = len;
	HASH_ADD_PTR(pieces, at, piece);
	if (piece->failed) {
		free(piece);
		return;
	}
	if (devices > 0)
		map_start(piece);
}

void dma_withdraw(const uint8_t *at)
{
	struct piece *piece = NULL;

	HASH_FIND_PTR(pieces, &at, piece);
	if (piece == NULL)
		return;
	HASH_DEL(pieces, piece);
	stale |= piece->state == MAPPED;
	if (piece->state == MAPPING)
		atomic_store(&piece->withdrawn, true);
	else
		free(piece);
}

void dma_withdrawn(void)
{
	if (stale)
		dma_publish();
}

/* --- devices ----------------------------------------------------------------------------------------------------- */

void dma_start(struct loop *of, const struct dma_ops *with)
{
	if (devices++ > 0)
		return;
	loop = of;
	generation++;
	pthread_mutex_lock(&lock);
	ops = with;
	pthread_mutex_unlock(&lock);
	for (struct piece *piece = pieces; piece != NULL; piece = piece->hh.next)
		if (piece->state != MAPPING)
			map_start(piece);
}

static void all_unmapped(struct loop_job *job)
{
	struct ending *ending = container_of(job, struct ending, job);
	void (*done)(void *arg) = ending->done;
	void *arg = ending->arg;

	free(ending);
	done(arg);
}

void dma_stop(void (*done)(void *arg), void *arg)
{
	struct ending *ending;

	if (--devices > 0) {
		done(arg);
		return;
	}
	for (struct piece *piece = pieces; piece != NULL; piece = piece->hh.next)
		if (piece->state != MAPPING)
			piece->state = OFFERED;
	dma_publish();
	ending = calloc(1, sizeof(*ending));
	if (ending == NULL) {
		unmap_all(NULL);
		done(arg);
		return;
	}
	*ending = (struct ending){.done = done, .arg = arg};
	ending->job.run = unmap_all;
	ending->job.done = all_unmapped;
	loop_job_start(loop, &ending->job);
}

struct dma_status dma_status(void)
{
	struct dma_status status = {0};

	for (struct piece *piece = pieces; piece != NULL; piece = piece->hh.next) {
		status.mapped += piece->state == MAPPED;
		status.waiting += piece->state == MAPPING;
		status.refused += piece->state == REFUSED;
		status.bytes += piece->state == MAPPED ? piece->len : 0;
	}
	return status;
}
