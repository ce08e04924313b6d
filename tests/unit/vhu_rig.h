/* SPDX-License-Identifier: BSD-3-Clause */
/* vhu_rig.h: a device with two queue pairs in a folder of its own, a front end, and an owner that writes down what it is
 * told. Every test begins with nothing open and, which the rig checks, ends so: no descriptor, no socket file, no ring.
 */
#ifndef VHU_RIG_H
#define VHU_RIG_H

#include <stdbool.h>

#include "vhu_front.h"

#include "fail.h"
#include "vhu_device.h"

struct vhu_rig {
	struct loop *loop;
	struct vhu_device *device;
	struct front front;
	char folder[32], path[64];
	unsigned int fds; /* open before anything was made */
	bool gone;
	/* What the device reported to the owner. */
	uint32_t ready; /* one bit for each ring */
	int kick[VHOST_RINGS_MAX];
	uint16_t mtu;
	uint8_t mac[6];
	unsigned int front_ends_gone;
	struct lane_link *link;
	unsigned int lane_ends[2]; /* the migration broke off; the end was orderly */
};
extern struct vhu_rig t;

/* cmocka's: a loop and a folder; that and a server with a front end that has negotiated; the end of either. */
int vhu_rig_set_up(void **state);
int vhu_rig_set_up_connected(void **state);
int vhu_rig_tear_down(void **state);

#define RIG_TEST(name) cmocka_unit_test_setup_teardown(name, vhu_rig_set_up, vhu_rig_tear_down)
#define RIG_TEST_CONNECTED(name)                                                                   \
	cmocka_unit_test_setup_teardown(name, vhu_rig_set_up_connected, vhu_rig_tear_down)

/* The device at t.path: 0 or -errno; any device. */
int vhu_rig_make(enum vhu_mode mode, struct fail *fail);
int vhu_rig_make_of(const struct vhu_config *config, struct fail *fail);
struct vhu_status vhu_rig_status(void);

/* All of a fresh memfd, in one slot. */
extern const struct vhu_memory_region vhu_rig_whole;
void vhu_rig_add_memory(void);

/* GET_VRING_BASE. */
uint32_t vhu_rig_stop_ring(unsigned int index);

#endif
