/* SPDX-License-Identifier: BSD-3-Clause */
/* nic_guest SOCKET LENGTH COUNT [ANSWERS]: a fake guest that sends COUNT frames of LENGTH bytes to an unknown address,
 * waits until each buffer is back, takes the memory they lay in away from the switch and gives it back, sends as many
 * again, and then expects ANSWERS frames of the same length from outside. Prints its address first and "ok" at the end.
 * For test_nic.py and test_uplinks.py, which check what came out of the device; the frames prove themselves (fg_net.h),
 * flow 1 out, flow 2 in. */
#include <errno.h>
#include <linux/memfd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fg_clock.h"
#include "fg_net.h"
#include "fg_session.h"

enum { RINGS = 0, BUFFERS = 1, WAIT_MS = 20000, MIB = 1 << 20, BUFFERS_SIZE = 2 * MIB };

static struct fg_memory memory;
static struct fg_session session;
static struct fg_nic nic;
static uint8_t frame[FG_FRAME_MAX];

static void must(int error, const char *what)
{
	if (error == 0)
		return;
	printf("failed: %s: %s\n", what, strerror(-error));
	exit(1);
}

static void send_frames(struct fg_flow *flow, size_t len, unsigned int count)
{
	const uint8_t outside[6] = {0x02, 0xaa, 0, 0, 0, 1};

	for (unsigned int i = 0; i < count; i++) {
		int64_t deadline = fg_deadline(WAIT_MS);
		int error;

		fg_flow_build(flow, outside, nic.mac, frame, len);
		while ((error = fg_nic_send(&nic, frame, len, NULL)) == -EAGAIN &&
		       fg_left_ms(deadline) > 0)
			must(fg_nic_reap(&nic), "reap");
		must(error, "send");
	}
	must(fg_nic_drain_tx(&nic, WAIT_MS), "buffers to come back");
}

static void expect_frames(struct fg_flow *flow, unsigned int count)
{
	while (flow->received < count) {
		int len = fg_nic_recv(&nic, frame, sizeof(frame), WAIT_MS);

		must(len < 0 ? len : 0, "receive");
		fg_flow_check(flow, frame, (size_t)len);
	}
	must(fg_flow_whole(&(struct fg_flow){.next_tx = count,
					     .next_rx = flow->next_rx,
					     .received = flow->received,
					     .lost = flow->lost,
					     .duplicate = flow->duplicate,
					     .reordered = flow->reordered,
					     .damaged = flow->damaged})
		     ? 0
		     : -EBADMSG,
	     "what came from outside");
}

/* One huge page if there is one: QEMU's NICs read no buffer that is in pieces for the machine they are in. */
static int buffers_file(void)
{
	int fd = memfd_create("buffers", MFD_CLOEXEC | MFD_HUGETLB | MFD_HUGE_2MB);
	void *map = MAP_FAILED;

	if (fd >= 0 && ftruncate(fd, BUFFERS_SIZE) == 0)
		map = mmap(NULL, BUFFERS_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map != MAP_FAILED) {
		munmap(map, BUFFERS_SIZE);
		return fd;
	}
	close(fd);
	return fg_memory_file(BUFFERS_SIZE);
}

int main(int argc, char **argv)
{
	struct fg_flow out = {.id = 1}, in = {.id = 2};
	struct fg_options options = {.ring_region = RINGS};
	struct fg_nic_options buffers = {
		.region = BUFFERS, .rx_size = 12288, .tx_size = 12288, .depth = 64};
	unsigned int count, answers;
	size_t len;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc < 4)
		return 2;
	len = strtoul(argv[2], NULL, 10);
	count = (unsigned int)strtoul(argv[3], NULL, 10);
	answers = argc > 4 ? (unsigned int)strtoul(argv[4], NULL, 10) : 0;
	fg_memory_init(&memory);
	if (fg_memory_add(&memory, UINT64_C(1) << 30, 4 * MIB) != RINGS ||
	    fg_memory_add_file(&memory, UINT64_C(1) << 31, BUFFERS_SIZE, buffers_file(), 0) != BUFFERS)
		return 2;
	must(fg_session_open(&session, argv[1], &memory, &options), "connect");
	must(fg_session_start(&session), "start");
	must(fg_nic_init(&nic, &session, 0, 7, &buffers), "driver");
	must(fg_nic_fill(&nic), "post");
	printf("mac %02x:%02x:%02x:%02x:%02x:%02x\n", nic.mac[0], nic.mac[1], nic.mac[2], nic.mac[3],
	       nic.mac[4], nic.mac[5]);
	fg_sleep_us(500000); /* memory is being mapped for the NIC meanwhile */
	send_frames(&out, len, count);
	/* When the switch answers, it has let go of the memory. */
	must(fg_remove_region(&session, BUFFERS), "take the memory away");
	must(fg_add_region(&session, BUFFERS), "give it back");
	fg_sleep_us(500000);
	send_frames(&out, len, count);
	printf("sent %llu\n", (unsigned long long)out.next_tx);
	expect_frames(&in, answers);
	must(fg_session_stop(&session), "stop");
	fg_session_close(&session);
	fg_memory_fini(&memory);
	printf("ok\n");
	return 0;
}
