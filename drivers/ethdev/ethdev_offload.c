/* SPDX-License-Identifier: BSD-3-Clause */
#include "ethdev_offload.h"

void ethdev_deliver_asking(struct ethdev *dev, struct port *port, struct lcore_ctx *ctx,
			   struct frame *const *frames, uint16_t n)
{
	const struct frame_taker taker = {.len_max = dev->frame_max};
	struct port_counters *counters = port_counters_of(port, ctx);
	struct frame_finish finish;

	frame_finish_begin(&finish, frames, n, &taker);
	while ((n = frame_finish_next(&finish)) > 0)
		ethdev_send(dev, port, ctx, finish.out, n);
	count(&counters->tx_drop[TX_DROP_TOO_BIG], finish.too_big);
	count(&counters->tx_checksummed, finish.checksummed);
	count(&counters->tx_segmented, finish.segmented);
	count(&counters->tx_segments, finish.segments);
}
