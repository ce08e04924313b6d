/* SPDX-License-Identifier: BSD-3-Clause */
/* vhost_options.h: what a user may say of a vhost-user port: the rows, and the struct they fill.
 *
 * Context: any thread but an lcore.
 * Ownership: option.h.
 */
#ifndef VUS_VHOST_OPTIONS_H
#define VUS_VHOST_OPTIONS_H

#include "option.h"
#include "rights.h"
#include "stall.h"

struct vhost_options {
	uint64_t given;
	char *socket;
	uint32_t mode;	 /* enum vhu_mode */
	uint32_t queues; /* pairs offered */
	uint32_t memory_wait, memory_wait_rate; /* milliseconds; a second */
	uint32_t interrupt_wait, interrupt_wait_rate;
	bool postcopy, offloads, control_queue;
	uint32_t socket_owner, socket_group, socket_mode; /* where given; only where we listen */
};

extern const struct option_table vhost_options;

/* Whether the switch makes the socket. */
bool vhost_options_listens(const struct vhost_options *options);

/* The rights of the socket, as far as they are given. */
struct rights vhost_options_rights(const struct vhost_options *options);

/* How long the objects of its front end may hold lcores. */
void vhost_options_bounds(const struct vhost_options *options, struct stall_bound bound[STALL_KINDS]);

/* For struct port_driver: */
int vhost_options_verify(void *options, const void *common, const struct option_entry *entry, struct fail *fail);
char *vhost_options_takes(const void *options);
void vhost_options_warn(const void *options, const char *port, FILE *to);

#endif
