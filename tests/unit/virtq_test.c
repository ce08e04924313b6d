/* SPDX-License-Identifier: BSD-3-Clause */
/* The geometry of a ring: what is accepted when it starts (V11, T7), and the arithmetic of its indexes. */
#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <stdlib.h>
#include <string.h>

#include "cases.h"
#include "rig.h"
#include "virtq_split.h"

static struct virtq_setup good(uint16_t size, uint64_t features)
{
	return (struct virtq_setup){
		.size = size,
		.desc_uva = rig_uva(&rig, RIG_GPA),
		.avail_uva = rig_uva(&rig, RIG_SEAM),
		.used_uva = rig_uva(&rig, RIG_BIG_GPA),
		.features = features,
		.call_fd = -1,
	};
}

/* The errno of making this ring, 0 if it can be made. */
static int attempt(const struct virtq_setup *setup)
{
	struct virtq_conf *conf = virtq_conf_create(setup, rig.map);

	if (conf == NULL)
		return errno;
	free(conf);
	return 0;
}

/* V11 */
static void sizes(void **state)
{
	for (uint32_t size = 0; size <= UINT16_MAX; size++) {
		struct virtq_setup setup = good((uint16_t)size, 0);
		bool legal = size != 0 && size <= 32768 && __builtin_popcount(size) == 1;
		/* 512 KiB hold 32768 descriptors exactly. */
		int error = attempt(&setup);

		if (error != (legal ? 0 : EINVAL))
			fail_msg("size %u: %s", size, strerror(error));
	}
}

static void parts_are_aligned(void **state)
{
	for (unsigned int off = 0; off < 32; off++) {
		struct virtq_setup desc = good(8, 0), avail = good(8, 0), used = good(8, 0);

		desc.desc_uva += off;
		avail.avail_uva += off;
		used.used_uva += off;
		assert_int_equal(attempt(&desc), off % 16 == 0 ? 0 : EINVAL);
		assert_int_equal(attempt(&avail), off % 2 == 0 ? 0 : EINVAL);
		assert_int_equal(attempt(&used), off % 4 == 0 ? 0 : EINVAL);
	}
}

/* A front end may lay a region so that its alignment is not ours: a field would be two accesses. */
static void our_addresses_are_aligned_too(void **state)
{
	struct mem_region region = rig.region[RIG_LOW];
	struct virtq_setup setup = {.size = 8, .call_fd = -1};
	struct mem_map *map;

	region.host += 1;
	region.size -= 1;
	map = mem_map_of(&region, 1);
	setup.desc_uva = region.uva;
	setup.avail_uva = region.uva + 1024;
	setup.used_uva = region.uva + 2048;
	assert_null(virtq_conf_create(&setup, map));
	assert_int_equal(errno, EINVAL);
	mem_map_free(map);
}

/* T7: every part whole in one region, to the byte; the event field counts when it is used, and only then. */
static void parts_lie_in_one_region(void **state)
{
	const uint64_t end = rig_uva(&rig, RIG_END - 1) + 1;

	for (int event = 0; event < 2; event++) {
		uint64_t features = event ? F(VIRTIO_RING_F_EVENT_IDX) : 0;
		uint64_t desc_len = 64 * 16, avail_len = 4 + 64 * 2 + (event ? 2 : 0),
			 used_len = 4 + 64 * 8 + (event ? 2 : 0);
		struct virtq_setup setup = good(64, features);

		setup.desc_uva = end - desc_len;
		assert_int_equal(attempt(&setup), 0);
		setup.desc_uva += 16;
		assert_int_equal(attempt(&setup), EFAULT);
		setup = good(64, features);
		setup.avail_uva = end - avail_len;
		assert_int_equal(attempt(&setup), 0);
		setup.avail_uva += 2;
		assert_int_equal(attempt(&setup), EFAULT);
		setup = good(64, features);
		setup.used_uva = (end - used_len) & ~UINT64_C(3);
		assert_int_equal(attempt(&setup), 0);
		setup.used_uva += 4;
		assert_int_equal(attempt(&setup), EFAULT);
	}
}

static void nowhere(void **state)
{
	static const uint64_t wild[] = {0, 16, UINT64_MAX - 15, 0x55aa90000000 - 16,
					0x55aa10000000 + RIG_SIZE, UINT64_C(1) << 63};
	struct virtq_setup setup;

	for (unsigned int i = 0; i < sizeof(wild) / sizeof(wild[0]); i++) {
		setup = good(8, 0);
		setup.desc_uva = wild[i];
		assert_int_equal(attempt(&setup), EFAULT);
		setup = good(8, 0);
		setup.avail_uva = wild[i];
		assert_int_equal(attempt(&setup), EFAULT);
		setup = good(8, 0);
		setup.used_uva = wild[i];
		assert_int_equal(attempt(&setup), EFAULT);
	}
	setup = good(8, 0);
	assert_null(virtq_conf_create(&setup, NULL));
	assert_int_equal(errno, EFAULT);
}

static void features_shape_the_ring(void **state)
{
	static const struct {
		uint64_t features;
		uint8_t header;
	} cases[] = {
		{0, 10},
		{F(VIRTIO_RING_F_EVENT_IDX) | F(VIRTIO_RING_F_INDIRECT_DESC), 10},
		{F(VIRTIO_F_VERSION_1), 12},
		{F(VIRTIO_NET_F_MRG_RXBUF), 12},
		{F(VIRTIO_F_VERSION_1) | F(VIRTIO_NET_F_MRG_RXBUF), 12},
	};

	for (unsigned int i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct virtq_setup setup = good(256, cases[i].features);
		struct virtq_conf *conf = virtq_conf_create(&setup, rig.map), *other;

		assert_non_null(conf);
		assert_int_equal(conf->header_len, cases[i].header);
		assert_int_equal(conf->mergeable,
				 (cases[i].features & F(VIRTIO_NET_F_MRG_RXBUF)) != 0);
		assert_int_equal(conf->event_idx,
				 (cases[i].features & F(VIRTIO_RING_F_EVENT_IDX)) != 0);
		assert_ptr_equal(conf->desc, rig.host[RIG_LOW]);
		assert_ptr_equal(conf->avail, rig.host[RIG_HIGH]);
		assert_ptr_equal(conf->used, rig.host[RIG_BIG]);
		assert_ptr_equal(conf->used_event, rig.host[RIG_HIGH] + 4 + 2 * 256);
		assert_ptr_equal(conf->avail_event, rig.host[RIG_BIG] + 4 + 8 * 256);
		other = virtq_conf_with_call(conf, 42);
		assert_non_null(other);
		assert_int_equal(other->call_fd, 42);
		other->call_fd = conf->call_fd;
		assert_memory_equal(other, conf, sizeof(*conf));
		free(other);
		free(conf);
	}
}

static void starts_and_withdrawals(void **state)
{
	struct virtq_setup setup = good(8, 0);
	struct virtq_conf *conf = virtq_conf_create(&setup, rig.map);
	struct virtq q;

	role_assert_control();
	virtq_init(&q, &rig.table, NULL);
	assert_null(rcu_own(&q.conf));
	virtq_start(&q, conf, 0x7fff);
	assert_int_equal(virtq_position(&q), 0x7fff);
	assert_ptr_equal(virtq_publish(&q, NULL), conf);
	assert_ptr_equal(virtq_publish(&q, conf), NULL);
	assert_int_equal(virtq_position(&q), 0x7fff);
	atomic_store(&q.fault, VIRTQ_FAULT_LOOP);
	assert_int_equal(virtq_fault(&q), VIRTQ_FAULT_LOOP);
	virtq_start(&q, conf, 3);
	assert_int_equal(virtq_fault(&q), VIRTQ_OK);
	assert_int_equal(virtq_position(&q), 3);
	for (int i = 0; i < VIRTQ_FAULTS; i++) {
		assert_non_null(virtq_fault_text((enum virtq_fault)i));
		for (int j = 0; j < i; j++)
			assert_string_not_equal(virtq_fault_text((enum virtq_fault)i),
						virtq_fault_text((enum virtq_fault)j));
	}
	assert_string_equal(virtq_fault_text(VIRTQ_FAULTS), "unknown");
	free(conf);
}

/* virtio 1.2, 2.7.7.2, against walking every index that was passed. */
static void events_are_passed_exactly_when_walked_over(void **state)
{
	static const uint16_t starts[] = {0, 1, 255, 32767, 32768, 65533, 65534, 65535};

	for (unsigned int s = 0; s < sizeof(starts) / sizeof(starts[0]); s++)
		for (uint32_t steps = 0; steps <= 300; steps++)
			for (int event = -310; event < 310; event++) {
				uint16_t old = starts[s], new = (uint16_t)(old + steps);
				uint16_t at = (uint16_t)(old + event);
				bool passed = event >= 0 && (uint32_t)event < steps;

				if (split_passes(at, new, old) != passed)
					fail_msg("event %u from %u to %u", at, old, new);
			}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes),
		cmocka_unit_test(parts_are_aligned),
		cmocka_unit_test(our_addresses_are_aligned_too),
		cmocka_unit_test(parts_lie_in_one_region),
		cmocka_unit_test(nowhere),
		cmocka_unit_test(features_shape_the_ring),
		cmocka_unit_test(starts_and_withdrawals),
		cmocka_unit_test(events_are_passed_exactly_when_walked_over),
	};

	return cmocka_run_group_tests(tests, rig_setup, rig_teardown);
}
