/* SPDX-License-Identifier: BSD-3-Clause */
/* ethdev_private.h: an ethdev port, as its own files see it.
 *
 * All that may take long happens on the device thread (loop.h), one job after the other: *start* makes, configures and starts
 * the device, *look* asks it how it is, *stop* and *close* end it. The port is *starting* until the first has come back, and
 * known to lcores only between that and stop.
 *
 * Context: control thread, but for what is marked, and for what ethdev_queues.h says.
 */
#ifndef VUS_ETHDEV_PRIVATE_H
#define VUS_ETHDEV_PRIVATE_H

#include "ethdev_look.h"
#include "ethdev_options.h"
#include "ethdev_queues.h"
#include "fail.h"
#include "log.h"
#include "loop.h"

struct ethdev_port {
	struct port port;
	struct ethdev dev; /* the device thread's during start, stop and close */
	struct ethdev_options options; /* what it is made from: a copy */
	struct ethdev_look seen;
	struct loop_timer link_timer;
	unsigned int looks;
	struct log_limit link_log;
	bool runs; /* lcores may know it */
	void (*gone)(void *arg); /* while it ends */
	void *gone_arg;

	/* What the device thread does for it: one of `work` (start, look) and, behind that, one of `end` (stop, close). */
	struct loop_job work, end;
	bool works; /* `work` is under way */
	const char *doing; /* what is done to the device: "started" */
	struct loop_timer late; /* it has not come back for long */
	bool told_late;
	/* The device thread writes when it begins, and control sets it to 0 before. */
	_Atomic uint64_t begun_ns;
	_Atomic bool unwanted; /* control's: it ends, and a start that has not begun need not */
	/* The device thread's; control reads them when the job is done. */
	bool there; /* the device is ours */
	int error;  /* why it did not start, and in words */
	struct fail fail;
	struct ethdev_look look;
};

static inline struct ethdev_port *ethdev_port_of(struct port *port)
{
	return container_of(port, struct ethdev_port, port);
}

void ethdev_state(struct port *port, struct port_state *state);
void ethdev_show(struct port *port, struct json_t *object);
/* ethdev_metrics.c: port_driver.metrics and port_ops.measure. */
extern const struct metrics_kind *const ethdev_metrics[];
void ethdev_measure(struct port *port, struct metrics_set *set);

#endif
