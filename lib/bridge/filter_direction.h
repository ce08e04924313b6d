/* SPDX-License-Identifier: BSD-3-Clause */
/* filter_direction.h: which way the frames go that a filter of a port is for. What a filter is: policy_filter.h.
 *
 * Context: any thread.
 */
#ifndef VUS_FILTER_DIRECTION_H
#define VUS_FILTER_DIRECTION_H

struct filter_list;
struct port_filter;

enum filter_direction {
	FILTER_FROM, /* from the port into the bridge */
	FILTER_TO,
	FILTER_DIRECTIONS,
};

#endif
