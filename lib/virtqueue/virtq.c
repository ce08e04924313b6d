/* SPDX-License-Identifier: BSD-3-Clause */
#include "virtq.h"

#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <stdlib.h>

#include "vus_limits.h"

static bool feature(const struct virtq_setup *setup, unsigned int bit)
{
	return (setup->features >> bit) & 1;
}

void virtq_init(struct virtq *q, const struct mem_table *memory, struct virtq_record *record)
{
	*q = (struct virtq){.memory = memory};
	burst_turn_init(&q->turn);
	q->record = record != NULL ? record : &q->own;
}

/* Alignments: virtio 1.2, 2.7 (16, 2 and 4) and 2.8 (16, 4 and 4). The two event fields of a split ring exist whether or
 * not they were agreed upon: legacy layouts reserve them too, but a ring may end with its region, so they are only asked
 * for when they are used. */
static int conf_place(struct virtq_conf *conf, const struct virtq_setup *setup,
		      const struct mem_map *map)
{
	uint64_t event = conf->event_idx ? sizeof(uint16_t) : 0;
	uint64_t size = conf->size, avail_align = conf->packed ? 4 : 2;
	uint64_t avail = sizeof(struct vring_avail) + size * sizeof(uint16_t) + event;
	uint64_t used = sizeof(struct vring_used) + size * sizeof(struct vring_used_elem) + event;

	if (conf->packed)
		avail = used = sizeof(struct vring_packed_desc_event);
	if (setup->desc_uva % 16 != 0 || setup->avail_uva % avail_align != 0 ||
	    setup->used_uva % 4 != 0)
		return EINVAL;
	conf->desc = mem_map_uva(map, setup->desc_uva, size * sizeof(struct vring_desc));
	conf->avail = mem_map_uva(map, setup->avail_uva, avail);
	conf->used = mem_map_uva(map, setup->used_uva, used);
	if (conf->desc == NULL || conf->avail == NULL || conf->used == NULL)
		return EFAULT;
	/* Ours must be aligned like theirs, or a field is no longer one access. */
	if ((uintptr_t)conf->desc % 16 != 0 || (uintptr_t)conf->avail % avail_align != 0 ||
	    (uintptr_t)conf->used % 4 != 0)
		return EINVAL;
	for (uint32_t i = 0; i < map->n; i++)
		if (setup->desc_uva - map->region[i].uva < map->region[i].size)
			conf->desc_gpa = map->region[i].gpa + (setup->desc_uva - map->region[i].uva);
	if (!conf->packed) {
		conf->used_event = &conf->avail->ring[size];
		conf->avail_event = (uint16_t *)(void *)&conf->used->ring[size];
	}
	return 0;
}

struct virtq_conf *virtq_conf_create(const struct virtq_setup *setup, const struct mem_map *map)
{
	bool packed = feature(setup, VIRTIO_F_RING_PACKED);
	struct virtq_conf *conf;

	if (setup->size == 0 || setup->size > VIRTQ_SIZE_MAX ||
	    (!packed && (setup->size & (setup->size - 1)) != 0)) {
		errno = EINVAL;
		return NULL;
	}
	conf = malloc(sizeof(*conf));
	if (conf == NULL)
		return NULL;
	*conf = (struct virtq_conf){
		.size = setup->size,
		.packed = packed,
		.header_len = packed || feature(setup, VIRTIO_F_VERSION_1) ||
					      feature(setup, VIRTIO_NET_F_MRG_RXBUF)
				      ? sizeof(struct virtio_net_hdr_mrg_rxbuf)
				      : sizeof(struct virtio_net_hdr),
		.event_idx = feature(setup, VIRTIO_RING_F_EVENT_IDX),
		.indirect = feature(setup, VIRTIO_RING_F_INDIRECT_DESC),
		.mergeable = feature(setup, VIRTIO_NET_F_MRG_RXBUF),
		.features = setup->features,
		.call_fd = setup->call_fd,
		.log_used = setup->log_used,
		.used_gpa = setup->used_gpa,
	};
	errno = conf_place(conf, setup, map);
	if (errno != 0) {
		int error = errno;

		free(conf);
		errno = error;
		return NULL;
	}
	return conf;
}

struct virtq_conf *virtq_conf_with_call(const struct virtq_conf *conf, int call_fd)
{
	struct virtq_conf *copy = malloc(sizeof(*copy));

	if (copy != NULL) {
		*copy = *conf;
		copy->call_fd = call_fd;
	}
	return copy;
}

struct virtq_conf *virtq_conf_with_log(const struct virtq_conf *conf, bool log_used,
				       uint64_t used_gpa)
{
	struct virtq_conf *copy = malloc(sizeof(*copy));

	if (copy != NULL) {
		*copy = *conf;
		copy->log_used = log_used;
		copy->used_gpa = used_gpa;
	}
	return copy;
}

/* No lcore sees the queue: its position is control's for the moment. */
static void virtq_begin(struct virtq *q, const struct virtq_conf *conf, uint32_t base) ROLE_UNCHECKED
{
	uint16_t avail = (uint16_t)base, used = (uint16_t)(base >> 16);

	q->dp = (struct virtq_dp){
		.last_avail = avail,
		.avail_seen = avail,
		.last_used = used != 0 ? used : avail,
		.packed = conf->packed,
		.fresh = true,
		.record = q->record,
	};
	atomic_store_explicit(&q->fault, VIRTQ_OK, memory_order_relaxed);
}

void virtq_start(struct virtq *q, const struct virtq_conf *conf, uint32_t base) ROLE_UNCHECKED
{
	virtq_begin(q, conf, base);
	if (conf->packed)
		virtq_record_list(q->record, q->dp.last_used, q->dp.last_used, 0, 0, 0);
	rcu_set(&q->conf, conf);
}

void virtq_resume(struct virtq *q, const struct virtq_conf *conf, uint32_t base) ROLE_UNCHECKED
{
	virtq_begin(q, conf, base);
	q->dp.resumes = true;
	/* Pairs with virtq_record_place() and virtq_record_list() of the process before us. */
	q->dp.found = atomic_load_explicit(&q->record->place, memory_order_acquire);
	rcu_set(&q->conf, conf);
}

const struct virtq_conf *virtq_publish(struct virtq *q, const struct virtq_conf *conf)
{
	const struct virtq_conf *before = rcu_own(&q->conf);

	rcu_set(&q->conf, conf);
	return before;
}

uint32_t virtq_position(const struct virtq *q) ROLE_UNCHECKED
{
	const struct virtq_dp *dp = &q->dp;

	return dp->packed ? (uint32_t)dp->last_used << 16 | dp->last_avail : dp->last_avail;
}

const char *virtq_fault_text(enum virtq_fault fault)
{
	static const char *const text[VIRTQ_FAULTS] = {
		[VIRTQ_OK] = "ok",
		[VIRTQ_FAULT_AVAIL_INDEX] = "available index moved by more than the ring holds",
		[VIRTQ_FAULT_HEAD] = "head index beyond the ring",
		[VIRTQ_FAULT_NEXT] = "next index beyond the table",
		[VIRTQ_FAULT_LOOP] = "descriptor loop",
		[VIRTQ_FAULT_INDIRECT] = "bad indirect table",
		[VIRTQ_FAULT_ADDRESS] = "buffer outside of guest memory",
		[VIRTQ_FAULT_DIRECTION] = "buffer of the wrong direction",
		[VIRTQ_FAULT_PIECES] = "chain of too many pieces",
		[VIRTQ_FAULT_CALL] = "interrupt descriptor that blocks its writer",
	};

	return fault < VIRTQ_FAULTS ? text[fault] : "unknown";
}
