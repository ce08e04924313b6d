/* SPDX-License-Identifier: BSD-3-Clause */
/* ethdev_private.h: an ethdev port, as its own files see it.
 *
 * Context: control thread, but for what ethdev_queues.h says.
 */
#ifndef VUS_ETHDEV_PRIVATE_H
#define VUS_ETHDEV_PRIVATE_H

#include "ethdev_queues.h"
#include "log.h"
#include "loop.h"

struct ethdev_port {
	struct port port;
	struct ethdev dev;
	struct loop_timer link_timer;
	struct log_limit link_log;
	char *device; /* as the user named it */
	void (*gone)(void *arg); /* while it ends */
	void *gone_arg;
};

static inline struct ethdev_port *ethdev_port_of(struct port *port)
{
	return container_of(port, struct ethdev_port, port);
}

/* The link in words: "up, 10 Gbit/s" or "down: ...". */
void ethdev_link_text(uint16_t id, char *text, size_t size);
void ethdev_state(struct port *port, struct port_state *state);
void ethdev_show(struct port *port, struct json_t *object);

#endif
