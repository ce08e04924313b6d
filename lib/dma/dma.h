/* SPDX-License-Identifier: BSD-3-Clause */
/* dma.h: the parts of guest memory that devices read by themselves.
 *
 * lib/vhost_user offers guests' memory here, piece by piece, and withdraws it before it unmaps it; a driver of devices
 * behind an IOMMU brings the two functions that map and unmap for them. The two know nothing of each other. While there
 * is such a device, pieces that are offered are mapped for it under our own addresses, on the loop's helper thread,
 * because mapping pins every page: memory a guest never touched comes into being, which takes its time. Until a piece is
 * mapped, and if it cannot be (the IOMMU's mappings are limited, and so is what may be locked), it is not reached, and
 * frames that lie in it are copied.
 *
 * Context: control offers, withdraws, starts and stops; lcores ask dma_reaches(); dma_unmap() on any thread that may wait.
 * A piece that was withdrawn is not reached any more once every lcore has passed; then those who read it are waited for
 * (frame_ref.h), then it is unmapped for devices, and then for us. Memory that is still arriving (postcopy) is not
 * offered: to pin it would be to wait for it.
 */
#ifndef VUS_DMA_H
#define VUS_DMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "loop.h"
#include "role.h"

/* Maps and unmaps for devices; 0 or -errno. On the helper thread. */
struct dma_ops {
	int (*map)(uint8_t *at, size_t len);
	int (*unmap)(uint8_t *at, size_t len);
};

/* How it stands, for `vusctl port`. */
struct dma_status {
	unsigned int mapped, waiting, refused; /* pieces */
	uint64_t bytes;			       /* mapped */
};

/* Whole pages from `at` on are guest memory now. No memory for the record: they are not reached. */
void dma_offer(uint8_t *at, size_t len) RUNS_ON(control_thread);
/* They will not be for long: `at` as it was offered, or not. To be followed by dma_withdrawn(), once for all that goes together:
 * from then on they are reached by those lcores only that have not passed since. */
void dma_withdraw(const uint8_t *at) RUNS_ON(control_thread);
void dma_withdrawn(void) RUNS_ON(control_thread);
/* It is not read any more: takes it from the devices, if they had it. */
void dma_unmap(const uint8_t *at);

/* One device more, or less. With the first, what was offered is mapped; after the last, `done` is called when nothing is
 * mapped any more. All devices have the same `ops`. */
void dma_start(struct loop *loop, const struct dma_ops *ops) RUNS_ON(control_thread);
void dma_stop(void (*done)(void *arg), void *arg) RUNS_ON(control_thread);

/* Whether devices can read [at, at + len). lcores, or control. */
bool dma_reaches(const uint8_t *at, size_t len);

struct dma_status dma_status(void) RUNS_ON(control_thread);

#endif
