/* SPDX-License-Identifier: BSD-3-Clause */
#include "virtq_record.h"

#include <linux/vhost_types.h>
#include <linux/virtio_config.h>

#include "virtq.h"

/* A migration that begins or ends does not make it another ring (VHOST_F_LOG_ALL). */
static uint64_t key_features(uint64_t features)
{
	return features & ~(UINT64_C(1) << VHOST_F_LOG_ALL);
}

/* Of what the key says; never 0. Against damage, not against design. */
static uint64_t check_of(const struct virtq_record *record)
{
	const uint64_t word[] = {record->desc_uva, record->avail_uva, record->used_uva,
				 record->features, record->size,      record->base};
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (unsigned int i = 0; i < sizeof(word) / sizeof(word[0]); i++)
		hash = (hash ^ word[i] ^ word[i] >> 29) * UINT64_C(0x100000001b3);
	return hash | 1;
}

bool virtq_record_matches(const struct virtq_record *record, const struct virtq_setup *setup,
			  uint32_t base, bool *damaged)
{
	bool packed = (setup->features >> VIRTIO_F_RING_PACKED) & 1;
	/* Pairs with virtq_record_begin(): with the check comes the key it is about. */
	uint64_t check = atomic_load_explicit(&record->check, memory_order_acquire);

	*damaged = check != 0 && check != check_of(record);
	return check != 0 && !*damaged && record->desc_uva == setup->desc_uva &&
	       record->avail_uva == setup->avail_uva && record->used_uva == setup->used_uva &&
	       record->features == key_features(setup->features) && record->size == setup->size &&
	       (!packed || record->base == base);
}

/* Killed between any two of these stores, the record is about no ring. */
void virtq_record_begin(struct virtq_record *record, const struct virtq_setup *setup,
			uint32_t base)
{
	virtq_record_clear(record);
	record->desc_uva = setup->desc_uva;
	record->avail_uva = setup->avail_uva;
	record->used_uva = setup->used_uva;
	record->features = key_features(setup->features);
	record->size = setup->size;
	record->base = base;
	virtq_record_place(record, 0, 0);
	/* Pairs with virtq_record_matches(): the key is complete. */
	atomic_store_explicit(&record->check, check_of(record), memory_order_release);
}

void virtq_record_clear(struct virtq_record *record)
{
	atomic_store_explicit(&record->check, 0, memory_order_relaxed);
	/* Pairs with virtq_record_matches(): who finds a part of the next key finds no check. */
	atomic_thread_fence(memory_order_release);
}
