/* SPDX-License-Identifier: BSD-3-Clause */
#include "worker.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "vnet.h"

/* Frames of a burst: their pages may be asked for one after the other, and a ring that is stopped waits for all of them. */
enum { LANE_BURST = 32 };
/* A burst that took longer than this waited for a page. */
static const uint64_t LATE_NS = 200 * NS_PER_US;
/* How long a round without a frame waits for the next: short beside the time a page takes, long beside a look. */
static const long NAP_NS = 50000;

/* --- commands ---------------------------------------------------------------------------------------------------- */

static void worker_append(struct command ***tail, struct command *command)
{
	command->next = NULL;
	**tail = command;
	*tail = &command->next;
}

void worker_post(struct worker *worker, struct command *command)
{
	pthread_mutex_lock(&worker->lock);
	worker_append(&worker->todo_tail, command);
	atomic_store_explicit(&worker->posted, true, memory_order_relaxed);
	pthread_mutex_unlock(&worker->lock);
}

struct command *worker_take(struct worker *worker)
{
	struct command *command;

	pthread_mutex_lock(&worker->lock);
	command = worker->done;
	if (command != NULL) {
		worker->done = command->next;
		if (worker->done == NULL)
			worker->done_tail = &worker->done;
	}
	pthread_mutex_unlock(&worker->lock);
	return command;
}

static void worker_finish(struct worker *worker, struct command *command)
{
	pthread_mutex_lock(&worker->lock);
	worker_append(&worker->done_tail, command);
	pthread_mutex_unlock(&worker->lock);
	eventfd_write(worker->done_fd, 1);
}

/* Between two bursts this thread is all there is that uses a queue: it does what control does in the switch. */
static void carry_out(struct worker *worker, struct command *command) RUNS_ON(control_thread)
{
	struct worker_ring *ring = &worker->ring[command->ring];
	const struct mem_map *map;
	struct virtq_conf *conf;

	switch (command->kind) {
	case COMMAND_MAP:
		map = rcu_own(&worker->table.map);
		rcu_set(&worker->table.map, command->map);
		command->map = map;
		break;
	case COMMAND_RUN:
		ring->discards = command->discards;
		ring->reported = false;
		virtq_start(&ring->q, command->conf, command->base);
		break;
	case COMMAND_LEAVE:
		command->conf = virtq_publish(&ring->q, NULL);
		command->base = virtq_position(&ring->q);
		break;
	case COMMAND_HALT:
		worker->halted = true;
		break;
	case COMMAND_CALL:
		command->conf = rcu_own(&ring->q.conf);
		if (command->conf == NULL)
			break;
		conf = virtq_conf_with_call(command->conf, command->call_fd);
		if (conf == NULL)
			_exit(EXIT_FAILURE);
		virtq_publish(&ring->q, conf);
		/* Interrupts on the old descriptor since the front end last looked at it are repeated on the new one:
		 * an interrupt too many is harmless, and without this one there might be no other. */
		if (command->call_fd >= 0)
			eventfd_write(command->call_fd, 1);
		break;
	case COMMAND_BROKEN:
		break;
	}
}

static void carry_out_all(struct worker *worker) RUNS_ON(control_thread)
{
	struct command *command;

	pthread_mutex_lock(&worker->lock);
	command = worker->todo;
	worker->todo = NULL;
	worker->todo_tail = &worker->todo;
	atomic_store_explicit(&worker->posted, false, memory_order_relaxed);
	pthread_mutex_unlock(&worker->lock);
	while (command != NULL) {
		struct command *next = command->next;

		carry_out(worker, command);
		worker_finish(worker, command);
		command = next;
	}
}

/* --- frames ------------------------------------------------------------------------------------------------------ */

static bool runs(const struct worker_ring *ring)
{
	return rcu_own(&ring->q.conf) != NULL;
}

static void tell_if_broken(struct worker *worker, unsigned int index)
{
	struct worker_ring *ring = &worker->ring[index];
	struct command *command;

	if (virtq_fault(&ring->q) == VIRTQ_OK || ring->reported)
		return;
	command = malloc(sizeof(*command));
	if (command == NULL)
		return; /* the next round tries again */
	ring->reported = true;
	*command = (struct command){
		.kind = COMMAND_BROKEN,
		.ring = index,
		.fault = virtq_fault(&ring->q),
	};
	worker_finish(worker, command);
}

/* The largest burst there is: nothing is taken from the guest that cannot be passed on. */
static bool burst_fits(const struct worker *worker)
{
	return lane_room(&worker->from_guest) >=
	       BURST_BYTES + FRAME_LEN_MAX + LANE_BURST * lane_record_bytes(0) + LANE_BURST * 32;
}

static uint16_t from_guest(struct worker *worker, unsigned int index) RUNS_ON(lcore_thread)
{
	struct port_counters *counters = &worker->shared->counters;
	struct worker_ring *ring = &worker->ring[index];
	struct burst *burst = worker->burst;
	struct frame *frames[LANE_BURST];
	uint16_t n;

	if (!runs(ring) || !burst_fits(worker))
		return 0;
	n = vnet_receive(&ring->q, burst, LANE_BURST, counters);
	tell_if_broken(worker, index);
	if (n == 0)
		return 0;
	if (ring->discards) {
		count(&counters->rx_drop[RX_DROP_DISABLED], n);
	} else {
		for (uint16_t i = 0; i < n; i++)
			frames[i] = &burst->frame[i];
		lane_send(&worker->from_guest, frames, n);
		if (lane_wants_wake(&worker->from_guest))
			eventfd_write(worker->wake_fd, 1);
	}
	vnet_complete(&ring->q, burst);
	return n;
}

/* The rings that take frames now: their number. */
static unsigned int receivers(struct worker *worker, unsigned int *index)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < VHOST_RINGS_MAX; i += 2)
		if (runs(&worker->ring[i]))
			index[n++] = i;
	return n;
}

/* While no ring takes frames they stay where they are: the guest has paused, or is about to begin. */
static uint16_t to_guest(struct worker *worker) RUNS_ON(lcore_thread)
{
	struct port_counters *counters = &worker->shared->counters;
	uint32_t len_max = atomic_load_explicit(&worker->shared->len_max, memory_order_relaxed);
	unsigned int index[VHOST_QUEUE_PAIRS_MAX], rings = receivers(worker, index);
	uint16_t n = rings > 0 ? lane_receive(&worker->to_guest, worker->burst, worker->pace)
			      : 0;

	if (n == 0)
		return 0;
	/* A flow stays in one ring, and its frames in order. */
	for (unsigned int r = 0; r < rings; r++) {
		struct frame *frames[LANE_BURST];
		uint16_t mine = 0;

		for (uint16_t i = 0; i < n; i++) {
			struct frame *frame = &worker->burst->frame[i];

			if (rings == 1 || frame_flow_hash(frame) % rings == r)
				frames[mine++] = frame;
		}
		if (mine > 0)
			vnet_deliver(&worker->ring[index[r]].q, frames, mine, len_max, counters);
		tell_if_broken(worker, index[r]);
	}
	lane_done(&worker->to_guest);
	return n;
}

/* One frame at a time where a page was late, twice as many each time that none was. */
static void set_pace(struct worker *worker, uint64_t began_ns)
{
	if (clock_ns() - began_ns > LATE_NS)
		worker->pace = 1;
	else if (worker->pace < LANE_BURST)
		worker->pace = (uint16_t)(2 * worker->pace);
}

/* Once over everything: the frames that were moved. */
static unsigned int worker_round_over(struct worker *worker) RUNS_ON(lcore_thread)
{
	uint64_t began_ns = clock_ns();
	unsigned int frames = to_guest(worker);

	for (unsigned int i = 1; i < VHOST_RINGS_MAX; i += 2)
		frames += from_guest(worker, i);
	if (frames > 0)
		set_pace(worker, began_ns);
	return frames;
}

static void *worker_main(void *arg)
{
	const struct timespec nap = {.tv_nsec = NAP_NS};
	struct worker *worker = arg;

	role_assert_control();
	role_assert_lcore();
	for (;;) {
		if (atomic_load_explicit(&worker->posted, memory_order_relaxed))
			carry_out_all(worker);
		if (worker->halted || worker_round_over(worker) == 0)
			clock_nanosleep(CLOCK_MONOTONIC, 0, &nap, NULL);
	}
	return NULL;
}

int worker_start(struct worker *worker, struct lane_shared *shared, int wake_fd)
{
	pthread_t thread;

	role_assert_control();
	pthread_mutex_init(&worker->lock, NULL);
	worker->todo_tail = &worker->todo;
	worker->done_tail = &worker->done;
	worker->shared = shared;
	worker->wake_fd = wake_fd;
	worker->pace = 1;
	worker->to_guest.ring = &shared->to_guest;
	worker->from_guest.ring = &shared->from_guest;
	worker->burst = aligned_alloc(_Alignof(struct burst),
				      (sizeof(struct burst) + 63) & ~(size_t)63);
	worker->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (worker->burst == NULL || worker->done_fd < 0)
		return -ENOMEM;
	for (unsigned int i = 0; i < VHOST_RINGS_MAX; i++)
		virtq_init(&worker->ring[i].q, &worker->table, NULL);
	return -pthread_create(&thread, NULL, worker_main, worker);
}
