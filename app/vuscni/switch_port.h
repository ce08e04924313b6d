/* SPDX-License-Identifier: BSD-3-Clause */
/* switch_port.h: the requests to the switch, as far as an attachment needs them.
 *
 * Context: the one thread of vuscni.
 * Returns: 0, or the code of the specification: CNI_TRY_AGAIN where the switch is not there, or busy; CNI_INVALID_CONFIG
 * where it takes the port's options for wrong.
 */
#ifndef VUSCNI_SWITCH_PORT_H
#define VUSCNI_SWITCH_PORT_H

#include "ctl_client.h"
#include "netconf.h"

/* ctl_client_close() is the caller's, whatever comes back. *gone, which may be NULL: no process is there that could answer. */
int switch_open(struct ctl_client *client, const struct netconf *conf, bool *gone, struct cni_error *error);

/* The port is there, or could be (`dry_run`), with what the network configuration says and this socket. */
int switch_port_ensure(struct ctl_client *client, const struct netconf *conf, const char *name, const char *socket,
		       bool dry_run, struct cni_error *error);
/* One that is not there is fine. */
int switch_port_remove(struct ctl_client *client, const char *name, struct cni_error *error);
/* What the switch says of a port, or NULL, which is no error: it is not there. The caller releases it. */
int switch_port_get(struct ctl_client *client, const char *name, json_t **port, struct cni_error *error);
/* The reply to "ports". The caller releases it. */
int switch_ports(struct ctl_client *client, json_t **reply, struct cni_error *error);

#endif
