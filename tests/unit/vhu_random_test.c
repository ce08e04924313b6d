/* SPDX-License-Identifier: BSD-3-Clause */
/* A front end that says whatever comes to its mind: legal messages in any order, with values that are nearly right, cut in
 * two, with the wrong descriptors, hanging up in between, while an lcore now and then takes its time. After every step the
 * device has to be in order: a ring that runs has all its parts in memory that is mapped. At the end nothing is left.
 *
 * The same numbers each time; VHU_RANDOM_SEED and VHU_RANDOM_STEPS make it others, or more.
 */
#include "fg_socket.h"
#include "vhu_rig.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "poke.h"
#include "rcu.h"
#include "vhu_feature.h"
#include "vhu_session.h"

enum { READER = 0, FILES = 3, STEPS = 20000, OTHERS = 7, SWAPS_AT_ONCE = 5 };
#define FEATURES (vhu_features_offered(true, true) & ~(UINT64_C(1) << 21 | UINT64_C(1) << VHU_F_LOG_ALL))
#define PROTOCOL_FEATURES vhu_protocol_features_offered(false)

static uint64_t seed = 88172645463325252;
static int files[FILES];
/* Steps at which a ring ran, was logged, and at which a front end waited for the port; regions there were in all. */
static unsigned int running, logged, kept_waiting, mapped;
static unsigned long long messages, connections; /* of the devices before this one */
/* Front ends beside the one that has the port, or -1; an eventfd that blocks its writer, or -1. */
static int others[OTHERS], blocking = -1;

static uint32_t random_below(uint32_t n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)(seed >> 32) % n;
}

static bool one_in(uint32_t n)
{
	return random_below(n) == 0;
}

/* A few places and sizes, so that they meet, overlap and repeat. */
static struct vhu_memory_region random_region(void)
{
	const uint64_t slot = random_below(6);
	struct vhu_memory_region region = {
		.gpa = GPA + slot * (MEMORY_SIZE / 2),
		.size = MEMORY_SIZE / 2,
		.uva = UVA + slot * (MEMORY_SIZE / 2),
		.mmap_offset = random_below(2) * (MEMORY_SIZE / 2),
	};

	if (one_in(20))
		region.size = one_in(2) ? 0 : UINT64_MAX - random_below(5000);
	if (one_in(20))
		region.gpa = UINT64_MAX - random_below(100000);
	if (one_in(20))
		region.mmap_offset += random_below(2) != 0 ? 4095 : UINT64_MAX - 4096;
	return region;
}

/* A small one, as odd as its regions; or one of any size that is in order, or would be but for one region. */
static void random_table(struct vhu_memory_table *table)
{
	bool in_order = one_in(2);

	table->n = 1 + random_below(in_order ? VHU_TABLE_REGIONS_MAX : 8);
	if (one_in(100))
		table->n = random_below(one_in(2) ? 2 * VHU_TABLE_REGIONS_MAX : UINT32_MAX);
	for (unsigned int i = 0; i < VHU_TABLE_REGIONS_MAX; i++) {
		table->region[i] = random_region();
		if (!in_order || one_in(200))
			continue;
		table->region[i].gpa = GPA + i * (MEMORY_SIZE / 2);
		table->region[i].uva = UVA + i * (MEMORY_SIZE / 2);
		table->region[i].size = MEMORY_SIZE / 2;
		table->region[i].mmap_offset = 0;
	}
}

static uint32_t random_index(void)
{
	return one_in(100) ? UINT32_MAX - random_below(70000) : random_below(4);
}

static void random_payload(uint32_t request, union vhu_payload *payload)
{
	static const uint32_t nums[] = {1, 2, 64, 256, 256, 256, 512, 512, 1024, 32768, 65535, 3};

	for (size_t i = 0; i < sizeof(payload->raw); i++)
		payload->raw[i] = one_in(8) ? (uint8_t)random_below(256) : 0;
	switch (request) {
	case VHU_SET_FEATURES:
	case VHU_SET_PROTOCOL_FEATURES:
		payload->u64 = request == VHU_SET_FEATURES ? FEATURES : PROTOCOL_FEATURES;
		payload->u64 ^= one_in(10) ? UINT64_C(1) << random_below(64) : 0;
		if (request == VHU_SET_FEATURES && one_in(4))
			payload->u64 ^= UINT64_C(1) << VHU_F_LOG_ALL;
		break;
	case VHU_SET_MEM_TABLE:
		random_table(&payload->table);
		break;
	case VHU_ADD_MEM_REG:
	case VHU_REM_MEM_REG:
		payload->single.region = random_region();
		break;
	case VHU_SET_LOG_BASE:
		payload->log.size = one_in(20) ? random_below(10) : 4096u << random_below(10);
		payload->log.mmap_offset = one_in(20) ? UINT64_MAX - random_below(9) : 4096 * random_below(3);
		break;
	case VHU_SET_VRING_ADDR:
		payload->addr.index = random_index();
		payload->addr.flags = one_in(10);
		payload->addr.desc = UVA + random_below(4) * 0x40000 + (one_in(10) ? 8 : 0);
		payload->addr.avail = payload->addr.desc + 0x4000;
		payload->addr.used = payload->addr.desc + 0x6000;
		break;
	case VHU_SET_VRING_KICK:
	case VHU_SET_VRING_CALL:
	case VHU_SET_VRING_ERR:
		payload->u64 = random_index() | (one_in(4) ? VHU_NOFD : 0);
		break;
	default:
		payload->state.index = random_index();
		payload->state.num = request == VHU_SET_VRING_ENABLE && !one_in(10)
					     ? random_below(2)
					     : nums[random_below(sizeof(nums) / sizeof(nums[0]))];
	}
}

static int random_fd(uint32_t request)
{
	if (one_in(50))
		return open(one_in(2) ? "/dev/null" : "/", O_RDONLY | O_CLOEXEC);
	if (request == VHU_ADD_MEM_REG || request == VHU_SET_MEM_TABLE || request == VHU_SET_LOG_BASE)
		return dup(files[random_below(FILES)]);
	return eventfd(0, EFD_CLOEXEC);
}

static unsigned int random_fds(const struct vhu_message *msg, int fds[VHU_FDS_MAX])
{
	const struct vhu_message_spec *spec = vhu_message_spec(msg->header.request);
	unsigned int n = 0;

	if (spec != NULL && spec->fds == VHU_FDS_ONE)
		n = 1;
	else if (spec != NULL && spec->fds == VHU_FDS_UNLESS_BIT8)
		n = (msg->payload.u64 & VHU_NOFD) == 0;
	else if (spec != NULL && spec->fds == VHU_FDS_PER_REGION)
		n = msg->payload.table.n;
	if (one_in(100) || n > VHU_FDS_MAX)
		n = random_below(VHU_FDS_MAX + 1);
	for (unsigned int i = 0; i < n; i++)
		fds[i] = random_fd(msg->header.request);
	return n;
}

/* Sends, whole or in two pieces or not to the end. A connection that is gone is no surprise. */
static void send_random(struct vhu_message *msg, const int *fds, unsigned int n_fds)
{
	uint8_t bytes[sizeof(msg->header) + sizeof(msg->payload)];
	size_t len = sizeof(msg->header) + msg->header.size, first;

	if (len > sizeof(bytes))
		len = sizeof(bytes);
	memcpy(bytes, &msg->header, sizeof(msg->header));
	memcpy(bytes + sizeof(msg->header), &msg->payload, sizeof(msg->payload));
	first = one_in(10) ? 1 + random_below((uint32_t)len) : len;
	if (fg_socket_send(t.front.fd, bytes, first, fds, n_fds) < 0 || first == len)
		return;
	role_assert_control();
	loop_turn(t.loop, 0);
	if (!one_in(100) && send(t.front.fd, bytes + first, len - first,
				MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		return;
}

static void say_something(void)
{
	struct vhu_message msg = {.header = {.flags = VHU_VERSION}};
	const struct vhu_message_spec *spec;
	int fds[VHU_FDS_MAX];
	unsigned int n;

	msg.header.request = one_in(500) ? random_below(300) : random_below(VHU_REQUESTS);
	spec = vhu_message_spec(msg.header.request);
	/* What is never offered ends the conversation mostly: seldom. */
	if (spec != NULL && (spec->never || (spec->needs & ~(uint32_t)PROTOCOL_FEATURES) != 0) && !one_in(100))
		msg.header.request = VHU_SET_VRING_ADDR + random_below(5);
	/* What ends everything that runs must not come all the time. */
	if ((msg.header.request == VHU_GET_VRING_BASE ||
	     msg.header.request == VHU_RESET_DEVICE ||
	     msg.header.request == VHU_SET_MEM_TABLE) && !one_in(5))
		msg.header.request = VHU_ADD_MEM_REG + random_below(2);
	spec = vhu_message_spec(msg.header.request);
	if (!one_in(50))
		msg.header.flags |= VHU_FLAG_NEED_REPLY;
	if (one_in(1000))
		msg.header.flags = random_below(16);
	random_payload(msg.header.request, &msg.payload);
	msg.header.size = spec != NULL ? spec->size : 8;
	if (msg.header.request == VHU_SET_MEM_TABLE)
		msg.header.size = 8 + 32 * (msg.payload.table.n & 63);
	if (one_in(1000))
		msg.header.size = random_below(300);
	n = random_fds(&msg, fds);
	send_random(&msg, fds, n);
	for (unsigned int i = 0; i < n; i++)
		close(fds[i]);
}

static void send_legal(uint32_t request, const void *payload, int fd)
{
	struct vhu_message msg = {
		.header = {request, VHU_VERSION, vhu_message_spec(request)->size}};

	memcpy(&msg.payload, payload, msg.header.size);
	send_random(&msg, &fd, fd >= 0 ? 1 : 0);
	if (fd >= 0)
		close(fd);
}

/* Orders of messages that chance does not find: what libkrun does to reset a device, more interrupts than are swapped at
 * once, and a ring that is configured again while it runs. */
static void say_in_order(void)
{
	const uint64_t features = FEATURES ^ (one_in(2) ? UINT64_C(1) << 29 : 0);
	const uint32_t ring = random_below(4), what = random_below(4);
	struct vhu_vring_state state = {.index = ring};

	for (uint32_t i = 0; what == 0 && i < 4; i++) {
		state = (struct vhu_vring_state){i, 0};
		send_legal(VHU_SET_VRING_ENABLE, &state, -1);
	}
	if (what == 0)
		send_legal(VHU_SET_FEATURES, &features, -1);
	for (uint32_t i = random_below(40); what == 1 && i > 0; i--)
		send_legal(VHU_SET_VRING_CALL, &(uint64_t){ring}, eventfd(0, EFD_CLOEXEC));
	for (uint32_t i = random_below(3); what == 2 && i > 0; i--) {
		state.num = 128u << i;
		send_legal(VHU_SET_VRING_NUM, &state, -1);
	}
	if (what != 3 || blocking >= 0 || !one_in(10))
		return;
	/* Full, and blocking again once the device has taken it for one that does not. */
	blocking = eventfd(0, EFD_CLOEXEC);
	assert_int_equal(eventfd_write(blocking, UINT64_MAX - 1), 0);
	send_legal(VHU_SET_VRING_CALL, &(uint64_t){ring}, dup(blocking));
	send_legal(VHU_SET_VRING_ERR, &(uint64_t){ring}, dup(blocking));
}

/* Others come, say something or nothing, and go. */
static void others_come_and_go(void)
{
	const struct vhu_header hello = {VHU_GET_FEATURES, VHU_VERSION, 0};
	int *other = &others[random_below(OTHERS)];

	if (*other < 0)
		*other = fg_socket_connect(t.path, SOCK_NONBLOCK);
	else if (one_in(2) && send(*other, &hello, sizeof(hello), MSG_NOSIGNAL | MSG_DONTWAIT) > 0)
		return;
	else
		close(*other), *other = -1;
}

static void others_go(void)
{
	for (unsigned int i = 0; i < OTHERS; i++)
		if (others[i] >= 0)
			close(others[i]);
	memset(others, -1, sizeof(others));
}

/* What a front end does at first; where it is cut in pieces, the rest may be missing. */
static void come_and_negotiate(void)
{
	const struct vhu_memory_single memory = {.region = {GPA, MEMORY_SIZE / 2, UVA, 0}};
	const uint64_t features = FEATURES, protocol = PROTOCOL_FEATURES;

	t.front.fd = fg_socket_connect(t.path, SOCK_NONBLOCK);
	if (t.front.fd < 0)
		return;
	send_legal(VHU_SET_PROTOCOL_FEATURES, &protocol, -1);
	send_legal(VHU_SET_FEATURES, &features, -1);
	send_legal(VHU_ADD_MEM_REG, &memory, dup(files[0]));
	for (uint32_t i = 0; i < 4; i++) {
		const struct vhu_vring_state num = {i, 256}, enable = {i, 1};
		const uint64_t index = i;
		struct vhu_vring_addr addr = {.index = i, .desc = UVA + i * 0x40000};

		addr.avail = addr.desc + 0x4000;
		addr.used = addr.desc + 0x6000;
		send_legal(VHU_SET_VRING_NUM, &num, -1);
		send_legal(VHU_SET_VRING_ADDR, &addr, -1);
		send_legal(VHU_SET_VRING_KICK, &index, eventfd(0, EFD_CLOEXEC));
		send_legal(VHU_SET_VRING_ENABLE, &enable, -1);
	}
}

/* Reads what there is to read; whether the connection is still there. */
static bool listen_a_moment(void)
{
	uint8_t trash[4096];
	ssize_t n;

	while ((n = recv(t.front.fd, trash, sizeof(trash), MSG_DONTWAIT)) > 0)
		;
	return n < 0 && errno == EAGAIN;
}

static void assert_part_mapped(const struct mem_map *map, const void *part)
{
	bool found = false;

	for (uint32_t i = 0; map != NULL && i < map->n; i++)
		found = found || (uintptr_t)part - (uintptr_t)map->region[i].host < map->region[i].size;
	assert_true(found);
}

static void assert_in_order(void)
{
	const struct vhu_device *device = t.device;
	const struct mem_map *map = vhu_regions_map(&device->regions);

	assert_int_equal(map == NULL ? 0 : map->n, device->regions.n);
	/* Lcores have the log that the front end gave, if it wants one. */
	assert_ptr_equal(rcu_own(&device->regions.table.log), device->dirty.all ? device->dirty.log : NULL);
	logged += device->dirty.all && t.ready != 0;
	running += t.ready != 0;
	mapped += device->regions.n;
	kept_waiting += device->endpoint.waiting.n > 0;
	assert_true(device->endpoint.waiting.n <= VHU_WAITING_MAX);
	for (unsigned int i = 0; i < device->rings_n; i++) {
		const struct vhu_ring *ring = &device->ring[i];
		const struct virtq_conf *conf = rcu_own(&ring->q.conf);

		assert_int_equal(t.ready >> i & 1, ring->state == VHU_RING_RUNNING);
		assert_int_equal(conf != NULL, ring->state == VHU_RING_RUNNING);
		assert_true(vhu_pending_any(&device->pending) || ring->state != VHU_RING_LEAVING);
		assert_true(ring->swaps <= SWAPS_AT_ONCE);
		assert_false(ring->resets && ring->state != VHU_RING_LEAVING);
		if (conf == NULL)
			continue;
		assert_int_equal(conf->size, ring->size);
		assert_true(vhu_pending_any(&device->pending) || vhu_log_complete(&device->dirty));
		assert_part_mapped(map, conf->desc);
		assert_part_mapped(map, conf->avail);
		assert_part_mapped(map, (const uint8_t *)(conf->used + 1) - 1);
	}
}

/* Whatever came before: a front end that means it is served, as soon as no other has the port. */
static void assert_served(void)
{
	const struct vhu_header hello = {VHU_GET_FEATURES, VHU_VERSION, 0};
	uint64_t end = clock_ns() + 10 * NS_PER_S;
	struct vhu_header reply = {0};

	role_assert_control();
	others_go();
	if (t.front.fd >= 0)
		close(t.front.fd);
	if (blocking >= 0)
		close(blocking);
	blocking = -1;
	do
		loop_turn(t.loop, NS_PER_MS);
	while ((t.front.fd = fg_socket_connect(t.path, SOCK_NONBLOCK)) < 0 && clock_ns() < end);
	assert_int_equal(send(t.front.fd, &hello, sizeof(hello), MSG_NOSIGNAL), sizeof(hello));
	while (recv(t.front.fd, &reply, sizeof(reply), MSG_DONTWAIT) <= 0 && clock_ns() < end)
		loop_turn(t.loop, NS_PER_MS);
	assert_int_equal(reply.request, VHU_GET_FEATURES);
	close(t.front.fd);
	t.front.fd = -1;
}

static void gone(void *arg)
{
	*(bool *)arg = true;
}

/* The port goes while whatever there is is under way, and comes back. */
static void make_anew(bool online)
{
	uint64_t end = clock_ns() + 10 * NS_PER_S;
	bool is_gone = false;
	struct fail fail;

	role_assert_control();
	messages += vhu_rig_status().messages;
	connections += vhu_rig_status().connections;
	vhu_device_destroy(t.device, one_in(2), gone, &is_gone);
	t.device = NULL;
	while (!is_gone && clock_ns() < end) {
		loop_turn(t.loop, NS_PER_MS);
		if (online)
			rcu_quiescent(READER);
	}
	assert_true(is_gone);
	assert_int_equal(t.ready, 0);
	assert_int_equal(vhu_rig_make(VHU_SERVER, &fail), 0);
}

static void test_random(void **state)
{
	const char *steps_text = getenv("VHU_RANDOM_STEPS"), *seed_text = getenv("VHU_RANDOM_SEED");
	unsigned int steps = steps_text != NULL ? (unsigned int)atoi(steps_text) : STEPS, done = 0;
	bool online = false;
	struct fail fail;

	role_assert_control();
	if (seed_text != NULL)
		seed = strtoull(seed_text, NULL, 0);
	for (unsigned int i = 0; i < FILES; i++)
		files[i] = front_memory();
	memset(others, -1, sizeof(others));
	log_set_level(LOG_ERROR);
	assert_int_equal(poke_watch(), 0);
	poke_join();
	assert_int_equal(vhu_rig_make(VHU_SERVER, &fail), 0);
	/* Which of these happen is chance: it goes on until the rare ones have. */
	for (; done < steps || ((logged == 0 || kept_waiting == 0) && done < 10 * steps); done++) {
		/* Mostly the next one to have the port is the one that says something. */
		if (t.front.fd < 0 && !one_in(8))
			others_go();
		if (t.front.fd < 0)
			come_and_negotiate();
		if (one_in(50))
			say_in_order();
		say_something();
		if (one_in(40))
			others_come_and_go();
		if (one_in(20)) {
			online = !online;
			online ? rcu_online(READER) : rcu_offline(READER);
		} else if (online && one_in(4)) {
			rcu_quiescent(READER);
		}
		loop_turn(t.loop, one_in(10) ? 100 * NS_PER_US : 0);
		/* What waits only for the helper thread may take a moment, where CPUs are shared. */
		for (int turns = 0; !online && vhu_pending_any(&t.device->pending) && turns < 1000; turns++)
			loop_turn(t.loop, NS_PER_MS);
		assert_in_order();
		if (blocking >= 0)
			fcntl(blocking, F_SETFL, 0);
		if (one_in(200) || !listen_a_moment()) {
			close(t.front.fd);
			t.front.fd = -1;
		}
		if (!online && one_in(4000))
			assert_served();
		if (one_in(2000))
			make_anew(online);
	}
	rcu_offline(READER);
	assert_served();
	poke_leave();
	poke_unwatch();
	for (unsigned int i = 0; i < FILES; i++)
		close(files[i]);
	print_message("%u steps: %llu messages, %llu connections, a ring ran at %u, logged at %u, %.1f regions, "
		      "somebody waited at %u\n", done,
		      messages + vhu_rig_status().messages, connections + vhu_rig_status().connections, running, logged,
		      (double)mapped / done, kept_waiting);
	/* Otherwise it says nothing about anything. */
	assert_true(messages + vhu_rig_status().messages > done / 20);
	assert_true(running > done / 100);
	assert_true(logged > 0);
	assert_true(kept_waiting > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(test_random),
	};

	return cmocka_run_group_tests_name("vhu_random", tests, NULL, NULL);
}
