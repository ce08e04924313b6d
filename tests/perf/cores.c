/* SPDX-License-Identifier: BSD-3-Clause */
/* cores: whether twice the lcores move twice the frames.
 *
 * Links the switch's own lcores (lib/lcore) and data path, without sockets. Pairs of quick guests (quick_guest.h), all in
 * one bridge, are spread evenly over the lcores that take part; both ends of a pair work in the thread of its lcore, one look
 * at their rings for each visit of its queue. So an lcore needs no other, nothing has to cross between CPUs, and what makes
 * two of them slower than twice one is what they share: a line they should not, or a core of the machine, its cache and its
 * memory. How much the latter two are worth shows a thread that only computes, run in the same way.
 *
 *	cores [--ms WINDOW] [--rounds N] [--pairs N] BYTES:FORMAT:RING LCORES... [--shared]
 *		e.g. 64:split:256 1 2 4 8
 *
 * With --shared all send to one guest, whose one receive queue the lcores take turns at; each does that guest's part in
 * its turn. What crosses between CPUs then is that queue.
 *
 * Round by round a window for each number of lcores, and a line of JSON for it: Mpps of all together, ticks of an lcore for a
 * frame, and what that many threads that only compute do together, in units of one alone. Numbers of lcores for which the
 * machine has not enough CPUs are left out. Exit status 1: a frame was lost, late, or came twice.
 */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_cycles.h>

#include "bridge.h"
#include "eal.h"
#include "lcore.h"
#include "quick_guest.h"
#include "vnet.h"

enum { PAIRS_MAX = QG_LANES_MAX, WARM_MS = 5, DRAIN_MS = 2000, WINDOWS_MAX = 8 };

struct vm {
	struct port port; /* first */
	struct port_rxq rxq;
	struct qg_guest guest;
	struct qg_lane *lane; /* whose sender it is */
};

static struct vm *vms;
static struct bridge *bridge;
static struct seat {
	_Alignas(64) struct qg_lane lane;
} *seats;
static struct doorbell bell;
static struct port_host host;
static struct qg_shape shape, lane_shape;
static _Alignas(64) atomic_bool sending, failed;
static struct {
	_Alignas(64) atomic_flag busy;
	_Alignas(64) _Atomic uint64_t received[PAIRS_MAX];
} one;
static struct {
	uint64_t ms;
	unsigned int rounds, windows, lcores[WINDOWS_MAX];
	const char *shape;
	bool shared;
} opt = {.ms = 50, .rounds = 3};

/* --- a port ------------------------------------------------------------------------------------------------------ */

/* Nothing else gets the CPU of this thread while it has something to do; without the right to that, one hopes. */
static void undisturbed(int priority)
{
	struct sched_param param = {.sched_priority = priority};

	pthread_setschedparam(pthread_self(), priority > 0 ? SCHED_FIFO : SCHED_OTHER, &param);
}

/* The receiver's part, where all send to one. */
static void collect(void)
{
	if (atomic_flag_test_and_set_explicit(&one.busy, memory_order_acquire))
		return;
	if (qg_collect(&vms[1].guest, shape.bytes, one.received, shape.pairs) != 0)
		atomic_store(&failed, true);
	atomic_flag_clear_explicit(&one.busy, memory_order_release);
}

static void step(struct qg_lane *lane, bool send)
{
	if (opt.shared) {
		collect();
		lane->received = atomic_load_explicit(&one.received[lane->number], memory_order_acquire);
		if (send)
			qg_lane_send(lane);
	} else if (qg_lane_step(lane, 0, send) != 0) {
		atomic_store(&failed, true);
	}
}

static uint16_t receive(struct port_rxq *q, struct lcore_ctx *ctx) RUNS_ON(lcore_thread)
{
	struct vm *vm = (struct vm *)(void *)q->port;
	static _Thread_local bool settled;

	if (!settled) {
		undisturbed(10);
		settled = true;
	}
	step(vm->lane, atomic_load_explicit(&sending, memory_order_relaxed));
	return vnet_receive(&vm->guest.from, ctx->burst, BURST_MAX, port_counters_of(q->port, ctx));
}

static void complete(struct port_rxq *q, struct lcore_ctx *ctx) RUNS_ON(lcore_thread)
{
	vnet_complete(&((struct vm *)(void *)q->port)->guest.from, ctx->burst);
}

static void deliver(struct port *port, struct lcore_ctx *ctx, struct frame **frames, uint16_t n)
	RUNS_ON(lcore_thread)
{
	vnet_deliver(&((struct vm *)(void *)port)->guest.to, frames, n, FRAME_LEN_MAX,
		     port_counters_of(port, ctx));
}

/* Between windows nothing is sent, and lcores sleep; what changes the poll sets wakes them. */
static bool arm(struct port_rxq *q VUS_UNUSED)
{
	return false;
}

static void disarm(struct port_rxq *q VUS_UNUSED)
{
}

static const struct port_ops vm_ops = {
	.receive = receive,
	.complete = complete,
	.deliver = deliver,
	.arm = arm,
	.disarm = disarm,
};

static int vm_open(struct vm *vm, uint16_t id) RUNS_ON(control_thread)
{
	struct port_spec spec = {.name = "vm", .type = "vhost-user"};
	int error = qg_open(&vm->guest, &shape);

	if (error == 0)
		error = port_init(&vm->port, &host, &vm_ops, &spec, id);
	vm->rxq.port = &vm->port;
	vm->rxq.lcore = -1;
	vm->rxq.wake_fd = -1;
	return error != 0 ? error : bridge_add_port(bridge, &vm->port);
}

static int open_all(void) RUNS_ON(control_thread)
{
	struct bridge_config config = {.name = "br", .mac_table_size = 8192};
	int error = 0;

	host.lcores = lcores_n();
	bridge = bridge_create(&config, 0);
	vms = aligned_alloc(64, 2 * shape.pairs * sizeof(*vms));
	seats = aligned_alloc(64, shape.pairs * sizeof(*seats));
	if (bridge == NULL || vms == NULL || seats == NULL)
		return -1;
	memset(vms, 0, 2 * shape.pairs * sizeof(*vms));
	for (uint32_t i = 0; error == 0 && i < 2 * shape.pairs; i++)
		error = vm_open(&vms[i], (uint16_t)i);
	lane_shape = shape;
	if (opt.shared)
		lane_shape.ring = (uint16_t)(shape.ring / shape.pairs);
	for (uint32_t i = 0; error == 0 && i < shape.pairs; i++) {
		struct vm *to = &vms[opt.shared ? 1 : 2 * i + 1];

		bridge_learn(bridge, qg_mac(i, 0, 0), vms[2 * i].port.id);
		bridge_learn(bridge, qg_mac(i, 1, 0), to->port.id);
		qg_lane_open(&seats[i].lane, &vms[2 * i].guest, &to->guest, &lane_shape, i);
		if (opt.shared) {
			seats[i].lane.sent = i * QG_LANE;
			atomic_store(&one.received[i], i * QG_LANE);
		}
		vms[2 * i].lane = &seats[i].lane;
	}
	return error;
}

/* --- a window ---------------------------------------------------------------------------------------------------- */

static uint64_t moved(void)
{
	uint64_t frames = 0;

	for (unsigned int i = 0; i < lcores_n(); i++)
		frames += counted(&lcore_counters(lcore_at(i))->frames);
	return frames;
}

static void pause_ms(uint64_t ms)
{
	usleep((useconds_t)(ms * 1000));
}

static bool drained(void)
{
	uint64_t end = rte_rdtsc() + DRAIN_MS * rte_get_tsc_hz() / 1000;
	bool rest = true;

	while (rest && rte_rdtsc() < end) {
		pause_ms(1);
		rest = false;
		for (uint32_t i = 0; i < shape.pairs; i++)
			rest |= *(volatile uint64_t *)&seats[i].lane.sent !=
				*(volatile uint64_t *)&seats[i].lane.received;
	}
	return !rest;
}

/* Millions of frames a second that n lcores move. */
static double mpps(unsigned int n, uint64_t ms) RUNS_ON(control_thread)
{
	uint64_t frames, ticks;

	for (uint32_t i = 0; i < shape.pairs; i++) {
		vms[2 * i].rxq.lcore_next = 1 + i % n;
		lcores_add_queue(&vms[2 * i].rxq);
	}
	atomic_store(&sending, true);
	pause_ms(WARM_MS);
	frames = moved();
	ticks = rte_rdtsc();
	pause_ms(ms);
	frames = moved() - frames;
	ticks = rte_rdtsc() - ticks;
	atomic_store(&sending, false);
	if (!drained())
		atomic_store(&failed, true);
	for (uint32_t i = 0; i < shape.pairs; i++)
		lcores_remove_queue(&vms[2 * i].rxq);
	while (rcu_poll()) /* an lcore may have to share the CPU with us */
		pause_ms(1);
	return (double)frames * (double)rte_get_tsc_hz() / (double)ticks / 1e6;
}

/* --- what the machine gives -------------------------------------------------------------------------------------- */

static _Alignas(64) atomic_bool computing;

struct computer {
	_Alignas(64) uint64_t steps;
	unsigned int cpu;
	pthread_t thread;
};

/* Keeps four adders busy and touches no memory. */
static void *compute(void *arg)
{
	struct computer *computer = arg;
	uint64_t a = 1, b = 2, c = 3, d = 4, steps = 0;
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(computer->cpu, &one);
	pthread_setaffinity_np(pthread_self(), sizeof(one), &one);
	undisturbed(10);
	for (; atomic_load_explicit(&computing, memory_order_relaxed); steps++)
		for (int i = 0; i < 100; i++) {
			a += a << 3 ^ b;
			b += b << 5 ^ c;
			c += c << 7 ^ d;
			d += d << 9 ^ a;
			__asm__ volatile("" : "+r"(a), "+r"(b), "+r"(c), "+r"(d));
		}
	computer->steps = steps;
	return NULL;
}

static double steps_of(unsigned int n, uint64_t ms)
{
	struct computer *computer = aligned_alloc(64, n * sizeof(*computer));
	uint64_t steps = 0, ticks = rte_rdtsc();

	if (computer == NULL)
		abort();
	atomic_store(&computing, true);
	for (unsigned int i = 0; i < n; i++) {
		computer[i].cpu = (unsigned int)lcore_cpu(lcore_at(i));
		if (pthread_create(&computer[i].thread, NULL, compute, &computer[i]) != 0)
			abort();
	}
	pause_ms(ms);
	atomic_store(&computing, false);
	for (unsigned int i = 0; i < n; i++) {
		pthread_join(computer[i].thread, NULL);
		steps += computer[i].steps;
	}
	ticks = rte_rdtsc() - ticks;
	free(computer);
	return (double)steps / (double)ticks;
}

/* --- the program ------------------------------------------------------------------------------------------------- */

static int parse(int argc, char **argv)
{
	char format[8] = "";
	int i = 1;

	shape = (struct qg_shape){.regions = 1, .macs = 2, .pairs = 8};
	if (argc > 1 && strcmp(argv[argc - 1], "--shared") == 0) {
		opt.shared = true;
		argc--;
	}
	for (; i + 1 < argc && strncmp(argv[i], "--", 2) == 0; i += 2) {
		unsigned int value = (unsigned int)atoi(argv[i + 1]);

		if (strcmp(argv[i], "--ms") == 0)
			opt.ms = value;
		else if (strcmp(argv[i], "--rounds") == 0)
			opt.rounds = value;
		else if (strcmp(argv[i], "--pairs") == 0 && value >= 1 && value <= PAIRS_MAX)
			shape.pairs = value;
		else
			return -1;
	}
	if (i >= argc || sscanf(argv[i], "%u:%7[a-z]:%hu", &shape.bytes, format, &shape.ring) != 3)
		return -1;
	opt.shape = argv[i++];
	shape.packed = strcmp(format, "packed") == 0;
	for (; i < argc && opt.windows < WINDOWS_MAX; i++)
		opt.lcores[opt.windows++] = (unsigned int)atoi(argv[i]);
	return opt.windows > 0 && shape.bytes >= 60 && shape.bytes <= 9000 && shape.ring <= QG_RING_MAX ? 0 : -1;
}

/* EAL's main lcore, which sleeps, and an lcore on each CPU we may use. */
static int start_lcores(void)
{
	char text[2048] = "0@";
	unsigned int n = 0;
	cpu_set_t cpus;
	size_t at = 2;

	sched_getaffinity(0, sizeof(cpus), &cpus);
	for (int cpu = 0; cpu < CPU_SETSIZE && at < sizeof(text) - 16; cpu++) {
		if (!CPU_ISSET(cpu, &cpus))
			continue;
		if (n == 0)
			at += (size_t)snprintf(text + at, sizeof(text) - at, "%d", cpu);
		at += (size_t)snprintf(text + at, sizeof(text) - at, ",%u@%d", ++n, cpu);
	}
	return eal_start(text, NULL);
}

static void measure(void) RUNS_ON(control_thread)
{
	for (unsigned int round = 0; round < opt.rounds; round++) {
		double alone = steps_of(1, opt.ms);

		for (unsigned int i = 0; i < opt.windows && !atomic_load(&failed); i++) {
			unsigned int n = opt.lcores[i];
			double rate;

			if (n < 1 || n > lcores_n() || n > shape.pairs)
				continue;
			rate = mpps(n, opt.ms);
			printf("{\"shape\": \"%s\", \"pairs\": %u, \"lcores\": %u, \"mpps\": %.3f, \"ticks\": %.1f, "
			       "\"computes\": %.3f}\n",
			       opt.shape, shape.pairs, n, rate, n * (double)rte_get_tsc_hz() / rate / 1e6,
			       steps_of(n, opt.ms) / alone);
			fflush(stdout);
		}
	}
}

int main(int argc, char **argv)
{
	struct fail fail;

	role_take(ROLE_CONTROL);
	role_assert_control();
	if (parse(argc, argv) != 0) {
		fprintf(stderr, "usage: cores [--ms WINDOW] [--rounds N] [--pairs N] BYTES:FORMAT:RING LCORES... "
				"[--shared]\n");
		return 2;
	}
	if (start_lcores() < 0 || doorbell_init(&bell) != 0)
		return 1;
	if (lcores_create(false, &bell, &fail) != 0 || open_all() != 0 || lcores_start() != 0) {
		fprintf(stderr, "cores: cannot be set up\n");
		return 1;
	}
	undisturbed(20);
	measure();
	undisturbed(0);
	lcores_stop();
	return atomic_load(&failed) ? 1 : 0;
}
