/* SPDX-License-Identifier: BSD-3-Clause */
/* message_device.h: the device that front ends talk to: the switch's, with its loop and its threads; one lcore that may read its
 * rings; and what has to be in order whatever was said.
 */
#ifndef MESSAGE_DEVICE_H
#define MESSAGE_DEVICE_H

#include "message_model.h"
#include "vhu_session.h"

extern struct vhu_device *device;
/* An lcore may be in the middle of a burst. */
extern bool lcore_is_online;

void device_create(void);

/* One turn of its loop; turns until nothing can happen before something else is said, or an lcore passes. */
void device_turn(void);
void device_settle(void);
/* A request waits for lcores, or for memory of a front end that has gone. */
bool device_waits(void);
void lcore_comes(void);
void lcore_leaves(void);

/* Its rings, and its memory, which is what was acknowledged. */
void device_check_order(const struct model *model);
/* An input begins: calls on what was given are made by threads, or in place. It ends: nothing is left of its front ends. */
void device_begin(bool threads);
void device_check_nothing_left(void);

#endif
