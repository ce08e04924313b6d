/* SPDX-License-Identifier: BSD-3-Clause */
/* victims FOLDER A B ECHO: three well-behaved guests at the ports A, B and ECHO, whose sockets lie in FOLDER.
 *
 * A and B exchange frames (fg_victims.h). ECHO sends every frame for it but jumbo frames back to where it came from, and says
 * something to everybody every BROADCAST_MS. For test_hostile.py. Each line on standard input is answered by one:
 *
 *	check	"ok FRAMES, LONGEST us": since the last check, so many frames, none lost, twice, late or damaged
 *
 * and the frames go on from zero. Ends with standard input, or with a line that says what failed.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fg_clock.h"
#include "fg_victims.h"
#include "must.h"

enum { ECHO_MEMORY = 16 << 20, ECHO_RING = 1024, ECHO_NUMBER = 0xec00, BROADCAST_MS = 20, FRAME_MIN = 60, FRAME_LONGEST = 1514 };

static struct fg_victims victims;
static struct fg_victim echo;
static atomic_bool stop;

static void open_echo(const char *path)
{
	const struct fg_options opt = {.ring_size = ECHO_RING};

	fg_memory_init(&echo.mem);
	must(fg_memory_add(&echo.mem, UINT64_C(1) << 40, ECHO_MEMORY), "memory");
	must(fg_session_open(&echo.s, path, &echo.mem, &opt), path);
	must(fg_session_start(&echo.s), "the echo's rings");
	must(fg_nic_init(&echo.nic, &echo.s, 0, ECHO_NUMBER, NULL), "the echo");
	must(fg_nic_fill(&echo.nic), "the echo's buffers");
}

/* A frame that no buffer is free for is not sent: nobody counts these. */
static void say(const void *frame, size_t len)
{
	int error = fg_nic_reap(&echo.nic);

	must(error, "the echo's buffers to come back");
	error = fg_nic_send(&echo.nic, frame, len, NULL);
	must(error == -EAGAIN ? 0 : error, "the echo to send");
}

static void *listen_and_answer(void *arg)
{
	static uint8_t frame[FG_FRAME_MAX], everybody[FRAME_MIN];
	int64_t next = 0;

	(void)arg;
	memset(everybody, 0xff, 6);
	memcpy(everybody + 6, echo.nic.mac, 6);
	everybody[12] = 0x88;
	everybody[13] = 0xb5;
	while (!atomic_load(&stop)) {
		int len = fg_nic_recv(&echo.nic, frame, sizeof(frame), 5);

		must(len == -ETIMEDOUT ? 0 : len, "the echo to receive");
		if (len >= FRAME_MIN && len <= FRAME_LONGEST && memcmp(frame, echo.nic.mac, 6) == 0) {
			memcpy(frame, frame + 6, 6);
			memcpy(frame + 6, echo.nic.mac, 6);
			say(frame, (size_t)len);
		}
		if (fg_left_ms(next) <= 0) {
			say(everybody, sizeof(everybody));
			next = fg_deadline(BROADCAST_MS);
		}
	}
	return NULL;
}

static void check(void)
{
	must(fg_victims_pause(&victims), "frames between the victims");
	printf("ok %llu, %llu us\n", (unsigned long long)victims.frames, (unsigned long long)victims.longest_us);
	fflush(stdout);
	must(fg_victims_run(&victims), "the victims");
}

int main(int argc, char **argv)
{
	struct fg_switch sw = {0};
	pthread_t thread;
	char line[32];

	if (argc != 5 || strlen(argv[1]) >= sizeof(sw.dir)) {
		fprintf(stderr, "usage: victims FOLDER A B ECHO\n");
		return 2;
	}
	strcpy(sw.dir, argv[1]);
	open_echo(fg_switch_socket(&sw, argv[4]));
	must(fg_victims_start(&victims, &sw, argv[2], argv[3]), "the victims");
	must(fg_victims_run(&victims), "the victims");
	must(-pthread_create(&thread, NULL, listen_and_answer, NULL), "a thread");
	printf("ready\n");
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin) != NULL)
		check();
	atomic_store(&stop, true);
	pthread_join(thread, NULL);
	fg_victims_stop(&victims);
	fg_session_stop(&echo.s);
	fg_session_close(&echo.s);
	fg_memory_fini(&echo.mem);
	return 0;
}
