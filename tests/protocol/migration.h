/* SPDX-License-Identifier: BSD-3-Clause */
/* migration: a guest that arrives at a port by postcopy, and two flows that go on meanwhile.
 *
 * migration_open() is the guest where it came from: memory, rings that stand somewhere, buffers posted,
 * frames sent that were not taken; and then all of it is gone from here, and a front end is connected.
 * Each buffer lies on pages of its own, spread over the regions, so that everything the switch does for
 * this guest is on memory that has not arrived.
 * There is one at a time. Asserts, so for the thread of the test case.
 */
#ifndef MIGRATION_H
#define MIGRATION_H

#include <pthread.h>
#include <sys/types.h>

#include "fg_postcopy.h"
#include "fixture.h"

#define MIGRATION_PROTOCOL (FG_PROTOCOL_DEFAULT | FG_P_PAGEFAULT)

enum migration_memory { M_MEMFD, M_TMPFS, M_HUGETLB };

struct migration_options {
	uint64_t features;	 /* 0: FG_FEATURES_DEFAULT */
	uint64_t protocol;	 /* 0: MIGRATION_PROTOCOL */
	unsigned int pairs;	 /* 0: 1 */
	unsigned int regions;	 /* 0: 1 */
	enum migration_memory memory;
	long delay_us;		 /* of a page the switch asks for */
	bool through_theirs;	 /* see fg_pager */
	unsigned int waiting;	 /* frames to the peer it sent where it was; 0: WAITING */
};

enum { WAITING = 20, WINDOW = 24 };

/* Frames in both directions, never more than WINDOW on the way in each. */
struct stream {
	struct fg_nic *a, *b;
	struct fg_flow ab, ba;
	pthread_t thread;
	bool running;
	atomic_bool stop, abandoned;
	atomic_ullong received; /* both directions */
	int error;
	uint64_t longest_us; /* between two arrivals */
};

struct migration {
	struct guest *g, *peer;
	struct fg_pager pager;
	struct stream stream;
	uint16_t base[FG_RINGS_MAX];
};

extern struct migration migration;

/* Set-up and teardown of a test case with a migration: as TEST_CASE's, and it is abandoned first. */
#define MIGRATION_CASE(f) cmocka_unit_test_setup_teardown(f, migration_open_case, migration_close_case)
int migration_open_case(void **state);
int migration_close_case(void **state);
/* fixture_main() with one port more: "off", without postcopy. */
int migration_main(const char *name, const struct CMUnitTest *cases, size_t n);

/* @peer receives its frames. Standard options: NULL. */
void migration_open(const char *port, struct guest *peer, const struct migration_options *);
void migration_listen(void); /* ADVISE, LISTEN */
void migration_start(void);	 /* features, memory, rings */
void migration_end(void);	 /* the rest of the pages, END */
/* open, listen and start */
void migration_arrive(const char *port, struct guest *peer, const struct migration_options *);
/* Faults are not answered any more, and the flows end as they are. The guest stays. */
void migration_abandon(void);
/* It hangs up; its memory goes. */
void migration_close(void);

/* Traffic with the peer from a thread of its own, beginning with what was waiting. */
void migration_traffic(void);
/* Waits until @n more frames have arrived. */
void migration_await(uint64_t n);
/* Lets it run dry: every frame arrived once, in order, whole. */
void migration_drain(void);
/* The memory is what it was, and no rule was broken. */
void migration_check(void);

/* The lane processes of the switch: how many, and one of them. Zombies count. */
unsigned int lanes(pid_t *one);
/* ... once there are @n, which has to be soon. */
void await_lanes(unsigned int n);

/* The state of a port, and why its last connection ended, as `vusctl port` tells; in a static buffer. */
const char *port_state(const char *port);
const char *port_error(const char *port);

#endif
