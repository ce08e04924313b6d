/* SPDX-License-Identifier: BSD-3-Clause */
/* capture_points.h: who looks at the frames of a port (lib/capture).
 *
 * Context: control sets them, as a part of the port's policy; lcores read them.
 */
#ifndef VUS_CAPTURE_POINTS_H
#define VUS_CAPTURE_POINTS_H

#include <stdint.h>

#include "vus_limits.h"

struct capture;

/* The captures of a port, and which of their interfaces it is. */
struct capture_points {
	uint16_t n;
	struct {
		struct capture *capture;
		uint16_t interface;
	} at[CAPTURES_MAX];
};

#endif
