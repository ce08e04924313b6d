/* SPDX-License-Identifier: BSD-3-Clause */
/* exact: the requests whose payload has one size, as the specification gives it.
 */
#ifndef EXACT_H
#define EXACT_H

#include "fg_wire.h"

static const struct {
	uint32_t request, size;
} exact[] = {
	{FG_GET_FEATURES, 0},
	{FG_SET_FEATURES, 8},
	{FG_SET_OWNER, 0},
	{FG_RESET_OWNER, 0},
	{FG_SET_VRING_NUM, 8},
	{FG_SET_VRING_ADDR, 40},
	{FG_SET_VRING_BASE, 8},
	{FG_GET_VRING_BASE, 8},
	{FG_SET_VRING_KICK, 8},
	{FG_SET_VRING_CALL, 8},
	{FG_SET_VRING_ERR, 8},
	{FG_GET_PROTOCOL_FEATURES, 0},
	{FG_SET_PROTOCOL_FEATURES, 8},
	{FG_GET_QUEUE_NUM, 0},
	{FG_SET_VRING_ENABLE, 8},
	{FG_NET_SET_MTU, 8},
	{FG_SEND_RARP, 8},
	{FG_RESET_DEVICE, 0},
	{FG_GET_MAX_MEM_SLOTS, 0},
	{FG_ADD_MEM_REG, 40},
	{FG_REM_MEM_REG, 40},
	{FG_SET_STATUS, 8},
	{FG_GET_STATUS, 0},
};
enum { N_EXACT = sizeof(exact) / sizeof(exact[0]) };

#endif
