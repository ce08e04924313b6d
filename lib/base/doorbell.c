/* SPDX-License-Identifier: BSD-3-Clause */
#include "doorbell.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "clock.h"

int doorbell_init(struct doorbell *bell)
{
	atomic_init(&bell->armed, false);
	atomic_init(&bell->rung_ns, 0);
	bell->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return bell->fd < 0 ? -errno : 0;
}

void doorbell_fini(struct doorbell *bell)
{
	if (bell->fd >= 0)
		close(bell->fd);
	bell->fd = -1;
}

void doorbell_arm(struct doorbell *bell)
{
	/* Sequentially consistent: the listener's next look for work must not pass this store. Pairs with
	 * doorbell_ring(): either the listener sees the work or the ringer sees the flag. */
	atomic_store_explicit(&bell->rung_ns, 0, memory_order_relaxed);
	atomic_store(&bell->armed, true);
	atomic_thread_fence(memory_order_seq_cst);
}

void doorbell_disarm(struct doorbell *bell)
{
	uint64_t rings;

	atomic_store(&bell->armed, false);
	/* EAGAIN says that no ring came: as good as a value. */
	if (read(bell->fd, &rings, sizeof(rings)) < 0)
		return;
}

void doorbell_ring(struct doorbell *bell)
{
	const uint64_t one = 1;

	/* Pairs with doorbell_arm(): the work before the look at the flag. */
	atomic_thread_fence(memory_order_seq_cst);
	if (!atomic_load_explicit(&bell->armed, memory_order_relaxed))
		return;
	/* The first ringer writes; EAGAIN would mean that the descriptor is readable, which is all we want. */
	if (!atomic_exchange(&bell->armed, false))
		return;
	atomic_store_explicit(&bell->rung_ns, clock_ns(), memory_order_relaxed);
	if (write(bell->fd, &one, sizeof(one)) < 0)
		return;
}

uint64_t doorbell_rung(const struct doorbell *bell)
{
	return atomic_load_explicit(&bell->rung_ns, memory_order_relaxed);
}
