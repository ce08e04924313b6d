/* SPDX-License-Identifier: BSD-3-Clause */
#include "frame_net.h"

#include "be16.h"
#include "frame_head.h"

enum { TYPE_AT = 12, TAGS_MAX = 2, IPV4_LEN = 20, IPV6_LEN = 40 };

/* Next headers of IPv6 that are no protocol (IANA, "IPv6 Extension Header Types"). */
enum {
	HOP_BY_HOP = 0,
	ROUTING = 43,
	FRAGMENT = 44,
	AUTHENTICATION = 51,
	NO_NEXT = 59,
	DESTINATION = 60,
	MOBILITY = 135,
	HIP = 139,
	SHIM6 = 140,
	EXPERIMENT_1 = 253,
	EXPERIMENT_2 = 254,
};

static bool find_ipv4(const struct frame *frame, struct frame_net *net)
{
	const uint8_t *ip = frame->head + net->l3;
	uint32_t len, total, offset;

	if (!frame_net_has(frame, net, net->l3, IPV4_LEN) || ip[0] >> 4 != 4)
		return false;
	len = (ip[0] & 0x0fu) * 4;
	total = be16_at(ip + 2);
	if (len < IPV4_LEN || total < len || net->l3 + total > net->end)
		return false;
	net->end = net->l3 + total;
	net->protocol = ip[9];
	/* More fragments, or an offset in units of 8 bytes. */
	net->fragment = (be16_at(ip + 6) & 0x3fff) != 0;
	offset = be16_at(ip + 6) & 0x1fff;
	if (net->l3 + len > frame->head_len)
		return false;
	net->l4 = offset == 0 ? (uint16_t)(net->l3 + len) : 0;
	return true;
}

/* The length of an extension header that is at `at`; 0: it is none. */
static uint32_t extension_len(uint8_t kind, const uint8_t *at)
{
	switch (kind) {
	case HOP_BY_HOP:
	case ROUTING:
	case DESTINATION:
	case MOBILITY:
	case HIP:
	case SHIM6:
		return 8 + at[1] * 8u;
	case FRAGMENT:
		return 8;
	case AUTHENTICATION:
		return 8 + at[1] * 4u;
	default:
		return 0;
	}
}

/* Options of a header for the destination, from `at` to `end`, which are in the head. False: they contradict themselves. */
static bool read_options(const uint8_t *head, uint32_t at, uint32_t end, struct frame_net *net)
{
	enum { PAD1 = 0, HOME_ADDRESS = 201, ADDRESS_LEN = 16 };

	while (at < end) {
		uint32_t len;

		if (head[at] == PAD1) {
			at++;
			continue;
		}
		if (at + 2 > end)
			return false;
		len = head[at + 1];
		if (at + 2 + len > end)
			return false;
		if (head[at] == HOME_ADDRESS) {
			if (len != ADDRESS_LEN || net->home != 0)
				return false;
			net->home = (uint16_t)(at + 2);
		}
		at += 2 + len;
	}
	return true;
}

static bool find_ipv6(const struct frame *frame, struct frame_net *net)
{
	static const uint8_t none[8];
	const uint8_t *ip = frame->head + net->l3;
	uint32_t at = net->l3 + IPV6_LEN, payload, len;

	if (!frame_net_has(frame, net, net->l3, IPV6_LEN) || ip[0] >> 4 != 6)
		return false;
	payload = be16_at(ip + 4);
	net->protocol = ip[6];
	/* No length is a jumbogram's (RFC 2675), which no frame is long enough for. */
	if (at + payload > net->end || (payload == 0 && net->protocol != NO_NEXT))
		return false;
	net->end = at + payload;
	while ((len = extension_len(net->protocol, none)) != 0) {
		const uint8_t *header = frame->head + at;

		if (!frame_net_has(frame, net, at, 8))
			return false;
		if (net->protocol == FRAGMENT) {
			/* One within another is nobody's. */
			if (net->fragment)
				return false;
			net->fragment = true;
			if ((be16_at(header + 2) & 0xfff8) != 0) {
				net->protocol = header[0];
				return true;
			}
		}
		len = extension_len(net->protocol, header);
		if (!frame_net_has(frame, net, at, len) ||
		    (net->protocol == DESTINATION && !read_options(frame->head, at + 2, at + len, net)))
			return false;
		net->protocol = header[0];
		at += len;
	}
	net->l4 = (uint16_t)at;
	return net->protocol != EXPERIMENT_1 && net->protocol != EXPERIMENT_2;
}

bool frame_net_find(const struct frame *frame, struct frame_net *net)
{
	uint32_t at = TYPE_AT;

	*net = (struct frame_net){.end = frame->len};
	for (int tags = 0; at + 2 <= frame->head_len; tags++, at += FRAME_TAG) {
		uint16_t type = be16_at(frame->head + at);

		if (frame_type_is_tag(type)) {
			if (tags == TAGS_MAX)
				return false;
			continue;
		}
		net->type = type;
		net->l3 = (uint16_t)(at + 2);
		if (type == FRAME_NET_IPV4)
			return find_ipv4(frame, net);
		return type != FRAME_NET_IPV6 || find_ipv6(frame, net);
	}
	return false;
}
