/* SPDX-License-Identifier: BSD-3-Clause */
#include "lcore_rig.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bridge.h"
#include "cases.h"
#include "clock.h"
#include "frame_rate.h"
#include "rcu_drain.h"

enum { ASLEEP_MS = 20 };

/* --- a queue and its port ---------------------------------------------------------------------------------------- */

struct source source[SOURCES];
struct bridge *bridge;
static struct doorbell reports;
static struct port_host host;

static struct source *source_of(struct port_rxq *q)
{
	return (struct source *)(void *)q->port;
}

/* How many of n frames a limit allows: all of them are alike. */
static uint16_t source_within(struct frame_allowance *allowance, uint16_t n)
{
	struct frame frames[BURST_MAX];

	n = frame_allowance_begin(allowance, n);
	for (uint16_t i = 0; i < n; i++)
		frames[i] = (struct frame){.len = LEN};
	return frame_allowance_take(allowance, frames, n);
}

static uint16_t source_receive(struct port_rxq *q, struct lcore_ctx *ctx)
{
	struct source *from = source_of(q);
	uint64_t waiting = atomic_load(&from->pending);
	uint16_t n = waiting < BURST_MAX ? (uint16_t)waiting : BURST_MAX;
	uint8_t to = atomic_load(&from->to);
	uint64_t number;

	atomic_fetch_add(&from->polls, 1);
	atomic_store(&from->polled_by, ctx->index);
	if (ctx->allowance != NULL && n > 0)
		n = source_within(ctx->allowance, n);
	if (atomic_load(&from->gone))
		atomic_fetch_add(&from->late, 1);
	if (atomic_load(&from->chatty))
		n = 1;
	else
		atomic_fetch_sub(&from->pending, n);
	for (uint16_t i = 0; i < n; i++) {
		struct frame *frame = &ctx->burst->frame[i];

		*frame = (struct frame){.head = ctx->burst->room[i].head, .head_len = LEN, .len = LEN};
		memset(frame->head, 0, LEN);
		if (to == 0)
			memset(frame->head, 0xff, 6);
		else
			memcpy(frame->head, (uint8_t[6]){2, 0, 0, 0, 0, to}, 6);
		frame->head[6] = 2;
		frame->head[11] = (uint8_t)q->port->id;
		number = atomic_load(&from->received) + i;
		memcpy(frame->head + 16, &number, sizeof(number));
	}
	ctx->burst->n = n;
	atomic_fetch_add(&from->received, n);
	role_assert_lcore();
	while (atomic_load(&from->stuck)) {
		atomic_store(&from->stays, true);
		usleep(10);
	}
	atomic_store(&from->stays, false);
	if (!atomic_load(&from->punts))
		return n;
	for (uint16_t i = 0; i < n; i++)
		punt_post(ctx, q->port, PUNT_ARP, &ctx->burst->frame[i]);
	return 0;
}

static void source_complete(struct port_rxq *q, struct lcore_ctx *ctx)
{
	atomic_fetch_add(&source_of(q)->completed, ctx->burst->n);
}

/* The lcore that delivers a source's frames has its queue, and is alone with it. */
static void look_at(const struct frame *frame)
{
	struct source *from = &source[frame->head[11]];
	uint64_t number;

	memcpy(&number, frame->head + 16, sizeof(number));
	if (number != atomic_load(&from->arrived))
		atomic_fetch_add(&from->disorder, 1);
	atomic_store(&from->arrived, number + 1);
}

static void source_deliver(struct port *port, struct lcore_ctx *ctx, struct frame **frames,
			   uint16_t n)
{
	struct source *to = (struct source *)(void *)port;

	for (uint16_t i = 0; i < n && to == &source[SOURCES - 1]; i++)
		look_at(frames[i]);
	for (uint16_t i = 0; i < LEN; i++)
		atomic_store(&to->last[i], frames[n - 1]->head[i]);
	count(&port_counters_of(port, ctx)->tx_ok, n);
	atomic_fetch_add(&to->delivered, n);
}

/* Like a ring: the wish for a kick first, then the look (both sequentially consistent). */
static bool source_arm(struct port_rxq *q)
{
	struct source *from = source_of(q);

	atomic_fetch_add(&from->arms, 1);
	atomic_store(&from->armed, true);
	return atomic_load(&from->pending) > 0;
}

static void source_disarm(struct port_rxq *q)
{
	atomic_store(&source_of(q)->armed, false);
}

static const struct port_ops source_ops = {
	.receive = source_receive,
	.complete = source_complete,
	.deliver = source_deliver,
	.arm = source_arm,
	.disarm = source_disarm,
};

/* What has been received so far has been counted before. */
static bool source_word(struct port_rxq *q, struct port_word *word)
{
	struct source *from = source_of(q);

	if (from->word == NULL)
		return false;
	*word = (struct port_word){
		.at = from->word,
		.mask = UINT16_MAX,
		.idle = (uint16_t)atomic_load(&from->received),
	};
	if (atomic_load(&from->eager))
		source_put(from, 1);
	return true;
}

static const struct port_ops watched_ops = {
	.receive = source_receive,
	.complete = source_complete,
	.deliver = source_deliver,
	.arm = source_arm,
	.disarm = source_disarm,
	.watch = source_word,
};

void source_watch(struct source *from, bool word)
{
	from->port.ops = &watched_ops;
	if (!word)
		return;
	from->word = mmap(NULL, MEM_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(from->word, MAP_FAILED);
	*from->word = (uint16_t)atomic_load(&from->received);
}

void source_unwatch(struct source *from)
{
	from->port.ops = &source_ops;
	if (from->word != NULL)
		munmap(from->word, MEM_PAGE);
	from->word = NULL;
}

fdb_key_t source_address(int i)
{
	const uint8_t address[6] = {2, 0, 0, 0, 0, (uint8_t)i};

	return fdb_key(FID_DEFAULT, mac_key(address));
}

void source_put(struct source *from, uint64_t n)
{
	atomic_fetch_add(&from->pending, n);
	if (from->word != NULL)
		__atomic_fetch_add(from->word, (uint16_t)n, __ATOMIC_SEQ_CST);
}

/* The driver: frames are there, and a kick if one is wanted. */
void source_send(struct source *from, uint64_t n)
{
	source_put(from, n);
	if (atomic_load(&from->armed))
		eventfd_write(from->rxq.wake_fd, 1);
}

/* --- waiting ----------------------------------------------------------------------------------------------------- */

bool await_equal(const _Atomic uint64_t *what, uint64_t value)
{
	uint64_t deadline = clock_ns() + 10 * NS_PER_S;

	while (atomic_load(what) != value) {
		if (clock_ns() > deadline)
			return false;
		usleep(50);
	}
	return true;
}

uint64_t lcore_rig_sum(size_t counter)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < lcores_n(); i++)
		sum += counted((const _Atomic uint64_t *)(const void *)((const char *)lcore_counters(
									       lcore_at(i)) +
								       counter));
	return sum;
}
/* Whether every other thread of ours waits in the kernel: one that only lacks a CPU is ready to run. */
static bool others_wait(void)
{
	DIR *tasks = opendir("/proc/self/task");
	const struct dirent *task;
	bool wait = true;

	assert_non_null(tasks);
	while ((task = readdir(tasks)) != NULL) {
		char path[300], state = 'S';
		FILE *f;

		if (atoi(task->d_name) == 0 || atoi(task->d_name) == gettid())
			continue;
		snprintf(path, sizeof(path), "/proc/self/task/%s/stat", task->d_name);
		f = fopen(path, "r");
		if (f != NULL && fscanf(f, "%*d (%*[^)]) %c", &state) != 1)
			state = 'S'; /* it has ended */
		if (f != NULL)
			fclose(f);
		wait &= state == 'S';
	}
	closedir(tasks);
	return wait;
}

/* Every lcore has gone to sleep: rounds have stopped. */
void await_sleep(void)
{
	uint64_t deadline = clock_ns() + 10 * NS_PER_S, loops;

	do {
		assert_true(clock_ns() < deadline);
		loops = LCORES_SUM(loops);
		usleep(ASLEEP_MS * 1000);
	} while (!others_wait() || LCORES_SUM(loops) != loops);
}

static bool passed;

static void has_passed(struct rcu_wait *wait VUS_UNUSED)
{
	passed = true;
}

/* Control's wait for the lcores, with an end. */
void await_lcores(void)
{
	static struct rcu_wait wait;
	uint64_t deadline = clock_ns() + 10 * NS_PER_S;

	passed = false;
	rcu_wait_start(&wait, has_passed);
	while (!passed) {
		assert_true(clock_ns() < deadline);
		rcu_poll();
		usleep(20);
	}
}

void source_add(struct source *from)
{
	role_assert_control();
	assert_int_equal(lcores_add_queue(&from->rxq), 0);
}

void source_take(struct source *from)
{
	role_assert_control();
	assert_int_equal(lcores_remove_queue(&from->rxq), 0);
	assert_int_equal(from->rxq.lcore, -1);
	await_lcores();
}

/* --- life -------------------------------------------------------------------------------------------------------- */

int lcore_rig_begin(bool busy_poll)
{
	struct fail fail;

	role_assert_control();
	if (lcores_create(busy_poll, &reports, &fail) != 0 || lcores_start() != 0)
		return -1;
	return 0;
}

void lcore_rig_end(void)
{
	uint64_t start = clock_ns();

	role_assert_control();
	lcores_stop();
	assert_true(clock_ns() - start < 2 * NS_PER_S);
	rcu_drain();
	lcores_destroy();
}

int lcore_rig_open(void **state)
{
	struct bridge_config config = {.name = "br0", .mac_aging = 0};
	struct port_spec spec = {.name = "port", .type = "vhost-user"};

	role_assert_control();
	if (doorbell_init(&reports) != 0 || lcore_rig_begin(false) != 0)
		return -1;
	host.lcores = lcores_n();
	bridge = bridge_create(&config, 0);
	for (uint16_t i = 0; i < SOURCES && bridge != NULL; i++) {
		if (port_init(&source[i].port, &host, &source_ops, &spec, i) != 0)
			return -1;
		source[i].rxq.port = &source[i].port;
		source[i].rxq.lcore = -1;
		source[i].rxq.wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		bridge_add_port(bridge, &source[i].port);
	}
	return bridge == NULL ? -1 : 0;
}

int lcore_rig_close(void **state)
{
	role_assert_control();
	for (int i = 0; i < SOURCES; i++)
		bridge_remove_port(bridge, &source[i].port);
	lcore_rig_end();
	for (int i = 0; i < SOURCES; i++) {
		port_fini(&source[i].port);
		close(source[i].rxq.wake_fd);
	}
	bridge_destroy(bridge);
	doorbell_fini(&reports);
	return 0;
}
