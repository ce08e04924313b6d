/* SPDX-License-Identifier: BSD-3-Clause */
/* What is read from a guest is read once (V9), proved without a race: our view of the guest's pages is taken away, each
 * access to them faults, is written down, and is let through for one instruction (the CPU's trap flag). A field that is
 * fetched twice is seen to be, whatever the timing; so is a byte of a body that anything but the last copy reads. */
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "cases.h"
#include "rig.h"
#include "vnet.h"

#define FEATURES                                                                                   \
	(F(VIRTIO_F_VERSION_1) | F(VIRTIO_RING_F_INDIRECT_DESC) | F(VIRTIO_NET_F_MRG_RXBUF))

enum { PAGE = 4096, WATCHED_MAX = 8, ACCESSES_MAX = 65536, LEN = 1514, HEADER = 12 };

#if defined(__x86_64__)

/* --- the watch --------------------------------------------------------------------------------------------------- */

struct access {
	uint64_t gpa;
	bool write;
};

static struct {
	uint64_t page[WATCHED_MAX]; /* guest-physical, below the seam */
	unsigned int pages;
	unsigned int open; /* bits of pages let through for this instruction */
	/* Another thread of the guest: once eight bytes have been read from there, they are this. */
	uint64_t change_at, change_to;
	bool change_now;
	struct access access[ACCESSES_MAX];
	unsigned int n;
	struct sigaction segv, trap;
} watch;

static uint8_t *host_of(uint64_t gpa)
{
	return rig.host[RIG_LOW] + (gpa - RIG_GPA);
}

static void on_access(int number, siginfo_t *info, void *context)
{
	greg_t *reg = ((ucontext_t *)context)->uc_mcontext.gregs;
	uint64_t gpa = (uint64_t)((uint8_t *)info->si_addr - rig.host[RIG_LOW]) + RIG_GPA;

	for (unsigned int i = 0; i < watch.pages; i++) {
		if (gpa - watch.page[i] >= PAGE)
			continue;
		if (watch.n < ACCESSES_MAX)
			watch.access[watch.n++] =
				(struct access){.gpa = gpa, .write = (reg[REG_ERR] & 2) != 0};
		watch.open |= 1u << i;
		watch.change_now = gpa == watch.change_at;
		mprotect(host_of(watch.page[i]), PAGE, PROT_READ | PROT_WRITE);
		reg[REG_EFL] |= 0x100; /* the trap flag */
		return;
	}
	signal(number, SIG_DFL);
}

static void on_step(int number VUS_UNUSED, siginfo_t *info VUS_UNUSED, void *context)
{
	((ucontext_t *)context)->uc_mcontext.gregs[REG_EFL] &= ~0x100;
	if (watch.change_now) {
		memcpy(host_of(watch.change_at), &watch.change_to, sizeof(watch.change_to));
		watch.change_at = 0;
		watch.change_now = false;
	}
	for (unsigned int i = 0; i < watch.pages; i++)
		if ((watch.open & 1u << i) != 0)
			mprotect(host_of(watch.page[i]), PAGE, PROT_NONE);
	watch.open = 0;
}

static void watch_page(uint64_t gpa)
{
	assert_int_equal(gpa % PAGE, 0);
	watch.page[watch.pages++] = gpa;
}

static void watch_begin(void)
{
	struct sigaction access = {.sa_sigaction = on_access, .sa_flags = SA_SIGINFO};
	struct sigaction step = {.sa_sigaction = on_step, .sa_flags = SA_SIGINFO};

	watch.n = watch.open = 0;
	assert_int_equal(sigaction(SIGSEGV, &access, &watch.segv), 0);
	assert_int_equal(sigaction(SIGTRAP, &step, &watch.trap), 0);
	for (unsigned int i = 0; i < watch.pages; i++)
		assert_int_equal(mprotect(host_of(watch.page[i]), PAGE, PROT_NONE), 0);
}

static void watch_end(void)
{
	for (unsigned int i = 0; i < watch.pages; i++)
		mprotect(host_of(watch.page[i]), PAGE, PROT_READ | PROT_WRITE);
	sigaction(SIGSEGV, &watch.segv, NULL);
	sigaction(SIGTRAP, &watch.trap, NULL);
	assert_true(watch.n < ACCESSES_MAX);
}

/* Instructions that read from [from, from + len), and that wrote to it. */
static unsigned int reads(uint64_t from, uint64_t len)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < watch.n; i++)
		n += watch.access[i].gpa - from < len && !watch.access[i].write;
	return n;
}

static unsigned int writes(uint64_t from, uint64_t len)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < watch.n; i++)
		n += watch.access[i].gpa - from < len && watch.access[i].write;
	return n;
}

/* A descriptor is two loads of eight bytes. */
static void read_once(uint64_t desc)
{
	assert_int_equal(reads(desc, 8), 1);
	assert_int_equal(reads(desc + 8, 8), 1);
	assert_int_equal(writes(desc, 16), 0);
}

/* --- test cases --------------------------------------------------------------------------------------------------- */

/* The ring's table, an indirect table and the buffers have pages of their own. */
static uint64_t table, buffer;

static struct ring *watched_ring(uint16_t size)
{
	static struct ring ring;

	rig_reset(&rig);
	memset(&watch, 0, sizeof(watch));
	memset(&counters, 0, sizeof(counters));
	ring_open(&ring, &rig, size, FEATURES, 0);
	table = rig_alloc(&rig, PAGE, PAGE);
	buffer = rig_alloc(&rig, 4 * PAGE, PAGE);
	memset(rig_at(&rig, buffer), 0, 4 * PAGE);
	watch_page(ring.desc);
	watch_page(table);
	for (int i = 0; i < 4; i++)
		watch_page(buffer + (uint64_t)i * PAGE);
	return &ring;
}

static void table_entry(uint32_t i, uint64_t gpa, uint32_t len, uint16_t flags, uint16_t next)
{
	struct vring_desc desc = {.addr = gpa, .len = len, .flags = flags, .next = next};

	rig_put(&rig, table + i * sizeof(desc), &desc, sizeof(desc));
}

static void receive(struct ring *ring, uint16_t n)
{
	uint16_t got;

	role_assert_lcore();
	ring_show(ring);
	watch_begin();
	got = vnet_receive(&ring->q, &burst, BURST_MAX, &counters);
	watch_end();
	assert_int_equal(got, n);
}

/* One descriptor a frame: the common way. The header and the head are read, the body is not looked at. */
static void one_descriptor(void **state)
{
	struct ring *ring = watched_ring(256);

	role_assert_lcore();
	for (uint16_t i = 0; i < 8; i++) {
		ring_desc(ring, i, buffer + i * 2048u, HEADER + LEN, 0, 0);
		ring_offer(ring, i);
	}
	receive(ring, 8);
	for (uint16_t i = 0; i < 8; i++) {
		uint64_t at = buffer + i * 2048u;

		read_once(ring->desc + i * 16u);
		assert_in_range(reads(at, 10), 1, 10);
		assert_true(reads(at + HEADER, FRAME_HEAD) > 0);
		assert_int_equal(reads(at + HEADER + FRAME_HEAD, LEN - FRAME_HEAD), 0);
		assert_int_equal(writes(at, HEADER + LEN), 0);
	}
	assert_int_equal(reads(ring->desc, PAGE), 16);
	vnet_complete(&ring->q, &burst);
	ring_close(ring);
}

/* Chains, direct and through a table: each descriptor once; the body is not looked at. */
static void chains_of_many(void **state)
{
	struct ring *ring = watched_ring(256);

	role_assert_lcore();
	for (uint16_t i = 0; i < 30; i++)
		ring_desc(ring, i, buffer + i * 2, 2, VRING_DESC_F_NEXT, i + 1);
	ring_desc(ring, 30, table, 40 * 16, VRING_DESC_F_INDIRECT, 0);
	for (uint16_t i = 0; i < 40; i++)
		table_entry(i, buffer + 60 + i * 4, 4, i < 39 ? VRING_DESC_F_NEXT : 0, i + 1);
	ring_offer(ring, 0);
	receive(ring, 1);
	assert_int_equal(burst.frame[0].len, 60 + 160 - HEADER);
	for (uint32_t i = 0; i <= 30; i++)
		read_once(ring->desc + i * 16u);
	for (uint32_t i = 0; i < 40; i++)
		read_once(table + i * 16u);
	assert_int_equal(reads(ring->desc, PAGE), 2 * 31);
	assert_int_equal(reads(table, PAGE), 2 * 40);
	/* Header and head are copied, piece by piece; memcpy() may load a short piece twice on its way, which changes
	 * nothing: only the copy is looked at. */
	for (uint32_t i = 0; i < HEADER + FRAME_HEAD; i++)
		assert_in_range(reads(buffer + i, 1), 0, 2);
	assert_int_equal(reads(buffer + HEADER + FRAME_HEAD, 220 - HEADER - FRAME_HEAD), 0);
	vnet_complete(&ring->q, &burst);
	ring_close(ring);
}

/* Into a guest: each descriptor is read once where one buffer does; the buffers are written and never read. */
static void deliver_never_reads_back(void **state)
{
	static uint8_t bytes[LEN];
	struct mem_span body = {.at = bytes + FRAME_HEAD, .len = LEN - FRAME_HEAD};
	struct frame frame = {
		.head = bytes, .len = LEN, .head_len = FRAME_HEAD, .body = &body, .body_spans = 1};
	struct frame *frames[4] = {&frame, &frame, &frame, &frame};
	struct ring *ring = watched_ring(256);

	role_assert_lcore();
	for (uint16_t i = 0; i < 4; i++) {
		ring_desc(ring, i, buffer + i * 2048u, 2048, VRING_DESC_F_WRITE, 0);
		ring_offer(ring, i);
	}
	ring_show(ring);
	watch_begin();
	vnet_deliver(&ring->q, frames, 4, LEN, &counters);
	watch_end();
	assert_int_equal(counted(&counters.tx_ok), 4);
	for (uint16_t i = 0; i < 4; i++)
		read_once(ring->desc + i * 16u);
	assert_int_equal(reads(ring->desc, PAGE), 8);
	assert_int_equal(reads(buffer, 4 * PAGE), 0);
	for (uint16_t i = 0; i < 4; i++) {
		assert_true(writes(buffer + i * 2048u, HEADER + LEN) > 0);
		assert_int_equal(writes(buffer + i * 2048u + HEADER + LEN, 2048 - HEADER - LEN), 0);
	}
	ring_close(ring);
}

/* A burst takes all of a packed ring, in chains of two slots. As their first descriptor is read, the guest makes it, and what
 * follows the ring in its memory, available a lap on: the burst ends where the ring does. */
static void packed_ring_is_read_once(void **state)
{
	enum { SIZE = 4, AT = 3, LAP = FG_DESC_AVAIL, LAP_ON = FG_DESC_USED };
	const struct fg_packed_desc again = {.addr = buffer, .len = 100, .flags = LAP_ON};
	struct ring *ring;

	role_assert_control();
	rig_packed = true;
	ring = watched_ring(SIZE);
	for (uint32_t i = 0; i < SIZE; i++) {
		struct fg_packed_desc desc = {.addr = buffer + i * 64, .len = 50, .flags = i % 2 == 0 ? NEXT : 0};

		desc.flags |= AT + i < SIZE ? LAP : LAP_ON;
		rig_put(&rig, ring->desc + (AT + i) % SIZE * sizeof(desc), &desc, sizeof(desc));
		rig_put(&rig, ring->desc + (SIZE + i) * sizeof(again), &again, sizeof(again));
	}
	virtq_start(&ring->q, ring->conf, 0x8000 | AT);
	watch.change_at = ring->desc + AT * sizeof(again) + 8;
	memcpy(&watch.change_to, (const uint8_t *)&again + 8, sizeof(watch.change_to));
	role_assert_lcore();
	watch_begin();
	assert_int_equal(vnet_receive(&ring->q, &burst, BURST_MAX, &counters), 2);
	watch_end();
	assert_int_equal(reads(ring->desc, SIZE * 16), 1 + 2 * SIZE); /* and the first flags, for whether to look */
	assert_int_equal(reads(ring->desc + SIZE * 16, PAGE - SIZE * 16), 0);
	vnet_complete(&ring->q, &burst);
	ring_close(ring);
	rig_packed = false;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_descriptor),
		cmocka_unit_test(chains_of_many),
		cmocka_unit_test(deliver_never_reads_back),
		cmocka_unit_test(packed_ring_is_read_once),
	};

	return cmocka_run_group_tests(tests, rig_setup, rig_teardown);
}

#else

int main(void)
{
	return 77; /* the trap flag is x86's; meson calls this skipped */
}

#endif
