/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames that say anything of multicast groups, with the checksums right or not, read and entered into the tables of a bridge as
 * control does it: what is read lies within the frame, bounds hold, nothing outlives its time, and a query of our own is
 * read as it was meant.
 */
#include "fuzz.h"

#include <errno.h>

#include "clock.h"
#include "group_message.h"
#include "group_querier.h"
#include "group_query.h"
#include "group_table.h"

enum { FRAME_MAX = 400, FRAMES = 24, PORTS = 4, GROUPS_MAX = 12, PORT_MAX = 5 };

static const uint64_t second = NS_PER_S;

struct known {
	struct group_table *table;
	struct group_queriers *queriers;
	uint64_t now;
};

void fuzz_begin(void)
{
}

/* --- frames -------------------------------------------------------------------------------------------------------- */

static void put16(uint8_t *at, uint32_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static uint32_t sum(uint32_t before, const uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		before += i % 2 == 0 ? bytes[i] * 256u : bytes[i];
	while (before > 0xffff)
		before = (before & 0xffff) + (before >> 16);
	return before;
}

/* To those who hear a query for the group, or for all. */
static void put_destination(uint8_t *to, const uint8_t *group, size_t n)
{
	static const uint8_t all_v4[4] = {224, 0, 0, 1}, all_v6[16] = {0xff, 0x02, [15] = 1}, none[16];

	if (memcmp(group, none, n) == 0)
		group = n == 4 ? all_v4 : all_v6;
	memcpy(to, group, n);
}

/* Most headers are right, so that what is behind them is looked at. Returns the length. */
static size_t make_ipv4(struct fuzz *in, uint8_t *ip, size_t body)
{
	size_t header = fuzz_chance(in, 200) ? 24 : 20;
	uint8_t *message = ip + header;

	ip[0] = (uint8_t)(0x40 | header / 4);
	put16(ip + 2, (uint32_t)(header + body));
	ip[8] = 1;
	ip[9] = fuzz_chance(in, 200) ? 2 : 103;
	fuzz_bytes(in, ip + 12, 8);
	ip[12] &= 0x7f;
	fuzz_bytes(in, message, body);
	if (body >= 8)
		put_destination(ip + 16, message + 4, 4);
	if (fuzz_chance(in, 20))
		ip[fuzz_below(in, 20)] ^= fuzz_uint8(in);
	put16(ip + 10, 0);
	put16(ip + 10, ~sum(0, ip, header));
	if (body >= 4 && fuzz_chance(in, 250)) {
		put16(message + 2, 0);
		put16(message + 2, ~sum(0, message, body));
	}
	return header + body;
}

static size_t make_ipv6(struct fuzz *in, uint8_t *ip, size_t body)
{
	static const uint8_t alert[8] = {58, 0, 5, 2, 0, 0, 1, 0};
	bool pim = fuzz_chance(in, 40);
	size_t options = pim ? 0 : 8;
	uint8_t *message = ip + 40 + options;

	ip[0] = 0x60;
	put16(ip + 4, (uint32_t)(options + body));
	ip[6] = pim ? 103 : 0;
	ip[7] = 1;
	fuzz_bytes(in, ip + 8, 32);
	if (fuzz_chance(in, 250))
		put16(ip + 8, 0xfe80);
	memcpy(ip + 40, alert, options);
	fuzz_bytes(in, message, body);
	if (body >= 24)
		put_destination(ip + 24, message + 8, 16);
	if (fuzz_chance(in, 20))
		ip[fuzz_below(in, 48)] ^= fuzz_uint8(in);
	if (body >= 4 && fuzz_chance(in, 250)) {
		put16(message + 2, 0);
		put16(message + 2, ~sum(sum((uint32_t)body + (pim ? 103 : 58), ip + 8, 32), message, body));
	}
	return 40 + options + body;
}

static size_t make_frame(struct fuzz *in, uint8_t *frame)
{
	size_t at = 14, body = fuzz_uint8(in), len;
	bool v6 = fuzz_chance(in, 128);
	struct group_address to = {{0}};

	memset(frame, 0, FRAME_MAX);
	if (fuzz_chance(in, 60)) {
		put16(frame + 12, 0x8100);
		at += 4;
	}
	put16(frame + at - 2, v6 ? 0x86dd : 0x0800);
	len = at + (v6 ? make_ipv6(in, frame + at, body) : make_ipv4(in, frame + at, body));
	memcpy(to.bytes, frame + at + (v6 ? 24 : 16), v6 ? 16 : 4);
	group_mac(v6 ? GROUP_IPV6 : GROUP_IPV4, &to, frame);
	if (fuzz_chance(in, 30))
		len = fuzz_uint8(in) < len ? len - fuzz_below(in, (unsigned int)(len < 256 ? len : 256)) : len;
	return len;
}

/* --- what becomes of them ------------------------------------------------------------------------------------------ */

static void enter(struct known *known, const struct group_message *m, const struct group_record *record, uint16_t fid,
		  uint16_t port)
{
	const struct group_key key = {.fid = fid, .family = (uint16_t)m->family, .group = record->group};
	uint64_t lasts = group_queriers_membership(known->queriers, fid, m->family);
	int result;

	FUZZ_CHECK(lasts >= 2 * 125 * second + 10 * second);
	if (record->what == GROUP_RECORD_LEAVE && port == 0)
		group_table_may_leave(known->table, &key, port);
	else if (record->what == GROUP_RECORD_LEAVE)
		group_table_shorten_port(known->table, &key, port, known->now + 2 * second);
	if (record->what != GROUP_RECORD_JOIN)
		return;
	result = group_table_join(known->table, &key, port, known->now + lasts);
	FUZZ_CHECK(result == 0 || result == 1 || result == -ENOSPC || result == -EDQUOT);
}

static void take(struct known *known, struct group_message *m, const uint8_t *frame, size_t len, uint16_t fid, uint16_t port)
{
	struct group_record record;
	unsigned int records = 0;

	switch (m->kind) {
	case GROUP_MESSAGE_REPORT:
		for (; group_message_next(m, &record); records++) {
			FUZZ_CHECK(m->records == NULL || (m->records > frame && m->records <= frame + len));
			FUZZ_CHECK(m->family == GROUP_IPV4 ? record.group.bytes[0] >> 4 == 0xe : record.group.bytes[0] == 0xff);
			enter(known, m, &record, fid, port);
		}
		FUZZ_CHECK(records <= len / 8);
		break;
	case GROUP_MESSAGE_QUERY:
		FUZZ_CHECK(group_queriers_heard(known->queriers, fid, port, m, known->now) == 0);
		group_table_shorten(known->table,
				    &(struct group_key){.fid = fid, .family = (uint16_t)m->family, .group = m->group},
				    port != 0, known->now + 2 * second);
		break;
	case GROUP_MESSAGE_ROUTER:
	case GROUP_MESSAGE_ROUTER_GONE:
		FUZZ_CHECK((m->kind == GROUP_MESSAGE_ROUTER) == (m->hold_ms > 0) || m->kind == GROUP_MESSAGE_ROUTER_GONE);
		FUZZ_CHECK(group_queriers_router(known->queriers, fid, m->family, port,
						 m->kind == GROUP_MESSAGE_ROUTER ? known->now + m->hold_ms * NS_PER_MS : 0) == 0);
		break;
	}
}

static void pass_time(struct known *known, uint64_t more)
{
	enum group_family family;
	uint16_t fid;
	unsigned int asked = 0;

	known->now += more;
	group_table_expire(known->table, known->now);
	group_queriers_expire(known->queriers, known->now);
	FUZZ_CHECK(group_table_next(known->table) > known->now);
	while (group_queriers_ask(known->queriers, known->now, &fid, &family))
		FUZZ_CHECK(++asked <= 2 * 4 * GROUP_FAMILIES);
	FUZZ_CHECK(group_queriers_next(known->queriers) > known->now);
}

static void check_bounds(const struct known *known)
{
	uint32_t of_port[PORTS] = {0};

	FUZZ_CHECK(group_table_n(known->table) <= GROUPS_MAX);
	for (uint32_t i = 0; i < group_table_n(known->table); i++) {
		const struct group_entry entry = group_table_at(known->table, i);

		FUZZ_CHECK(entry.n > 0 && entry.n <= PORTS);
		for (uint32_t k = 0; k < entry.n; k++) {
			FUZZ_CHECK(entry.member[k].until > known->now);
			of_port[entry.member[k].port]++;
		}
	}
	for (int p = 0; p < PORTS; p++)
		FUZZ_CHECK(of_port[p] <= PORT_MAX);
}

static void check_own_query(struct fuzz *in)
{
	static const uint8_t mac[6] = {2, 1, 2, 3, 4, 5};
	struct group_address from = group_link_local_of(mac), group = {{0xff, 0x1e}};
	uint8_t frame[GROUP_QUERY_BYTES];
	struct group_query query = {.family = GROUP_IPV6,
				    .mac = mac,
				    .from = &from,
				    .group = &group,
				    .response_ms = fuzz_uint32(in) % 8387584,
				    .interval_ms = fuzz_uint32(in) % 31744000};
	struct group_message m;

	fuzz_bytes(in, group.bytes + 2, 14);
	FUZZ_CHECK(group_message_read(frame, group_query_write(&query, frame), &m) == 0);
	FUZZ_CHECK(m.kind == GROUP_MESSAGE_QUERY && memcmp(&m.group, &group, sizeof(group)) == 0);
	FUZZ_CHECK(m.response_ms <= query.response_ms && m.interval_ms <= query.interval_ms);
}

void fuzz_input(struct fuzz *in)
{
	struct known known = {
		.table = group_table_create(&(struct group_table_config){.groups_max = GROUPS_MAX, .port_max = PORT_MAX}),
		.queriers = group_queriers_create(&(struct group_queriers_config){
			.asks = fuzz_chance(in, 128), .interval = 125 * second, .response = 10 * second}),
		.now = 1000 * second,
	};

	FUZZ_CHECK(known.table != NULL && known.queriers != NULL);
	for (unsigned int i = 0; i < FRAMES && in->left > 0; i++) {
		uint8_t frame[FRAME_MAX];
		size_t len = make_frame(in, frame);
		uint8_t *exact = malloc(len > 0 ? len : 1);
		struct group_message m;

		FUZZ_CHECK(exact != NULL);
		memcpy(exact, frame, len);
		if (group_message_read(exact, len, &m) == 0)
			take(&known, &m, exact, len, (uint16_t)fuzz_below(in, 4), (uint16_t)fuzz_below(in, PORTS));
		free(exact);
		pass_time(&known, fuzz_chance(in, 100) ? fuzz_uint8(in) * second : 0);
		check_bounds(&known);
		if (fuzz_chance(in, 10))
			group_table_forget_port(known.table, (uint16_t)fuzz_below(in, PORTS));
	}
	check_own_query(in);
	group_table_destroy(known.table);
	group_queriers_destroy(known.queriers);
}
