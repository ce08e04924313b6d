/* SPDX-License-Identifier: BSD-3-Clause */
/* attachment.h: the port of an attachment is found by its name alone.
 *
 * An attachment is a network, a container and an interface. Its port's name is made from these three, so vuscni keeps no
 * state of its own: who is killed leaves nothing that the next call does not find. "cni-NETWORK-ATTACHMENT", each the
 * beginning of a SHA-256, so that nobody finds a name that is another's: the ports of a network are those with its
 * beginning, which is how GC finds what nobody wants any more.
 *
 * Context: the one thread of vuscni.
 */
#ifndef VUSCNI_ATTACHMENT_H
#define VUSCNI_ATTACHMENT_H

#include "mac_text.h"
#include "vus_limits.h"

struct attachment_name {
	char text[NAME_LEN_MAX + 1];
};

/* "cni-NETWORK-" */
struct attachment_name attachment_prefix(const char *network);
struct attachment_name attachment_name(const char *network, const char *container, const char *ifname);
/* An address of its own, the same each time: locally administered, 02:... */
struct mac_text attachment_mac(const char *network, const char *container, const char *ifname);

#endif
