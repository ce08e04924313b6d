/* SPDX-License-Identifier: BSD-3-Clause */
/* cni_args.h: what a runtime says in the environment.
 *
 * Context: the one thread of vuscni.
 * Ownership: the texts are the environment's.
 */
#ifndef VUSCNI_CNI_ARGS_H
#define VUSCNI_CNI_ARGS_H

#include <stdbool.h>

#include "cni_error.h"

enum cni_command { CNI_ADD, CNI_DEL, CNI_CHECK, CNI_GC, CNI_STATUS, CNI_VERSION };

struct cni_args {
	enum cni_command command;
	const char *container; /* not NULL where the command is about one, with the next two */
	const char *ifname;
	const char *netns; /* "": none, which DEL may have */
	const char *path;  /* of folders with other plugins; "" */
	const char *args;  /* "KEY=VALUE;..."; "" */
};

/* CNI_INVALID_ENVIRONMENT where one is missing that the command has to have. */
int cni_args_read(struct cni_args *args, struct cni_error *error);
/* Whether a text is a container's identifier; so for the name of an interface. */
bool cni_container_is_valid(const char *container);
bool cni_ifname_is_valid(const char *ifname);
/* The value of a key of CNI_ARGS, copied; false: it is not there, or does not fit. */
bool cni_args_get(const struct cni_args *args, const char *key, char *value, unsigned int size);

#endif
