/* SPDX-License-Identifier: BSD-3-Clause */
/* A process that serves two rings is killed, and another goes on (L8): after each single instruction of what the first one
 * does, nothing is delivered twice, nothing is out of order or damaged, and every buffer comes back to its driver once.
 * Then what a journal may say that is not so: stale, damaged, invented. */
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include "cases.h"
#include "frame_ref.h"
#include "rig.h"
#include "vnet.h"

#define FEATURES                                                                                   \
	(F(VIRTIO_F_VERSION_1) | F(VIRTIO_RING_F_INDIRECT_DESC) | F(VIRTIO_NET_F_MRG_RXBUF))

enum { FRAMES = 40, BUFFERS = 64, BUFFER = 300, HEADER = 12, LONGEST = 450 };

static struct ring from, to;
/* A device that keeps some frames for a while, or NULL: then there is none. */
static struct frame_refs *device;
/* Memory that outlives the process that serves the rings: the journal of both. */
static struct virtq_record *records;
static uint16_t from_head[FRAMES], to_head[BUFFERS];
static uint64_t to_gpa[BUFFERS];

static uint32_t length_of(uint32_t i)
{
	return 60 + i * 97 % (LONGEST - 60);
}

/* --- the scene --------------------------------------------------------------------------------------------------- */

static void post_frame(uint32_t i)
{
	static uint8_t bytes[HEADER + LONGEST];
	uint32_t len = HEADER + length_of(i);
	uint64_t at = rig_alloc(&rig, len, 1);
	struct piece two[] = {{at, HEADER}, {at + HEADER, len - HEADER}}, one = {at, len};

	pattern_fill(bytes + HEADER, i, length_of(i));
	rig_put(&rig, at, bytes, len);
	from_head[i] = i % 3 == 0   ? ring_chain(&from, &one, 1, false, CHAIN_DIRECT)
		       : i % 3 == 1 ? ring_chain(&from, two, 2, false, CHAIN_DIRECT)
				    : ring_chain(&from, two, 2, false, CHAIN_INDIRECT);
	ring_offer(&from, from_head[i]);
}

/* A front end that lost its device says where a split ring stands, and of a packed one where it once began. */
static void serve(struct ring *ring, struct virtq_record *record)
{
	uint32_t base = ring->packed ? ring->base : ring_used_index(ring);
	bool damaged;

	role_assert_control();
	virtq_init(&ring->q, &rig.table, record);
	ring->q.refs = ring == &from ? device : NULL;
	if (virtq_record_matches(record, &ring->setup, base, &damaged)) {
		virtq_resume(&ring->q, ring->conf, base);
	} else {
		assert_false(damaged);
		virtq_record_begin(record, &ring->setup, base);
		virtq_start(&ring->q, ring->conf, base);
	}
}

/* Frames in one ring, buffers in the other. */
static void post(uint32_t frames)
{
	for (uint32_t i = 0; i < frames; i++)
		post_frame(i);
	ring_show(&from);
	for (uint32_t i = 0; i < BUFFERS; i++) {
		struct piece piece = {rig_alloc(&rig, BUFFER, 1), BUFFER};

		to_gpa[i] = piece.gpa;
		to_head[i] = ring_chain(&to, &piece, 1, true, CHAIN_DIRECT);
		ring_offer(&to, to_head[i]);
	}
	ring_show(&to);
}

static void scene_open(uint16_t base, uint32_t frames)
{
	uint16_t size = rig_packed ? 67 : 64;

	rig_reset(&rig);
	memset(records, 0, 2 * sizeof(*records));
	ring_open(&from, &rig, size, FEATURES, base);
	ring_open(&to, &rig, size, FEATURES, base);
	post(frames);
	serve(&from, &records[0]);
	serve(&to, &records[1]);
}

/* Another guest, and it has its rings where the one before had them. */
static void post_anew(void)
{
	role_assert_control();
	rig.free_at = RIG_GPA + 0x20000;
	virtq_init(&from.q, &rig.table, NULL);
	virtq_init(&to.q, &rig.table, NULL);
	ring_restart(&from, 0);
	ring_restart(&to, 0);
	post(FRAMES);
	serve(&to, &records[1]);
}

static void scene_close(void)
{
	ring_close(&from);
	ring_close(&to);
}

/* What an lcore does, until there is nothing left to do. */
static void run(struct port_counters *counters)
{
	struct frame *frames[BURST_MAX];
	struct frame_ref *held[FRAMES];
	uint16_t n, n_held = 0;

	role_assert_lcore();
	vnet_resume(&to.q);
	while ((n = vnet_receive(&from.q, &burst, BURST_MAX, counters)) > 0 || n_held > 0) {
		for (uint16_t i = 0; i < n; i++) {
			frames[i] = &burst.frame[i];
			if (i % 7 == 3 && frame_ref_of(&burst, frames[i]) != NULL) {
				held[n_held] = frame_ref_of(&burst, frames[i]);
				frame_ref_take(held[n_held++]);
			}
		}
		if (n > 0) {
			vnet_deliver(&to.q, frames, n, FRAME_LEN_MAX, counters);
			vnet_complete(&from.q, &burst);
		} else {
			/* The last comes back first. */
			frame_ref_drop(held[--n_held]);
		}
	}
}

/* --- the checks --------------------------------------------------------------------------------------------------- */

/* Reads what has arrived, buffer after buffer. Returns the number of frames; their numbers only ever grow. */
static uint32_t check_arrivals(struct ring driver, uint32_t *buffers)
{
	static uint8_t got[BUFFER * 4];
	uint32_t id, len, frames = 0, last = 0;

	*buffers = 0;
	while (ring_take(&driver, &id, &len)) {
		struct virtio_net_hdr_mrg_rxbuf header;
		uint32_t n = 0, seed = 0;

		for (uint32_t part = 0, parts = 1; part < parts; part++) {
			assert_true(part == 0 || ring_take(&driver, &id, &len));
			assert_int_equal(id, to_head[*buffers]);
			rig_get(&rig, to_gpa[(*buffers)++], got + n, len);
			n += len;
			memcpy(&header, got, sizeof(header));
			parts = header.num_buffers;
		}
		for (seed = last; seed < FRAMES; seed++)
			if (HEADER + length_of(seed) == n && got[HEADER] == pattern(seed, 0) &&
			    got[n - 1] == pattern(seed, n - HEADER - 1))
				break;
		assert_true(seed < FRAMES); /* or it is one that was there already */
		for (uint32_t i = 0; i < n - HEADER; i++)
			assert_int_equal(got[HEADER + i], pattern(seed, i));
		last = seed + 1;
		frames++;
	}
	return frames;
}

static void check_returns(struct ring driver)
{
	uint32_t id, len, n = 0;

	while (ring_take(&driver, &id, &len)) {
		assert_true(n < FRAMES);
		assert_int_equal(id, from_head[n++]);
		assert_int_equal(len, 0);
	}
	assert_int_equal(n, FRAMES);
}

/* Fills what is left of the buffers: each comes back, once. */
static void check_buffers(uint32_t used)
{
	static uint8_t bytes[64];
	struct port_counters counters = {0};
	struct frame frame = {.head = bytes, .len = 60, .head_len = 60};
	struct frame *frames[] = {&frame};
	struct ring driver = to;
	uint32_t id, len;

	role_assert_lcore();
	for (uint32_t i = used; i <= BUFFERS; i++)
		vnet_deliver(&to.q, frames, 1, FRAME_LEN_MAX, &counters);
	assert_int_equal(counted(&counters.tx_ok), BUFFERS - used);
	assert_int_equal(counted(&counters.tx_drop[TX_DROP_NO_BUFFER]), 1);
	for (uint32_t i = 0; i < BUFFERS; i++) {
		assert_true(ring_take(&driver, &id, &len));
		assert_int_equal(id, to_head[i]);
	}
	assert_false(ring_take(&driver, &id, &len));
}

struct tally {
	unsigned int instants, saved, lost_most;
};

/* The process that served the rings is gone; another one goes on with what is in memory. */
static void another_goes_on(struct tally *tally)
{
	struct ring from_then = from, to_then = to;
	struct port_counters counters = {0};
	uint16_t back = (uint16_t)(ring_used_index(&from) - from.used_idx);
	uint64_t in_hand;
	uint32_t seen, buffers;

	serve(&from, &records[0]);
	serve(&to, &records[1]);
	run(&counters);
	in_hand = counted(&counters.rx_drop[RX_DROP_RESTART]);
	seen = check_arrivals(to, &buffers);
	check_returns(from);
	check_buffers(buffers);
	assert_int_equal(drops_of_rx(&counters), in_hand);
	assert_int_equal(drops_of_tx(&counters), 0);
	assert_int_equal(counted(&from.q.counters.frames) + in_hand, FRAMES - back); /* E1 */
	assert_true(seen <= FRAMES && FRAMES - seen <= in_hand && in_hand <= (device != NULL ? FRAMES : BURST_MAX));
	tally->instants++;
	tally->saved += in_hand > FRAMES - seen;
	if (FRAMES - seen > tally->lost_most)
		tally->lost_most = FRAMES - seen;
	from = from_then;
	to = to_then;
}

/* --- killed ------------------------------------------------------------------------------------------------------ */

/* What is left when the process dies now: as much of it as the test cases use. */
struct remains {
	uint8_t *memory;
	uint64_t size;
	struct virtq_record record[2];
};

static void remember(struct remains *remains)
{
	memcpy(remains->memory, rig.driver[RIG_LOW], remains->size);
	memcpy(remains->record, records, sizeof(remains->record));
}

static void restore(const struct remains *remains)
{
	memcpy(rig.driver[RIG_LOW], remains->memory, remains->size);
	memcpy(records, remains->record, sizeof(remains->record));
}

static bool unchanged(const struct remains *remains)
{
	return memcmp(rig.driver[RIG_LOW], remains->memory, remains->size) == 0 &&
	       memcmp(records, remains->record, sizeof(remains->record)) == 0;
}

/* Where a process can trap its own instructions, it stops after each that wrote to what outlives it, which is some
 * thousands; elsewhere it is stopped after each instruction there is. The instants that differ are the same. */
#ifdef __x86_64__
enum { TRAP_FLAG = 1 << 8 };
static const enum __ptrace_request next_instant = PTRACE_CONT;

static void allow_writes(bool allowed)
{
	mprotect(rig.host[RIG_LOW], RIG_SIZE, allowed ? PROT_READ | PROT_WRITE : PROT_READ);
	mprotect(records, 2 * sizeof(*records), allowed ? PROT_READ | PROT_WRITE : PROT_READ);
}

static void on_write(int signal, siginfo_t *info, void *context)
{
	const uint8_t *at = info->si_addr;

	if ((uint64_t)(at - rig.host[RIG_LOW]) >= RIG_SIZE && (uint64_t)(at - (uint8_t *)records) >= 2 * sizeof(*records))
		_exit(3);
	allow_writes(true);
	((ucontext_t *)context)->uc_mcontext.gregs[REG_EFL] |= TRAP_FLAG;
}

static void on_written(int signal, siginfo_t *info, void *context)
{
	((ucontext_t *)context)->uc_mcontext.gregs[REG_EFL] &= ~TRAP_FLAG;
	allow_writes(false);
	raise(SIGSTOP);
}

static void stop_after_writes(void)
{
	sigaction(SIGSEGV, &(struct sigaction){.sa_sigaction = on_write, .sa_flags = SA_SIGINFO}, NULL);
	sigaction(SIGTRAP, &(struct sigaction){.sa_sigaction = on_written, .sa_flags = SA_SIGINFO}, NULL);
	allow_writes(false);
}
#else
static const enum __ptrace_request next_instant = PTRACE_SINGLESTEP;

static void stop_after_writes(void)
{
}
#endif

static pid_t start_process(void)
{
	struct port_counters counters = {0};
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid > 0)
		return pid;
	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
		_exit(2);
	stop_after_writes();
	raise(SIGSTOP);
	run(&counters);
	_exit(0);
}

/* Wherever it is killed: whenever an instruction changed anything that outlives the process, another one is started on a
 * copy of what there is. */
static void killed_after_any_instruction(void **state)
{
	static const uint16_t bases[] = {65520};

	for (unsigned int b = 0; b < sizeof(bases) / sizeof(bases[0]); b++) {
		struct remains remains = {0};
		struct tally tally = {0};
		int status;
		pid_t pid;

		scene_open(bases[b], FRAMES);
		remains.size = rig.free_at - RIG_GPA;
		remains.memory = malloc(remains.size);
		assert_non_null(remains.memory);
		pid = start_process();
		while (waitpid(pid, &status, 0) == pid && WIFSTOPPED(status)) {
			/* Its own signals are passed on. */
			long signal = WSTOPSIG(status) == SIGSTOP || next_instant == PTRACE_SINGLESTEP ? 0 : WSTOPSIG(status);

			ptrace(PTRACE_SETOPTIONS, pid, NULL, PTRACE_O_EXITKILL);
			if (signal == 0 && (tally.instants == 0 || !unchanged(&remains))) {
				remember(&remains);
				another_goes_on(&tally);
				restore(&remains);
			}
			assert_int_equal(ptrace(next_instant, pid, NULL, signal), 0);
		}
		assert_true(WIFEXITED(status));
		assert_int_equal(WEXITSTATUS(status), 0);
		another_goes_on(&tally);
		print_message("%u instants; in %u a frame would have come twice; at most %u lost\n",
			      tally.instants, tally.saved, tally.lost_most);
		assert_true(tally.instants > 2 * FRAMES && tally.saved > 0);
		free(remains.memory);
		scene_close();
	}
}

/* The same while a device keeps frames beyond their burst: they are in hand all the time, and those behind them. */
static void killed_while_a_device_reads(void **state)
{
	role_assert_control();
	device = frame_refs_create();
	frame_ref_users = 1;
	assert_non_null(device);
	killed_after_any_instruction(state);
	frame_ref_users = 0;
	frame_refs_destroy(device);
	device = NULL;
}

/* --- what is not so ---------------------------------------------------------------------------------------------- */

/* Nothing in hand is believed: all frames arrive. */
static void expect_ignored(void)
{
	struct port_counters counters = {0};
	uint32_t buffers;

	serve(&from, &records[0]);
	run(&counters);
	assert_int_equal(counted(&counters.rx_drop[RX_DROP_RESTART]), 0);
	assert_int_equal(check_arrivals(to, &buffers), FRAMES);
	check_returns(from);
	scene_close();
}

/* The guest has begun the ring anew while no switch ran: the place in the record is of another time. */
static void a_record_of_another_time(void **state)
{
	static const uint16_t places[][2] = {{5, 9}, {65535, 3}, {0, FRAMES + 1}, {1, 1}, {9, 5}};
	struct port_counters counters = {0};

	for (unsigned int i = 0; !rig_packed && i < sizeof(places) / sizeof(places[0]); i++) {
		scene_open(0, FRAMES);
		virtq_record_place(&records[0], places[i][0], places[i][1]);
		expect_ignored();
	}
	/* Some bursts were served to their end, and then another guest came at the same addresses. */
	for (uint32_t frames = 1; frames <= FRAMES; frames++) {
		scene_open(0, frames);
		run(&counters);
		assert_int_equal(ring_used_index(&from), frames);
		post_anew();
		expect_ignored();
	}
	/* In each lap of a packed ring, and where one ends. */
	for (uint32_t frames = 1; rig_packed && frames < 4 * 67; frames++) {
		uint16_t at = (uint16_t)((frames / 67 % 2 == 0 ? 0x8000 : 0) | frames % 67);
		uint16_t last = (uint16_t)(((frames - 1) / 67 % 2 == 0 ? 0x8000 : 0) |
					   (frames - 1) % 67);

		scene_open(0, FRAMES);
		virtq_record_list(&records[0], at, last, (uint16_t)~from_head[0], 0,
				  (uint16_t)(frames % 3));
		records[0].in_hand[0] = records[0].in_hand[1] = (struct virtq_returned){.slots = 1};
		expect_ignored();
	}
	/* Begun somewhere, and never used. */
	for (uint16_t at = 1; rig_packed && at < 67; at++) {
		scene_open(0, FRAMES);
		virtq_record_list(&records[0], 0x8000 | at, 0x8000 | at, 0, 0, 0);
		expect_ignored();
	}
	/* A chain that began in an even lap and ended in an odd one: to a cleared ring that looks the same. */
	for (uint16_t at = 1; rig_packed && at < 67; at++) {
		scene_open(0, FRAMES);
		virtq_record_list(&records[0], 0x8000 | at, 66, (uint16_t)~from_head[0], 0, 0);
		expect_ignored();
	}
	if (rig_packed)
		return;
	/* More in hand than there ever was. */
	scene_open(0, 3);
	memset(&counters, 0, sizeof(counters));
	virtq_record_place(&records[0], 0, 4);
	serve(&from, &records[0]);
	run(&counters);
	assert_int_equal(counted(&counters.rx_drop[RX_DROP_RESTART]), 0);
	assert_int_equal(counted(&from.q.counters.frames), 3);
	scene_close();
}

/* Another ring, other features, another size: not this record's. A migration that begins makes no difference. */
static void a_record_of_another_ring(void **state)
{
	struct virtq_record record = {0};
	struct virtq_setup setup;
	bool damaged;

	scene_open(0, FRAMES);
	setup = from.setup;
	assert_false(virtq_record_matches(&record, &setup, 7, &damaged) || damaged);
	virtq_record_begin(&record, &setup, 7);
	assert_true(virtq_record_matches(&record, &setup, 7, &damaged));
	/* Of a split ring a front end says where it stands now, of a packed one where it began. */
	assert_int_equal(virtq_record_matches(&record, &setup, 8, &damaged), !rig_packed);
	setup.features |= F(26); /* VHOST_F_LOG_ALL */
	assert_true(virtq_record_matches(&record, &setup, 7, &damaged));
	setup.features ^= F(VIRTIO_RING_F_EVENT_IDX);
	assert_false(virtq_record_matches(&record, &setup, 7, &damaged) || damaged);
	for (unsigned int i = 0; i < 4; i++) {
		setup = from.setup;
		setup.size /= i == 0 ? 2 : 1;
		setup.desc_uva += i == 1 ? 16 : 0;
		setup.avail_uva += i == 2 ? 2 : 0;
		setup.used_uva += i == 3 ? 4 : 0;
		assert_false(virtq_record_matches(&record, &setup, 7, &damaged) || damaged);
	}
	virtq_record_clear(&record);
	assert_false(virtq_record_matches(&record, &from.setup, 7, &damaged) || damaged);
	scene_close();
}

/* Any bit of the key that is not as it was written: no record at all. */
static void a_damaged_record(void **state)
{
	struct virtq_record record = {0};
	bool damaged;

	scene_open(0, FRAMES);
	virtq_record_begin(&record, &from.setup, 7);
	for (size_t bit = 0; bit < offsetof(struct virtq_record, place) * 8; bit++) {
		((uint8_t *)&record)[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_false(virtq_record_matches(&record, &from.setup, 7, &damaged));
		assert_true(damaged);
		((uint8_t *)&record)[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	assert_true(virtq_record_matches(&record, &from.setup, 7, &damaged));
	scene_close();
}

/* Whatever stands in the record of a packed ring: bounded, and nothing but the ring is written. */
static void an_invented_list(void **state)
{
	unsigned int believed = 0;

	if (!rig_packed)
		return;
	dice_seed(9);
	for (unsigned int round = 0; round < 3000; round++) {
		struct port_counters counters = {0};
		uint16_t place = (uint16_t)(dice(2) * 0x8000 + dice(dice(3) == 0 ? 0x8000 : 70));
		uint16_t n = (uint16_t)(dice(2) ? dice(4) : dice(VIRTQ_IN_HAND_LIST));
		uint16_t list = (uint16_t)(dice(2) ? 0 : dice(VIRTQ_IN_HAND_LIST));

		scene_open((uint16_t)(round % 2 == 0 ? 0 : 60), FRAMES);
		if (dice(2))
			place = (uint16_t)from.base;
		virtq_record_list(&records[0], place, dice(2) ? place : (uint16_t)dice(65536),
				  from_head[0], list, n);
		for (uint16_t i = 0; i < n; i++)
			*virtq_record_at(&records[0], list, i) = (struct virtq_returned){
				.id = dice(8) ? from_head[i % FRAMES] : (uint16_t)dice(65536),
				.slots = (uint16_t)(dice(3) ? dice(3) : dice(65536)),
				.len = dice(UINT32_MAX),
			};
		rig_snapshot(&rig);
		serve(&from, &records[0]);
		run(&counters);
		believed += counted(&counters.rx_drop[RX_DROP_RESTART]) > 0;
		assert_true(counted(&counters.rx_drop[RX_DROP_RESTART]) <= VIRTQ_IN_HAND_MAX);
		assert_memory_equal(rig_at(&rig, from.desc + from.size * 16u),
				    rig.image + (from.desc - RIG_GPA) + from.size * 16u, 4);
		scene_close();
	}
	assert_true(believed > 0);
}

/* Whatever stands in it, and whatever in the ring: bounded, and every buffer is back once. */
static void an_invented_place(void **state)
{
	if (rig_packed)
		return;
	dice_seed(8);
	for (unsigned int round = 0; round < 300; round++) {
		struct port_counters counters = {0};
		uint32_t in_hand = dice(3) == 0 ? dice(FRAMES) : dice(65536), buffers;

		scene_open((uint16_t)(round % 2 == 0 ? 0 : 65530), FRAMES);
		virtq_record_place(&records[0], from.used_idx, (uint16_t)(from.used_idx + in_hand));
		serve(&from, &records[0]);
		run(&counters);
		in_hand = in_hand <= FRAMES ? in_hand : 0;
		assert_int_equal(counted(&counters.rx_drop[RX_DROP_RESTART]), in_hand);
		assert_int_equal(check_arrivals(to, &buffers), FRAMES - in_hand);
		check_returns(from);
		scene_close();
	}
}

/* V3, in what was in hand. */
static void a_head_beyond_the_ring(void **state)
{
	struct port_counters counters = {0};

	if (rig_packed)
		return;
	scene_open(0, FRAMES);
	from.avail_idx = 1;
	ring_offer(&from, 64);
	from.avail_idx = FRAMES;
	virtq_record_place(&records[0], 0, 4);
	serve(&from, &records[0]);
	run(&counters);
	assert_int_equal(virtq_fault(&from.q), VIRTQ_FAULT_HEAD);
	assert_int_equal(ring_used_index(&from), 0);
	scene_close();
}

static int set_up(void **state)
{
	rig_open(&rig);
	records = mmap(NULL, 2 * sizeof(*records), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(records != MAP_FAILED);
	return 0;
}

static int tear_down(void **state)
{
	munmap(records, 2 * sizeof(*records));
	rig_close(&rig);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(killed_after_any_instruction),
		cmocka_unit_test(killed_while_a_device_reads),
		cmocka_unit_test(a_record_of_another_time),
		cmocka_unit_test(a_record_of_another_ring),
		cmocka_unit_test(a_damaged_record),
		cmocka_unit_test(an_invented_place),
		cmocka_unit_test(an_invented_list),
		cmocka_unit_test(a_head_beyond_the_ring),
	};

	return rig_run_both(CASES(tests), set_up, tear_down);
}
