/* SPDX-License-Identifier: BSD-3-Clause */
/* frame_line.h: what a frame is, in a line: addresses, tags, its type, and of IP the addresses and the ports.
 *
 *	02:00:00:00:00:01 > 02:00:00:00:00:02, VLAN 10, TCP 10.0.0.1:4660 > 10.0.0.2:25, 58 bytes
 *
 * Context: the one thread of vusctl.
 */
#ifndef VUSCTL_FRAME_LINE_H
#define VUSCTL_FRAME_LINE_H

#include <stddef.h>
#include <stdint.h>

/* The first n bytes of a frame of `len`: what they do not say is left out. */
void frame_line(const uint8_t *bytes, size_t n, size_t len, char *text, size_t size);

#endif
