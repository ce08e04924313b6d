/* SPDX-License-Identifier: BSD-3-Clause */
#include "mac_text.h"

#include <stdio.h>

struct mac_text mac_text(const uint8_t *mac)
{
	struct mac_text text;

	snprintf(text.text, sizeof(text.text), "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
	return text;
}
