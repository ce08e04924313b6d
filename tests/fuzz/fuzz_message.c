/* SPDX-License-Identifier: BSD-3-Clause */
/* Front ends that say anything: messages nearly right, cut at any byte, with descriptors of every kind at any piece, more of
 * them while one waits for lcores, raw bytes, hanging up, another front end before the first has gone. A model
 * (message_model.h) says what may come of each message, whether that is an answer, which one, or the end. After each the device
 * has to be in order: a ring that runs has its parts in memory that is mapped, regions are those that were acknowledged, and
 * show their file. After the last front end nothing is left: no descriptor, no mapping, no ring.
 *
 * Sockets are pairs, given to the device where its listener would; the device, its loop and its threads are the switch's.
 */
#include "fuzz.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "clock.h"
#include "fg_socket.h"
#include "lane_link.h"
#include "message_model.h"
#include "rcu.h"
#include "vhu_feature.h"
#include "vhu_session.h"

enum { READER = 0, STEPS_MAX = 48, OTHERS = 8, EVENTFDS = 3, FDS_WATCHED = 256, PAGE = 4096 };
static const uint64_t GPA = UINT64_C(1) << 32, UVA = UINT64_C(0x7f0000000000);

static struct loop *loop;
static struct vhu_device *device;
static uint32_t ready; /* rings that the owner was told of */
static bool front_end_left;
static unsigned int fds_open; /* at the beginning of the input */

static int other[OTHERS], event[EVENTFDS];

static struct model model;
static int front = -1;
static bool online, gave_itself;
static int file[MODEL_FILES]; /* -1: not made yet */
static bool punched[MODEL_FILES], unsealable[MODEL_FILES];

/* --- the owner --------------------------------------------------------------------------------------------------- */

static void on_ring(void *owner VUS_UNUSED, unsigned int index, bool is_ready)
{
	FUZZ_CHECK(index < MODEL_RINGS);
	FUZZ_CHECK((ready >> index & 1) != is_ready);
	ready ^= 1u << index;
}

static void on_mtu(void *owner VUS_UNUSED, uint16_t mtu)
{
	FUZZ_CHECK(mtu == 0 || mtu >= 68);
}

static void on_rarp(void *owner VUS_UNUSED, const uint8_t mac[6] VUS_UNUSED)
{
}

static void on_kick(void *owner VUS_UNUSED, unsigned int index, int fd)
{
	FUZZ_CHECK(index < MODEL_RINGS);
	FUZZ_CHECK(fd < 0 || fcntl(fd, F_GETFD) >= 0);
}

static void on_gone(void *owner VUS_UNUSED)
{
	front_end_left = true;
}

static bool on_lane(void *owner VUS_UNUSED, struct lane_link *link VUS_UNUSED)
{
	FUZZ_CHECK(!"postcopy is not offered");
	return false;
}

static const struct vhu_events owner_events = {
	.ring = on_ring, .mtu = on_mtu, .rarp = on_rarp, .gone = on_gone, .kick = on_kick, .lane = on_lane};

/* Descriptors below FDS_WATCHED that are open. */
static unsigned int count_fds(void)
{
	static struct pollfd fds[FDS_WATCHED];
	unsigned int n = 0;

	for (int i = 0; i < FDS_WATCHED; i++)
		fds[i] = (struct pollfd){.fd = i};
	poll(fds, FDS_WATCHED, 0);
	for (int i = 0; i < FDS_WATCHED; i++)
		n += (fds[i].revents & POLLNVAL) == 0;
	return n;
}

static void make_others(void)
{
	int pair[2];

	for (int i = 0; i < EVENTFDS; i++)
		event[i] = eventfd(0, EFD_CLOEXEC | (i == 1 ? EFD_NONBLOCK : 0) | (i == 2 ? EFD_SEMAPHORE : 0));
	other[0] = open("/dev/null", O_RDWR | O_CLOEXEC);
	other[1] = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	other[2] = epoll_create1(EPOLL_CLOEXEC);
	other[3] = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	FUZZ_CHECK(pipe2(pair, O_CLOEXEC) == 0);
	other[4] = pair[0];
	other[5] = pair[1];
	FUZZ_CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
	other[6] = pair[0];
	other[7] = open("/proc/self/exe", O_PATH | O_CLOEXEC);
}

void fuzz_begin(void)
{
	static char folder[] = "/tmp/vuswitch-fuzz-XXXXXX", path[64];
	const struct vhu_config config = {
		.name = "vm1", .socket = path, .mode = VHU_SERVER, .queue_pairs = MODEL_RINGS / 2, .postcopy_off = true};
	struct fail fail;

	role_assert_control();
	log_set_level(LOG_ERROR);
	FUZZ_CHECK(mkdtemp(folder) != NULL);
	snprintf(path, sizeof(path), "%s/vm1.sock", folder);
	FUZZ_CHECK(rcu_init(1) == 0);
	loop = loop_create();
	FUZZ_CHECK(loop != NULL && vhu_device_create(loop, &config, &owner_events, NULL, &device, &fail) == 0);
	/* Connections come from here alone. */
	unlink(path);
	rmdir(folder);
	make_others();
}

/* --- turns ------------------------------------------------------------------------------------------------------- */

static bool waits(void)
{
	role_assert_control();
	return vhu_pending_any(&device->pending) || disposal_full(device->account);
}

/* Until nothing can happen before something else is said, or an lcore passes. */
static void settle(void)
{
	const uint64_t end = clock_ns() + 10 * NS_PER_S;

	role_assert_control();
	loop_turn(loop, 0);
	loop_turn(loop, 0);
	while ((!online && waits()) || device->pending.n[VHU_STEP_MAP] > 0) {
		loop_turn(loop, NS_PER_MS);
		FUZZ_CHECK(clock_ns() < end);
	}
	loop_turn(loop, 0);
}

static void lcore_leaves(void)
{
	if (online)
		rcu_offline(READER);
	online = false;
	settle();
}

/* --- order ------------------------------------------------------------------------------------------------------- */

static void check_part(const struct mem_map *map, const void *part)
{
	bool found = false;

	for (uint32_t i = 0; map != NULL && i < map->n; i++)
		found |= (uintptr_t)part - (uintptr_t)map->region[i].host < map->region[i].size;
	FUZZ_CHECK(found);
}

static void check_rings(const struct mem_map *map)
{
	for (unsigned int i = 0; i < device->rings_n; i++) {
		const struct vhu_ring *ring = &device->ring[i];
		const struct virtq_conf *conf = rcu_own(&ring->q.conf);

		FUZZ_CHECK((ready >> i & 1) == (ring->state == VHU_RING_RUNNING));
		FUZZ_CHECK((conf != NULL) == (ring->state == VHU_RING_RUNNING));
		FUZZ_CHECK(vhu_pending_any(&device->pending) || ring->state != VHU_RING_LEAVING);
		FUZZ_CHECK(ring->kick_fd < 0 || fcntl(ring->kick_fd, F_GETFD) >= 0);
		FUZZ_CHECK(ring->call_fd < 0 || fcntl(ring->call_fd, F_GETFD) >= 0);
		FUZZ_CHECK(ring->err_fd < 0 || fcntl(ring->err_fd, F_GETFD) >= 0);
		if (conf == NULL)
			continue;
		FUZZ_CHECK(ring->started && device->features_set && conf->size == ring->size);
		FUZZ_CHECK(vhu_pending_any(&device->pending) || vhu_log_complete(&device->dirty));
		check_part(map, conf->desc);
		check_part(map, conf->avail);
		check_part(map, (const uint8_t *)(conf->used + 1) - 1);
	}
}

static uint64_t stamp_of(unsigned int which, uint64_t offset)
{
	return UINT64_C(0x5354414d00000000) | which << 16 | offset / PAGE;
}

/* What was acknowledged is there, and is the file it was said to be; nothing else is. */
static void check_regions(const struct mem_map *map)
{
	FUZZ_CHECK((map == NULL ? 0 : map->n) == device->regions.n);
	FUZZ_CHECK(device->regions.n == model.n);
	for (uint32_t i = 0; i < model.n; i++) {
		const struct model_region *region = &model.region[i];
		int at = mem_map_find(map, region->wire.gpa, region->wire.size, region->wire.uva);
		uint64_t stamp;

		FUZZ_CHECK(at >= 0);
		if (region->wire.mmap_offset % PAGE != 0 || region->wire.size < sizeof(stamp) || punched[region->file])
			continue;
		memcpy(&stamp, map->region[at].host, sizeof(stamp));
		FUZZ_CHECK(stamp == stamp_of(region->file, region->wire.mmap_offset));
	}
}

static void check_order(void)
{
	const struct mem_map *map = vhu_regions_map(&device->regions);

	check_rings(map);
	if (device->state == VHU_TALKING)
		check_regions(map);
}

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
	settle();
	FUZZ_CHECK(online || device->state == VHU_IDLE);
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
	settle();
}

static int file_of(unsigned int which)
{
	static uint8_t bytes[MODEL_FILE_BYTES];

	if (file[which] >= 0)
		return file[which];
	file[which] = memfd_create("guest", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	for (uint64_t at = 0; at < sizeof(bytes); at += PAGE) {
		uint64_t stamp = stamp_of(which, at);

		memcpy(bytes + at, &stamp, sizeof(stamp));
	}
	FUZZ_CHECK(pwrite(file[which], bytes, sizeof(bytes), 0) == sizeof(bytes));
	return file[which];
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

static void judge(const struct sent *sent, unsigned int allowed)
{
	struct vhu_header header;
	union vhu_payload payload;
	uint64_t value;
	enum outcome is;

	if (!hear(&header, &payload)) {
		is = front < 0 ? OUT_END : OUT_SILENCE;
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
	if (is == OUT_VALUE && model_value(&model, sent, &value))
		FUZZ_CHECK(header.size == 8 && payload.u64 == value);
	if (is == OUT_VALUE && sent->header.request == VHU_SET_LOG_BASE)
		FUZZ_CHECK(header.size == 16 && memcmp(&payload, &sent->payload, 16) == 0);
	if (is == OUT_SILENCE || is == OUT_YES || is == OUT_VALUE)
		model_taken(&model, sent);
	FUZZ_CHECK(front < 0 || !hear(&header, &payload));
}

/* --- messages ---------------------------------------------------------------------------------------------------- */

static uint64_t take_odd(struct fuzz *in, uint64_t usual)
{
	switch (fuzz_uint8(in)) {
	case 248 ... 249:
		return fuzz_uint64(in);
	case 250 ... 251:
		return usual + fuzz_uint8(in);
	case 252 ... 253:
		return usual - fuzz_uint8(in);
	case 254 ... 255:
		return usual ^ UINT64_C(1) << (fuzz_uint8(in) & 63);
	default:
		return usual;
	}
}

static uint32_t take_ring(struct fuzz *in)
{
	uint8_t ring = fuzz_uint8(in);

	return ring < 240 ? ring % MODEL_RINGS : (uint32_t)take_odd(in, MODEL_RINGS);
}

static struct vhu_memory_region take_region(struct fuzz *in)
{
	const uint64_t slot = fuzz_below(in, 6) * (MODEL_FILE_BYTES / 2);

	return (struct vhu_memory_region){.gpa = take_odd(in, GPA + slot),
					  .size = take_odd(in, MODEL_FILE_BYTES / (1 + fuzz_below(in, 2))),
					  .uva = take_odd(in, UVA + slot),
					  .mmap_offset = take_odd(in, fuzz_below(in, 2) * (MODEL_FILE_BYTES / 2))};
}

static void take_addr(struct fuzz *in, struct vhu_vring_addr *addr)
{
	addr->index = take_ring(in);
	addr->flags = (uint32_t)take_odd(in, fuzz_below(in, 2));
	addr->desc = take_odd(in, UVA + fuzz_below(in, 4) * 0x2000);
	addr->avail = take_odd(in, addr->desc + 0x1000);
	addr->used = take_odd(in, addr->desc + 0x1400);
	addr->log = take_odd(in, addr->used - UVA + GPA);
}

static void take_payload(struct fuzz *in, uint32_t request, union vhu_payload *payload)
{
	switch (request) {
	case VHU_SET_FEATURES:
		payload->u64 = take_odd(in, vhu_features_offered(true, true));
		if (fuzz_below(in, 4) != 0)
			payload->u64 &= ~(UINT64_C(1) << VHU_F_LOG_ALL);
		if (fuzz_below(in, 2) == 0)
			payload->u64 &= ~(UINT64_C(1) << 34);
		break;
	case VHU_SET_PROTOCOL_FEATURES:
		payload->u64 = take_odd(in, vhu_protocol_features_offered(false));
		break;
	case VHU_SET_MEM_TABLE:
		payload->table.n = (uint32_t)take_odd(in, 1 + fuzz_below(in, 4));
		for (uint32_t i = 0; i < payload->table.n && i < VHU_TABLE_REGIONS_MAX; i++)
			payload->table.region[i] = take_region(in);
		break;
	case VHU_ADD_MEM_REG:
	case VHU_REM_MEM_REG:
		payload->single.region = take_region(in);
		if (request == VHU_REM_MEM_REG && model.n > 0 && fuzz_chance(in, 160))
			payload->single.region = model.region[fuzz_uint16(in) % model.n].wire;
		break;
	case VHU_SET_LOG_BASE:
		payload->log.size = take_odd(in, 8u << fuzz_below(in, 14));
		payload->log.mmap_offset = take_odd(in, fuzz_below(in, 3) * PAGE);
		break;
	case VHU_SET_VRING_ADDR:
		take_addr(in, &payload->addr);
		break;
	case VHU_SET_VRING_KICK:
	case VHU_SET_VRING_CALL:
	case VHU_SET_VRING_ERR:
		payload->u64 = take_odd(in, take_ring(in) | (fuzz_chance(in, 64) ? VHU_NOFD : 0));
		break;
	case VHU_NET_SET_MTU:
	case VHU_SET_STATUS:
		payload->u64 = take_odd(in, fuzz_below(in, 8) << fuzz_below(in, 14));
		break;
	default:
		payload->state.index = take_ring(in);
		payload->state.num = (uint32_t)take_odd(in, fuzz_below(in, 2) << fuzz_below(in, 17));
	}
}

static uint32_t take_request(struct fuzz *in)
{
	static const uint8_t often[] = {VHU_SET_FEATURES,   VHU_SET_MEM_TABLE,	VHU_SET_VRING_NUM,    VHU_SET_VRING_ADDR,
					VHU_SET_VRING_KICK, VHU_SET_VRING_CALL, VHU_SET_VRING_ENABLE, VHU_ADD_MEM_REG,
					VHU_REM_MEM_REG,    VHU_GET_VRING_BASE};
	uint8_t which = fuzz_uint8(in);

	return which < 100 ? often[which % 10] : which < 250 ? which % VHU_REQUESTS : fuzz_uint32(in);
}

/* The number of descriptors that the request wants, mostly, and of the kind. */
static void take_fds(struct fuzz *in, struct sent *sent, int fds[MODEL_FDS_MAX])
{
	uint32_t request = sent->header.request;
	bool memory = request == VHU_SET_MEM_TABLE || request == VHU_ADD_MEM_REG || request == VHU_SET_LOG_BASE;
	bool events = request >= VHU_SET_VRING_KICK && request <= VHU_SET_VRING_ERR;
	uint32_t n = request == VHU_SET_MEM_TABLE ? sent->payload.table.n
		     : memory || request == VHU_SET_LOG_FD	  ? 1
		     : events			  ? (sent->payload.u64 & VHU_NOFD) == 0
						  : 0;

	if (fuzz_chance(in, 10) || n > MODEL_FDS_MAX)
		n = fuzz_below(in, MODEL_FDS_MAX);
	sent->n_fds = n;
	for (uint32_t i = 0; i < n; i++) {
		uint8_t odd = fuzz_uint8(in);

		if (odd >= 246 || (!memory && !events)) {
			sent->given[i].kind = GIVEN_OTHER;
			fds[i] = odd == 255 ? front : other[odd % OTHERS];
			gave_itself |= odd == 255;
		} else if (memory != (odd > 240)) {
			sent->given[i] = (struct given){GIVEN_MEMORY, odd % MODEL_FILES};
			fds[i] = file_of(odd % MODEL_FILES);
		} else {
			sent->given[i].kind = GIVEN_EVENTFD;
			fds[i] = event[odd % EVENTFDS];
		}
	}
}

static void take_message(struct fuzz *in, struct sent *sent, int fds[MODEL_FDS_MAX])
{
	static const uint16_t sizes[VHU_REQUESTS] = {[VHU_NONE] = 8, [VHU_SET_LOG_BASE] = 16, [VHU_SET_VRING_ADDR] = 40,
						     [VHU_IOTLB_MSG] = 32, [VHU_GET_CONFIG] = 12, [VHU_SET_CONFIG] = 12,
						     [VHU_GET_INFLIGHT_FD] = 24, [VHU_SET_INFLIGHT_FD] = 24,
						     [VHU_ADD_MEM_REG] = 40, [VHU_REM_MEM_REG] = 40,
						     [VHU_GET_SHARED_OBJECT] = 16};
	static const uint64_t empty = UINT64_C(1) << VHU_GET_FEATURES | 1 << VHU_SET_OWNER | 1 << VHU_RESET_OWNER |
				      1 << VHU_SET_LOG_FD | 1 << VHU_GET_PROTOCOL_FEATURES | 1 << VHU_GET_QUEUE_NUM |
				      1 << VHU_SET_BACKEND_REQ_FD | UINT64_C(7) << VHU_POSTCOPY_ADVISE |
				      UINT64_C(3) << VHU_GPU_SET_SOCKET | UINT64_C(1) << VHU_GET_MAX_MEM_SLOTS |
				      UINT64_C(1) << VHU_GET_STATUS | UINT64_C(3) << VHU_CHECK_DEVICE_STATE;
	uint32_t request = take_request(in), usual = request < VHU_REQUESTS ? sizes[request] : 8;

	memset(sent, 0, sizeof(*sent));
	sent->header.request = request;
	sent->header.flags = (uint32_t)take_odd(in, VHU_VERSION | (fuzz_chance(in, 200) ? VHU_FLAG_NEED_REPLY : 0));
	take_payload(in, request, &sent->payload);
	if (request == VHU_SET_MEM_TABLE)
		usual = 8 + 32 * (sent->payload.table.n & 63);
	else if (request < VHU_REQUESTS && usual == 0 && (empty >> request & 1) == 0)
		usual = 8;
	sent->header.size = (uint32_t)take_odd(in, usual);
	take_fds(in, sent, fds);
}

/* Bytes in up to three pieces, with a turn between them; the descriptors go with one. False: the device has hung up. */
static bool send_pieces(struct fuzz *in, const uint8_t *bytes, size_t len, const int *fds, unsigned int n_fds)
{
	unsigned int pieces = 1 + (fuzz_chance(in, 64) ? 1 + fuzz_below(in, 2) : 0);
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
			loop_turn(loop, 0);
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
		settle();
	if (device->state == VHU_TALKING && waits())
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

	take_message(in, &sent, fds);
	if (sent.header.size < sizeof(sent.payload))
		memset(sent.payload.raw + sent.header.size, 0, sizeof(sent.payload) - sent.header.size);
	allowed = model_allows(&model, &sent, started);
	/* More than a message may carry, or they came with bytes of which the end was seen. */
	if (sent.n_fds > VHU_FDS_MAX)
		allowed = OUT_END;
	whole = send_message(in, &sent, fds);
	settle();
	if (whole && waits() && device->state == VHU_TALKING)
		say_while_waiting(in, &sent, allowed);
	else
		judge(&sent, allowed);
}

/* Any bytes, and the end. */
static void say_raw(struct fuzz *in)
{
	uint8_t bytes[64];
	size_t n = 1 + fuzz_below(in, sizeof(bytes));

	fuzz_bytes(in, bytes, n);
	if (fuzz_chance(in, 192))
		bytes[4] = VHU_VERSION, bytes[5] = bytes[6] = bytes[7] = bytes[1] = bytes[2] = bytes[3] = 0;
	send_pieces(in, bytes, n, &event[0], fuzz_below(in, 2));
	settle();
	hang_up();
}

/* In order, each with the descriptor if it has one. */
static void say_each(const struct sent *sent, unsigned int n, int fd)
{
	struct fuzz none = {NULL, 0};

	for (unsigned int i = 0; i < n && front >= 0; i++) {
		unsigned int allowed = model_allows(&model, &sent[i], vhu_session_started(device));

		send_message(&none, &sent[i], &fd);
		settle();
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
		 .payload.single.region = {GPA, MODEL_FILE_BYTES, UVA, 0},
		 .n_fds = 1,
		 .given = {{GIVEN_MEMORY, 0}}},
	};

	say_each(sent, 2 + fuzz_below(in, 2), file_of(0));
}

/* Regions beside one another, and one of all goes again. */
static void say_regions(struct fuzz *in)
{
	const uint64_t slot = 8 + fuzz_below(in, 4), half = MODEL_FILE_BYTES / 2;
	struct sent sent[3];

	for (unsigned int i = 0; i < 3; i++)
		sent[i] = (struct sent){
			.header = {VHU_ADD_MEM_REG, VHU_VERSION | VHU_FLAG_NEED_REPLY, 40},
			.payload.single.region = {GPA + (slot + i) * half, half, UVA + (slot + i) * half, i % 2 * half},
			.n_fds = 1,
			.given = {{GIVEN_MEMORY, 1}}};
	say_each(sent, 1 + fuzz_below(in, 3), file_of(1));
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
	const uint64_t desc = UVA + ring * 0x2000;
	const uint32_t yes = VHU_VERSION | VHU_FLAG_NEED_REPLY;
	struct sent sent[5] = {
		{.header = {VHU_SET_VRING_NUM, yes, 8}, .payload.state = {ring, 256}},
		{.header = {VHU_SET_VRING_ADDR, yes, 40}, .payload.addr = {ring, 0, desc, desc + 0x1400, desc + 0x1000, 0}},
		{.header = {VHU_SET_VRING_CALL, yes, 8}, .payload.u64 = ring, .n_fds = 1, .given = {{GIVEN_EVENTFD, 0}}},
		{.header = {VHU_SET_VRING_KICK, yes, 8}, .payload.u64 = ring, .n_fds = 1, .given = {{GIVEN_EVENTFD, 0}}},
		{.header = {VHU_SET_VRING_ENABLE, yes, 8}, .payload.state = {ring, 1}},
	};

	say_each(sent, 5, event[0]);
}

/* What the holder of a file does to it. */
static void change_file(struct fuzz *in)
{
	unsigned int which = fuzz_below(in, MODEL_FILES);
	int fd = file_of(which);

	switch (fuzz_below(in, 4)) {
	case 0:
		punched[which] = true;
		fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, fuzz_below(in, 16) * PAGE, PAGE);
		break;
	case 1:
		/* Not below what is mapped: its seal says so. */
		punched[which] = true;
		(void)!ftruncate(fd, fuzz_below(in, 16) * PAGE);
		break;
	case 2:
		unsealable[which] = true;
		fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL);
		break;
	default:
		unsealable[which] = true;
		fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE);
	}
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
		if (!online)
			rcu_online(READER);
		online = true;
		break;
	case 5:
		lcore_leaves();
		break;
	case 6:
		change_file(in);
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
		settle();
		hang_up();
		break;
	default:
		say(in);
	}
}

/* --- an input ---------------------------------------------------------------------------------------------------- */

static void check_nothing_left(void)
{
	const uint64_t end = clock_ns() + 10 * NS_PER_S;
	struct disposal_stats stats;

	role_assert_control();
	do {
		loop_turn(loop, rcu_poll() ? 0 : NS_PER_MS / 20);
		disposal_account_stats(device->account, &stats);
		FUZZ_CHECK(clock_ns() < end);
	} while (rcu_poll() || stats.running + stats.waiting > 0);
	FUZZ_CHECK(device->state == VHU_IDLE && ready == 0 && device->regions.n == 0 && front_end_left);
	/* A file that is mapped to be written cannot be sealed. */
	for (unsigned int i = 0; i < MODEL_FILES; i++) {
		if (file[i] < 0)
			continue;
		FUZZ_CHECK(unsealable[i] || fcntl(file[i], F_ADD_SEALS, F_SEAL_WRITE) == 0);
		close(file[i]);
	}
	FUZZ_CHECK(count_fds() == fds_open);
}

void fuzz_input(struct fuzz *in)
{
	role_assert_control();
	for (unsigned int i = 0; i < MODEL_FILES; i++) {
		file[i] = -1;
		punched[i] = unsealable[i] = false;
	}
	online = false;
	front_end_left = false;
	fds_open = count_fds();
	come();
	for (int i = 0; i < STEPS_MAX && in->left > 0; i++) {
		if (front < 0) {
			lcore_leaves();
			come();
		}
		step(in);
		check_order();
	}
	lcore_leaves();
	hang_up();
	check_nothing_left();
}
