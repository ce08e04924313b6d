/* SPDX-License-Identifier: BSD-3-Clause */
/* vhu_answered.h: how long front ends' requests took to be answered, or to be done where no answer is wanted, by what they are
 * about. Of all devices together.
 *
 * The time begins with the turn of the control thread in which a request was there as a whole (loop_turn_began()). It has what
 * the request had to wait for: lcores that pass, memory that is mapped, a lane.
 *
 * Context: control thread.
 */
#ifndef VUS_VHU_ANSWERED_H
#define VUS_VHU_ANSWERED_H

#include <stdint.h>

#include "histogram.h"
#include "role.h"

enum vhu_topic {
	VHU_ABOUT_DEVICE, /* features, status, MTU and the like */
	VHU_ABOUT_MEMORY,
	VHU_ABOUT_RING,
	VHU_ABOUT_POSTCOPY,
	VHU_TOPICS
};

void vhu_answered(uint32_t request, uint64_t ns) RUNS_ON(control_thread);

const struct histogram *vhu_answer_times(enum vhu_topic topic) RUNS_ON(control_thread);

#endif
