/* SPDX-License-Identifier: BSD-3-Clause */
/* pcapng.h: writes the blocks of a capture file (draft-ietf-opsawg-pcapng-02), one after the other, into memory.
 *
 *	n = pcapng_section(to, "vuswitch 1.0");
 *	n += pcapng_interface(to + n, &(struct pcapng_interface){.name = "vm1", .snap = 128});
 *	n += pcapng_packet(to + n, &(struct pcapng_packet){.interface = 0, .bytes = frame, ...});
 *
 * DPDK's rte_pcapng knows interfaces that are ethdevs, and no comments of a packet. Numbers are in the machine's order of
 * bytes, as the format wants it; all interfaces are Ethernet, and stamps are nanoseconds.
 *
 * Context: any thread; nothing is kept.
 * Units: bytes; nanoseconds since 1970.
 * Returns: the length of the block, a multiple of 4.
 */
#ifndef VUS_PCAPNG_H
#define VUS_PCAPNG_H

#include <stddef.h>
#include <stdint.h>

enum {
	/* Longest text of an option; what is longer is cut. */
	PCAPNG_TEXT_MAX = 1024,
	/* Room that a block takes at most: a packet has its bytes beside. */
	PCAPNG_BLOCK_MAX = 4096,
};

/* Of epb_flags. */
enum pcapng_direction { PCAPNG_INBOUND = 1, PCAPNG_OUTBOUND = 2 };

struct pcapng_interface {
	const char *name;
	const char *filter; /* the expression; NULL: none */
	uint32_t snap;	    /* of a packet at most; 0: all of it */
};

struct pcapng_packet {
	uint32_t interface;
	uint64_t time_ns;
	const uint8_t *bytes;
	uint32_t n;   /* at `bytes` */
	uint32_t len; /* of the packet */
	enum pcapng_direction direction;
	const char *comment; /* NULL: none */
};

struct pcapng_statistics {
	uint32_t interface;
	uint64_t begun_ns, ended_ns;
	uint64_t received; /* packets that came by */
	uint64_t accepted; /* of these: that the filter let through */
	uint64_t lost;	   /* of these: for which there was no room */
	const char *comment; /* NULL: none */
};

size_t pcapng_section(uint8_t *to, const char *application);
size_t pcapng_interface(uint8_t *to, const struct pcapng_interface *interface);
size_t pcapng_packet(uint8_t *to, const struct pcapng_packet *packet);
size_t pcapng_statistics(uint8_t *to, const struct pcapng_statistics *statistics);

#endif
