/* SPDX-License-Identifier: BSD-3-Clause */
/* What is left to be done to a frame, checked and done, against a model that works byte by byte on a flat copy: which
 * requests are accepted and in what form (O1 to O4), which frames a receiver gets in place of one that it cannot take (O6),
 * with every byte of their headers, their checksums, and the accounting. Heads, bodies in pieces, tags, extension headers,
 * lies in any field.
 */
#include "fuzz.h"

#include "frame_finish.h"
#include "frame_offload.h"

enum { FRAMES_MAX = 4, SPANS_MAX = 8, OUT_MAX = FRAMES_MAX * (FRAME_SEGMENTS_MAX + 1), HEADERS_MAX = 400 };

/* A frame flat, and what the model says of it. */
struct flat {
	uint8_t bytes[FRAME_LEN_MAX];
	uint32_t len, head_len;
	struct mem_span span[SPANS_MAX];
};

struct layers {
	uint32_t l3, l4, payload;
	bool ipv6, tcp, plain;
};

static struct flat flats[FRAMES_MAX];
static struct frame frames[FRAMES_MAX];
static struct frame *list[FRAMES_MAX];
static uint8_t piece[FRAME_LEN_MAX], given[FRAME_LEN_MAX], pattern[1 << 17];
static struct frame_finish finish;

/* What the model expects, in turn. */
static struct {
	uint16_t too_big;
	uint64_t checksummed, segmented, segments;
} must;
static uint32_t out_i;

static uint32_t be16(const uint8_t *at)
{
	return (uint32_t)at[0] << 8 | at[1];
}

static void put16(uint8_t *at, uint32_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

/* --- the model --------------------------------------------------------------------------------------------------- */

static uint32_t model_ipv6(const struct flat *f, uint32_t seen, uint32_t *at, bool *plain)
{
	uint32_t next;

	if (*at + 40 > seen || f->bytes[*at] >> 4 != 6)
		return 255;
	next = f->bytes[*at + 6];
	*at += 40;
	while (next == 0 || next == 43 || next == 60) {
		if (*at + 2 > seen)
			return 255;
		next = f->bytes[*at];
		*at += 8 + 8 * f->bytes[*at + 1];
		*plain = false;
	}
	return next;
}

static uint32_t model_ipv4(const struct flat *f, uint32_t seen, uint32_t *at)
{
	uint32_t ip = *at, len = f->bytes[ip < seen ? ip : 0] % 16 * 4;

	if (ip + 20 > seen || f->bytes[ip] >> 4 != 4 || len < 20 || (be16(f->bytes + ip + 6) & 0x3fff) != 0)
		return 255;
	*at += len;
	return f->bytes[ip + 9];
}

static bool model_find(const struct flat *f, struct layers *layers)
{
	uint32_t seen = f->head_len < FRAME_HEAD_MAX ? f->head_len : FRAME_HEAD_MAX, at = 12, type = 0, next = 255, len;

	*layers = (struct layers){.plain = true};
	for (int tags = 0; at + 2 <= seen; tags++) {
		type = be16(f->bytes + at);
		at += 2;
		if ((type != 0x8100 && type != 0x88a8) || tags == 3)
			break;
		type = 0;
		at += 2;
	}
	layers->l3 = at;
	if (type == 0x0800)
		next = model_ipv4(f, seen, &at);
	if (type == 0x86dd)
		next = model_ipv6(f, seen, &at, &layers->plain);
	layers->ipv6 = type == 0x86dd;
	layers->tcp = next == 6;
	layers->l4 = at;
	if (next == 17 && at + 8 <= seen) {
		layers->payload = at + 8;
		return true;
	}
	if (next != 6 || at + 20 > seen)
		return false;
	len = f->bytes[at + 12] / 16 * 4;
	layers->payload = at + len;
	return len >= 20 && at + len <= f->len;
}

static uint32_t model_gso_needs(uint32_t type, const struct layers *layers)
{
	if (type == VIRTIO_NET_HDR_GSO_TCPV4 && layers->tcp && !layers->ipv6)
		return FRAME_TSO4;
	if (type == VIRTIO_NET_HDR_GSO_TCPV6 && layers->tcp && layers->ipv6)
		return FRAME_TSO6;
	if (type == VIRTIO_NET_HDR_GSO_UDP_L4 && !layers->tcp)
		return layers->ipv6 ? FRAME_USO6 : FRAME_USO4;
	return 0;
}

/* Whether the request is good, and then in *to what it becomes. */
static bool model_check(const struct flat *f, const struct virtio_net_hdr *asked, uint32_t agreed, struct virtio_net_hdr *to)
{
	uint32_t start = asked->csum_start, payload, needs, room = f->head_len < FRAME_HEAD ? f->head_len : FRAME_HEAD;
	bool ecn = (asked->gso_type & VIRTIO_NET_HDR_GSO_ECN) != 0, found, own;
	struct layers layers;

	*to = (struct virtio_net_hdr){0};
	if ((asked->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) == 0)
		return asked->gso_type == 0;
	if ((agreed & FRAME_CSUM) == 0)
		return false;
	found = model_find(f, &layers) && layers.l3 <= 14 + 2 * 4;
	own = found && start == layers.l4 && asked->csum_offset == (layers.tcp ? 16 : 6);
	if (!own && (start < (found ? layers.payload : layers.l3) || start > 0xffff - 4 ||
		     start + asked->csum_offset + 2 > f->len))
		return false;
	to->flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
	to->csum_start = asked->csum_start;
	to->csum_offset = asked->csum_offset;
	if (asked->gso_type == 0)
		return true;
	needs = own ? model_gso_needs(asked->gso_type & ~VIRTIO_NET_HDR_GSO_ECN, &layers) : 0;
	payload = f->len - (own ? layers.payload : 0);
	if (needs == 0 || (needs & agreed) == 0 || (ecn && (!layers.tcp || (agreed & FRAME_ECN) == 0)))
		return false;
	if (layers.payload > room || asked->gso_size < 8 || payload > asked->gso_size * 128u ||
	    f->len - layers.l3 > (layers.ipv6 ? 65535 + 40 : 65535))
		return false;
	if (payload <= asked->gso_size)
		return true;
	to->gso_type = asked->gso_type;
	to->gso_size = asked->gso_size;
	to->hdr_len = (uint16_t)layers.payload;
	return true;
}

/* The sum of bytes in pairs, carries added at the end. */
static uint32_t model_sum(const uint8_t *bytes, uint32_t len, uint32_t more)
{
	uint64_t sum = more;

	for (uint32_t i = 0; i < len; i++)
		sum += i % 2 == 0 ? (uint64_t)bytes[i] << 8 : bytes[i];
	while (sum > 0xffff)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint32_t)sum;
}

static uint32_t model_checksum(const uint8_t *bytes, uint32_t len, uint32_t more)
{
	uint32_t checksum = model_sum(bytes, len, more) ^ 0xffff;

	return checksum != 0 ? checksum : 0xffff;
}

/* --- what comes out ---------------------------------------------------------------------------------------------- */

static uint32_t flatten(const struct frame *frame, uint8_t *to)
{
	uint32_t len = frame->head_len;

	FUZZ_CHECK(frame->head_len <= frame->len && frame->len <= FRAME_LEN_MAX);
	memcpy(to, frame->head, frame->head_len);
	for (uint16_t i = 0; i < frame->body_spans; i++) {
		FUZZ_CHECK(frame->body[i].len <= frame->len - len);
		memcpy(to + len, frame->body[i].at, frame->body[i].len);
		len += frame->body[i].len;
	}
	FUZZ_CHECK(len == frame->len);
	return len;
}

/* The next frame that the receiver gets. */
static const struct frame *next_out(void)
{
	static uint16_t n;

	if (out_i == n || out_i == UINT32_MAX) {
		n = frame_finish_next(&finish);
		out_i = 0;
		FUZZ_CHECK(n <= BURST_MAX);
	}
	return n > 0 ? finish.out[out_i++] : NULL;
}

static void expect_bytes(const uint8_t *bytes, uint32_t len)
{
	const struct frame *frame = next_out();

	FUZZ_CHECK(frame != NULL && !frame_needs_offload(frame));
	FUZZ_CHECK(flatten(frame, given) == len);
	FUZZ_CHECK(memcmp(given, bytes, len) == 0);
}

static void expect_checksummed(const struct flat *f, const struct frame *frame)
{
	uint32_t start = frame->offload.csum_start;

	memcpy(piece, f->bytes, f->len);
	put16(piece + start + frame->offload.csum_offset, model_checksum(f->bytes + start, f->len - start, 0));
	expect_bytes(piece, f->len);
	must.checksummed++;
}

static void model_headers(uint32_t len, uint32_t whole_len, const struct layers *l, uint32_t k, uint32_t done, bool last)
{
	uint32_t field = l->l4 + (l->tcp ? 16 : 6), lengths = 0xffff - (whole_len - l->l4) % 0x10000 + (len - l->l4);
	uint8_t *ip = piece + l->l3, *l4 = piece + l->l4;

	if (l->ipv6) {
		put16(ip + 4, len - l->l3 - 40);
	} else {
		put16(ip + 2, len - l->l3);
		put16(ip + 4, be16(ip + 4) + k);
		put16(ip + 10, 0);
		put16(ip + 10, model_sum(ip, ip[0] % 16 * 4, 0) ^ 0xffff);
	}
	if (l->tcp) {
		uint32_t seq = (be16(l4 + 4) << 16 | be16(l4 + 6)) + done;

		put16(l4 + 4, seq >> 16);
		put16(l4 + 6, seq);
		l4[13] &= (uint8_t)((last ? 0xff : 0xf6) & (k == 0 ? 0xff : 0x7f));
	} else {
		put16(l4 + 4, len - l->l4);
	}
	put16(piece + field, model_checksum(l4, len - l->l4, lengths));
}

static void expect_pieces(const struct flat *f, const struct frame *frame)
{
	uint32_t headers = frame->offload.hdr_len, payload = f->len - headers, k = 0;
	struct layers layers;

	FUZZ_CHECK(model_find(f, &layers));
	for (uint32_t done = 0; done < payload; k++) {
		uint32_t n = frame->offload.gso_size < payload - done ? frame->offload.gso_size : payload - done;

		memcpy(piece, f->bytes, headers);
		memcpy(piece + headers, f->bytes + headers + done, n);
		model_headers(headers + n, f->len, &layers, k, done, done + n == payload);
		expect_bytes(piece, headers + n);
		done += n;
	}
	must.segmented++;
	must.segments += k - 1;
}

static bool model_takes(const struct flat *f, const struct frame *frame, const struct frame_capabilities *caps)
{
	const struct virtio_net_hdr *offload = &frame->offload;
	struct layers layers;
	bool found = model_find(f, &layers);
	uint32_t needs = FRAME_CSUM;

	if (offload->gso_type != 0)
		needs |= model_gso_needs(offload->gso_type & ~VIRTIO_NET_HDR_GSO_ECN, &layers);
	if ((offload->gso_type & VIRTIO_NET_HDR_GSO_ECN) != 0)
		needs |= FRAME_ECN;
	if ((needs & caps->offloads) != needs || (offload->gso_type != 0 && f->len > caps->cut_max))
		return false;
	return !caps->plain || (found && layers.plain && layers.l4 == offload->csum_start);
}

static void expect(const struct flat *f, const struct frame *frame, const struct frame_capabilities *caps)
{
	const struct virtio_net_hdr *offload = &frame->offload;
	uint32_t wire = offload->gso_type != 0 ? (uint32_t)offload->hdr_len + offload->gso_size : f->len;

	if (wire > caps->len_max)
		must.too_big++;
	else if (offload->flags == 0 || model_takes(f, frame, caps))
		FUZZ_CHECK(next_out() == frame);
	else if (offload->gso_type == 0)
		expect_checksummed(f, frame);
	else
		expect_pieces(f, frame);
}

/* --- what goes in ------------------------------------------------------------------------------------------------ */

/* Ethernet and tags. Returns: where the packet begins. */
static uint32_t make_ethernet(struct fuzz *in, struct flat *f, bool ipv6)
{
	uint32_t at = 12, tags = fuzz_chance(in, 64) ? fuzz_below(in, 5) : 0;

	fuzz_bytes(in, f->bytes, 2);
	for (uint32_t i = 0; i < tags; i++, at += 4)
		put16(f->bytes + at, fuzz_chance(in, 64) ? 0x88a8 : 0x8100);
	put16(f->bytes + at, fuzz_chance(in, 8) ? fuzz_uint16(in) : ipv6 ? 0x86dd : 0x0800);
	return at + 2;
}

static uint32_t make_ip(struct fuzz *in, uint8_t *ip, bool ipv6, uint8_t protocol)
{
	static const uint8_t options[] = {0, 43, 60, 44};
	uint32_t n = fuzz_chance(in, 48) ? fuzz_below(in, 5) : 0, at = 40;

	if (!ipv6) {
		n = fuzz_chance(in, 32) ? fuzz_below(in, 12) : 0;
		ip[0] = (uint8_t)(0x45 + n);
		put16(ip + 4, fuzz_uint16(in));
		ip[9] = protocol;
		return 20 + n * 4;
	}
	ip[0] = 0x60;
	ip[6] = n > 0 ? options[n % 3] : protocol;
	for (uint32_t i = 0; i < n; i++) {
		ip[at] = i + 1 < n ? options[fuzz_below(in, 32) == 0 ? 3 : i % 3] : protocol;
		ip[at + 1] = (uint8_t)fuzz_below(in, 3);
		at += 8 + ip[at + 1] * 8u;
	}
	return at;
}

/* Headers; what a driver would ask for them. Returns: their length. */
static uint32_t make_headers(struct fuzz *in, struct flat *f, struct virtio_net_hdr *asked)
{
	static const uint8_t types[] = {0, VIRTIO_NET_HDR_GSO_TCPV4, VIRTIO_NET_HDR_GSO_UDP_L4, VIRTIO_NET_HDR_GSO_TCPV6};
	uint8_t shape = fuzz_uint8(in);
	bool ipv6 = shape & 1, tcp = shape & 2;
	uint32_t at = make_ethernet(in, f, ipv6), l4;

	l4 = at + make_ip(in, f->bytes + at, ipv6, tcp ? 6 : 17);
	asked->flags = (shape & 4) != 0 ? VIRTIO_NET_HDR_F_NEEDS_CSUM : fuzz_below(in, 4) == 0 ? fuzz_uint8(in) : 1;
	asked->gso_type = (shape & 8) != 0 ? 0 : tcp ? types[ipv6 ? 3 : 1] : types[2];
	asked->gso_type |= (shape & 16) != 0 && tcp && asked->gso_type != 0 ? VIRTIO_NET_HDR_GSO_ECN : 0;
	asked->gso_size = (uint16_t)(fuzz_chance(in, 128) ? 4 + fuzz_uint8(in) : fuzz_uint16(in));
	asked->csum_start = (uint16_t)l4;
	asked->csum_offset = tcp ? 16 : 6;
	fuzz_bytes(in, f->bytes + l4 + (tcp ? 4 : 0), tcp ? 4 : 2);
	f->bytes[l4 + 12] = tcp ? (uint8_t)((5 + (fuzz_chance(in, 64) ? fuzz_below(in, 11) : 0)) << 4) : 0;
	f->bytes[l4 + 13] = tcp ? fuzz_uint8(in) : 0;
	fuzz_bytes(in, f->bytes + l4 + asked->csum_offset, 2);
	return tcp ? l4 + (f->bytes[l4 + 12] >> 4) * 4u : l4 + 8;
}

/* A field from which the sum of everything is a small number, in one order of bytes or the other: there last carries are seen. */
static void tune_sum(struct flat *f, const struct virtio_net_hdr *asked, uint32_t sum)
{
	uint32_t field = (uint32_t)asked->csum_start + asked->csum_offset;

	if (field + 2 > f->len || asked->csum_offset % 2 != 0)
		return;
	put16(f->bytes + field, 0);
	put16(f->bytes + field, (sum + 0xffff - model_sum(f->bytes + asked->csum_start, f->len - asked->csum_start, 0)) % 0xffff);
}

/* Lies: any field, any byte. */
static void spoil(struct fuzz *in, struct flat *f, struct virtio_net_hdr *asked, uint32_t headers)
{
	uint32_t n = fuzz_chance(in, 96) ? 1 + fuzz_below(in, 4) : 0;

	for (; n > 0; n--) {
		uint8_t where = fuzz_uint8(in), what = fuzz_uint8(in);

		if (where < 192)
			f->bytes[where % headers] = what;
		else if (where < 224)
			((uint8_t *)asked)[where % sizeof(*asked)] = what;
		else if (where < 240)
			asked->csum_start = (uint16_t)(headers + (int8_t)what);
		else if (where >= 244)
			tune_sum(f, asked, (what % 4u) << what % 2 * 8);
		else
			asked->gso_size = (uint16_t)((f->len - headers) / (1u + what % 130) + where % 2);
	}
}

static uint32_t make_payload_len(struct fuzz *in)
{
	switch (fuzz_below(in, 8)) {
	case 0:
		return fuzz_uint16(in);
	case 1:
	case 2:
		return fuzz_uint16(in) % 4096;
	default:
		return fuzz_uint8(in);
	}
}

/* Cuts what is behind the head in pieces, each in memory of its own: a byte beyond one is seen. */
static void make_spans(struct fuzz *in, struct flat *f, struct frame *frame)
{
	uint32_t at = f->head_len;

	while (at < f->len) {
		uint32_t rest = f->len - at, n = fuzz_chance(in, 96) ? 1 + fuzz_uint8(in) % 64 : fuzz_uint16(in);

		if (frame->body_spans + 1 == SPANS_MAX || n == 0 || n > rest)
			n = rest;
		f->span[frame->body_spans++] = (struct mem_span){.at = malloc(n), .len = n};
		memcpy(f->span[frame->body_spans - 1].at, f->bytes + at, n);
		at += n;
	}
}

static void make_frame(struct fuzz *in, struct flat *f, struct frame *frame)
{
	struct virtio_net_hdr asked = {0};
	uint32_t headers, room = fuzz_chance(in, 224) ? FRAME_HEAD : FRAME_LEN_MIN + fuzz_uint8(in) * 2u;

	memset(f->bytes, 0, HEADERS_MAX);
	headers = make_headers(in, f, &asked);
	f->len = headers + make_payload_len(in);
	if (f->len > FRAME_LEN_MAX)
		f->len = FRAME_LEN_MAX;
	memcpy(f->bytes + headers, pattern + fuzz_uint8(in) * 7, f->len - headers);
	spoil(in, f, &asked, headers);
	if (fuzz_chance(in, 8))
		f->len = FRAME_LEN_MIN + fuzz_uint8(in) % (f->len - FRAME_LEN_MIN + 1);
	f->head_len = f->len < room ? f->len : room;
	*frame = (struct frame){.len = f->len, .head_len = (uint16_t)f->head_len, .offload = asked, .body = f->span};
	frame->head = malloc(f->head_len);
	memcpy(frame->head, f->bytes, f->head_len);
	make_spans(in, f, frame);
}

static void free_frame(struct frame *frame)
{
	free(frame->head);
	for (uint16_t i = 0; i < frame->body_spans; i++)
		free(frame->body[i].at);
}

void fuzz_begin(void)
{
	uint32_t state = 1;

	for (size_t i = 0; i < sizeof(pattern); i++)
		pattern[i] = (uint8_t)((state = state * 1664525 + 1013904223) >> 24);
}

void fuzz_input(struct fuzz *in)
{
	uint32_t agreed = fuzz_chance(in, 224) ? FRAME_OFFLOADS : fuzz_uint8(in), made = 1 + fuzz_below(in, FRAMES_MAX);
	struct frame_capabilities caps = {
		.offloads = fuzz_chance(in, 128) ? 0 : fuzz_uint8(in),
		.len_max = fuzz_chance(in, 224) ? FRAME_LEN_MAX : fuzz_uint16(in),
		.cut_max = fuzz_chance(in, 192) ? FRAME_LEN_MAX : fuzz_uint16(in),
		.plain = fuzz_chance(in, 64),
	};
	uint16_t n = 0;

	for (uint32_t i = 0; i < made; i++) {
		struct virtio_net_hdr want, asked;
		bool good, is;

		make_frame(in, &flats[n], &frames[n]);
		asked = frames[n].offload;
		good = model_check(&flats[n], &asked, agreed, &want);
		is = frame_offload_check(&frames[n], agreed);
		FUZZ_CHECK(is == good);
		if (good)
			FUZZ_CHECK(memcmp(&want, &frames[n].offload, sizeof(want)) == 0);
		if (!good)
			free_frame(&frames[n]);
		list[n] = &frames[n];
		n = (uint16_t)(n + good);
	}
	memset(&must, 0, sizeof(must));
	out_i = UINT32_MAX;
	frame_finish_begin(&finish, list, n, &caps);
	for (uint16_t i = 0; i < n; i++)
		expect(&flats[i], &frames[i], &caps);
	FUZZ_CHECK(next_out() == NULL);
	FUZZ_CHECK(finish.too_big == must.too_big && finish.checksummed == must.checksummed);
	FUZZ_CHECK(finish.segmented == must.segmented && finish.segments == must.segments);
	for (uint16_t i = 0; i < n; i++) {
		uint32_t len = flatten(&frames[i], given);

		/* The frame itself is not touched. */
		FUZZ_CHECK(len == flats[i].len && memcmp(given, flats[i].bytes, len) == 0);
		free_frame(&frames[i]);
	}
}
