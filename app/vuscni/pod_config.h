/* SPDX-License-Identifier: BSD-3-Clause */
/* pod_config.h: where an attachment has its socket, and what the container is told of it.
 *
 * A network configuration with "host" is one as the userspace CNI plugin has them: a container has a folder of its own,
 * SHARED/ID, with the socket ID-IFNAME and the file configData-ID-IFNAME.json, ID being the first twelve characters of its
 * identifier; the folder is mounted into the container. Without "host" the socket is SOCKETDIR/PORT.sock.
 *
 * Context: the one thread of vuscni.
 */
#ifndef VUSCNI_POD_CONFIG_H
#define VUSCNI_POD_CONFIG_H

#include "netconf.h"

enum { SOCKET_PATH_BYTES = 108 };

/* CNI_INVALID_CONFIG: the path is too long for a socket. */
int pod_socket(const struct netconf *conf, const struct cni_args *args, const char *port, char socket[SOCKET_PATH_BYTES],
	       struct cni_error *error);

/* Makes the folder of a network with "host"; of others, the switch makes it. */
int pod_folder_make(const struct netconf *conf, const struct cni_args *args, struct cni_error *error);
/* Writes the file, whole or not at all. Nothing without "host". */
int pod_config_write(const struct netconf *conf, const struct cni_args *args, const char *socket, const json_t *result,
		     struct cni_error *error);
/* Takes both away, as far as they are there; a folder in which there is something else stays. */
void pod_config_remove(const struct netconf *conf, const struct cni_args *args);

typedef bool (*pod_is_wanted)(const void *arg, const char *container, const char *ifname);
/* The same for all that are there of this network, of attachments that are not wanted. What containers have written is not
 * trusted: one can bring about that its own is taken away, or stays, and no other's. */
void pod_config_collect(const struct netconf *conf, pod_is_wanted is_wanted, const void *arg);

#endif
