/* SPDX-License-Identifier: BSD-3-Clause */
#include "vhu_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "fg_socket.h"
#include "lane_link.h"
#include "rcu.h"
#include "rcu_drain.h"
#include "turn.h"

struct vhu_rig t;

static void on_ring(void *owner VUS_UNUSED, unsigned int index, bool ready)
{
	t.ready = ready ? t.ready | 1u << index : t.ready & ~(1u << index);
}

static void on_mtu(void *owner VUS_UNUSED, uint16_t mtu)
{
	t.mtu = mtu;
}

static void on_rarp(void *owner VUS_UNUSED, const uint8_t mac[6])
{
	memcpy(t.mac, mac, 6);
}

static void on_kick(void *owner VUS_UNUSED, unsigned int index, int fd)
{
	t.kick[index] = fd;
}

static void on_gone(void *arg VUS_UNUSED)
{
	t.gone = true;
}

static void on_front_end_gone(void *owner VUS_UNUSED)
{
	t.front_ends_gone++;
}

/* No lcore ever has the link. */
static bool on_lane(void *owner VUS_UNUSED, struct lane_link *link)
{
	t.link = link;
	return true;
}

static void on_lane_ended(void *owner VUS_UNUSED, bool orderly)
{
	t.lane_ends[orderly]++;
	lane_link_destroy(t.link);
	t.link = NULL;
}

static const struct vhu_events events = {
	.ring = on_ring,
	.mtu = on_mtu,
	.rarp = on_rarp,
	.gone = on_front_end_gone,
	.kick = on_kick,
	.lane = on_lane,
	.lane_ended = on_lane_ended,
};

int vhu_rig_make_of(const struct vhu_config *config, struct fail *fail)
{
	role_assert_control();
	return vhu_device_create(t.loop, config, &events, NULL, &t.device, fail);
}

int vhu_rig_make(enum vhu_mode mode, struct fail *fail)
{
	const struct vhu_config config = {
		.name = "vm1", .socket = t.path, .mode = mode, .queue_pairs = 2,
		.postcopy_off = true};

	return vhu_rig_make_of(&config, fail);
}

int vhu_rig_set_up(void **state)
{
	memset(&t, 0, sizeof(t));
	strcpy(t.folder, "/tmp/vhu-test-XXXXXX");
	assert_non_null(mkdtemp(t.folder));
	snprintf(t.path, sizeof(t.path), "%s/vm1.sock", t.folder);
	assert_int_equal(rcu_init(1), 0);
	t.fds = fg_open_fds();
	t.loop = loop_create();
	assert_non_null(t.loop);
	t.front.fd = -1;
	return 0;
}

int vhu_rig_set_up_connected(void **state)
{
	struct fail fail;

	vhu_rig_set_up(state);
	assert_int_equal(vhu_rig_make(VHU_SERVER, &fail), 0);
	front_connect(&t.front, t.loop, t.path);
	front_negotiate(&t.front);
	return 0;
}

static void destroy(void)
{
	role_assert_control();
	vhu_device_destroy(t.device, false, on_gone, NULL);
	t.device = NULL;
	TURN_UNTIL(t.loop, t.gone);
}

int vhu_rig_tear_down(void **state)
{
	if (t.front.fd >= 0)
		close(t.front.fd);
	if (t.device != NULL)
		destroy();
	rcu_drain();
	loop_destroy(t.loop);
	assert_int_equal(access(t.path, F_OK), -1);
	assert_int_equal(rmdir(t.folder), 0);
	assert_int_equal(fg_open_fds(), t.fds);
	assert_int_equal(t.ready, 0);
	return 0;
}

struct vhu_status vhu_rig_status(void)
{
	struct vhu_status status;

	role_assert_control();
	vhu_device_status(t.device, &status);
	return status;
}

const struct vhu_memory_region vhu_rig_whole = {.gpa = GPA, .size = MEMORY_SIZE, .uva = UVA};

void vhu_rig_add_memory(void)
{
	int fd = front_memory();

	assert_int_equal(front_region(&t.front, VHU_ADD_MEM_REG, &vhu_rig_whole, fd), 0);
	close(fd);
}

uint32_t vhu_rig_stop_ring(unsigned int index)
{
	const struct vhu_vring_state ask = {.index = index};
	struct vhu_message msg;

	front_send(&t.front, VHU_GET_VRING_BASE, 0, &ask, sizeof(ask), NULL, 0);
	assert_true(front_receive(&t.front, &msg));
	assert_int_equal(msg.header.request, VHU_GET_VRING_BASE);
	assert_int_equal(msg.payload.state.index, index);
	return msg.payload.state.num;
}
