/* SPDX-License-Identifier: BSD-3-Clause */
/* Objects that are replaced under real readers: none is freed while it can be seen, waits end in the order they began,
 * a reader that sleeps is not waited for, and the writer never waits. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cases.h"
#include "clock.h"
#include "rcu.h"
#include "rcu_drain.h"

enum { READERS = 3, HAND = READERS, READERS_MAX };

struct counted_wait {
	struct rcu_wait wait; /* first */
	unsigned int number;
};

static unsigned int ended[100], ended_n;

static void note_end(struct rcu_wait *wait)
{
	ended[ended_n++] = ((struct counted_wait *)(void *)wait)->number;
}

static void start(struct counted_wait *wait, unsigned int number)
{
	wait->number = number;
	rcu_wait_start(&wait->wait, note_end);
}

static void no_reader(void **state)
{
	struct counted_wait wait[3];

	ended_n = 0;
	assert_false(rcu_poll());
	for (unsigned int i = 0; i < 3; i++) {
		start(&wait[i], i);
		assert_int_equal(ended_n, 0); /* never inside the call */
	}
	assert_false(rcu_poll());
	assert_int_equal(ended_n, 3);
	for (unsigned int i = 0; i < 3; i++)
		assert_int_equal(ended[i], i);
	rcu_drain();
	assert_int_equal(rcu_init(1), 0); /* a second call does nothing */
}

/* One reader, by hand: each wait ends with the first quiescent state after its own beginning. */
static void in_the_order_they_began(void **state)
{
	struct counted_wait wait[4];

	ended_n = 0;
	rcu_online(HAND);
	start(&wait[0], 0);
	assert_true(rcu_poll());
	assert_int_equal(ended_n, 0);
	rcu_quiescent(HAND);
	start(&wait[1], 1);
	start(&wait[2], 2);
	assert_true(rcu_poll());
	assert_int_equal(ended_n, 1);
	assert_true(rcu_poll());
	rcu_quiescent(HAND);
	start(&wait[3], 3);
	assert_true(rcu_poll());
	assert_int_equal(ended_n, 3);
	/* Asleep, it refers to nothing. */
	rcu_offline(HAND);
	assert_false(rcu_poll());
	assert_int_equal(ended_n, 4);
	for (unsigned int i = 0; i < 4; i++)
		assert_int_equal(ended[i], i);
	/* Awake again, it sees what is there now: waits from before are none of its business. */
	start(&wait[0], 0);
	rcu_online(HAND);
	start(&wait[1], 1);
	rcu_poll();
	assert_in_range(ended_n, 4, 5);
	rcu_offline(HAND);
	rcu_poll();
	assert_int_equal(ended_n, 6);
}

static unsigned int again;

static void start_again(struct rcu_wait *wait)
{
	if (++again < 5)
		rcu_wait_start(wait, start_again);
}

/* A wait is its owner's again when it ends: it may begin anew, or be freed, in that very call. */
static void free_itself(struct rcu_wait *wait)
{
	ended_n++;
	free(wait);
}

static void a_wait_is_its_owners_again(void **state)
{
	static struct rcu_wait wait;

	ended_n = again = 0;
	rcu_online(HAND);
	rcu_wait_start(&wait, start_again);
	for (int i = 0; i < 10; i++)
		rcu_wait_start(malloc(sizeof(struct rcu_wait)), free_itself);
	for (int i = 0; i < 10 && rcu_poll(); i++)
		rcu_quiescent(HAND);
	assert_false(rcu_poll());
	assert_int_equal(again, 5);
	assert_int_equal(ended_n, 10);
	rcu_offline(HAND);
}

/* --- scopes ------------------------------------------------------------------------------------------------------ */

enum { OTHER = 0 };

static struct rcu_readers able;

static void say_able(const struct rcu_scope *scope, struct rcu_readers *readers)
{
	*readers = able;
}

static void let_be_able(unsigned int a, unsigned int b)
{
	able = (struct rcu_readers){{0}};
	rcu_readers_add(&able, a);
	rcu_readers_add(&able, b);
}

static void start_in(struct rcu_scope *scope, struct counted_wait *wait, unsigned int number)
{
	wait->number = number;
	rcu_wait_start_in(scope, &wait->wait, note_end);
}

/* HAND stands still all the time: who cannot hold the object does not delay its wait, and a wait for all waits. */
static void a_wait_is_for_the_readers_of_its_scope(void **state)
{
	struct rcu_scope scope = {.readers = say_able};
	struct counted_wait all, wait;

	ended_n = 0;
	rcu_online(HAND);
	rcu_online(OTHER);
	let_be_able(OTHER, OTHER);
	start(&all, 0);
	start_in(&scope, &wait, 1);
	assert_true(rcu_poll());
	assert_int_equal(ended_n, 0);
	rcu_quiescent(OTHER);
	assert_true(rcu_poll());
	assert_int_equal(ended_n, 1);
	assert_int_equal(ended[0], 1);
	start_in(&scope, &wait, 2);
	rcu_offline(OTHER);
	assert_true(rcu_poll());
	assert_int_equal(ended_n, 2);
	rcu_offline(HAND);
	assert_false(rcu_poll());
	assert_int_equal(ended_n, 3);
	assert_int_equal(ended[2], 0);
}

/* The second is for fewer readers than the first, and still comes second; in another scope nobody waits for either. */
static void waits_of_a_scope_end_in_their_order(void **state)
{
	struct rcu_scope scope = {.readers = say_able}, elsewhere = {.readers = say_able};
	struct counted_wait wait[5];

	ended_n = 0;
	rcu_online(HAND);
	rcu_online(OTHER);
	let_be_able(HAND, OTHER);
	start_in(&scope, &wait[0], 0);
	let_be_able(OTHER, OTHER);
	start_in(&scope, &wait[1], 1);
	start_in(&elsewhere, &wait[2], 2);
	start(&wait[3], 3);
	rcu_quiescent(OTHER);
	assert_true(rcu_poll());
	assert_int_equal(ended_n, 1);
	assert_int_equal(ended[0], 2);
	start_in(&elsewhere, &wait[4], 4);
	rcu_quiescent(HAND);
	assert_true(rcu_poll());
	assert_int_equal(ended_n, 4); /* the one for all after what began before it */
	assert_int_equal(ended[1], 0);
	assert_int_equal(ended[2], 1);
	assert_int_equal(ended[3], 3);
	rcu_offline(HAND);
	rcu_offline(OTHER);
	assert_false(rcu_poll());
	assert_int_equal(ended[4], 4);
}

static struct rcu_scope looping = {.readers = say_able};

static void start_again_in_scope(struct rcu_wait *wait)
{
	if (++again < 5)
		rcu_wait_start_in(&looping, wait, start_again_in_scope);
}

static void waits_of_a_scope_begin_anew(void **state)
{
	static struct rcu_wait wait;

	again = 0;
	rcu_online(OTHER);
	let_be_able(OTHER, OTHER);
	rcu_wait_start_in(&looping, &wait, start_again_in_scope);
	rcu_free_in(&looping, malloc(8));
	rcu_free_in(NULL, malloc(8));
	for (int i = 0; i < 10 && rcu_poll(); i++)
		rcu_quiescent(OTHER);
	assert_false(rcu_poll());
	assert_int_equal(again, 5);
	rcu_offline(OTHER);
}

static void a_reader_has_passed_a_moment(void **state)
{
	uint64_t moment;

	rcu_online(HAND);
	assert_true(rcu_has_passed(HAND, 0));
	moment = rcu_mark();
	assert_false(rcu_has_passed(HAND, moment));
	rcu_quiescent(HAND);
	assert_true(rcu_has_passed(HAND, moment));
	moment = rcu_mark();
	rcu_offline(HAND);
	assert_true(rcu_has_passed(HAND, moment));
}

/* --- real readers ------------------------------------------------------------------------------------------------ */

enum { ALIVE = 0x600d, DEAD = 0xdead };

struct object {
	struct rcu_wait wait; /* first */
	atomic_uint health;
	unsigned int twin[8]; /* all the same */
};

struct reader {
	pthread_t thread;
	unsigned int index;
	_Atomic uint64_t looks, wrong;
};

static RCU_PTR(struct object) published;
static atomic_bool stop;

static void *reader_main(void *arg)
{
	struct reader *reader = arg;
	unsigned int last = 0;

	rcu_online(reader->index);
	while (!atomic_load(&stop)) {
		struct object *object = rcu_get(&published);
		uint64_t wrong = object->twin[0] < last;

		last = object->twin[0];
		for (int i = 0; i < 50; i++) {
			wrong += atomic_load_explicit(&object->health, memory_order_relaxed) != ALIVE;
			wrong += object->twin[i % 8] != last;
		}
		atomic_fetch_add(&reader->wrong, wrong);
		if (atomic_fetch_add(&reader->looks, 1) % 1024 == reader->index) {
			rcu_offline(reader->index);
			usleep(500);
			rcu_online(reader->index);
		} else {
			rcu_quiescent(reader->index);
		}
	}
	rcu_offline(reader->index);
	return NULL;
}

static struct object *object_new(unsigned int number)
{
	struct object *object = malloc(sizeof(*object));

	assert_non_null(object);
	atomic_init(&object->health, ALIVE);
	for (int i = 0; i < 8; i++)
		object->twin[i] = number;
	return object;
}

static unsigned int buried;

static void bury(struct rcu_wait *wait)
{
	struct object *object = (struct object *)(void *)wait;

	assert_int_equal(object->twin[0], buried); /* the oldest first */
	buried++;
	atomic_store_explicit(&object->health, DEAD, memory_order_relaxed);
	memset(object->twin, 0xff, sizeof(object->twin));
	free(object);
}

static void readers_never_see_the_dead(void **state)
{
	static struct reader reader[READERS];
	uint64_t end = clock_ns() + NS_PER_S, deadline = end + 20 * NS_PER_S;
	unsigned int number = 0;

	rcu_set(&published, object_new(number));
	for (unsigned int i = 0; i < READERS; i++) {
		reader[i].index = i;
		assert_int_equal(
			pthread_create(&reader[i].thread, NULL, reader_main, &reader[i]), 0);
	}
	while (clock_ns() < end) {
		struct object *before = rcu_own(&published);

		rcu_set(&published, object_new(++number));
		rcu_wait_start(&before->wait, bury);
		/* The writer goes on; at most so many wait that memory is no question. */
		while (rcu_poll() && number - buried > 1000)
			assert_true(clock_ns() < deadline);
	}
	while (rcu_poll())
		assert_true(clock_ns() < deadline);
	assert_int_equal(buried, number);
	atomic_store(&stop, true);
	for (unsigned int i = 0; i < READERS; i++) {
		pthread_join(reader[i].thread, NULL);
		assert_int_equal(atomic_load(&reader[i].wrong), 0);
		assert_true(atomic_load(&reader[i].looks) > 0);
	}
	free(rcu_own(&published));
}

static unsigned int slow_n;

static void be_slow(struct rcu_wait *wait)
{
	uint64_t end = clock_ns() + NS_PER_MS / 10;

	while (clock_ns() < end)
		;
	slow_n++;
}

/* Those that are left are no reason to sleep; waits for all come behind those of a scope that were started before. */
static void a_poll_gives_way(void **state)
{
	enum { WAITS = 600 };
	static struct rcu_wait wait[WAITS];
	static struct rcu_scope scope = {.readers = say_able};
	unsigned int polls = 0, before = 0;

	for (unsigned int i = 0; i < WAITS; i++)
		rcu_wait_start_in(i < WAITS / 2 ? &scope : NULL, &wait[i], be_slow);
	while (slow_n < WAITS) {
		enum rcu_rest rest = rcu_poll();

		assert_true(slow_n > before);
		/* Alone on its CPU it does 32. */
		assert_true(slow_n - before <= 64);
		assert_int_equal(rest, slow_n < WAITS ? RCU_MORE : RCU_NOTHING);
		before = slow_n;
		polls++;
	}
	assert_true(polls >= WAITS / 64);
}

/* A sanitizer checks this one: nothing leaks, nothing is freed too soon. */
static void objects_are_freed_in_time(void **state)
{
	rcu_free(NULL);
	assert_false(rcu_poll());
	rcu_online(HAND);
	for (int i = 0; i < 1000; i++) {
		unsigned int *object = malloc(sizeof(*object));

		*object = ALIVE;
		rcu_free(object);
		assert_true(rcu_poll());
		assert_int_equal(*object, ALIVE);
		if (i % 10 == 0) {
			rcu_quiescent(HAND);
			assert_false(rcu_poll());
		}
	}
	rcu_offline(HAND);
	rcu_drain();
	assert_false(rcu_poll());
}

static int open_rcu(void **state)
{
	return rcu_init(READERS_MAX);
}

static int close_rcu(void **state)
{
	rcu_fini();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_reader),
		cmocka_unit_test(in_the_order_they_began),
		cmocka_unit_test(a_wait_is_its_owners_again),
		cmocka_unit_test(a_wait_is_for_the_readers_of_its_scope),
		cmocka_unit_test(waits_of_a_scope_end_in_their_order),
		cmocka_unit_test(waits_of_a_scope_begin_anew),
		cmocka_unit_test(a_reader_has_passed_a_moment),
		cmocka_unit_test(readers_never_see_the_dead),
		cmocka_unit_test(a_poll_gives_way),
		cmocka_unit_test(objects_are_freed_in_time),
	};

	return cmocka_run_group_tests(tests, open_rcu, close_rcu);
}
