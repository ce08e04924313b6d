/* SPDX-License-Identifier: BSD-3-Clause */
/* What only frames that ask for something go through: out of the way of the others. */
#include "frame_offload.h"
#include "vnet_private.h"

bool vnet_offload_check(struct frame *frame, const struct virtq_conf *conf)
{
	return frame_offload_check(frame, frame_offloads_from_guest(conf->features));
}
