/* SPDX-License-Identifier: BSD-3-Clause */
/* fg_packed: what fg_ring does when its ring is packed; see there. tests/support only. */
#ifndef FG_PACKED_H
#define FG_PACKED_H

#include "fg_ring.h"

void fg_packed_reset(struct fg_ring *);
int fg_packed_post(struct fg_ring *, const struct fg_buf *, unsigned int n, uint32_t token);
int fg_packed_post_indirect(struct fg_ring *, const struct fg_buf *, unsigned int n,
			    uint32_t token);
void fg_packed_publish(struct fg_ring *);
uint16_t fg_packed_used_idx(const struct fg_ring *);
uint32_t fg_packed_base(const struct fg_ring *);
int fg_packed_reap(struct fg_ring *, uint32_t *token, uint32_t *len);

#endif
