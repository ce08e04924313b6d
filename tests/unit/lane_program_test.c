/* SPDX-License-Identifier: BSD-3-Clause */
/* The lane's own program, with this test in the place of the switch, of the guest and of the front end that brings pages:
 * what it is asked it does, what it should not be it is not, and it never outlives its socket. */
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <linux/virtio_config.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "burst.h"
#include "cases.h"
#include "fg_vring.h"
#include "lane_link.h"
#include "lane_message.h"

#define GPA UINT64_C(0x100000000)
#define UVA UINT64_C(0x7f0000000000)
enum {
	MEMORY = 1 << 20,
	RING_SIZE = 8,
	RING_SPACE = 0x4000, /* a ring's three parts, a page each */
	BUFFERS = 0x10000,   /* where they begin: ring i's at i + 1 times this */
	HOLE = 0xf0000,	     /* pages that were never written */
	HEADER = 12,
	PATIENCE_MS = 5000,
};

static struct {
	struct lane_link *link;
	struct burst *burst;
	pid_t pid;
	int socket, memory_fd, faults, call[2];
	uint8_t *memory;
} t;

/* --- the process ------------------------------------------------------------------------------------------------- */

static void program(char *path, size_t size)
{
	ssize_t n = readlink("/proc/self/exe", path, size - 64);

	assert_true(n > 0);
	path[n] = '\0';
	strcpy(strrchr(path, '/'), "/../../app/lane/vuswitch-lane");
}

/* With `socket` as its LANE_SOCKET (-1: none), and `err` (-1: ours) as its stderr. */
static pid_t start(int socket, int err)
{
	char path[512];
	pid_t pid;

	program(path, sizeof(path));
	pid = fork();
	assert_true(pid >= 0);
	if (pid > 0)
		return pid;
	dup2(open("/dev/null", O_RDWR), STDIN_FILENO);
	dup2(STDIN_FILENO, STDOUT_FILENO);
	if (err >= 0)
		dup2(err, STDERR_FILENO);
	if (socket >= 0)
		socket = fcntl(socket, F_DUPFD, 100);
	close_range(3, 99, 0);
	if (socket >= 0)
		dup2(socket, LANE_SOCKET);
	close_range(4, ~0u, 0);
	execl(path, "vuswitch-lane", "test", NULL);
	_exit(127);
}

/* Its wait status; it has to end soon. */
static int ended(void)
{
	int status = -1;

	for (int i = 0; i < PATIENCE_MS && waitpid(t.pid, &status, WNOHANG) == 0; i++)
		usleep(1000);
	assert_int_not_equal(status, -1);
	t.pid = 0;
	return status;
}

/* --- the conversation -------------------------------------------------------------------------------------------- */

static void ask(const struct lane_message *message, int fd)
{
	assert_int_equal(lane_message_send(t.socket, message, &fd, fd >= 0, 0), 0);
}

static bool hear(struct lane_message *message, int *fd, int ms)
{
	struct pollfd ready = {.fd = t.socket, .events = POLLIN};
	int fds[LANE_FDS_MAX];
	unsigned int n;

	if (poll(&ready, 1, ms) == 0)
		return false;
	assert_int_equal(lane_message_receive(t.socket, message, fds, &n, 0), 1);
	assert_int_equal(n, fd != NULL);
	if (fd != NULL)
		*fd = fds[0];
	return true;
}

/* The next thing it says is this. */
static struct lane_message heard(enum lane_request request)
{
	struct lane_message message;

	assert_true(hear(&message, NULL, PATIENCE_MS));
	assert_int_equal(message.request, request);
	return message;
}

static struct lane_message asked(struct lane_message message, int fd)
{
	ask(&message, fd);
	return heard((enum lane_request)message.request);
}

static int request(enum lane_request number, uint32_t ring)
{
	return asked((struct lane_message){.request = number, .ring = ring}, -1).error;
}

static void silence(int ms)
{
	struct lane_message message;

	assert_false(hear(&message, NULL, ms));
}

static void hello(void)
{
	const struct lane_message message = {.request = LANE_HELLO};
	const int fds[] = {t.link->memory_fd, t.link->wake_fd};

	assert_int_equal(lane_message_send(t.socket, &message, fds, 2, 0), 0);
	assert_int_equal(heard(LANE_HELLO).error, 0);
}

static void ask_for_uffd(void)
{
	struct lane_message message;

	ask(&(struct lane_message){.request = LANE_UFFD}, -1);
	assert_true(hear(&message, &t.faults, PATIENCE_MS));
	assert_int_equal(message.error, 0);
}

static const struct lane_region whole = {.gpa = GPA, .size = MEMORY, .uva = UVA, .len = MEMORY};

static void give_memory(void)
{
	const struct lane_message map = {.request = LANE_MAP, .region = whole};
	struct lane_message mapped;

	ask_for_uffd();
	mapped = asked(map, t.memory_fd);
	assert_int_equal(mapped.error, 0);
	assert_int_not_equal(mapped.address, 0);
	assert_int_equal(request(LANE_COMMIT, 0), 0);
}

/* --- the guest --------------------------------------------------------------------------------------------------- */

static struct fg_vring vring(unsigned int ring)
{
	uint8_t *at = t.memory + ring * RING_SPACE;

	return (struct fg_vring){(void *)at, (void *)(at + 0x1000), (void *)(at + 0x2000), RING_SIZE, false};
}

static uint16_t used_index(unsigned int ring)
{
	const struct fg_vring v = vring(ring);

	return fg_split_used_idx(&v);
}

static uint8_t *buffer(unsigned int ring, unsigned int i)
{
	return t.memory + (ring + 1) * BUFFERS + i * 0x1000;
}

/* All the ring's buffers have their descriptors; `n` more of them are offered. */
static void offer(unsigned int ring, uint16_t n, uint32_t len)
{
	const struct fg_vring v = vring(ring);

	for (uint16_t i = 0; i < RING_SIZE; i++) {
		v.desc[i] = (struct fg_desc){
			.addr = GPA + (uint64_t)(buffer(ring, i) - t.memory),
			.len = len,
			.flags = ring % 2 == 0 ? FG_DESC_WRITE : 0,
		};
		v.avail->ring[i] = i;
	}
	fg_split_show(&v, (uint16_t)(v.avail->idx + n));
}

static struct lane_message run_message(unsigned int ring, uint16_t base)
{
	return (struct lane_message){
		.request = LANE_RING_RUN,
		.ring = ring,
		.setup = {
			.size = RING_SIZE,
			.base = base,
			.desc_uva = UVA + ring * RING_SPACE,
			.avail_uva = UVA + ring * RING_SPACE + 0x1000,
			.used_uva = UVA + ring * RING_SPACE + 0x2000,
			.features = UINT64_C(1) << VIRTIO_F_VERSION_1,
		},
	};
}

static void run_ring(unsigned int ring)
{
	assert_int_equal(asked(run_message(ring, 0), t.call[0]).error, 0);
}

/* Until the guest sees that n chains came back. */
static void used_soon(unsigned int ring, uint16_t n)
{
	for (int i = 0; i < PATIENCE_MS && used_index(ring) != n; i++)
		usleep(1000);
	assert_int_equal(used_index(ring), n);
}

static uint64_t interrupts(int fd)
{
	eventfd_t n = 0;

	eventfd_read(fd, &n);
	return n;
}

/* The switch's side: one frame for the guest; and one from it, of this length and last byte. */
static void frame_for_the_guest(uint32_t len, uint8_t byte)
{
	uint8_t bytes[FRAME_HEAD];
	struct frame frame = {.head = bytes, .len = len, .head_len = (uint16_t)len};
	struct frame *frames[] = {&frame};

	memset(bytes, byte, sizeof(bytes));
	assert_int_equal(lane_send(&t.link->to_guest, frames, 1), 1);
}

static void frame_from_the_guest(uint32_t len, uint8_t byte)
{
	for (int i = 0; i < PATIENCE_MS && lane_receive(&t.link->from_guest, t.burst, BURST_MAX) == 0; i++)
		usleep(1000);
	assert_int_equal(t.burst->n, 1);
	assert_int_equal(t.burst->frame[0].len, len);
	assert_int_equal(t.burst->frame[0].head[len - 1], byte);
	lane_done(&t.link->from_guest);
}

/* --- set-up ------------------------------------------------------------------------------------------------------ */

static int set_up(void **state)
{
	int ends[2];

	t.link = lane_link_create();
	t.burst = burst_new();
	t.faults = -1;
	t.memory_fd = memfd_create("guest", MFD_CLOEXEC);
	if (ftruncate(t.memory_fd, MEMORY) != 0 ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
		return -1;
	t.memory = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_SHARED, t.memory_fd, 0);
	/* Here, so that these pages have arrived; the hole has not. */
	memset(t.memory, 0, HOLE);
	for (int i = 0; i < 2; i++)
		t.call[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	t.pid = start(ends[1], -1);
	close(ends[1]);
	t.socket = ends[0];
	return 0;
}

static int set_up_and_greet(void **state)
{
	int error = set_up(state);

	hello();
	return error;
}

/* Whatever the test case was, without its socket there is no lane. */
static int tear_down(void **state)
{
	if (t.socket >= 0)
		close(t.socket);
	if (t.pid > 0)
		ended();
	close(t.memory_fd);
	for (int i = 0; i < 2; i++)
		close(t.call[i]);
	if (t.faults >= 0)
		close(t.faults);
	munmap(t.memory, MEMORY);
	free(t.burst);
	lane_link_destroy(t.link);
	return 0;
}

/* --- test cases --------------------------------------------------------------------------------------------------- */

static void by_hand_it_says_what_it_is(void **state)
{
	char text[512];
	int ends[2], status;
	ssize_t n;
	pid_t pid;

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	pid = start(-1, ends[1]);
	close(ends[1]);
	n = read(ends[0], text, sizeof(text) - 1);
	assert_true(n > 0);
	text[n] = '\0';
	assert_non_null(strstr(text, "part of vuswitch"));
	assert_ptr_equal(strchr(text, '\n'), text + n - 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 2);
	close(ends[0]);
}

/* In a file of /proc/PID there is a line that begins so. */
static void proc_says(const char *name, const char *line)
{
	char path[64], text[512];
	bool found = false;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)t.pid, name);
	file = fopen(path, "re");
	assert_non_null(file);
	while (!found && fgets(text, sizeof(text), file) != NULL)
		found = strncmp(text, line, strlen(line)) == 0;
	fclose(file);
	if (!found)
		fail_msg("%s has no line \"%s\"", path, line);
}

static void it_is_nobody(void **state)
{
	proc_says("status", "NoNewPrivs:\t1");
	proc_says("status", "CapEff:\t0000000000000000");
	proc_says("limits", "Max core file size        0                    0 ");
	if (geteuid() == 0) {
		proc_says("status", "Uid:\t65534\t65534\t65534\t65534");
		proc_says("status", "Gid:\t65534\t65534\t65534\t65534");
		proc_says("status", "CapPrm:\t0000000000000000");
		proc_says("status", "Groups:\t \n");
	}
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
	/* The worker too: it was there before. */
	proc_says("status", "Threads:\t2");
	proc_says("status", "Seccomp:\t2");
	for (int i = 1; i < 100; i++) {
		char name[64];

		snprintf(name, sizeof(name), "/proc/%d/task/%d", (int)t.pid, (int)t.pid + i);
		if (access(name, F_OK) != 0)
			continue;
		snprintf(name, sizeof(name), "task/%d/status", (int)t.pid + i);
		proc_says(name, "Seccomp:\t2");
		proc_says(name, "NoNewPrivs:\t1");
	}
	proc_says("limits", "Max data size             67108864             67108864 ");
	proc_says("limits", "Max open files            128                  128 ");
#endif
}

static void frames_both_ways(void **state)
{
	give_memory();
	run_ring(0);
	run_ring(1);
	offer(0, 4, 2048);
	frame_for_the_guest(60, 0x11);
	used_soon(0, 1);
	assert_int_equal(buffer(0, 0)[HEADER], 0x11);
	assert_int_equal(buffer(0, 0)[HEADER + 59], 0x11);
	assert_int_equal(interrupts(t.call[0]), 1);
	assert_int_equal(counted(&t.link->shared->counters.tx_ok), 1);
	buffer(1, 0)[HEADER + 99] = 0x22;
	offer(1, 1, HEADER + 100);
	frame_from_the_guest(100, 0x22);
	used_soon(1, 1);
	/* An lcore that sleeps is woken. */
	assert_false(lane_arm(&t.link->from_guest));
	offer(1, 1, HEADER + 64);
	frame_from_the_guest(64, 0);
	assert_int_equal(interrupts(t.link->wake_fd), 1);
}

static void a_ring_leaves_at_its_place(void **state)
{
	give_memory();
	run_ring(0);
	offer(0, RING_SIZE, 2048);
	for (uint16_t i = 0; i < 5; i++)
		frame_for_the_guest(60, (uint8_t)i);
	used_soon(0, 5);
	assert_int_equal(asked((struct lane_message){.request = LANE_RING_LEAVE}, -1).base, 5);
	/* What comes then stays where it is, and is delivered when the ring runs again. */
	frame_for_the_guest(60, 0x77);
	usleep(20000);
	assert_int_equal(used_index(0), 5);
	assert_int_equal(asked(run_message(0, 5), t.call[0]).error, 0);
	used_soon(0, 6);
	assert_int_equal(buffer(0, 5)[HEADER], 0x77);
}

static void a_ring_gets_another_interrupt(void **state)
{
	const struct lane_message call = {.request = LANE_RING_CALL};

	assert_int_equal(asked(call, t.call[1]).error, 0); /* of a ring that does not run: no harm */
	give_memory();
	run_ring(0);
	offer(0, 4, 2048);
	frame_for_the_guest(60, 1);
	used_soon(0, 1);
	assert_int_equal(asked(call, t.call[1]).error, 0);
	usleep(20000);
	interrupts(t.call[0]);
	interrupts(t.call[1]);
	frame_for_the_guest(60, 2);
	used_soon(0, 2);
	usleep(2000);
	assert_int_equal(interrupts(t.call[0]), 0);
	assert_int_equal(interrupts(t.call[1]), 1);
	assert_int_equal(asked(call, -1).error, 0);
	frame_for_the_guest(60, 3);
	used_soon(0, 3);
}

static void halted_it_moves_nothing(void **state)
{
	give_memory();
	run_ring(0);
	run_ring(1);
	assert_int_equal(request(LANE_HALT, 0), 0);
	usleep(20000);
	offer(0, 4, 2048);
	offer(1, 4, HEADER + 60);
	frame_for_the_guest(60, 1);
	usleep(20000);
	assert_int_equal(used_index(0), 0);
	assert_int_equal(lane_receive(&t.link->from_guest, t.burst, BURST_MAX), 0);
	assert_int_equal(asked((struct lane_message){.request = LANE_RING_LEAVE, .ring = 1}, -1).base, 0);
}

static void memory_comes_and_goes(void **state)
{
	const struct lane_message unmap = {.request = LANE_UNMAP, .region = whole};

	/* Nothing is there: said, and survived. */
	assert_int_equal(asked(unmap, -1).error, -ENOENT);
	assert_int_equal(request(LANE_COMMIT, 0), -EBADF);
	assert_int_equal(asked(run_message(0, 0), t.call[0]).error, -EFAULT);
	assert_int_equal(request(LANE_MAP, 0), -EINVAL); /* without its file */
	for (int round = 0; round < 3; round++) {
		give_memory();
		assert_int_equal(asked(unmap, -1).error, 0);
		assert_int_equal(asked(run_message(0, 0), t.call[0]).error, -EFAULT);
		close(t.faults);
	}
	t.faults = -1;
	/* A mapped region that was not committed is not the guest's memory. */
	assert_int_equal(asked((struct lane_message){.request = LANE_MAP, .region = whole}, t.memory_fd).error, 0);
	assert_int_equal(asked(run_message(0, 0), t.call[0]).error, -EFAULT);
}

static void a_ring_breaks_once(void **state)
{
	struct lane_message broken;

	give_memory();
	run_ring(1);
	vring(1).avail->idx = 1000;
	broken = heard(LANE_RING_BROKEN);
	assert_int_equal(broken.ring, 1);
	assert_int_not_equal(broken.fault, 0);
	silence(50);
	assert_int_equal(request(LANE_PING, 0), 0);
	/* Anew, and broken anew. */
	assert_int_equal(asked((struct lane_message){.request = LANE_RING_LEAVE, .ring = 1}, -1).error, 0);
	run_ring(1);
	assert_int_equal(heard(LANE_RING_BROKEN).ring, 1);
	silence(50);
}

/* Nothing but the ring's leaving waits for a page that is missing, and the end does not. */
static void a_page_that_does_not_come(void **state)
{
	struct lane_message run = run_message(0, 0);
	struct uffdio_zeropage zero = {.range = {.len = 4096}};
	struct uffd_msg fault;
	struct pollfd ready;

	give_memory();
	run.setup.avail_uva = UVA + HOLE;
	assert_int_equal(asked(run, t.call[0]).error, 0);
	frame_for_the_guest(60, 1);
	ready = (struct pollfd){.fd = t.faults, .events = POLLIN};
	assert_int_equal(poll(&ready, 1, PATIENCE_MS), 1);
	assert_int_equal(read(t.faults, &fault, sizeof(fault)), sizeof(fault));
	assert_int_equal(fault.event, UFFD_EVENT_PAGEFAULT);
	ask(&(struct lane_message){.request = LANE_RING_LEAVE}, -1);
	assert_int_equal(request(LANE_PING, 0), 0);
	assert_int_equal(request(LANE_HALT, 0), 0);
	silence(50);
	zero.range.start = fault.arg.pagefault.address & ~UINT64_C(4095);
	assert_int_equal(ioctl(t.faults, UFFDIO_ZEROPAGE, &zero), 0);
	assert_int_equal(heard(LANE_RING_LEAVE).error, 0);
}

static void it_ends_with_its_socket(void **state)
{
	struct lane_message run = run_message(0, 0);
	struct pollfd ready;

	give_memory();
	run.setup.desc_uva = UVA + HOLE;
	run.setup.avail_uva = UVA + HOLE + 0x1000;
	assert_int_equal(asked(run, t.call[0]).error, 0);
	frame_for_the_guest(60, 1);
	ready = (struct pollfd){.fd = t.faults, .events = POLLIN};
	assert_int_equal(poll(&ready, 1, PATIENCE_MS), 1);
	close(t.socket);
	t.socket = -1;
	assert_true(WIFEXITED(ended()));
}

static void before_hello_too(void **state)
{
	close(t.socket);
	t.socket = -1;
	assert_true(WIFEXITED(ended()));
}

static void hello_comes_first(void **state)
{
	ask(&(struct lane_message){.request = LANE_PING}, -1);
	assert_true(WIFEXITED(ended()));
}

static void nonsense_ends_it(void **state)
{
	static const struct lane_message nonsense[] = {
		{.request = LANE_REQUESTS},
		{.request = UINT32_MAX},
		{.request = LANE_HELLO},
		{.request = LANE_RING_BROKEN},
		{.request = LANE_PING, .ring = VHOST_RINGS_MAX},
		{.request = LANE_RING_LEAVE, .ring = UINT32_MAX},
	};

	for (size_t i = 0; i < sizeof(nonsense) / sizeof(nonsense[0]); i++) {
		if (i > 0)
			set_up_and_greet(state);
		ask(&nonsense[i], -1);
		assert_true(WIFEXITED(ended()));
		if (i + 1 < sizeof(nonsense) / sizeof(nonsense[0]))
			tear_down(state);
	}
}

static void half_a_message_ends_it(void **state)
{
	assert_int_equal(send(t.socket, "half", 4, 0), 4);
	assert_true(WIFEXITED(ended()));
}

#define GREETED(name) cmocka_unit_test_setup_teardown(name, set_up_and_greet, tear_down)
#define SILENT(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

/* Where the kernel or a container forbids it there are no lanes, and only what they do not need can be told. */
static bool uffd_possible(void)
{
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

int main(void)
{
	const struct CMUnitTest always[] = {
		cmocka_unit_test(by_hand_it_says_what_it_is), GREETED(it_is_nobody), SILENT(before_hello_too),
		SILENT(hello_comes_first), GREETED(nonsense_ends_it), GREETED(half_a_message_ends_it),
	};
	const struct CMUnitTest with_uffd[] = {
		GREETED(frames_both_ways),
		GREETED(a_ring_leaves_at_its_place),
		GREETED(a_ring_gets_another_interrupt),
		GREETED(halted_it_moves_nothing),
		GREETED(memory_comes_and_goes),
		GREETED(a_ring_breaks_once),
		GREETED(a_page_that_does_not_come),
		GREETED(it_ends_with_its_socket),
	};
	int failed = cmocka_run_group_tests(always, NULL, NULL);

	if (uffd_possible())
		return failed + cmocka_run_group_tests(with_uffd, NULL, NULL);
	printf("userfaultfd(2) is forbidden here: nothing was told of memory that arrives\n");
	return failed;
}
