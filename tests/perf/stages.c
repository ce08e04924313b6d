/* SPDX-License-Identifier: BSD-3-Clause */
/* stages: what a frame costs an lcore between two guests, stage by stage.
 *
 * Links the data path itself, without sockets, control thread or lcore loop: pairs of quick guests (quick_guest.h), each
 * in a bridge of its own with its addresses learned, and one thread that does what an lcore does in a round. The guests
 * have the first CPU, the switch the second. Prints a line of JSON for each window: what arrived how long a line
 * took to the other CPU and back and, from a second window in which each step of a burst is timed, the ticks of each for a
 * frame:
 *
 *	poll      looking at queues that have nothing
 *	receive   vnet_receive(): ring, header and head of each frame
 *	classify  bridge_forward() without what it calls
 *	deliver   vnet_deliver(): ring and the one copy
 *	complete  vnet_complete()
 *
 * With --alone one thread does both sides in turn: no line crosses between CPUs, which leaves the instructions. (Under
 * valgrind --tool=callgrind it counts them.)
 *
 * --capture: the first guest is captured, both ways. (With --alone the thread that writes has the other CPU.)
 * --vlans: the bridges are vlan-aware, and all frames without a tag.
 *
 *	stages [--alone] [--capture] [--vlans] [--ms WINDOW] BYTES:FORMAT:RING:REGIONS:PAIRS:MACS...      e.g. 64:split:256:1:1:2
 *
 * Exit status 1: a frame was lost, late or came twice.
 */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_eal.h>

#include "bridge.h"
#include "eal.h"
#include "policy_vlan.h"
#include "quick_guest.h"
#include "rcu.h"
#include "stages_capture.h"
#include "vnet.h"

enum { PAIRS_MAX = 64, MACS_MAX = 1 << 20, WARM_MS = 20, DRAIN_MS = 2000 };
enum stage { POLL, RECEIVE, CLASSIFY, DELIVER, COMPLETE, STAGES };
static const char *const stage_names[STAGES] = {"poll", "receive", "classify", "deliver", "complete"};

struct vm {
	struct port port; /* first */
	struct port_rxq rxq;
	struct qg_guest guest;
};

static struct vm *vms;
static struct bridge *bridges[PAIRS_MAX];
static struct qg_lane lanes[PAIRS_MAX];
static struct port_host host = {.lcores = 1};
static struct lcore_ctx ctx;
static bool vlans, captures;

/* The switch's thread writes, the other reads. */
static _Alignas(64) struct {
	_Atomic uint64_t ticks[STAGES];
	_Atomic uint64_t frames, bursts, rounds, idle;
} work;
static _Alignas(64) atomic_bool stopping, timing;

/* --- an lcore ---------------------------------------------------------------------------------------------------- */

static uint64_t delivering;

static void deliver(struct port *port, struct lcore_ctx *lc, struct frame **frames, uint16_t n)
	RUNS_ON(lcore_thread)
{
	struct vm *vm = (struct vm *)(void *)port;
	bool timed = atomic_load_explicit(&timing, memory_order_relaxed);
	uint64_t before = timed ? rte_rdtsc() : 0;

	vnet_deliver(&vm->guest.to, frames, n, FRAME_LEN_MAX, port_counters_of(port, lc));
	if (timed)
		delivering += rte_rdtsc() - before;
}

static const struct port_ops vm_ops = {.deliver = deliver};

static uint16_t visit(struct vm *vm, bool timed) RUNS_ON(lcore_thread)
{
	uint64_t t0 = timed ? rte_rdtsc() : 0, t1, t2;
	uint16_t n = vnet_receive(&vm->guest.from, ctx.burst, BURST_MAX, port_counters_of(&vm->port, &ctx));

	t1 = timed ? rte_rdtsc() : 0;
	if (n == 0) {
		count(&work.ticks[POLL], t1 - t0);
		return 0;
	}
	delivering = 0;
	bridge_forward(&ctx, &vm->rxq);
	t2 = timed ? rte_rdtsc() : 0;
	vnet_complete(&vm->guest.from, ctx.burst);
	count(&work.frames, n);
	count(&work.bursts, 1);
	if (timed) {
		count(&work.ticks[RECEIVE], t1 - t0);
		count(&work.ticks[CLASSIFY], t2 - t1 - delivering);
		count(&work.ticks[DELIVER], delivering);
		count(&work.ticks[COMPLETE], rte_rdtsc() - t2);
	}
	return n;
}

static void go_round(unsigned int n) RUNS_ON(lcore_thread)
{
	bool timed = atomic_load_explicit(&timing, memory_order_relaxed);
	uint32_t frames = 0;

	for (unsigned int i = 0; i < n; i++)
		frames += visit(&vms[i], timed);
	count(&work.rounds, 1);
	count(&work.idle, frames == 0);
	rcu_quiescent(0);
}

static cpu_set_t cpus; /* as they were before EAL chose one */

/* The CPU of this number, of those; or all, where there are fewer. */
static cpu_set_t cpu_number(int which)
{
	cpu_set_t one;
	int cpu = -1;

	if (CPU_COUNT(&cpus) <= which)
		return cpus;
	for (int i = 0; i <= which; i++)
		do
			cpu++;
		while (!CPU_ISSET(cpu, &cpus));
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	return one;
}

static void pin(int which)
{
	cpu_set_t one = cpu_number(which);

	sched_setaffinity(0, sizeof(one), &one);
}

/* Nothing else runs on this thread's CPU while it does; without the right to that, it hopes. */
static void undisturbed(bool on)
{
	struct sched_param param = {.sched_priority = on ? 10 : 0};

	pthread_setschedparam(pthread_self(), on ? SCHED_FIFO : SCHED_OTHER, &param);
}

/* Both are on their own CPU before either is alone there. */
static pthread_barrier_t settled;

/* A line that goes from one CPU to the other and back while the switch does nothing else: what all of it depends on. */
static _Alignas(128) _Atomic uint32_t ball;
enum { TRIPS = 2000 };

static void throw_back(void)
{
	uint32_t turn = 0;

	while (turn < 2 * TRIPS) {
		turn = atomic_load_explicit(&ball, memory_order_acquire);
		if (turn % 2 == 1)
			atomic_store_explicit(&ball, ++turn, memory_order_release);
	}
	atomic_store_explicit(&ball, 0, memory_order_release);
}

static double trip_ns(void)
{
	uint64_t before = rte_rdtsc();

	for (uint32_t turn = 1; turn < 2 * TRIPS; turn += 2) {
		atomic_store_explicit(&ball, turn, memory_order_release);
		while (atomic_load_explicit(&ball, memory_order_acquire) == turn)
			;
	}
	before = rte_rdtsc() - before;
	while (atomic_load_explicit(&ball, memory_order_acquire) != 0)
		;
	return (double)before * 1e9 / (double)rte_get_tsc_hz() / TRIPS;
}

/* How fast this core is just now: on a virtual machine another one may share it. Ticks of a step that would keep four
 * adders busy; the slowest yet is kept. */
static double slowest;

static void try_speed(void)
{
	uint64_t a = 1, b = 2, c = 3, d = 4, before = rte_rdtsc();
	enum { STEPS = 20000 };
	double ticks;

	for (int i = 0; i < STEPS; i++) {
		a += a << 3 ^ b;
		b += b << 5 ^ c;
		c += c << 7 ^ d;
		d += d << 9 ^ a;
		__asm__ volatile("" : "+r"(a), "+r"(b), "+r"(c), "+r"(d));
	}
	ticks = (double)(rte_rdtsc() - before) / STEPS;
	if (ticks > slowest)
		slowest = ticks;
}

static void *lcore(void *arg)
{
	pin(1);
	undisturbed(true);
	pthread_barrier_wait(&settled);
	try_speed();
	role_assert_lcore();
	rcu_online(0);
	throw_back();
	while (!atomic_load_explicit(&stopping, memory_order_relaxed))
		go_round(2 * *(const unsigned int *)arg);
	rcu_offline(0);
	try_speed();
	throw_back();
	return NULL;
}

/* --- the world --------------------------------------------------------------------------------------------------- */

static int vm_open(struct vm *vm, struct bridge *bridge, const struct qg_shape *shape, uint16_t id)
{
	struct port_spec spec = {.name = "vm", .type = "vhost-user"};
	int error = qg_open(&vm->guest, shape);

	role_assert_control();
	if (error == 0)
		error = port_init(&vm->port, &host, &vm_ops, &spec, id);
	vm->rxq.port = &vm->port;
	return error != 0 ? error : bridge_add_port(bridge, &vm->port);
}

static fdb_key_t key_of(uint32_t pair, uint32_t side, uint32_t i)
{
	return fdb_key(vlans ? policy_vlan_default.native : FID_DEFAULT, qg_mac(pair, side, i));
}

static int pair_open(const struct qg_shape *shape, uint32_t i)
{
	struct bridge_config config = {
		.name = "br",
		.mac_table_size = shape->macs < 8192 ? 8192 : shape->macs,
		.vlan_aware = vlans,
	};
	struct vm *from = &vms[2 * i], *to = &vms[2 * i + 1];

	role_assert_control();
	bridges[i] = bridge_create(&config, (uint16_t)i);
	if (bridges[i] == NULL || vm_open(from, bridges[i], shape, (uint16_t)(2 * i)) != 0 ||
	    vm_open(to, bridges[i], shape, (uint16_t)(2 * i + 1)) != 0)
		return -1;
	for (uint32_t mac = 0; mac < shape->macs / 2; mac++) {
		bridge_learn(bridges[i], key_of(i, 0, mac), from->port.id);
		bridge_learn(bridges[i], key_of(i, 1, mac), to->port.id);
	}
	qg_lane_open(&lanes[i], &from->guest, &to->guest, shape, i);
	return 0;
}

static void pair_close(uint32_t i)
{
	role_assert_control();
	for (uint32_t side = 0; side < 2; side++)
		bridge_remove_port(bridges[i], &vms[2 * i + side].port);
	while (rcu_poll())
		;
	bridge_destroy(bridges[i]);
	for (uint32_t side = 0; side < 2; side++) {
		port_fini(&vms[2 * i + side].port);
		qg_close(&vms[2 * i + side].guest);
	}
}

/* --- measuring --------------------------------------------------------------------------------------------------- */

static uint64_t received(uint32_t pairs)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < pairs; i++)
		sum += lanes[i].received;
	return sum;
}

static bool drained(uint32_t pairs)
{
	uint64_t sent = 0;

	for (uint32_t i = 0; i < pairs; i++)
		sent += lanes[i].sent;
	return sent == received(pairs);
}

/* The guests' side for a while; `alone`: and the switch's. */
static int run_for(const struct qg_shape *shape, uint64_t ms, bool alone, bool send)
{
	uint64_t now = rte_rdtsc(), end = now + ms * rte_get_tsc_hz() / 1000;
	int error = 0;

	role_assert_lcore();
	for (; error == 0 && now < end; now = rte_rdtsc()) {
		for (uint32_t i = 0; error == 0 && i < shape->pairs; i++)
			error = qg_lane_step(&lanes[i], alone ? 0 : now, send);
		for (int i = 0; alone && i < 8; i++)
			go_round(2 * shape->pairs);
		if (!send && drained(shape->pairs))
			break;
	}
	return error;
}

/* What there was at the beginning of a window or, after since(), what came in it. */
struct seen {
	uint64_t ticks[STAGES], frames, bursts, rounds, idle, came, clock;
};

static struct seen look(uint32_t pairs)
{
	struct seen seen = {
		.frames = work.frames,
		.bursts = work.bursts,
		.rounds = work.rounds,
		.idle = work.idle,
		.came = received(pairs),
		.clock = rte_rdtsc(),
	};

	for (int i = 0; i < STAGES; i++)
		seen.ticks[i] = work.ticks[i];
	return seen;
}

static double share(uint64_t after, uint64_t before, uint64_t whole_after, uint64_t whole_before)
{
	return whole_after == whole_before
		       ? 0
		       : (double)(after - before) / (double)(whole_after - whole_before);
}

/* A window for the rate, and a timed one: what was seen at their bounds, four times. */
static int windows(const struct qg_shape *shape, uint64_t ms, bool alone, struct seen *seen)
{
	int error = run_for(shape, WARM_MS, alone, true);

	for (int i = 0; error == 0 && i < 4; i += 2) {
		atomic_store(&timing, i > 0);
		error = run_for(shape, 2, alone, true);
		seen[i] = look(shape->pairs);
		error = error != 0 ? error : run_for(shape, ms, alone, true);
		seen[i + 1] = look(shape->pairs);
	}
	atomic_store(&timing, false);
	return error != 0 ? error : run_for(shape, DRAIN_MS, alone, false);
}

static void tell(const struct qg_shape *shape, bool alone, const struct seen *seen, double trip)
{
	double ticks = share(seen[1].clock, seen[0].clock, seen[1].came, seen[0].came);

	printf("{\"bytes\": %u, \"format\": \"%s\", \"ring\": %u, \"regions\": %u, \"pairs\": %u, "
	       "\"macs\": %u, \"alone\": %s, \"trip_ns\": %.0f, \"step\": %.2f, \"mpps\": %.4f, \"ticks\": %.2f, "
	       "\"idle\": %.4f, \"burst\": %.1f",
	       shape->bytes, shape->packed ? "packed" : "split", shape->ring, shape->regions,
	       shape->pairs, shape->macs, alone ? "true" : "false", trip, slowest,
	       ticks > 0 ? (double)rte_get_tsc_hz() / 1e6 / ticks : 0, ticks,
	       share(seen[1].idle, seen[0].idle, seen[1].rounds, seen[0].rounds),
	       share(seen[1].frames, seen[0].frames, seen[1].bursts, seen[0].bursts));
	for (int i = 0; i < STAGES; i++)
		printf(", \"%s\": %.2f", stage_names[i],
		       share(seen[3].ticks[i], seen[2].ticks[i], seen[3].frames, seen[2].frames));
	printf("}\n");
	fflush(stdout);
}

/* Everything between two looks at the distance: a figure counts only if that stayed. */
static int perform(struct qg_shape *shape, uint64_t ms, bool alone)
{
	struct seen seen[4];
	double before = 0, after = 0;
	pthread_t thread;
	int error;

	atomic_store(&stopping, false);
	slowest = 0;
	if (alone) {
		try_speed();
		rcu_online(0);
	} else {
		if (pthread_create(&thread, NULL, lcore, &shape->pairs) != 0)
			return -1;
		pthread_barrier_wait(&settled);
	}
	undisturbed(true);
	before = alone ? 0 : trip_ns();
	error = windows(shape, ms, alone, seen);
	atomic_store(&stopping, true);
	after = alone ? 0 : trip_ns();
	undisturbed(false);
	if (alone) {
		try_speed();
		rcu_offline(0);
	} else {
		pthread_join(thread, NULL);
	}
	if (error == 0 && !drained(shape->pairs)) {
		fprintf(stderr, "stages: frames never came\n");
		error = -1;
	}
	if (error == 0)
		tell(shape, alone, seen, after > 1.3 * before || before > 1.3 * after ? -1 : before);
	return error;
}

static int measure(struct qg_shape *shape, uint64_t ms, bool alone)
{
	cpu_set_t other = cpu_number(1);
	uint32_t opened = 0;
	int error = 0;

	memset(vms, 0, 2 * PAIRS_MAX * sizeof(*vms));
	memset(&work, 0, sizeof(work));
	for (; error == 0 && opened < shape->pairs; opened++)
		error = pair_open(shape, opened);
	if (error == 0 && captures)
		error = stages_capture_begin(&vms[0].port, &other);
	if (error == 0)
		error = perform(shape, ms, alone);
	if (opened == shape->pairs && captures)
		stages_capture_end(&vms[0].port);
	for (uint32_t i = 0; i < opened; i++)
		pair_close(i);
	return error;
}

static int parse(const char *text, struct qg_shape *shape)
{
	char format[8];
	unsigned int ring;

	if (sscanf(text, "%u:%7[a-z]:%u:%u:%u:%u", &shape->bytes, format, &ring, &shape->regions,
		   &shape->pairs, &shape->macs) != 6 ||
	    shape->bytes < 60 || shape->bytes > 9000 || ring < 2 || ring > QG_RING_MAX ||
	    (ring & (ring - 1)) != 0 || shape->regions < 1 || shape->regions > MEM_SLOTS_MAX ||
	    shape->pairs < 1 || shape->pairs > PAIRS_MAX || shape->macs < 2 || shape->macs > MACS_MAX)
		return -1;
	shape->ring = (uint16_t)ring;
	shape->packed = strcmp(format, "packed") == 0;
	return 0;
}

static int begin(void)
{
	sched_getaffinity(0, sizeof(cpus), &cpus);
	if (eal_start("0@0", NULL) != 0 || rcu_init(1) != 0)
		return -1;
	pin(0);
	pthread_barrier_init(&settled, NULL, 2);
	ctx.burst = aligned_alloc(64, (sizeof(*ctx.burst) + 63) & ~(size_t)63);
	vms = aligned_alloc(64, 2 * PAIRS_MAX * sizeof(*vms));
	return ctx.burst == NULL || vms == NULL ? -1 : 0;
}

int main(int argc, char **argv)
{
	struct qg_shape shape;
	uint64_t ms = 50;
	bool alone = false;
	int at = 1, error = 0;

	for (; at < argc && argv[at][0] == '-'; at++) {
		if (strcmp(argv[at], "--alone") == 0)
			alone = true;
		else if (strcmp(argv[at], "--capture") == 0)
			captures = true;
		else if (strcmp(argv[at], "--vlans") == 0)
			vlans = true;
		else if (strcmp(argv[at], "--ms") == 0 && at + 1 < argc)
			ms = strtoul(argv[++at], NULL, 10);
	}
	if (at == argc || begin() != 0) {
		fprintf(stderr, "usage: stages [--alone] [--capture] [--vlans] [--ms WINDOW] "
				"BYTES:FORMAT:RING:REGIONS:PAIRS:MACS...\n");
		return 1;
	}
	for (; error == 0 && at < argc; at++)
		error = parse(argv[at], &shape) != 0 ? -1 : measure(&shape, ms, alone);
	rte_eal_cleanup();
	return error != 0;
}
