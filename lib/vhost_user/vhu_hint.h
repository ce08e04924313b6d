/* SPDX-License-Identifier: BSD-3-Clause */
/* vhu_hint.h: why there may be no connection: whose the files are that a front end and the switch meet at.
 *
 * The text goes into the state of the port; when it is new, one line says it in the log.
 *
 * Context: control thread.
 */
#ifndef VUS_VHU_HINT_H
#define VUS_VHU_HINT_H

#include "log.h"
#include "reach.h"
#include "role.h"
#include "vhu_socket.h"

struct vhu_hint {
	char text[320]; /* empty: there is none */
	struct reach reach;
	struct log_limit log;
};

/* We may not connect (EACCES): says who we are, and which right is missing where. */
void vhu_hint_refused(struct vhu_hint *hint, const char *name, const char *path)
	RUNS_ON(control_thread);
/* No front end has connected to the socket we made: says whose it is and who may. */
void vhu_hint_alone(struct vhu_hint *hint, const char *name, const char *path,
		    const struct vhu_socket_file *file) RUNS_ON(control_thread);

#endif
