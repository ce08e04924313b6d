/* SPDX-License-Identifier: BSD-3-Clause */
/* The dirty log of a migrating guest whose memory comes and goes, under traffic: F8. QEMU refuses to plug
 * memory while it migrates; the protocol does not, and other front ends may not.
 *
 * Every buffer is used once, so that a page that was written and is in no log is a lost bit, and no later write hides it.
 */
#include "fixture.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
	PAGE = 4096,
	FRAME = 1400,
	BUFFER = 2048,
	AT = 3000,	  /* in its two pages: the frame lies in both */
	STRIDE = 2 * PAGE, /* bytes of memory a buffer has for itself */
	DEPTH = 32,
	AT_ONCE = 8, /* buffers used in plugged memory before it goes */
	PACE_US = 50,
	ROUNDS_MIN = 20,
	ROUNDS_MAX = 250,
	LIMIT_MS = 5000,
};
#define MIB	   (1ull << 20)
#define PLAIN_GPA  (GUEST_GPA + (1ull << 30))
#define PLAIN_SIZE (128 * MIB)
#define PLUG_GPA   (GUEST_GPA + (1ull << 32))
#define PLUG_SIZE  (ROUNDS_MAX * AT_ONCE * (uint64_t)STRIDE)
#define BUFFERS	   ((PLAIN_SIZE + PLUG_SIZE) / STRIDE)

/* One bit for a page below `size` * 8 * PAGE. */
struct log {
	uint64_t size;
	uint8_t *bit;
};

static uint64_t log_size(uint64_t end)
{
	return (end / PAGE / 8 + 7) & ~7ull;
}

static bool marked(const struct log *log, uint64_t gpa)
{
	return (__atomic_load_n(&log->bit[gpa / PAGE / 8], __ATOMIC_RELAXED) >> (gpa / PAGE % 8)) & 1;
}

/* What both threads know. The traffic thread owns the rings and `written`; the main thread the conversation. */
static struct {
	struct guest *guest, *peer;
	_Atomic bool over;
	_Atomic unsigned int wanted; /* buffers to be posted in plugged memory, since the start */
	_Atomic unsigned int back;   /* of those, how many came back filled */
	_Atomic bool failed;
	uint64_t plain_next, plug_next;
	unsigned int posted, received, sent, plugged;
	uint64_t *written; /* guest addresses of the frames received */
	struct log log, seen;
	uint16_t used_before; /* the used index when this log came into force */
} m;

/* --- traffic ---------------------------------------------------------------------------------------------------- */

static bool post(void)
{
	bool plug = m.plugged < atomic_load(&m.wanted);
	uint64_t *next = plug ? &m.plug_next : &m.plain_next;
	struct fg_buf buf = {.gpa = *next + AT, .len = BUFFER, .write = true};

	if (!plug && *next == PLAIN_GPA + PLAIN_SIZE)
		return false;
	*next += STRIDE;
	m.plugged += plug;
	m.posted++;
	return fg_ring_post(m.guest->nic.rx, &buf, 1, (uint32_t)(buf.gpa / PAGE)) >= 0;
}

static void take(void)
{
	uint32_t page, len;
	int n;

	while ((n = fg_ring_reap(m.guest->nic.rx, &page, &len)) == 1) {
		uint64_t gpa = (uint64_t)page * PAGE;

		m.written[m.received++] = gpa;
		if (gpa >= PLUG_GPA)
			atomic_fetch_add(&m.back, 1);
	}
	if (n < 0)
		atomic_store(&m.failed, true);
}

/* A frame for each buffer: none is dropped. */
static void *traffic(void *arg)
{
	struct fg_flow flow = {.id = 90};
	uint8_t frame[FRAME];

	while (!atomic_load(&m.failed)) {
		take();
		if (atomic_load(&m.over) && m.received == m.posted)
			break;
		while (!atomic_load(&m.over) && m.posted - m.received < DEPTH && post())
			;
		fg_ring_publish(m.guest->nic.rx);
		if (m.sent < m.posted) {
			fg_flow_build(&flow, m.guest->nic.mac, m.peer->nic.mac, frame, FRAME);
			if (fg_nic_send(&m.peer->nic, frame, FRAME, NULL) == 0)
				m.sent++;
		}
		if (fg_nic_reap(&m.peer->nic) < 0)
			atomic_store(&m.failed, true);
		fg_sleep_us(PACE_US);
	}
	return arg;
}

/* --- the log ---------------------------------------------------------------------------------------------------- */

/* What QEMU does when the new log is acknowledged: no lcore writes the old one any more. */
static void harvest(uint16_t used_then)
{
	const struct fg_ring *rx = m.guest->nic.rx;
	bool used_marked = marked(&m.log, rx->used_gpa) ||
			   marked(&m.log, rx->used_gpa + 4 + 8u * rx->num - 1);

	/* Whatever the switch did between the two looks, it did under this log. */
	if (used_then != m.used_before)
		assert_true(used_marked);
	for (uint64_t i = 0; i < m.log.size; i++)
		m.seen.bit[i] |= m.log.bit[i];
	munmap(m.log.bit, m.log.size);
}

static void set_log(uint64_t end)
{
	struct fg_msg msg = {.request = FG_SET_LOG_BASE, .flags = FG_VERSION, .size = 16};
	struct log next = {.size = log_size(end)};
	int fd = fg_memory_file(next.size);
	uint16_t used_then;

	next.bit = mmap(NULL, next.size, PROT_READ, MAP_SHARED, fd, 0);
	assert_true(next.bit != MAP_FAILED);
	msg.log.size = next.size;
	used_then = fg_ring_used_idx(m.guest->nic.rx);
	OK(fg_wire_send(m.guest->s.sock, &msg, &fd, 1));
	OK(fg_wire_recv(m.guest->s.sock, &msg, NULL, FG_WAIT_MS));
	assert_int_equal(msg.request, FG_SET_LOG_BASE);
	assert_int_equal(msg.log.size, next.size);
	close(fd);
	if (m.log.bit != NULL)
		harvest(used_then);
	m.log = next;
	m.used_before = fg_ring_used_idx(m.guest->nic.rx);
}

/* --- the test case ------------------------------------------------------------------------------------------------ */

static void cast(void)
{
	const struct fg_options opt = {.protocol = FG_PROTOCOL_DEFAULT | FG_P_LOG_SHMFD};
	struct guest *g = guest_open("h0", &opt);

	memset(&m, 0, sizeof(m));
	m.guest = g;
	m.peer = guest_run("h1", NULL);
	m.plain_next = PLAIN_GPA;
	m.plug_next = PLUG_GPA;
	m.written = calloc(BUFFERS, sizeof(m.written[0]));
	m.seen.size = log_size(PLUG_GPA + PLUG_SIZE);
	m.seen.bit = calloc(1, m.seen.size);
	assert_non_null(m.written);
	assert_non_null(m.seen.bit);
	assert_int_equal(fg_memory_add(&g->mem, PLAIN_GPA, PLAIN_SIZE), 1);
	OK(fg_session_start(&g->s));
	OK(fg_nic_init(&g->nic, &g->s, 0, 9090, NULL));
	settle(g, m.peer);
	assert_int_equal(fg_memory_add(&g->mem, PLUG_GPA, PLUG_SIZE), 2);
}

static bool came_back(void)
{
	int64_t deadline = fg_deadline(FG_WAIT_MS);

	while (atomic_load(&m.back) < atomic_load(&m.wanted) && fg_left_ms(deadline) > 0)
		fg_sleep_us(PACE_US);
	return atomic_load(&m.back) == atomic_load(&m.wanted);
}

/* A bigger log, then the memory; the memory gone, then a smaller log. */
static unsigned int plug_and_unplug(void)
{
	int64_t deadline = fg_deadline(LIMIT_MS);
	unsigned int round = 0;

	while (round < ROUNDS_MAX && (round < ROUNDS_MIN || fg_left_ms(deadline) > 0)) {
		set_log(PLUG_GPA + PLUG_SIZE);
		OK(fg_add_region(&m.guest->s, 2));
		atomic_fetch_add(&m.wanted, AT_ONCE);
		assert_true(came_back());
		OK(fg_remove_region(&m.guest->s, 2));
		set_log(PLAIN_GPA + PLAIN_SIZE);
		round++;
	}
	return round;
}

static void no_bit_is_lost_when_the_log_grows_and_shrinks(void **state)
{
	unsigned int rounds, lost = 0;
	pthread_t thread;

	cast();
	set_log(PLAIN_GPA + PLAIN_SIZE);
	OK(fg_log_begin(&m.guest->s));
	OK(pthread_create(&thread, NULL, traffic, NULL));
	rounds = plug_and_unplug();
	atomic_store(&m.over, true);
	pthread_join(thread, NULL);
	assert_false(atomic_load(&m.failed));
	OK(fg_session_stop(&m.guest->s));
	harvest(fg_ring_used_idx(m.guest->nic.rx));
	for (unsigned int i = 0; i < m.received; i++)
		lost += !marked(&m.seen, m.written[i]) + !marked(&m.seen, m.written[i] + PAGE);
	print_message("%u frames, the log resized %u times: %u pages lost\n", m.received, 2 * rounds, lost);
	assert_int_equal(m.received, m.sent);
	assert_true(m.received > ROUNDS_MIN * AT_ONCE);
	assert_int_equal(lost, 0);
	free(m.written);
	free(m.seen.bit);
}

int main(void)
{
	const struct CMUnitTest cases[] = {
		TEST_CASE(no_bit_is_lost_when_the_log_grows_and_shrinks),
	};

	return fixture_main("log", CASES(cases));
}
