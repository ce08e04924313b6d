/* SPDX-License-Identifier: BSD-3-Clause */
/* capture_writer.c: the thread of a capture: from the rings of the lcores to the connection of whoever reads. */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "capture_private.h"
#include "clock.h"
#include "pcapng.h"
#include "port_counters.h"
#include "socket_read.h"
#include "thread_kind.h"
#include "vus_version.h"

enum {
	/* Between two looks at the rings while nothing comes: lcores ring nobody, so that they make no system call. */
	LOOK_MS = 1,
	REST_MS = 10,
	RESTS_AFTER = 50, /* fruitless looks */
	/* A packet takes so much at most. */
	ROOM = PCAPNG_BLOCK_MAX + FRAME_LEN_MAX,
};
_Static_assert(CAPTURE_OUT_BYTES >= 2 * ROOM, "frames are sent many at a time");
_Static_assert(CAPTURE_OUT_BYTES >= (2 * CAPTURE_PORTS_MAX + 1) * PCAPNG_BLOCK_MAX, "all interfaces are described at once");

static enum capture_state state_of(struct capture *capture)
{
	/* Pairs with set_state(). */
	return (enum capture_state)atomic_load_explicit(&capture->state, memory_order_acquire);
}

/* --- control ----------------------------------------------------------------------------------------------------- */

/* Whether it hears it. */
static bool tell(struct capture *capture, struct loop_call *call)
{
	struct loop *loop;

	pthread_mutex_lock(&capture->lock);
	loop = capture->loop;
	if (loop != NULL)
		loop_call(loop, call);
	pthread_mutex_unlock(&capture->lock);
	return loop != NULL;
}

static void tell_end(struct capture *capture)
{
	if (!capture->told)
		tell(capture, &capture->ends);
	capture->told = true;
}

/* --- the reader -------------------------------------------------------------------------------------------------- */

/* What it sends is dropped; a descriptor ends the capture, as any of a client does. */
static void hear(struct capture *capture)
{
	int fd[SOCKET_READ_FDS_MAX];
	unsigned int fds_n = 0;
	char dropped[256];
	ssize_t n = socket_read(capture->fd, dropped, sizeof(dropped), fd, &fds_n);

	for (unsigned int i = 0; i < fds_n; i++)
		close(fd[i]);
	capture->eof |= n == 0 || (n < 0 && n != -EAGAIN) || fds_n > 0;
}

/* Waits until control has something to say, or the reader has, or takes more (`writes`); so long at most (-1: for ever). */
static void wait_for(struct capture *capture, unsigned int seen, bool writes, int ms)
{
	struct pollfd fds[2] = {{.fd = capture->bell.fd, .events = POLLIN},
				{.fd = capture->broken ? -1 : capture->fd,
				 .events = (short)((capture->eof ? 0 : POLLIN) | (writes ? POLLOUT : 0))}};

	doorbell_arm(&capture->bell);
	if (state_of(capture) == seen)
		poll(fds, 2, ms);
	doorbell_disarm(&capture->bell);
	if ((fds[1].revents & POLLERR) != 0 || ((fds[1].revents & POLLHUP) != 0 && capture->eof))
		capture->broken = true;
	else if ((fds[1].revents & (POLLIN | POLLHUP)) != 0)
		hear(capture);
}

/* Sends what is in `out`, however long the reader takes, unless it is over and it takes nothing. */
static void send_out(struct capture *capture)
{
	size_t sent = 0;

	capture->moved_ns = clock_ns();
	while (sent < capture->out_n && !capture->broken) {
		ssize_t n = send(capture->fd, capture->out + sent, capture->out_n - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
		unsigned int state;
		bool closed;

		if (n > 0) {
			sent += (size_t)n;
			capture->moved_ns = clock_ns();
			continue;
		}
		if (n < 0 && errno == EINTR)
			continue;
		if (n == 0 || errno != EAGAIN) {
			capture->broken = true;
			break;
		}
		state = state_of(capture);
		closed = state == CAPTURE_CLOSED;
		capture->broken = closed && clock_ns() > capture->moved_ns + CAPTURE_LINGER_MS * NS_PER_MS;
		wait_for(capture, state, true, closed ? 100 : -1);
		if (capture->eof)
			tell_end(capture);
	}
	capture->out_n = 0;
}

/* --- blocks ------------------------------------------------------------------------------------------------------ */

static void put_header(struct capture *capture)
{
	const char *filter = capture->filter_text[0] != '\0' ? capture->filter_text : NULL;
	uint32_t snap = capture->options.snap < FRAME_LEN_MAX ? capture->options.snap : 0;

	capture->begun_ns = clock_since_1970_ns();
	capture->out_n += pcapng_section(capture->out + capture->out_n, "vuswitch " VUS_VERSION);
	for (unsigned int i = 0; i < capture->options.ports_n; i++)
		capture->out_n += pcapng_interface(
			capture->out + capture->out_n,
			&(struct pcapng_interface){.name = capture->name[i], .filter = filter, .snap = snap});
}

/* "rx_drop.isolated" */
static const char *reason_text(uint32_t reason, char *text, size_t size)
{
	const struct port_counter *row = reason > 0 && reason <= PORT_COUNTERS ? &port_counter_table[reason - 1] : NULL;

	if (row == NULL || row->group == NULL)
		return NULL;
	snprintf(text, size, "%s.%s", row->group->name, row->name);
	return text;
}

static void put_record(struct capture *capture, const struct capture_record *record)
{
	char reason[64];

	capture->out_n += pcapng_packet(capture->out + capture->out_n,
					&(struct pcapng_packet){
						.interface = record->interface,
						.time_ns = record->time_ns,
						.bytes = record->bytes,
						.n = record->n,
						.len = record->len,
						.direction = (enum pcapng_direction)record->direction,
						.comment = reason_text(record->reason, reason, sizeof(reason)),
					});
	capture->written++;
}

static void put_statistics(struct capture *capture)
{
	uint64_t now_ns = clock_since_1970_ns();

	for (unsigned int i = 0; i < capture->options.ports_n; i++) {
		struct capture_sum sum;
		char unknown[96];

		capture_sum(capture, i, &sum);
		snprintf(unknown, sizeof(unknown), "%" PRIu64 " unknown: the filter asks for a byte that is not in their head",
			 sum.unknown);
		capture->out_n += pcapng_statistics(capture->out + capture->out_n,
						    &(struct pcapng_statistics){
							    .interface = i,
							    .begun_ns = capture->begun_ns,
							    .ended_ns = now_ns,
							    .received = sum.seen,
							    .accepted = sum.accepted,
							    .lost = sum.lost,
							    .comment = sum.unknown > 0 ? unknown : NULL,
						    });
	}
}

/* --- the rings --------------------------------------------------------------------------------------------------- */

/* The oldest record that is there, and its ring; NULL: none. */
static struct capture_record *oldest(struct capture *capture, struct capture_ring **ring)
{
	struct capture_record *best = NULL;

	for (unsigned int i = 0; i < capture->options.lcores; i++) {
		struct capture_record *record = capture_ring_next(&capture->lcore[i].ring);

		if (record != NULL && (best == NULL || record->time_ns < best->time_ns)) {
			best = record;
			*ring = &capture->lcore[i].ring;
		}
	}
	return best;
}

static bool has_enough(const struct capture *capture)
{
	return capture->options.count > 0 && capture->written >= capture->options.count;
}

/* Sends what is there, a piece. Whether there was any. */
static bool drain(struct capture *capture)
{
	struct capture_record *record;
	struct capture_ring *ring;

	while (!has_enough(capture) && capture->out_n + ROOM <= CAPTURE_OUT_BYTES && (record = oldest(capture, &ring)) != NULL) {
		put_record(capture, record);
		capture_ring_done(ring, record);
	}
	if (capture->out_n == 0)
		return false;
	send_out(capture);
	return true;
}

static void run(struct capture *capture)
{
	unsigned int looks = 0;

	while (!capture->broken) {
		/* Before the look: then no lcore adds anything after it. */
		unsigned int state = state_of(capture);
		bool closed = state == CAPTURE_CLOSED, moved = drain(capture);

		if (closed && !moved)
			break;
		if (has_enough(capture) || capture->eof || capture->broken)
			tell_end(capture);
		looks = moved ? 0 : looks + 1;
		if (!moved && !capture->broken)
			wait_for(capture, state, false, looks > RESTS_AFTER ? REST_MS : LOOK_MS);
	}
	if (!capture->broken) {
		put_statistics(capture);
		send_out(capture);
	}
}

/* --- the thread -------------------------------------------------------------------------------------------------- */

static void compile(struct capture *capture)
{
	if (capture->filter_text[0] != '\0' && filter_compile(capture->filter_text, &capture->filter, &capture->fail) == 0)
		capture->fail.text[0] = '\0';
}

static void put_line(struct capture *capture)
{
	size_t n = capture->line != NULL ? strnlen(capture->line, CAPTURE_OUT_BYTES / 2) : 0;

	memcpy(capture->out, capture->line != NULL ? capture->line : "", n);
	capture->out[n] = '\n';
	capture->out_n = n + 1;
}

void *capture_main(void *arg)
{
	struct capture *capture = arg;
	unsigned int state;

	/* Names of protocols and services are looked up in files. */
	compile(capture);
	thread_begins(THREAD_WRITER);
	tell(capture, &capture->opened);
	while (state_of(capture) == CAPTURE_OPENS)
		wait_for(capture, CAPTURE_OPENS, false, -1);
	put_line(capture);
	if (capture->begun)
		put_header(capture);
	send_out(capture);
	if (capture->begun)
		run(capture);
	tell_end(capture);
	while ((state = state_of(capture)) != CAPTURE_CLOSED)
		wait_for(capture, state, false, -1);
	close(capture->fd);
	/* Its share goes with the call. */
	if (!tell(capture, &capture->gone))
		capture_release(capture);
	return NULL;
}
