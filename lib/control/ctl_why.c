/* SPDX-License-Identifier: BSD-3-Clause */
#include "ctl_why.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ctl_commands.h"

enum { TCP_CHECKSUM_AT = 16, UDP_CHECKSUM_AT = 6 };

/* --- the request --------------------------------------------------------------------------------------------------- */

static int digit(char c)
{
	return isdigit((unsigned char)c) ? c - '0' : tolower((unsigned char)c) - 'a' + 10;
}

/* At most `max` bytes. Returns: how many; -EINVAL: it is no such text; -E2BIG: it is more. */
static int read_hex(const char *text, uint8_t *bytes, size_t max)
{
	size_t len = strlen(text);

	if (len % 2 != 0)
		return -EINVAL;
	for (size_t i = 0; i < len; i++)
		if (!isxdigit((unsigned char)text[i]))
			return -EINVAL;
	if (len / 2 > max)
		return -E2BIG;
	for (size_t i = 0; i < len / 2; i++)
		bytes[i] = (uint8_t)(digit(text[2 * i]) << 4 | digit(text[2 * i + 1]));
	return (int)(len / 2);
}

/* Its head is as long as that of a frame that came from the port. NULL, or an error to reply. */
static json_t *read_frame(struct ctl_why *asked, const json_t *request)
{
	const char *text = json_string_value(json_object_get(request, "frame"));
	const json_t *given = json_object_get(request, "length");
	struct frame *frame = &asked->frame;
	json_int_t len = json_integer_value(given);
	uint32_t head = asked->terms.mbufs ? asked->terms.room : FRAME_HEAD;
	int n = text != NULL ? read_hex(text, asked->head, sizeof(asked->head)) : 0;

	if (text == NULL)
		return ctl_error("which frame? the request has no \"frame\"");
	if (n == -E2BIG)
		return ctl_error("\"frame\" has more than %d bytes; the first of them are enough, with \"length\"", WHY_HEAD_MAX);
	if (n < 0)
		return ctl_error("\"frame\" is not in hexadecimal digits, two for each byte");
	if (given == NULL)
		len = n;
	if (len < n || len > UINT32_MAX)
		return ctl_error("\"length\" is less than the bytes of \"frame\", or no length");
	if (n < len && n < FRAME_HEAD)
		return ctl_error("of a frame of %lld bytes the first %d are needed, and \"frame\" has %d", (long long)len,
				 len < FRAME_HEAD ? (int)len : FRAME_HEAD, n);
	frame->head = asked->head;
	frame->len = (uint32_t)len;
	frame->head_len = (uint16_t)((uint32_t)n < head ? (uint32_t)n : head);
	return NULL;
}

/* "tcp4:1448". NULL, or an error to reply. */
static json_t *read_offload(struct ctl_why *asked, const json_t *request)
{
	static const struct {
		const char *word;
		uint8_t gso;
	} kinds[] = {{"csum", VIRTIO_NET_HDR_GSO_NONE}, {"tcp4:", VIRTIO_NET_HDR_GSO_TCPV4}, {"tcp6:", VIRTIO_NET_HDR_GSO_TCPV6},
		     {"udp:", VIRTIO_NET_HDR_GSO_UDP_L4}};
	const char *text = json_string_value(json_object_get(request, "offload"));
	struct virtio_net_hdr *offload = &asked->frame.offload;
	struct frame_layers layers = {0};

	if (json_object_get(request, "offload") == NULL)
		return NULL;
	for (unsigned int i = 0; text != NULL && i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		size_t n = strlen(kinds[i].word);
		bool cuts = kinds[i].gso != VIRTIO_NET_HDR_GSO_NONE;
		char *end = NULL;
		unsigned long size;

		if (strncmp(text, kinds[i].word, n) != 0)
			continue;
		size = cuts && isdigit((unsigned char)text[n]) ? strtoul(text + n, &end, 10) : 0;
		if (cuts ? (end == NULL || *end != '\0' || size == 0 || size > UINT16_MAX) : text[n] != '\0')
			break;
		asked->offload = true;
		/* Where there is no such packet it asks for what does not fit the frame. */
		frame_layers_find(&asked->frame, &layers);
		*offload = (struct virtio_net_hdr){
			.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
			.gso_type = kinds[i].gso,
			.gso_size = (uint16_t)size,
			.hdr_len = cuts ? layers.payload : 0,
			.csum_start = layers.l4,
			.csum_offset = layers.tcp ? TCP_CHECKSUM_AT : UDP_CHECKSUM_AT,
		};
		return NULL;
	}
	return ctl_error("\"offload\" is none; use csum, tcp4:SIZE, tcp6:SIZE or udp:SIZE");
}

/* --- before the bridge has it --------------------------------------------------------------------------------------- */

static struct bridge *bridge_of(const struct vus_switch *sw, const struct port *port) RUNS_ON(control_thread)
{
	for (unsigned int i = 0; i < BRIDGES_MAX; i++) {
		struct bridge *bridge = switch_bridge_at(sw, i);

		if (bridge != NULL && bridge_has_port(bridge, port))
			return bridge;
	}
	return NULL;
}

/* What drivers say of a frame that they receive. */
static enum rx_drop receive(struct ctl_why *asked)
{
	if (asked->frame.len < FRAME_LEN_MIN)
		return RX_DROP_SHORT;
	if (asked->frame.len > FRAME_LEN_MAX)
		return RX_DROP_LONG;
	if (asked->offload && !frame_offload_check(&asked->frame, asked->terms.asks))
		return RX_DROP_OFFLOAD;
	return RX_DROPS;
}

json_t *ctl_why(struct vus_switch *sw, const json_t *request)
{
	static struct rte_mbuf *const not_followed = (struct rte_mbuf *)1;
	const char *name = json_string_value(json_object_get(request, "name"));
	struct ctl_why asked = {.sw = sw, .from = name != NULL ? switch_find_port(sw, name) : NULL};
	struct bridge_why *why = switch_why(sw);
	json_t *error, *words;

	if (name == NULL)
		return ctl_error("from which port? the request has no \"name\"");
	if (asked.from == NULL)
		return ctl_error("there is no port %.64s; `vusctl ports` lists them", name);
	port_terms_of(asked.from, NULL, &asked.terms);
	error = read_frame(&asked, request);
	if (error == NULL)
		error = read_offload(&asked, request);
	if (error != NULL)
		return error;
	asked.bridge = bridge_of(sw, asked.from);
	asked.dropped = receive(&asked);
	asked.frame.mbuf = asked.terms.mbufs ? not_followed : NULL;
	if (asked.dropped == RX_DROPS && asked.bridge != NULL) {
		if (bridge_why(why, asked.from, &asked.frame, switch_epoch(sw)) != 0)
			return ctl_error("no memory");
		asked.why = why;
	}
	words = ctl_why_words(&asked);
	return json_pack("{s:o}", "why", words);
}
