/* SPDX-License-Identifier: BSD-3-Clause */
#include "ctl_why.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "ctl_commands.h"
#include "one_line.h"

enum {
	TCP_CHECKSUM_AT = 16,
	UDP_CHECKSUM_AT = 6,
	/* A piece of the reply: so long, or so many bytes. */
	PIECE_US = 500,
	PIECE_BYTES = 64 * 1024,
};

struct ctl_why {
	struct ctl_why_asked asked;
	bool begun;
	char name[NAME_LEN_MAX + 1]; /* of the port it comes from, which may go meanwhile */
	unsigned int receiver, absent; /* the ports that are next, by their numbers */
	bool any;		       /* receivers so far */
	struct ctl_text mirrors;       /* entries; they are all of the last piece */
};

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
static json_t *read_frame(struct ctl_why_asked *asked, const json_t *request)
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
static json_t *read_offload(struct ctl_why_asked *asked, const json_t *request)
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
static enum rx_drop receive(struct ctl_why_asked *asked)
{
	if (asked->frame.len < FRAME_LEN_MIN)
		return RX_DROP_SHORT;
	if (asked->frame.len > FRAME_LEN_MAX)
		return RX_DROP_LONG;
	if (asked->offload && !frame_offload_check(&asked->frame, asked->terms.asks))
		return RX_DROP_OFFLOAD;
	return RX_DROPS;
}

static json_t *ask(struct ctl_why_asked *asked, const json_t *request) RUNS_ON(control_thread)
{
	static struct rte_mbuf *const not_followed = (struct rte_mbuf *)1;
	struct why_question question = {.from = asked->from, .frame = &asked->frame, .epoch = switch_epoch(asked->sw)};
	json_t *error;

	port_terms_of(asked->from, NULL, &asked->terms);
	error = read_frame(asked, request);
	if (error == NULL)
		error = read_offload(asked, request);
	if (error != NULL)
		return error;
	asked->bridge = bridge_of(asked->sw, asked->from);
	asked->dropped = receive(asked);
	asked->frame.mbuf = asked->terms.mbufs ? not_followed : NULL;
	asked->answered = asked->dropped == RX_DROPS && asked->bridge != NULL;
	if (asked->answered && bridge_why(switch_why(asked->sw), &question, &asked->why) != 0)
		return ctl_error("no memory");
	return NULL;
}

struct ctl_why *ctl_why_begin(struct vus_switch *sw, const json_t *request, json_t **error)
{
	const char *name = json_string_value(json_object_get(request, "name"));
	struct port *from = name != NULL ? switch_find_port(sw, name) : NULL;
	struct ctl_why *why;

	*error = NULL;
	if (name == NULL)
		*error = ctl_error("from which port? the request has no \"name\"");
	else if (from == NULL)
		*error = ctl_no_port(sw, name);
	if (from == NULL)
		return NULL;
	why = calloc(1, sizeof(*why));
	if (why == NULL)
		return NULL;
	why->asked.sw = sw;
	why->asked.from = from;
	snprintf(why->name, sizeof(why->name), "%s", name);
	*error = ask(&why->asked, request);
	if (*error == NULL)
		return why;
	ctl_why_end(why);
	return NULL;
}

/* --- the reply, a piece at a time ----------------------------------------------------------------------------------- */

/* What it was asked about is there still. */
static bool is_there(const struct ctl_why *why) RUNS_ON(control_thread)
{
	const struct ctl_why_asked *asked = &why->asked;

	return switch_find_port(asked->sw, why->name) == asked->from && bridge_of(asked->sw, asked->from) == asked->bridge;
}

/* The members of an object, without its braces; or an entry of a list, and a comma in front of it. */
static void put_json(struct ctl_text *text, json_t *json, bool comma, bool braces)
{
	char *line = json != NULL ? json_dumps(json, JSON_COMPACT) : NULL;

	json_decref(json);
	if (line == NULL) {
		text->failed = true;
		return;
	}
	if (comma)
		ctl_text_put(text, ",");
	ctl_text_add(text, braces ? line : line + 1, strlen(line) - (braces ? 0 : 2));
	free(line);
}

static void put_mirrors(struct ctl_why *why, uint8_t mirrors, const struct port *of, bool from) RUNS_ON(control_thread)
{
	json_t *list = json_array(), *entry;
	size_t i;

	ctl_why_mirrors(&why->asked, mirrors, of, from, list);
	json_array_foreach(list, i, entry)
		put_json(&why->mirrors, json_incref(entry), why->mirrors.n > 0, true);
	json_decref(list);
}

static void put_first(struct ctl_why *why, struct ctl_text *text) RUNS_ON(control_thread)
{
	const struct ctl_why_asked *asked = &why->asked;

	ctl_text_put(text, "{\"why\":{");
	put_json(text, ctl_why_words(asked), false, false);
	ctl_text_put(text, ",\"receivers\":[");
	if (asked->answered)
		put_mirrors(why, asked->why.mirrors, asked->from, true);
}

/* Returns: false: there was no one any more. */
static bool put_receiver(struct ctl_why *why, struct ctl_text *text) RUNS_ON(control_thread)
{
	const struct ctl_why_asked *asked = &why->asked;
	struct why_question question = {.from = asked->from, .frame = &asked->frame, .epoch = switch_epoch(asked->sw)};
	struct why_receiver to;

	if (!bridge_why_next(switch_why(asked->sw), &question, &asked->why, &why->receiver, &to))
		return false;
	put_json(text, ctl_why_receiver(asked, &to), why->any, true);
	put_mirrors(why, to.mirrors, to.port, false);
	why->any = true;
	return true;
}

/* Whether it is one, or none. Returns: false: there are no more. */
static bool put_absent(struct ctl_why *why, struct ctl_text *text) RUNS_ON(control_thread)
{
	const struct port *port;
	json_t *entry;

	if (why->absent == PORTS_MAX)
		return false;
	port = switch_port_at(why->asked.sw, why->absent++);
	entry = port != NULL ? ctl_why_absent(&why->asked, port) : NULL;
	if (entry == NULL)
		return true;
	put_json(text, entry, why->any, true);
	why->any = true;
	return true;
}

static bool put_next(struct ctl_why *why, struct ctl_text *text) RUNS_ON(control_thread)
{
	const struct why_answer *answer = &why->asked.why;

	if (!why->asked.answered)
		return false;
	if (put_receiver(why, text))
		return true;
	return answer->to == WHY_FLOODED && (answer->dropped == RX_DROPS || answer->receivers_n > 0) && put_absent(why, text);
}

static void put_last(struct ctl_why *why, struct ctl_text *text, bool whole) RUNS_ON(control_thread)
{
	ctl_text_put(text, "],\"mirrors\":[");
	ctl_text_add(text, why->mirrors.bytes != NULL ? why->mirrors.bytes : "", why->mirrors.n);
	ctl_text_put(text, "]}");
	if (!whole)
		put_json(text, ctl_error("port %s has gone, or is in another bridge now: ask again", why->name), true, false);
	ctl_text_put(text, ",\"time_ns\":");
	ctl_text_number(text, clock_ns());
	ctl_text_put(text, "}");
	text->failed |= why->mirrors.failed;
}

bool ctl_why_next(struct ctl_why *why, struct ctl_text *text)
{
	uint64_t end_ns = clock_ns() + PIECE_US * NS_PER_US;
	bool whole = is_there(why);

	/* To find out what it says has taken its time already. */
	if (!why->begun) {
		put_first(why, text);
		why->begun = true;
		return true;
	}
	while (whole && put_next(why, text))
		if (text->n >= PIECE_BYTES || clock_ns() >= end_ns)
			return true;
	put_last(why, text, whole);
	return false;
}

void ctl_why_end(struct ctl_why *why)
{
	if (why == NULL)
		return;
	free(why->mirrors.bytes);
	free(why);
}
