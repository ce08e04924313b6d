/* SPDX-License-Identifier: BSD-3-Clause */
/* Front ends that say anything: messages nearly right, cut at any byte, with descriptors of every kind at any piece, more of
 * them while one waits for lcores, raw bytes, hanging up, another front end before the first has gone. A model
 * (message_model.h) says what may come of each message, whether that is an answer, which one, or the end. After each the device
 * has to be in order: a ring that runs has its parts in memory that is mapped, regions are those that were acknowledged, and
 * show their file. After the last front end nothing is left: no descriptor, no mapping, no ring.
 *
 * Sockets are pairs, given to the device where its listener would; the device and its loop are the switch's. Calls on what was
 * given are made in place (disposal.h), so that the same input does the same every time, and by the switch's threads for a few
 * inputs.
 */
#include "fuzz.h"

#include <sys/socket.h>
#include <unistd.h>

#include "fg_socket.h"
#include "message_device.h"
#include "message_given.h"
#include "message_take.h"
#include "vhu_feature.h"

enum { STEPS_MAX = 48 };

static struct model model;
static int front = -1;
static bool gave_itself;

/* --- the front end ----------------------------------------------------------------------------------------------- */

/* A front end that gave its own end away is connected until the message with it is complete, or late. */
static void close_front(void)
{
	if (front >= 0) {
		if (gave_itself)
			shutdown(front, SHUT_RDWR);
		close(front);
	}
	front = -1;
	gave_itself = false;
}

static void hang_up(void)
{
	close_front();
	device_settle();
	FUZZ_CHECK(lcore_is_online || device->state == VHU_IDLE);
}

/* Takes the place of the one before, or is told that it is taken. */
static void come(void)
{
	enum vhu_room room;
	int pair[2];

	FUZZ_CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) == 0);
	room = device->endpoint.events->connected(&device->endpoint, pair[1]);
	if (room == VHU_SOON) {
		lcore_leaves();
		device_settle();
		room = device->endpoint.events->connected(&device->endpoint, pair[1]);
		FUZZ_CHECK(room == VHU_TAKEN);
	}
	if (room != VHU_TAKEN) {
		close(pair[0]);
		close(pair[1]);
		return;
	}
	close_front();
	front = pair[0];
	memset(&model, 0, sizeof(model));
	device_settle();
}

/* An answer: its bytes, once it is there as a whole. False: nothing, or the end (front -1). */
static bool hear(struct vhu_header *header, union vhu_payload *payload)
{
	ssize_t n = recv(front, header, sizeof(*header), 0);

	/* The other end may be closed a little later, by a thread. */
	if (n <= 0 && device->state != VHU_TALKING)
		close_front();
	if (n <= 0)
		return false;
	FUZZ_CHECK(n == sizeof(*header) && header->flags == 5 && header->size <= sizeof(*payload));
	memset(payload, 0, sizeof(*payload));
	FUZZ_CHECK(header->size == 0 || recv(front, payload, header->size, 0) == header->size);
	return true;
}

/* A ring was to start when a request had waited, which cannot be refused any more, and is one that cannot be. */
static bool ended_by_a_ring(void)
{
	return front < 0 && strncmp(device->last_error, "ring ", 5) == 0;
}

static void judge(const struct sent *sent, unsigned int allowed)
{
	struct vhu_header header;
	union vhu_payload payload = {0};
	uint64_t value;
	enum outcome is;

	if (!hear(&header, &payload)) {
		is = front < 0 ? OUT_END : OUT_SILENCE;
		if (ended_by_a_ring())
			allowed |= OUT_END;
	} else {
		FUZZ_CHECK(header.request == sent->header.request);
		is = header.size == 0		  ? OUT_EMPTY
		     : (allowed & OUT_VALUE) != 0 ? OUT_VALUE
		     : payload.u64 == 0		  ? OUT_YES
						  : OUT_NO;
		FUZZ_CHECK(is == OUT_VALUE || is == OUT_EMPTY || header.size == 8);
		FUZZ_CHECK(is != OUT_NO || payload.u64 == 1);
	}
	if ((is & allowed) == 0)
		fprintf(stderr, "request %u, flags %#x, %u bytes, %u descriptors: %#x, not one of %#x; \"%s\"\n",
			sent->header.request, sent->header.flags, sent->header.size, sent->n_fds, is, allowed,
			device->last_error);
	FUZZ_CHECK((is & allowed) != 0);
	value = payload.u64;
	if (is == OUT_VALUE && model_value(&model, sent, &value))
		FUZZ_CHECK(header.size == 8 && payload.u64 == value);
	if (is == OUT_VALUE && sent->header.request == VHU_SET_LOG_BASE)
		FUZZ_CHECK(header.size == 16 && memcmp(&payload, &sent->payload, 16) == 0);
	if (is == OUT_SILENCE || is == OUT_YES || is == OUT_VALUE)
		model_taken(&model, sent);
	FUZZ_CHECK(is == OUT_SILENCE || front < 0 || !hear(&header, &payload));
}

/* --- messages ---------------------------------------------------------------------------------------------------- */

/* Bytes in up to three pieces, with a turn between them; the descriptors go with one. False: the device has hung up. */
static bool send_pieces(struct fuzz *in, const uint8_t *bytes, size_t len, const int *fds, unsigned int n_fds)
{
	/* In one at the end of the input. */
	unsigned int pieces = 1 + (fuzz_uint8(in) >= 192 ? 1 + fuzz_below(in, 2) : 0);
	unsigned int with = fuzz_below(in, pieces);

	role_assert_control();
	for (unsigned int i = 0; i < pieces && len > 0; i++) {
		size_t part = i + 1 == pieces ? len : fuzz_uint16(in) % len + 1;
		bool here = i == with || part == len;
		ssize_t n = fg_socket_send(front, bytes, part, fds, here ? n_fds : 0);

		if (n < 0)
			return false;
		FUZZ_CHECK((size_t)n == part);
		if (here)
			n_fds = 0;
		bytes += part;
		len -= part;
		if (len > 0)
			device_turn();
	}
	return true;
}

/* What cannot be a header ends the conversation before its payload came. */
static bool send_message(struct fuzz *in, const struct sent *sent, const int *fds)
{
	uint8_t bytes[sizeof(sent->header) + sizeof(sent->payload)];
	size_t size = sent->header.size < sizeof(sent->payload) ? sent->header.size : sizeof(sent->payload);

	memcpy(bytes, &sent->header, sizeof(sent->header));
	memcpy(bytes + sizeof(sent->header), &sent->payload, size);
	return send_pieces(in, bytes, sizeof(sent->header) + size, fds, sent->n_fds);
}

/* While a request waits for lcores nothing else is answered, and nothing is lost. */
static void say_while_waiting(struct fuzz *in, const struct sent *sent, unsigned int allowed)
{
	static const struct sent hello = {.header = {VHU_GET_FEATURES, VHU_VERSION, 0}};
	struct vhu_header header;
	union vhu_payload payload;
	bool more = fuzz_chance(in, 128);

	if (more && fg_socket_send(front, &hello.header, sizeof(hello.header), NULL, 0) > 0)
		device_settle();
	if (device->state == VHU_TALKING && device_waits())
		FUZZ_CHECK(!hear(&header, &payload) && front >= 0);
	if (fuzz_chance(in, 40)) {
		hang_up();
		lcore_leaves();
		return;
	}
	lcore_leaves();
	if (!more) {
		judge(sent, allowed);
		return;
	}
	/* One answer after the other. */
	if ((allowed & (OUT_YES | OUT_NO | OUT_VALUE | OUT_EMPTY)) != 0 && (allowed & OUT_SILENCE) == 0) {
		if (!hear(&header, &payload))
			return;
		FUZZ_CHECK(header.request == sent->header.request);
		hang_up();
		return;
	}
	hang_up();
}

static void say(struct fuzz *in)
{
	struct sent sent;
	int fds[MODEL_FDS_MAX];
	uint32_t started = vhu_session_started(device);
	unsigned int allowed;
	bool whole;

	gave_itself |= take_message(in, &model, front, &sent, fds);
	if (sent.header.size < sizeof(sent.payload))
		memset(sent.payload.raw + sent.header.size, 0, sizeof(sent.payload) - sent.header.size);
	allowed = model_allows(&model, &sent, started);
	/* More than a message may carry, or they came with bytes of which the end was seen. */
	if (sent.n_fds > VHU_FDS_MAX)
		allowed = OUT_END;
	whole = send_message(in, &sent, fds);
	device_settle();
	if (whole && device_waits() && device->state == VHU_TALKING)
		say_while_waiting(in, &sent, allowed);
	else
		judge(&sent, allowed);
}

/* Any bytes, and the end. */
static void say_raw(struct fuzz *in)
{
	const int eventfd = given_eventfd(0);
	uint8_t bytes[64];
	size_t n = 1 + fuzz_below(in, sizeof(bytes));

	fuzz_bytes(in, bytes, n);
	if (fuzz_chance(in, 192))
		bytes[4] = VHU_VERSION, bytes[5] = bytes[6] = bytes[7] = bytes[1] = bytes[2] = bytes[3] = 0;
	send_pieces(in, bytes, n, &eventfd, fuzz_below(in, 2));
	device_settle();
	hang_up();
}

/* In order, each with the descriptor if it has one. */
static void say_each(const struct sent *sent, unsigned int n, int fd)
{
	struct fuzz none = {NULL, 0};

	for (unsigned int i = 0; i < n && front >= 0; i++) {
		unsigned int allowed = model_allows(&model, &sent[i], vhu_session_started(device));

		send_message(&none, &sent[i], &fd);
		device_settle();
		lcore_leaves();
		judge(&sent[i], allowed);
	}
}

/* A device that works, to begin with. */
static void say_hello(struct fuzz *in)
{
	const uint64_t features = vhu_features_offered(true, true) & ~(UINT64_C(1) << VHU_F_LOG_ALL | UINT64_C(1) << 34);
	const uint64_t protocol = vhu_protocol_features_offered(false);
	struct sent sent[3] = {
		{.header = {VHU_SET_PROTOCOL_FEATURES, VHU_VERSION, 8}, .payload.u64 = protocol},
		{.header = {VHU_SET_FEATURES, VHU_VERSION | VHU_FLAG_NEED_REPLY, 8}, .payload.u64 = features},
		{.header = {VHU_ADD_MEM_REG, VHU_VERSION | VHU_FLAG_NEED_REPLY, 40},
		 .payload.single.region = {TAKE_GPA, MODEL_FILE_BYTES, TAKE_UVA, 0},
		 .n_fds = 1,
		 .given = {{GIVEN_MEMORY, 0}}},
	};

	say_each(sent, 2 + fuzz_below(in, 2), given_file(0));
}

/* Regions beside one another, and one of all goes again. */
static void say_regions(struct fuzz *in)
{
	const uint64_t slot = 8 + fuzz_below(in, 4), half = MODEL_FILE_BYTES / 2;
	struct sent sent[3];

	for (unsigned int i = 0; i < 3; i++)
		sent[i] = (struct sent){
			.header = {VHU_ADD_MEM_REG, VHU_VERSION | VHU_FLAG_NEED_REPLY, 40},
			.payload.single.region = {TAKE_GPA + (slot + i) * half, half, TAKE_UVA + (slot + i) * half, i % 2 * half},
			.n_fds = 1,
			.given = {{GIVEN_MEMORY, 1}}};
	say_each(sent, 1 + fuzz_below(in, 3), given_file(1));
	if (front < 0 || model.n == 0 || fuzz_chance(in, 64))
		return;
	sent[0].header.request = VHU_REM_MEM_REG;
	sent[0].payload.single.region = model.region[fuzz_uint8(in) % model.n].wire;
	sent[0].n_fds = 0;
	say_each(sent, 1, -1);
}

static void say_ring(struct fuzz *in)
{
	const uint32_t ring = fuzz_below(in, MODEL_RINGS);
	const uint64_t desc = TAKE_UVA + ring * 0x2000;
	const uint32_t yes = VHU_VERSION | VHU_FLAG_NEED_REPLY;
	struct sent sent[5] = {
		{.header = {VHU_SET_VRING_NUM, yes, 8}, .payload.state = {ring, 256}},
		{.header = {VHU_SET_VRING_ADDR, yes, 40}, .payload.addr = {ring, 0, desc, desc + 0x1400, desc + 0x1000, 0}},
		{.header = {VHU_SET_VRING_CALL, yes, 8}, .payload.u64 = ring, .n_fds = 1, .given = {{GIVEN_EVENTFD, 0}}},
		{.header = {VHU_SET_VRING_KICK, yes, 8}, .payload.u64 = ring, .n_fds = 1, .given = {{GIVEN_EVENTFD, 0}}},
		{.header = {VHU_SET_VRING_ENABLE, yes, 8}, .payload.state = {ring, 1}},
	};

	say_each(sent, 5, given_eventfd(0));
}

static void step(struct fuzz *in)
{
	switch (fuzz_below(in, 32)) {
	case 0:
		say_raw(in);
		break;
	case 1:
		hang_up();
		break;
	case 2:
		come();
		break;
	case 3:
	case 4:
		lcore_comes();
		break;
	case 5:
		lcore_leaves();
		break;
	case 6:
		given_change(in);
		break;
	case 7:
	case 8:
		say_hello(in);
		break;
	case 9:
	case 10:
	case 11:
		say_ring(in);
		break;
	case 12:
	case 13:
		say_regions(in);
		break;
	case 14:
		shutdown(front, SHUT_WR);
		device_settle();
		hang_up();
		break;
	default:
		say(in);
	}
}

/* --- an input ---------------------------------------------------------------------------------------------------- */

void fuzz_begin(void)
{
	given_create();
	device_create();
}

/* One input of 128: by all of its bytes and their order, so that what is made of it by a change is mostly not. */
static bool goes_to_threads(const struct fuzz *in)
{
	uint32_t hash = 0;

	for (size_t i = 0; i < in->left; i++)
		hash = (hash ^ in->at[i]) * 0x01000193;
	return in->left > 0 && hash >> 25 == 0;
}

void fuzz_input(struct fuzz *in)
{
	role_assert_control();
	device_begin(goes_to_threads(in));
	come();
	for (int i = 0; i < STEPS_MAX && in->left > 0; i++) {
		if (front < 0) {
			lcore_leaves();
			come();
		}
		step(in);
		device_check_order(&model);
	}
	lcore_leaves();
	hang_up();
	device_check_nothing_left();
}
