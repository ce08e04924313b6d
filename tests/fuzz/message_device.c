/* SPDX-License-Identifier: BSD-3-Clause */
#include "message_device.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include "clock.h"
#include "lane_link.h"
#include "message_given.h"
#include "rcu.h"
#include "vhu_feature.h"

enum {
	READER = 0,
	FDS_WATCHED = 256,
	PAGE = 4096,
	LATE_S = 60, /* a thread that waits for a CPU is not late */
};

struct vhu_device *device;
bool lcore_is_online;

static struct loop *loop;
static uint32_t ready; /* rings that the owner was told of */
static bool front_end_left;
static unsigned int fds_open; /* at the beginning of the input */

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

void device_create(void)
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
	/* Connections come from here alone, and are not waited for. */
	loop_timer_stop(loop, &device->endpoint.alone);
	unlink(path);
	rmdir(folder);
}

/* --- turns ------------------------------------------------------------------------------------------------------- */

/* A thread reads, or sends an answer. */
static bool is_busy(void)
{
	const struct stream_io *io = device->connection.stream.io;

	return io != NULL && io->busy;
}

/* Turns until its thread has read what there is, and nothing more is. */
static void read_all(void)
{
	const uint64_t end = clock_ns() + LATE_S * NS_PER_S;
	unsigned int quiet = 0;

	role_assert_control();
	while (quiet < 2) {
		loop_turn(loop, is_busy() ? NS_PER_MS : 0);
		quiet = is_busy() ? 0 : quiet + 1;
		FUZZ_CHECK(clock_ns() < end);
	}
}

void device_turn(void)
{
	read_all();
}

bool device_waits(void)
{
	role_assert_control();
	return vhu_pending_any(&device->pending) || disposal_full(device->account);
}

void device_settle(void)
{
	const uint64_t end = clock_ns() + LATE_S * NS_PER_S;

	role_assert_control();
	read_all();
	while ((!lcore_is_online && device_waits()) || device->pending.n[VHU_STEP_MAP] > 0) {
		loop_turn(loop, NS_PER_MS);
		read_all();
		FUZZ_CHECK(clock_ns() < end);
	}
}

void lcore_comes(void)
{
	if (!lcore_is_online)
		rcu_online(READER);
	lcore_is_online = true;
}

void lcore_leaves(void)
{
	if (!lcore_is_online)
		return;
	rcu_offline(READER);
	lcore_is_online = false;
	device_settle();
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

/* What was acknowledged is there, and is the file it was said to be; nothing else is. */
static void check_regions(const struct mem_map *map, const struct model *model)
{
	FUZZ_CHECK((map == NULL ? 0 : map->n) == device->regions.n);
	FUZZ_CHECK(device->regions.n == model->n);
	for (uint32_t i = 0; i < model->n; i++) {
		const struct model_region *region = &model->region[i];
		int at = mem_map_find(map, region->wire.gpa, region->wire.size, region->wire.uva);
		uint64_t stamp;

		FUZZ_CHECK(at >= 0);
		if (region->wire.mmap_offset % PAGE != 0 || region->wire.size < sizeof(stamp) || !given_is_whole(region->file))
			continue;
		memcpy(&stamp, map->region[at].host, sizeof(stamp));
		FUZZ_CHECK(stamp == given_stamp(region->file, region->wire.mmap_offset));
	}
}

void device_check_order(const struct model *model)
{
	const struct mem_map *map = vhu_regions_map(&device->regions);

	check_rings(map);
	if (device->state == VHU_TALKING)
		check_regions(map, model);
}

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

void device_begin(bool threads)
{
	role_assert_control();
	disposal_account_in_place(device->account, !threads);
	given_begin();
	lcore_is_online = front_end_left = false;
	fds_open = count_fds();
}

void device_check_nothing_left(void)
{
	const uint64_t end = clock_ns() + LATE_S * NS_PER_S;
	struct disposal_stats stats;
	uint64_t made;
	bool waits;

	role_assert_control();
	disposal_account_stats(device->account, &stats);
	/* Until a turn in which no call was made, and no other is under way. */
	do {
		made = stats.done;
		loop_turn(loop, stats.running + stats.waiting > 0 ? NS_PER_MS / 20 : 0);
		waits = rcu_poll() != RCU_NOTHING;
		disposal_account_stats(device->account, &stats);
		FUZZ_CHECK(clock_ns() < end);
	} while (waits || stats.running + stats.waiting > 0 || stats.done != made);
	FUZZ_CHECK(device->state == VHU_IDLE && ready == 0 && device->regions.n == 0 && front_end_left);
	given_end();
	FUZZ_CHECK(count_fds() == fds_open);
}
