/* SPDX-License-Identifier: BSD-3-Clause */
/* The flows of fg_net.h: frames that carry the proof of their own integrity and order. */
#include <string.h>

#include "fg_net.h"

enum { FLOW_MAGIC = 0x56535746, ETHERTYPE = 0x88b5 /* IEEE 802: local experiments */ };

struct stamp {
	uint8_t dst[6], src[6];
	uint8_t ethertype[2];
	uint32_t magic, id;
	uint64_t seq;
	uint16_t len;
} __attribute__((packed));

_Static_assert(sizeof(struct stamp) + 4 <= FG_FLOW_MIN, "a stamp and its CRC fit");

void fg_mac(uint8_t mac[6], uint32_t n)
{
	const uint8_t m[6] = {0x02, 0xf6, n >> 24 & 0xff, n >> 16 & 0xff, n >> 8 & 0xff, n & 0xff};

	memcpy(mac, m, 6);
}

uint32_t fg_crc32(const void *data, size_t len)
{
	static uint32_t table[256];
	static bool ready;
	const uint8_t *p = data;
	uint32_t crc = 0xffffffff;

	/* Two threads may fill the table at once: both write the same. */
	if (!__atomic_load_n(&ready, __ATOMIC_ACQUIRE)) {
		for (uint32_t i = 0; i < 256; i++) {
			uint32_t c = i;

			for (int k = 0; k < 8; k++)
				c = c & 1 ? 0xedb88320 ^ c >> 1 : c >> 1;
			__atomic_store_n(&table[i], c, __ATOMIC_RELAXED);
		}
		__atomic_store_n(&ready, true, __ATOMIC_RELEASE);
	}
	while (len-- > 0)
		crc = table[(crc ^ *p++) & 0xff] ^ crc >> 8;
	return ~crc;
}

void fg_flow_build(struct fg_flow *f, const uint8_t dst[6], const uint8_t src[6], void *frame,
		   size_t len)
{
	struct stamp st = {
		.ethertype = {ETHERTYPE >> 8, ETHERTYPE & 0xff},
		.magic = FLOW_MAGIC,
		.id = f->id,
		.seq = f->next_tx,
		.len = (uint16_t)len,
	};
	uint8_t *p = frame;
	uint32_t crc;

	memcpy(st.dst, dst, 6);
	memcpy(st.src, src, 6);
	memcpy(p, &st, sizeof(st));
	for (size_t i = sizeof(st); i < len - 4; i++)
		p[i] = (uint8_t)(i * 7 + st.seq * 13 + st.id);
	crc = fg_crc32(p, len - 4);
	memcpy(p + len - 4, &crc, 4);
	f->next_tx++;
}

bool fg_flow_check(struct fg_flow *f, const void *frame, size_t len)
{
	const uint8_t *p = frame;
	struct stamp st;
	uint32_t crc;

	if (len < FG_FLOW_MIN)
		return false;
	memcpy(&st, p, sizeof(st));
	if (st.ethertype[0] != ETHERTYPE >> 8 || st.ethertype[1] != (ETHERTYPE & 0xff) ||
	    st.magic != FLOW_MAGIC || st.id != f->id)
		return false;
	memcpy(&crc, p + len - 4, 4);
	f->received++;
	if (st.len != len || crc != fg_crc32(p, len - 4)) {
		f->damaged++;
	} else if (st.seq == f->next_rx) {
		f->next_rx++;
	} else if (st.seq > f->next_rx) {
		f->lost += st.seq - f->next_rx;
		f->next_rx = st.seq + 1;
	} else if (st.seq + 1 == f->next_rx) {
		f->duplicate++;
	} else {
		f->reordered++;
	}
	return true;
}

bool fg_flow_whole(const struct fg_flow *f)
{
	return f->received == f->next_tx && f->next_rx == f->next_tx && f->lost == 0 &&
	       f->duplicate == 0 && f->reordered == 0 && f->damaged == 0;
}
