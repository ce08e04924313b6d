/* SPDX-License-Identifier: BSD-3-Clause */
/* guard_model.h: the guards of a port (guard.h) once more, with the C library's structures of headers in place of offsets; and
 * frames made of any bytes, most of which are nearly right.
 */
#ifndef GUARD_MODEL_H
#define GUARD_MODEL_H

#include <stddef.h>
#include <stdint.h>

#include "port_counters.h"

/* What the port has; a set. Both of the IPs stand in one option. */
enum {
	MODEL_MACS = 1 << 0,
	MODEL_IP4 = 1 << 1,
	MODEL_IP6 = 1 << 2,
	MODEL_IPS = MODEL_IP4 | MODEL_IP6,
	MODEL_DHCP = 1 << 3,
	MODEL_RA = 1 << 4,
	MODEL_BPDU = 1 << 5,
	MODEL_SETS = 1 << 6,
};

/* What options say it; NULL: nothing does. The other guards are options of their own. */
const char *model_macs(unsigned int set);
const char *model_ips(unsigned int set);
/* What becomes of a frame of `len` bytes, of which only the first `seen` are looked at; RX_DROPS: it passes. */
enum rx_drop model_verdict(unsigned int set, const uint8_t *bytes, uint32_t len, uint32_t seen);

/* Bytes that a frame is made of; behind their end they are 0. */
struct model_source {
	const uint8_t *at;
	size_t left;
};
/* Makes a frame in `bytes`, of MODEL_FRAME_MAX. Returns: its length; and in *seen how much of it is the head. */
enum { MODEL_FRAME_MAX = 1024 };
uint32_t model_frame(struct model_source *source, uint8_t *bytes, uint32_t *seen);

#endif
