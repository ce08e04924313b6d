/* SPDX-License-Identifier: BSD-3-Clause */
/* metrics_listen.h: where metrics are read: a unix socket at a path, and a TCP address.
 *
 * Context: control thread; the text of an address may be looked at by any thread.
 * Returns: 0 or -errno with one line in `fail`.
 */
#ifndef VUS_METRICS_LISTEN_H
#define VUS_METRICS_LISTEN_H

#include <stdbool.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "fail.h"
#include "rights.h"
#include "role.h"

/* The path of a unix socket: from the root, and short enough for an address. `what` begins the line
 * in `fail`. */
int metrics_listen_check_path(const char *path, const char *what, struct fail *fail);

/* Reads "9321", "192.0.2.1:9321" or "[2001:db8::1]:9321" into an address; a port alone is one of
 * 127.0.0.1. */
int metrics_listen_parse(const char *text, struct sockaddr_storage *address, socklen_t *len,
			 struct fail *fail);

/* A listener. All zero, with descriptors -1: none. */
struct metrics_listener {
	int fd;	    /* does not block */
	int folder; /* of a unix socket: all that is done to its file is done in this one; -1: TCP */
	char base[sizeof(((struct sockaddr_un *)0)->sun_path)]; /* the file's name there */
	struct sockaddr_un address;				 /* by the folder's descriptor */
	struct stat file; /* ours, to be distinguished from a successor's */
};

/* Listens at a path; a file left by a switch that was killed is replaced, one at which somebody
 * listens is not. What `rights` does not give: the process's own user and group, and 0660. */
int metrics_listen_unix(struct metrics_listener *listener, const char *path,
			const struct rights *rights, struct fail *fail) RUNS_ON(control_thread);
int metrics_listen_tcp(struct metrics_listener *listener, const char *text, struct fail *fail)
	RUNS_ON(control_thread);
/* Nobody gets in any more, the file is gone, and the address is free; `fd` stays for whoever has it
 * to close. */
void metrics_listen_end(struct metrics_listener *listener) RUNS_ON(control_thread);

#endif
