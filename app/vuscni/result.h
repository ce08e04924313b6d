/* SPDX-License-Identifier: BSD-3-Clause */
/* result.h: what ADD answers.
 *
 * Context: the one thread of vuscni.
 */
#ifndef VUSCNI_RESULT_H
#define VUSCNI_RESULT_H

#include "netconf.h"

/* The interface of the container with its socket (from version 1.1.0 on), the port beside it, and what IPAM answered (NULL:
 * nothing), behind what plugins before this one have made. NULL: no memory. The caller releases it. */
json_t *result_make(const struct netconf *conf, const struct cni_args *args, const char *port, const char *socket,
		    const char *mac, const json_t *from_ipam);

/* Whether a result has the container's interface; result_make() put it there. */
bool result_has_interface(const json_t *result, const struct cni_args *args);

#endif
