/* SPDX-License-Identifier: BSD-3-Clause */
/* netconf.h: the network configuration, which a runtime writes to standard input.
 *
 * Context: the one thread of vuscni.
 * Ownership: netconf_free() frees what it has; the texts are parts of `json`.
 */
#ifndef VUSCNI_NETCONF_H
#define VUSCNI_NETCONF_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "attachment.h"
#include "cni_args.h"
#include "cni_error.h"

struct netconf {
	char *text; /* as it came: an IPAM plugin gets the same */
	size_t len;
	json_t *json;
	const char *version; /* a row of netconf_versions */
	const char *name;    /* of the network; NULL for VERSION */
	const char *control; /* the switch's socket */
	const char *bridge;  /* NULL: the switch's default */
	const char *mode;    /* NULL, "server", "client": the switch's part */
	const char *socket_dir;
	const char *ipam;			       /* the name of the IPAM plugin; NULL: none */
	const json_t *port;			       /* options of the port, an object; NULL */
	const json_t *prev_result, *valid_attachments; /* NULL: not given */
	/* As the userspace CNI plugin has them (pod_config.h); NULL. */
	const char *shared_dir, *socket_file;
	const json_t *host, *container;
	char mac[MAC_TEXT_BYTES]; /* "": nobody asked for one */
};

/* Of the specification, ended by NULL; the last one is the newest. */
extern const char *const netconf_versions[];
#define NETCONF_NEWEST "1.1.0"

/* Whether `version` is this one or newer. */
bool netconf_is_from(const struct netconf *conf, const char *version);

/* Reads standard input to its end. `conf` is all zero but for what is free to be freed, and conf->version is good, whatever
 * comes back. */
int netconf_read(struct netconf *conf, const struct cni_args *args, struct cni_error *error);
void netconf_free(struct netconf *conf);

#endif
