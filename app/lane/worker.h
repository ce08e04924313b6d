/* SPDX-License-Identifier: BSD-3-Clause */
/* worker.h: the thread of a lane that touches guest memory, and so the one that waits for it.
 *
 * Round after round it moves frames between the guest's virtqueues and the two rings to the switch, with the same bodies
 * that lcores run (lib/virtio_net). The main thread changes what it works with by commands: they are carried out in
 * order, between two bursts, and come back through `done_fd`. A command may thus take as long as a page takes to come.
 *
 * Context: the lane's main thread calls what is declared here.
 * Ownership: a command belongs to the worker from worker_post() until worker_take()
 * returns it.
 */
#ifndef VUS_LANE_WORKER_H
#define VUS_LANE_WORKER_H

#include <pthread.h>

#include "lane_link.h"
#include "lane_message.h"
#include "virtq.h"
#include "vus_limits.h"

enum command_kind {
	COMMAND_MAP,   /* `map` is the guest's memory; comes back with the one before in `map` */
	COMMAND_RUN,   /* ring begins with `conf` at `base` */
	COMMAND_LEAVE, /* comes back with what it had in `conf`, and its position in `base` */
	COMMAND_HALT,  /* no frame moves any more */
	COMMAND_CALL,  /* `call_fd` is the ring's; comes back with the former geometry in `conf`, NULL if it does not run */
	COMMAND_BROKEN, /* the worker's own: a ring broke, by `fault` */
};

struct command {
	enum command_kind kind;
	unsigned int ring;
	const struct mem_map *map;
	const struct virtq_conf *conf;
	uint32_t base;
	bool discards;
	int call_fd;
	enum virtq_fault fault;
	/* What the main thread does about it afterwards. */
	uint8_t *unmap;
	size_t unmap_len;
	struct command *next;
};

struct worker_ring {
	struct virtq q;
	bool discards;
	bool reported; /* that it broke */
};

struct worker {
	int done_fd; /* an eventfd: commands are to be fetched by worker_take() */
	pthread_mutex_t lock;
	_Atomic bool posted; /* there are commands: saves the worker the lock */
	struct command *todo, **todo_tail;
	struct command *done, **done_tail;

	/* The worker's. */
	struct lane_shared *shared;
	int wake_fd;
	struct lane_consumer to_guest;
	struct lane_producer from_guest;
	struct mem_table table;
	struct burst *burst;
	bool halted;
	uint16_t pace; /* frames in one go: few while pages are late, so that a command never waits for many */
	struct worker_ring ring[VHOST_RINGS_MAX];
};

/* Starts the thread: 0 or -errno. It ends with the process. */
int worker_start(struct worker *worker, struct lane_shared *shared, int wake_fd);

void worker_post(struct worker *worker, struct command *command);
/* The next command that was carried out, or NULL. */
struct command *worker_take(struct worker *worker);

#endif
