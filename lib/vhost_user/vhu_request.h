/* SPDX-License-Identifier: BSD-3-Clause */
/* vhu_request.h: what the requests about rings do (vhu_request_ring.c), for the table of all requests (vhu_request.c);
 * lib/vhost_user only.
 *
 * A handler sees a message of the right size, with the right descriptors, about a ring that exists, at a time when it
 * may come (vhu_message.c); it checks values.
 *
 * Context: control thread.
 * Returns: VHU_OK; or why the request is refused, with a line in `fail` where the words of the error do not say it.
 * Ownership: descriptors stay the message's unless they are taken (vhu_fds_take()).
 */
#ifndef VUS_VHU_REQUEST_H
#define VUS_VHU_REQUEST_H

#include "vhu_session.h"

/* A value that the handler does not accept, and why: VHU_BAD_VALUE. */
enum vhu_error vhu_request_bad_value(struct fail *fail, const char *text);

enum vhu_error vhu_set_vring_num(struct vhu_device *device, struct vhu_message *msg,
			       struct fail *fail);
enum vhu_error vhu_set_vring_addr(struct vhu_device *device, struct vhu_message *msg,
			       struct fail *fail);
enum vhu_error vhu_set_vring_base(struct vhu_device *device, struct vhu_message *msg,
			       struct fail *fail);
enum vhu_error vhu_get_vring_base(struct vhu_device *device, struct vhu_message *msg,
			       struct fail *fail);
enum vhu_error vhu_set_vring_kick(struct vhu_device *device, struct vhu_message *msg,
			       struct fail *fail);
enum vhu_error vhu_set_vring_call(struct vhu_device *device, struct vhu_message *msg,
			       struct fail *fail);
enum vhu_error vhu_set_vring_err(struct vhu_device *device, struct vhu_message *msg,
			       struct fail *fail);
enum vhu_error vhu_set_vring_enable(struct vhu_device *device, struct vhu_message *msg,
			       struct fail *fail);
/* The ring has left its data path: it is stopped, and says where. */
void vhu_get_vring_base_answer(struct vhu_device *device, unsigned int index,
			       struct vhu_reply *reply);

#endif
