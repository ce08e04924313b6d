/* SPDX-License-Identifier: BSD-3-Clause */
/* A lane that writes what it likes: into the ring of frames, where every byte is its own, too, into the counters of the link, and
 * into the socket. As long as it keeps to the rules every frame comes out as it went in, in order, against a list of what was
 * sent; whatever it does, nothing is read outside the ring, no frame is longer than one may be, and what it says on the socket
 * is heard only if it was asked for, against a count of what was asked.
 */
#include "fuzz.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "burst.h"
#include "fg_socket.h"
#include "frame_offload.h"
#include "lane_process.h"

enum { STEPS_MAX = 64, SENT_MAX = 2048, TOUCHED_MAX = 512, SEEDS = 251, FDS_MAX = 4, LOWEST_TRIED = 8 };

static struct lane_link *link_;
static struct burst *burst;
static uint8_t text[FRAME_LEN_MAX + SEEDS], flat[FRAME_LEN_MAX + 64];

/* --- the ring ---------------------------------------------------------------------------------------------------- */

/* Frames on their way: their bytes begin at `seed` in the text. */
static struct sent {
	uint32_t seed, len;
} sent[SENT_MAX];
static unsigned int sent_n, taken_n;
static bool hostile; /* the other end has broken the rules */
/* What is to be zero again afterwards. */
static struct mem_span touched[TOUCHED_MAX];
static unsigned int touched_n;

static void touch(struct lane_shared_ring *ring, uint64_t position, uint32_t len)
{
	uint64_t at = position % LANE_RING_BYTES;
	uint32_t room = (uint32_t)LANE_RING_BYTES - (uint32_t)at, first = len < room ? len : room;

	FUZZ_CHECK(touched_n + 2 <= TOUCHED_MAX);
	touched[touched_n++] = (struct mem_span){ring->data + at, first};
	touched[touched_n++] = (struct mem_span){ring->data, len - first};
}

static uint32_t take_len(struct fuzz *in)
{
	static const uint32_t lens[] = {14, 39, 40, 41, FRAME_HEAD - 1, FRAME_HEAD, FRAME_HEAD + 1, 1514, 9014, FRAME_LEN_MAX};
	unsigned int which = fuzz_below(in, 20);

	return which < 10 ? lens[which] : (uint32_t)FRAME_LEN_MIN + fuzz_uint8(in);
}

/* Up to a burst of frames, one length. */
static void send_frames(struct fuzz *in, struct lane_producer *producer)
{
	const uint32_t len = take_len(in), head = len < FRAME_HEAD ? len : FRAME_HEAD, half = (len - head) / 2;
	const uint32_t n = 1 + fuzz_below(in, len > 2000 ? 3 : BURST_MAX);
	uint8_t *at = text + sent_n % SEEDS;
	const struct mem_span body[] = {{at + head, half}, {at + head + half, len - head - half}};
	struct frame frame = {
		.head = at, .len = len, .head_len = (uint16_t)head, .body = body, .body_spans = len > head ? 2 : 0};
	struct frame *frames[BURST_MAX];
	const uint64_t room = lane_room(producer), from = producer->head;
	uint16_t went;

	if (sent_n + n > SENT_MAX || touched_n + 2 > TOUCHED_MAX)
		return;
	for (uint32_t i = 0; i < n; i++)
		frames[i] = &frame;
	went = lane_send(producer, frames, (uint16_t)n);
	FUZZ_CHECK(went <= n);
	FUZZ_CHECK(room <= LANE_RING_BYTES && went * lane_record_bytes(len) <= room);
	FUZZ_CHECK(went == n || (went + 1) * lane_record_bytes(len) > room);
	FUZZ_CHECK(producer->head - from == went * lane_record_bytes(len));
	if (went > 0)
		touch(producer->ring, from, (uint32_t)(producer->head - from));
	for (uint16_t i = 0; i < went; i++)
		sent[sent_n + i] = (struct sent){sent_n % SEEDS, len};
	sent_n += went;
}

/* In bounds, whoever wrote it; flat[] has its bytes. */
static void check_frame(const struct lane_shared_ring *ring, const struct frame *frame)
{
	uint32_t len = frame->head_len;

	FUZZ_CHECK(frame->len >= FRAME_LEN_MIN && frame->len <= FRAME_LEN_MAX && frame->head_len <= FRAME_HEAD);
	FUZZ_CHECK(frame->body_spans <= 2 && frame->mbuf == NULL && frame->vlan == 0);
	for (uint16_t i = 0; i < frame->body_spans; i++) {
		FUZZ_CHECK(frame->body[i].at >= ring->data);
		FUZZ_CHECK(frame->body[i].at + frame->body[i].len <= ring->data + LANE_RING_BYTES);
		len += frame->body[i].len;
	}
	FUZZ_CHECK(len == frame->len);
	frame_copy(frame, flat);
	if (frame_needs_offload(frame))
		FUZZ_CHECK(frame->offload.gso_type == VIRTIO_NET_HDR_GSO_NONE ||
			   (frame->offload.gso_size > 0 && frame->offload.hdr_len < frame->len &&
			    frame->offload.hdr_len <= FRAME_HEAD));
}

static void receive_frames(struct fuzz *in, struct lane_consumer *consumer)
{
	const uint16_t max = (uint16_t)(1 + fuzz_below(in, BURST_MAX));
	const uint64_t before = consumer->next, head = atomic_load(&consumer->ring->head);
	uint64_t bytes = 0;
	uint16_t n = lane_receive(consumer, burst, max);

	if (head - before > LANE_RING_BYTES)
		FUZZ_CHECK(n == 0 && consumer->broken);
	else
		FUZZ_CHECK(consumer->next <= head);
	FUZZ_CHECK(n == burst->n && n <= max);
	for (uint16_t i = 0; i < n; i++) {
		const struct frame *frame = &burst->frame[i];

		check_frame(consumer->ring, frame);
		bytes += lane_record_bytes(frame->len);
		if (hostile)
			continue;
		FUZZ_CHECK(taken_n < sent_n && frame->len == sent[taken_n].len);
		FUZZ_CHECK(memcmp(flat, text + sent[taken_n].seed, frame->len) == 0);
		taken_n++;
	}
	FUZZ_CHECK(consumer->next - before == bytes && bytes <= BURST_BYTES + lane_record_bytes(FRAME_LEN_MAX));
	FUZZ_CHECK(consumer->next - consumer->tail <= LANE_RING_BYTES || hostile);
	FUZZ_CHECK(hostile || (!consumer->broken && (n > 0 || taken_n == sent_n)));
	/* What is in hand is not overwritten until it is given back. */
	if (!fuzz_chance(in, 40))
		lane_done(consumer);
}

static uint64_t take_position(struct fuzz *in, uint64_t near)
{
	switch (fuzz_below(in, 6)) {
	case 0:
		return fuzz_uint64(in);
	case 1:
		return near + LANE_RING_BYTES + (uint64_t)(int8_t)fuzz_uint8(in);
	case 2:
		return near - fuzz_uint8(in);
	default:
		return near + (uint64_t)fuzz_uint8(in) * LANE_RECORD_ALIGN;
	}
}

/* A length that a frame may have, nearly has, or any. */
static uint32_t take_any_len(struct fuzz *in)
{
	unsigned int which = fuzz_below(in, 8);

	return which == 0   ? fuzz_uint32(in)
	       : which == 1 ? FRAME_LEN_MAX + 1u + fuzz_uint8(in)
	       : which == 2 ? fuzz_below(in, FRAME_LEN_MIN)
			    : take_len(in);
}

static void write_record(struct fuzz *in, struct lane_shared_ring *ring, uint64_t position, uint32_t len)
{
	struct lane_record record = {.len = len};

	if (fuzz_chance(in, 128))
		fuzz_bytes(in, &record.offload, sizeof(record.offload));
	position -= position % LANE_RECORD_ALIGN;
	memcpy(ring->data + position % LANE_RING_BYTES, &record, sizeof(record));
	touch(ring, position, sizeof(record));
}

/* The producer is the lane: an index, a record, some bytes. */
static void lane_writes(struct fuzz *in, struct lane_shared_ring *ring, const struct lane_consumer *consumer)
{
	uint64_t position;
	uint32_t n;

	if (touched_n + 4 > TOUCHED_MAX)
		return;
	hostile = true;
	position = take_position(in, consumer->next);
	switch (fuzz_below(in, 4)) {
	case 0:
		atomic_store(&ring->head, position);
		break;
	case 1:
		write_record(in, ring, position, take_any_len(in));
		atomic_store(&ring->head, take_position(in, position));
		break;
	case 2:
		n = take_any_len(in);
		write_record(in, ring, consumer->next, n);
		atomic_store(&ring->head, consumer->next + lane_record_bytes(n));
		break;
	default:
		n = 1 + fuzz_below(in, 64);
		position %= LANE_RING_BYTES - n;
		fuzz_bytes(in, ring->data + position, n);
		touch(ring, position, n);
	}
}

static void ring_step(struct fuzz *in, struct lane_producer *producer, struct lane_consumer *consumer)
{
	switch (fuzz_below(in, 8)) {
	case 0:
		lane_writes(in, consumer->ring, consumer);
		break;
	case 1:
		/* A consumer that claims what cannot be. */
		if (fuzz_chance(in, 64)) {
			hostile = true;
			atomic_store(&producer->ring->tail, take_position(in, producer->head));
		}
		FUZZ_CHECK(lane_room(producer) <= LANE_RING_BYTES);
		break;
	case 2:
		FUZZ_CHECK(lane_arm(consumer) == !lane_empty(consumer));
		FUZZ_CHECK(lane_wants_wake(producer) || hostile);
		FUZZ_CHECK(!lane_wants_wake(producer));
		lane_disarm(consumer);
		break;
	case 3:
	case 4:
		send_frames(in, producer);
		break;
	default:
		receive_frames(in, consumer);
	}
}

/* --- the end of the link ----------------------------------------------------------------------------------------- */

static void write_counters(struct fuzz *in, uint64_t frames)
{
	struct port_counters *lane = &link_->shared->counters;

	lane->tx_ok = fuzz_chance(in, 128) ? frames : fuzz_uint64(in);
	lane->tx_drop[fuzz_below(in, TX_DROPS)] = fuzz_chance(in, 128) ? fuzz_uint8(in) : fuzz_uint64(in);
	lane->tx_segments = fuzz_chance(in, 128) ? fuzz_uint8(in) : fuzz_uint64(in);
	FUZZ_CHECK(lane_link_undelivered(link_) <= link_->to_guest.frames);
}

/* What the lane left is taken by us, from where it says that it stood. */
static void end_link(struct fuzz *in, bool to_guest)
{
	struct lane_shared_ring *ring = &link_->shared->to_guest;
	uint64_t tail = atomic_load(&ring->tail);

	if (fuzz_chance(in, 100)) {
		hostile = true;
		tail = take_position(in, tail);
		atomic_store(&ring->tail, tail);
	}
	lane_link_end(link_);
	FUZZ_CHECK(link_->ended && link_->rest.tail == tail && link_->rest.next == tail);
	FUZZ_CHECK(tail % LANE_RECORD_ALIGN == 0 || link_->rest.broken);
	for (int i = 0; i < LANE_RING_BYTES / LANE_RECORD_ALIGN; i++) {
		uint16_t n = lane_receive(&link_->rest, burst, BURST_MAX);

		for (uint16_t k = 0; k < n; k++)
			check_frame(ring, &burst->frame[k]);
		lane_done(&link_->rest);
		if (n == 0)
			break;
	}
	FUZZ_CHECK(lane_link_delivered(link_) || hostile);
	FUZZ_CHECK(lane_link_passed_on(link_) == (to_guest || sent_n == taken_n) || hostile);
}

static void begin_ring(struct lane_shared_ring *ring, uint64_t at)
{
	atomic_store(&ring->head, at);
	atomic_store(&ring->tail, at);
	atomic_store(&ring->asleep, 0);
}

/* One direction is tried: what the lane gives us, or what we give it. */
static void try_link(struct fuzz *in)
{
	const uint64_t at = (uint64_t)fuzz_uint16(in) * LANE_RECORD_ALIGN + (fuzz_chance(in, 64) ? UINT64_C(1) << 40 : 0);
	const bool to_guest = fuzz_chance(in, 96);
	struct lane_producer lane = {.ring = &link_->shared->from_guest, .head = at};
	struct lane_consumer guest = {.ring = &link_->shared->to_guest, .tail = at, .next = at};

	begin_ring(&link_->shared->to_guest, at);
	begin_ring(&link_->shared->from_guest, at);
	memset(&link_->shared->counters, 0, sizeof(link_->shared->counters));
	link_->to_guest = (struct lane_producer){.ring = &link_->shared->to_guest, .head = at};
	link_->from_guest = (struct lane_consumer){.ring = &link_->shared->from_guest, .tail = at, .next = at};
	link_->ended = false;
	sent_n = taken_n = touched_n = 0;
	hostile = false;
	for (int i = 0; i < STEPS_MAX && in->left > 4; i++)
		if (to_guest)
			ring_step(in, &link_->to_guest, &guest);
		else
			ring_step(in, &lane, &link_->from_guest);
	write_counters(in, link_->to_guest.frames);
	if (to_guest)
		lane_done(&guest);
	else
		lane_done(&link_->from_guest);
	end_link(in, to_guest);
	for (unsigned int i = 0; i < touched_n; i++)
		memset(touched[i].at, 0, touched[i].len);
}

/* --- the socket -------------------------------------------------------------------------------------------------- */

static struct loop *loop;
static struct lane_process lane;
static int mouth; /* the lane's end of the socket */
static int given[FDS_MAX];
static uint32_t owed[LANE_REQUESTS], leaving, may_break;
static unsigned int heard, must_hear;
static bool failed;

static void on_ready(struct lane_process *process VUS_UNUSED)
{
	heard++;
}

static void on_answered(struct lane_process *process VUS_UNUSED, const struct lane_message *message, int *fd)
{
	FUZZ_CHECK(message->request < LANE_REQUESTS && message->ring < VHOST_RINGS_MAX && message->error <= 0);
	FUZZ_CHECK(message->request != LANE_PING && message->request != LANE_HELLO);
	FUZZ_CHECK(message->request != LANE_UFFD || message->error != 0 || *fd >= 0);
	FUZZ_CHECK(*fd < 0 || fcntl(*fd, F_GETFD) == FD_CLOEXEC);
	if (*fd >= 0 && message->request == LANE_UFFD) {
		close(*fd);
		*fd = -1;
	}
	heard++;
}

static void on_failed(struct lane_process *process VUS_UNUSED, const char *why)
{
	FUZZ_CHECK(why[0] != '\0');
	failed = true;
}

static void on_process_gone(struct lane_process *process VUS_UNUSED)
{
	FUZZ_CHECK(!"nobody told that a process has ended");
}

static const struct lane_process_events events = {
	.ready = on_ready, .answered = on_answered, .failed = on_failed, .gone = on_process_gone};

static void ask(struct fuzz *in)
{
	struct lane_message message = {.request = fuzz_below(in, LANE_RING_BROKEN), .ring = fuzz_below(in, VHOST_RINGS_MAX)};
	uint8_t trash[sizeof(message)];
	struct iovec iov = {.iov_base = trash, .iov_len = sizeof(trash)};
	struct msghdr hdr = {.msg_iov = &iov, .msg_iovlen = 1};

	role_assert_control();
	if (failed)
		return;
	/* A ring's position is asked for once at a time. */
	if (message.request == LANE_RING_LEAVE && (leaving >> message.ring & 1) != 0)
		return;
	lane_process_ask(&lane, &message, -1);
	FUZZ_CHECK(recvmsg(mouth, &hdr, MSG_DONTWAIT) == sizeof(message));
	owed[message.request]++;
	leaving |= message.request == LANE_RING_LEAVE ? UINT32_C(1) << message.ring : 0;
	may_break |= message.request == LANE_RING_RUN ? UINT32_C(1) << message.ring : 0;
}

/* Whether that may be said now, and then it is said. */
static bool was_asked(const struct lane_message *message, unsigned int n_fds)
{
	uint32_t bit = message->ring < VHOST_RINGS_MAX ? UINT32_C(1) << message->ring : 0;

	if (message->request >= LANE_REQUESTS || bit == 0 || message->error > 0 || message->error < -4095)
		return false;
	if (message->request == LANE_UFFD && message->error == 0 && n_fds == 0)
		return false;
	if (message->request == LANE_RING_BROKEN) {
		bool may = (may_break & bit) != 0;

		may_break &= ~bit;
		return may;
	}
	if (owed[message->request] == 0 || (message->request == LANE_RING_LEAVE && (leaving & bit) == 0))
		return false;
	owed[message->request]--;
	if (message->request == LANE_RING_LEAVE)
		leaving &= ~bit;
	return true;
}

static void say(struct fuzz *in)
{
	struct lane_message message = {.request = fuzz_below(in, LANE_REQUESTS), .ring = fuzz_below(in, VHOST_RINGS_MAX)};
	uint8_t bytes[256] = {0};
	size_t len = sizeof(message);
	unsigned int n_fds = message.request == LANE_UFFD ? 1 : 0;
	bool fine;

	role_assert_control();
	if (fuzz_chance(in, 30))
		message.request = fuzz_uint32(in);
	if (fuzz_chance(in, 20))
		message.ring = fuzz_uint32(in);
	if (fuzz_chance(in, 60))
		message.error = fuzz_chance(in, 128) ? -(int32_t)fuzz_uint16(in) : (int32_t)fuzz_uint32(in);
	if (fuzz_chance(in, 20))
		len = 1 + fuzz_below(in, 200);
	if (fuzz_chance(in, 30))
		n_fds = fuzz_below(in, FDS_MAX + 1);
	/* It says that it is there once, at the beginning. */
	if (message.request == LANE_HELLO)
		return;
	fine = len == sizeof(message) && n_fds <= LANE_FDS_MAX && was_asked(&message, n_fds);
	must_hear += fine && message.request != LANE_PING;
	memcpy(bytes, &message, sizeof(message));
	FUZZ_CHECK(fg_socket_send(mouth, bytes, len, given, n_fds) == (ssize_t)len);
	loop_turn(loop, 0);
	FUZZ_CHECK(failed == !fine && heard == must_hear);
}

/* The descriptors that a process has next: one that stays open is none of them. */
static unsigned int lowest(void)
{
	int fds[LOWEST_TRIED];
	unsigned int sum = 0;

	for (int i = 0; i < LOWEST_TRIED; i++)
		sum = sum * 31 + (unsigned int)(fds[i] = dup(given[0]));
	for (int i = 0; i < LOWEST_TRIED; i++)
		close(fds[i]);
	return sum;
}

static void try_socket(struct fuzz *in)
{
	const unsigned int before = lowest();
	int ends[2];

	role_assert_control();
	FUZZ_CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0);
	lane_process_init(&lane, loop, "vm1", &events);
	lane.state = LANE_PROCESS_READY;
	lane.socket.fd = ends[0];
	mouth = ends[1];
	memset(owed, 0, sizeof(owed));
	leaving = may_break = heard = must_hear = 0;
	failed = false;
	FUZZ_CHECK(loop_fd_add(loop, &lane.socket, EPOLLIN) == 0);
	for (int i = 0; i < STEPS_MAX && in->left > 0 && !failed; i++)
		if (fuzz_chance(in, 128))
			ask(in);
		else
			say(in);
	close(mouth);
	loop_turn(loop, 0);
	FUZZ_CHECK(failed && lane.socket.fd == -1 && lane.state == LANE_PROCESS_ENDING);
	FUZZ_CHECK(lowest() == before);
}

/* --- an input ---------------------------------------------------------------------------------------------------- */

void fuzz_begin(void)
{
	loop = loop_create();
	link_ = lane_link_create();
	burst = burst_new();
	FUZZ_CHECK(loop != NULL && link_ != NULL && burst != NULL);
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = (uint8_t)(i * 31 + i / SEEDS);
	for (int i = 0; i < FDS_MAX; i++)
		given[i] = eventfd(0, EFD_CLOEXEC);
}

void fuzz_input(struct fuzz *in)
{
	if (fuzz_chance(in, 80))
		try_socket(in);
	else
		try_link(in);
}
