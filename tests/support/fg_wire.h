/* SPDX-License-Identifier: BSD-3-Clause */
/* fg_wire: vhost-user messages as bytes, seen from the front end.
 *
 * Written from the vhost-user specification ("Vhost-user Protocol", QEMU's interop manual) and from
 * nothing else: the numbers and structures below share no line with the switch's own, so that a
 * mistake on one side shows. Anything can be sent, also what no front end would ever send.
 *
 * Every receiving function has a deadline in milliseconds. Functions return 0 (or what they say) or
 * -errno: -ETIMEDOUT nothing came, -ECONNRESET the back end hung up, -EPROTO it sent no message.
 */
#ifndef FG_WIRE_H
#define FG_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* "Front-end message types" */
enum fg_request {
	FG_NONE = 0,
	FG_GET_FEATURES = 1,
	FG_SET_FEATURES = 2,
	FG_SET_OWNER = 3,
	FG_RESET_OWNER = 4,
	FG_SET_MEM_TABLE = 5,
	FG_SET_LOG_BASE = 6,
	FG_SET_LOG_FD = 7,
	FG_SET_VRING_NUM = 8,
	FG_SET_VRING_ADDR = 9,
	FG_SET_VRING_BASE = 10,
	FG_GET_VRING_BASE = 11,
	FG_SET_VRING_KICK = 12,
	FG_SET_VRING_CALL = 13,
	FG_SET_VRING_ERR = 14,
	FG_GET_PROTOCOL_FEATURES = 15,
	FG_SET_PROTOCOL_FEATURES = 16,
	FG_GET_QUEUE_NUM = 17,
	FG_SET_VRING_ENABLE = 18,
	FG_SEND_RARP = 19,
	FG_NET_SET_MTU = 20,
	FG_SET_BACKEND_REQ_FD = 21,
	FG_IOTLB_MSG = 22,
	FG_SET_VRING_ENDIAN = 23,
	FG_GET_CONFIG = 24,
	FG_SET_CONFIG = 25,
	FG_POSTCOPY_ADVISE = 28,
	FG_POSTCOPY_LISTEN = 29,
	FG_POSTCOPY_END = 30,
	FG_GET_INFLIGHT_FD = 31,
	FG_SET_INFLIGHT_FD = 32,
	FG_RESET_DEVICE = 34,
	FG_VRING_KICK = 35,
	FG_GET_MAX_MEM_SLOTS = 36,
	FG_ADD_MEM_REG = 37,
	FG_REM_MEM_REG = 38,
	FG_SET_STATUS = 39,
	FG_GET_STATUS = 40,
	FG_REQUEST_MAX = 45,
};

/* Header flags: the low two bits are the version. */
enum { FG_VERSION = 1, FG_REPLY = 1 << 2, FG_NEED_REPLY = 1 << 3 };

/* Bit 8 of the u64 of SET_VRING_KICK/CALL/ERR: no descriptor comes with it. */
#define FG_NOFD 0x100ull

/* Protocol feature bits */
#define FG_P_MQ		  (1ull << 0)
#define FG_P_LOG_SHMFD	  (1ull << 1)
#define FG_P_RARP	  (1ull << 2)
#define FG_P_REPLY_ACK	  (1ull << 3)
#define FG_P_MTU	  (1ull << 4)
#define FG_P_BACKEND_REQ  (1ull << 5)
#define FG_P_PAGEFAULT	  (1ull << 8)
#define FG_P_INFLIGHT	  (1ull << 12)
#define FG_P_RESET_DEVICE (1ull << 13)
#define FG_P_MEM_SLOTS	  (1ull << 15)
#define FG_P_STATUS	  (1ull << 16)

/* virtio and virtio-net feature bits (virtio 1.2, 5.1.3 and 6) */
#define FG_F_CSUM	(1ull << 0)
#define FG_F_GUEST_CSUM (1ull << 1)
#define FG_F_MTU	(1ull << 3)
#define FG_F_GUEST_TSO4 (1ull << 7)
#define FG_F_GUEST_TSO6 (1ull << 8)
#define FG_F_GUEST_ECN	(1ull << 9)
#define FG_F_HOST_TSO4	(1ull << 11)
#define FG_F_HOST_TSO6	(1ull << 12)
#define FG_F_HOST_ECN	(1ull << 13)
#define FG_F_MRG_RXBUF	(1ull << 15)
#define FG_F_MQ		(1ull << 22)
#define FG_F_LOG_ALL	(1ull << 26)
#define FG_F_ANY_LAYOUT (1ull << 27)
#define FG_F_INDIRECT	(1ull << 28)
#define FG_F_EVENT_IDX	(1ull << 29)
#define FG_F_PROTOCOL	(1ull << 30)
#define FG_F_VERSION_1	(1ull << 32)
#define FG_F_PACKED	(1ull << 34)
#define FG_F_IN_ORDER	(1ull << 35)
#define FG_F_RING_RESET (1ull << 40)
#define FG_F_GUEST_USO4 (1ull << 54)
#define FG_F_GUEST_USO6 (1ull << 55)
#define FG_F_HOST_USO	(1ull << 56)
/* What a driver may ask, and what it may be asked. */
#define FG_F_HOST_OFFLOADS                                                                         \
	(FG_F_CSUM | FG_F_HOST_TSO4 | FG_F_HOST_TSO6 | FG_F_HOST_ECN | FG_F_HOST_USO)
#define FG_F_GUEST_OFFLOADS                                                                        \
	(FG_F_GUEST_CSUM | FG_F_GUEST_TSO4 | FG_F_GUEST_TSO6 | FG_F_GUEST_ECN | FG_F_GUEST_USO4 |  \
	 FG_F_GUEST_USO6)

struct fg_mem_region {
	uint64_t gpa, size, user_addr, mmap_offset;
};

enum { FG_HEADER_SIZE = 12, FG_PAYLOAD_MAX = 4096, FG_FDS_MAX = 253 };

struct fg_msg {
	uint32_t request, flags, size;
	union {
		uint64_t u64;
		struct {
			uint32_t index, num;
		} state;
		struct {
			uint32_t index, flags;
			uint64_t desc, used, avail, log;
		} addr;
		struct {
			uint32_t n, padding;
			struct fg_mem_region region[64];
		} table;
		struct {
			uint64_t padding;
			struct fg_mem_region region;
		} one;
		struct {
			uint64_t size, offset;
		} log;
		uint8_t raw[FG_PAYLOAD_MAX];
	} __attribute__((packed));
} __attribute__((packed));

/* Connects to @path, trying again until @ms have passed: the switch may still be starting. */
int fg_wire_connect(const char *path, int ms);

/* For a switch in client mode: listen on @path; wait for it to come. Return a descriptor. */
int fg_wire_listen(const char *path);
int fg_wire_accept(int listener, int ms);

/* Sends exactly these bytes with these descriptors (which stay the caller's), all in one sendmsg.
 */
int fg_wire_send_raw(int sock, const void *data, size_t len, const int *fds, unsigned int n_fds);

/* Sends header and msg->size bytes of payload (at most FG_PAYLOAD_MAX are really there). */
int fg_wire_send(int sock, const struct fg_msg *msg, const int *fds, unsigned int n_fds);

/* The front end dies: after @messages more messages (on any connection) the socket is shut down and
 * sends fail with -ECONNRESET. A negative number: lives on. For the thread that calls. */
void fg_wire_fuse(int messages);

/* Receives one message. A descriptor that comes along goes to *@fd, or is closed if @fd is NULL. */
int fg_wire_recv(int sock, struct fg_msg *msg, int *fd, int ms);

/* Whether the back end hangs up within @ms. What it says before that is thrown away. */
bool fg_wire_closed(int sock, int ms);

/* The name of a request, for messages to the reader. */
const char *fg_wire_name(uint32_t request);

#endif
