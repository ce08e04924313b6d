/* SPDX-License-Identifier: BSD-3-Clause */
/* mac_text.h: a MAC address as it is written, 52:54:00:12:34:56.
 *
 * Context: any thread but an lcore.
 */
#ifndef VUS_MAC_TEXT_H
#define VUS_MAC_TEXT_H

#include <stdint.h>

enum { MAC_TEXT_BYTES = 18 };

struct mac_text {
	char text[MAC_TEXT_BYTES];
};

/* Of six bytes, in the order in which they are sent. */
struct mac_text mac_text(const uint8_t *mac);

#endif
