/* SPDX-License-Identifier: BSD-3-Clause */
/* ipam.h: addresses are another plugin's: it is run with what we were given, as the specification says of delegation.
 *
 * Context: the one thread of vuscni.
 */
#ifndef VUSCNI_IPAM_H
#define VUSCNI_IPAM_H

#include "netconf.h"

/* Runs the IPAM plugin, if the network has one. `command` is CNI_COMMAND. *result is what it said, or NULL: nothing; the
 * caller releases it. What it says of an error is ours. */
int ipam_run(const struct netconf *conf, const struct cni_args *args, const char *command, json_t **result,
	     struct cni_error *error);

#endif
