/* SPDX-License-Identifier: BSD-3-Clause */
/* ctl_commands.h: what there is to look at, as JSON; for the control socket and for telemetry. What changes something is in
 * changes.h.
 *
 *	ports {first, limit}	  every port: what it is, its link and state, its counters; first and limit as below
 *	port {name}		  one port: that, its queues, and what its driver has to say
 *	macs {bridge, vlan, first, limit}  the addresses, of one bridge or of all, of one VLAN or of all, "total"; shown are those
 *				  from `first` (0), at most `limit` (10000), and "more" are left out
 *	vlans {bridge, first, limit}  the VLANs of vlan-aware bridges that have ports: from `first` to `last` of an entry, which
 *				  ports send them `untagged` and which `tagged`
 *	groups {bridge, first, limit}  of bridges that snoop: for each VLAN and `family` the `querier`, whether it is `snooped`,
 *				  and `routers`; and each `group` with its `ports`, which `expires` in so many seconds
 *	mirrors {bridge}	  the mirrors of a bridge, or of all, and how many frames each has copied
 *	filters {name}		  the rules of a port's filters, and how many frames each has decided
 *	why {name, frame, length, offload}  what would become of a frame that comes from a port, and by which decision (ctl_why.h)
 *	bridges			  every bridge: its numbers, and what its table did
 *	lcores {reset: true}	  every lcore: where its time went, what it polls; reset forgets the longest round
 *	lcore {lcore}		  one lcore
 *	events {port}		  not a reply: what happens from now on (ctl_events.h), on the control socket only
 *	capture {ports, ...}	  not a reply only: frames of ports from now on (ctl_capture.h), on the control socket only
 *	config			  what was applied last, and what of it is the command line's, or was added by requests
 *	version			  of vuswitch and of DPDK, and the folder of DPDK's telemetry
 *
 * Counters only grow; replies carry "time_ns" (a clock without jumps), so that two of them make a rate. Names of
 * counters are those of port_counters.h.
 *
 * Context: control thread.
 */
#ifndef VUS_CTL_COMMANDS_H
#define VUS_CTL_COMMANDS_H

#include <jansson.h>

#include "role.h"
#include "switch.h"

/* A reply that the caller releases, an {"error": ...} among them; NULL: no memory. */
json_t *ctl_command(struct vus_switch *sw, const json_t *request) RUNS_ON(control_thread);

json_t *ctl_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* That there is none of this name, and which may have been meant. */
json_t *ctl_no_port(const struct vus_switch *sw, const char *name) RUNS_ON(control_thread);
json_t *ctl_no_bridge(const struct vus_switch *sw, const char *name) RUNS_ON(control_thread);

#endif
