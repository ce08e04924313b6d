/* SPDX-License-Identifier: BSD-3-Clause */
/* rcu.h: control publishes whole objects, lcores read them, neither waits.
 *
 * An object that lcores read is built complete, published through one pointer (RCU_PTR) and never changed again. A
 * replaced object is freed only after every lcore has passed a quiescent state: a moment, once a loop, at which it
 * holds no pointer it loaded before. An lcore that sleeps is offline and holds none. This is rte_rcu_qsbr underneath,
 * which works without EAL being initialised.
 *
 * Context: one writer (the control thread; in tests the test) publishes, takes tokens and polls. Each reader calls
 * rcu_online() once with an index of its own, rcu_quiescent() once a loop, rcu_offline() before it may block.
 *
 * The writer never blocks on a reader: it starts a `struct rcu_wait` and goes on; rcu_poll(), called by its event loop,
 * runs what has become safe. RCU_PTR is a struct so that a plain load or store does not compile.
 *
 * An object that not every reader can reach belongs to a scope, which says who can. A wait in a scope is for those readers only:
 * one that is held up elsewhere does not delay it.
 */
#ifndef VUS_RCU_H
#define VUS_RCU_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "vus_limits.h"

/* The type of a pointer to a published object: RCU_PTR(const struct mem_map) map; */
#define RCU_PTR(type)                                                                              \
	struct {                                                                                   \
		_Atomic(type *) rcu_p;                                                             \
	}

/* Reader: the current object or NULL, valid until the caller's next quiescent state. Pairs with rcu_set(). */
#define rcu_get(p) atomic_load_explicit(&(p)->rcu_p, memory_order_acquire)
/* Writer: replaces the object. What was there before must live until a wait started after this has ended.
 * Pairs with rcu_get(): a reader that sees the pointer sees the object complete. */
#define rcu_set(p, object) atomic_store_explicit(&(p)->rcu_p, object, memory_order_release)
/* Writer: the object it published itself. */
#define rcu_own(p) atomic_load_explicit(&(p)->rcu_p, memory_order_relaxed)

/* A bit for each reader. */
struct rcu_readers {
	uint64_t bits[LCORES_MAX / 64];
};

/* A continuation: `done` runs on the writer's thread, inside rcu_poll(), once every reader that was online when the
 * wait started has passed a quiescent state. Embedded in the waiting object and owned by it until then. */
struct rcu_wait {
	void (*done)(struct rcu_wait *wait);
	uint64_t token;
	struct rcu_readers readers; /* who has to pass */
	struct rcu_wait *next;
};

/* Objects that the same readers can reach. Embedded in their owner, which lives until a wait for all that was started after the
 * last one in the scope has ended. */
struct rcu_scope {
	/* Sets the bits of all readers that may have loaded a pointer to one of these objects and not passed since: those that
	 * can reach them, and those that could before. */
	void (*readers)(const struct rcu_scope *scope, struct rcu_readers *readers);
	/* rcu.c's own: waits in the order of their tokens. */
	struct rcu_wait *oldest, **newest;
	struct rcu_scope *next;
	bool listed;
};

/* Readers have indexes 0 to readers_max - 1. Before any other call; 0 or -ENOMEM. A second call does nothing. */
int rcu_init(unsigned int readers_max);
/* After every reader has ended; a wait that remains never runs. */
void rcu_fini(void);

void rcu_online(unsigned int reader);
void rcu_quiescent(unsigned int reader);
void rcu_offline(unsigned int reader);

/* Writer: runs wait->done later, never inside this call. Waits of a scope end in the order they were started. A wait for all (the
 * scope is NULL) ends after all that were started before it, and no wait in a scope waits for it. */
void rcu_wait_start(struct rcu_wait *wait, void (*done)(struct rcu_wait *wait));
void rcu_wait_start_in(struct rcu_scope *scope, struct rcu_wait *wait, void (*done)(struct rcu_wait *wait));
/* Writer: runs what is safe, for a millisecond or so: who else wants the writer's thread gets a turn. */
enum rcu_rest {
	RCU_NOTHING, /* no wait remains */
	RCU_WAITS,   /* the caller looks again soon */
	RCU_MORE,    /* its time was over: the caller looks again at once */
};
enum rcu_rest rcu_poll(void);

/* Writer: free(object) once no reader can hold it. `object` may be NULL; never fails (if no memory is left for the
 * record, it waits for the readers on the spot). */
void rcu_free(void *object);
void rcu_free_in(struct rcu_scope *scope, void *object);

/* Writer: a moment, and whether a reader has passed since: it holds no pointer from before. The moment 0 is before all. */
uint64_t rcu_mark(void);
bool rcu_has_passed(unsigned int reader, uint64_t mark);

void rcu_readers_all(struct rcu_readers *readers);

static inline void rcu_readers_add(struct rcu_readers *readers, unsigned int reader)
{
	readers->bits[reader / 64] |= UINT64_C(1) << reader % 64;
}

static inline bool rcu_readers_have(const struct rcu_readers *readers, unsigned int reader)
{
	return (readers->bits[reader / 64] >> reader % 64 & 1) != 0;
}

#endif
