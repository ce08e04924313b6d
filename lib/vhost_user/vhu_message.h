/* SPDX-License-Identifier: BSD-3-Clause */
/* vhu_message.h: the vhost-user messages: their bytes, and what is expected of each.
 *
 * One table describes every request a front end may send: its name, its exact size, how many descriptors come with it,
 * which agreed protocol feature it needs, whether it has an answer of its own and whether it may come while a ring
 * runs. A message is checked against its row before any handler sees it; docs/protocol.md shows the same table and a
 * test compares the two. What can be wrong is an enum, and each error has one consequence.
 *
 * Nothing here touches a socket or a device. Everything on the wire is in native byte order.
 * vhost-user specification, "Message Specification" and "Front-end message types".
 *
 * Context: any thread.
 */
#ifndef VUS_VHU_MESSAGE_H
#define VUS_VHU_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum vhu_request {
	VHU_NONE = 0,
	VHU_GET_FEATURES = 1,
	VHU_SET_FEATURES = 2,
	VHU_SET_OWNER = 3,
	VHU_RESET_OWNER = 4,
	VHU_SET_MEM_TABLE = 5,
	VHU_SET_LOG_BASE = 6,
	VHU_SET_LOG_FD = 7,
	VHU_SET_VRING_NUM = 8,
	VHU_SET_VRING_ADDR = 9,
	VHU_SET_VRING_BASE = 10,
	VHU_GET_VRING_BASE = 11,
	VHU_SET_VRING_KICK = 12,
	VHU_SET_VRING_CALL = 13,
	VHU_SET_VRING_ERR = 14,
	VHU_GET_PROTOCOL_FEATURES = 15,
	VHU_SET_PROTOCOL_FEATURES = 16,
	VHU_GET_QUEUE_NUM = 17,
	VHU_SET_VRING_ENABLE = 18,
	VHU_SEND_RARP = 19,
	VHU_NET_SET_MTU = 20,
	VHU_SET_BACKEND_REQ_FD = 21,
	VHU_IOTLB_MSG = 22,
	VHU_SET_VRING_ENDIAN = 23,
	VHU_GET_CONFIG = 24,
	VHU_SET_CONFIG = 25,
	VHU_CREATE_CRYPTO_SESSION = 26,
	VHU_CLOSE_CRYPTO_SESSION = 27,
	VHU_POSTCOPY_ADVISE = 28,
	VHU_POSTCOPY_LISTEN = 29,
	VHU_POSTCOPY_END = 30,
	VHU_GET_INFLIGHT_FD = 31,
	VHU_SET_INFLIGHT_FD = 32,
	VHU_GPU_SET_SOCKET = 33,
	VHU_RESET_DEVICE = 34,
	VHU_VRING_KICK = 35,
	VHU_GET_MAX_MEM_SLOTS = 36,
	VHU_ADD_MEM_REG = 37,
	VHU_REM_MEM_REG = 38,
	VHU_SET_STATUS = 39,
	VHU_GET_STATUS = 40,
	VHU_GET_SHARED_OBJECT = 41,
	VHU_SET_DEVICE_STATE_FD = 42,
	VHU_CHECK_DEVICE_STATE = 43,
	VHU_GET_SHMEM_CONFIG = 44,
	VHU_REQUESTS
};

enum vhu_protocol_feature {
	VHU_P_MQ = 0,
	VHU_P_LOG_SHMFD = 1,
	VHU_P_RARP = 2,
	VHU_P_REPLY_ACK = 3,
	VHU_P_MTU = 4,
	VHU_P_BACKEND_REQ = 5,
	VHU_P_CROSS_ENDIAN = 6,
	VHU_P_CRYPTO_SESSION = 7,
	VHU_P_PAGEFAULT = 8,
	VHU_P_CONFIG = 9,
	VHU_P_BACKEND_SEND_FD = 10,
	VHU_P_HOST_NOTIFIER = 11,
	VHU_P_INFLIGHT_SHMFD = 12,
	VHU_P_RESET_DEVICE = 13,
	VHU_P_INBAND_NOTIFICATIONS = 14,
	VHU_P_CONFIGURE_MEM_SLOTS = 15,
	VHU_P_STATUS = 16,
	VHU_P_XEN_MMAP = 17,
	VHU_P_SHARED_OBJECT = 18,
	VHU_P_DEVICE_STATE = 19,
	VHU_PROTOCOL_FEATURES
};

enum {
	VHU_VERSION = 1,	   /* low two bits of flags */
	VHU_VERSION_MASK = 3,
	VHU_FLAG_REPLY = 1 << 2,
	VHU_FLAG_NEED_REPLY = 1 << 3,
	VHU_NOFD = 1 << 8,	   /* in the value of SET_VRING_KICK, _CALL, _ERR: no descriptor comes along */
	/* Of SET_MEM_TABLE. The specification says 8, and cloud-hypervisor repeats its whole table, hot-added regions included,
	 * at each reset: as many as its library sends descriptors with one message. */
	VHU_TABLE_REGIONS_MAX = 32,
	VHU_FDS_MAX = VHU_TABLE_REGIONS_MAX,
};

/* Bits among the virtio features that are the protocol's own: VHOST_F_LOG_ALL, VHOST_USER_F_PROTOCOL_FEATURES. */
#define VHU_F_LOG_ALL 26
#define VHU_F_PROTOCOL_FEATURES 30

struct vhu_header {
	uint32_t request;
	uint32_t flags;
	uint32_t size; /* of the payload, bytes */
};
_Static_assert(sizeof(struct vhu_header) == 12, "vhost-user message header");

struct vhu_vring_state {
	uint32_t index;
	uint32_t num;
};
_Static_assert(sizeof(struct vhu_vring_state) == 8, "vring state description");

struct vhu_vring_addr {
	uint32_t index;
	uint32_t flags;
	uint64_t desc; /* addresses of the front end */
	uint64_t used;
	uint64_t avail;
	uint64_t log;
};
_Static_assert(sizeof(struct vhu_vring_addr) == 40, "vring address description");

struct vhu_memory_region {
	uint64_t gpa;
	uint64_t size;
	uint64_t uva;
	uint64_t mmap_offset; /* where the region begins in the file */
};
_Static_assert(sizeof(struct vhu_memory_region) == 32, "memory region description");

struct vhu_memory_table {
	uint32_t n;
	uint32_t padding;
	struct vhu_memory_region region[VHU_TABLE_REGIONS_MAX];
};
_Static_assert(sizeof(struct vhu_memory_table) == 8 + VHU_TABLE_REGIONS_MAX * 32,
	       "memory regions description");

struct vhu_memory_single {
	uint64_t padding;
	struct vhu_memory_region region;
};
_Static_assert(sizeof(struct vhu_memory_single) == 40, "single memory region description");

struct vhu_log_base {
	uint64_t size; /* of the log, bytes */
	uint64_t mmap_offset;
};
_Static_assert(sizeof(struct vhu_log_base) == 16, "log description");

union vhu_payload {
	uint64_t u64;
	struct vhu_log_base log;
	struct vhu_vring_state state;
	struct vhu_vring_addr addr;
	struct vhu_memory_table table;
	struct vhu_memory_single single;
	uint8_t raw[sizeof(struct vhu_memory_table)]; /* the largest */
};
_Static_assert(sizeof(union vhu_payload) == sizeof(struct vhu_memory_table), "nothing is larger than raw");

/* Descriptors that came with a message: closed with it unless taken. */
struct vhu_fds {
	unsigned int n;
	int fd[VHU_FDS_MAX];
};

struct vhu_message {
	struct vhu_header header;
	union vhu_payload payload;
	struct vhu_fds fds;
	unsigned int ring; /* set by vhu_message_check() where the request names one */
	bool commit;	   /* set by vhu_message_check(): not the request, but what ends a memory update in postcopy */
};

/* --- the table -------------------------------------------------------------------------------------------------- */

enum vhu_fd_rule {
	VHU_FDS_NONE,
	VHU_FDS_ONE,
	VHU_FDS_MAYBE,	    /* none or one: old front ends send one with REM_MEM_REG */
	VHU_FDS_UNLESS_BIT8, /* one, or none if VHU_NOFD is set in the value */
	VHU_FDS_PER_REGION,
};

enum vhu_answer {
	VHU_ANSWER_ACK,	  /* 0 or 1, if the front end asks for it and REPLY_ACK is agreed */
	VHU_ANSWER_VALUE, /* always, whatever was agreed */
};

/* Where the request names a ring. */
enum vhu_index_rule {
	VHU_INDEX_NONE,
	VHU_INDEX_U32, /* first field */
	VHU_INDEX_U8,  /* low byte of a u64, beside VHU_NOFD */
};

/* Whether it may come while the ring it names (or, if it names none, any ring) is started. */
enum vhu_live_rule {
	VHU_LIVE_YES,
	VHU_LIVE_SAME, /* if it changes nothing: QEMU repeats it for each queue pair */
	VHU_LIVE_STOPS, /* and stops the ring first: the front end begins anew with it */
	VHU_LIVE_NO,
};

struct vhu_message_spec {
	const char *name;
	uint16_t size;	   /* of the payload; exact, unless size_max is set */
	uint16_t size_max; /* variable: size to size_max */
	uint8_t fds;	   /* enum vhu_fd_rule */
	uint8_t answer;	   /* enum vhu_answer */
	uint8_t index;	   /* enum vhu_index_rule */
	uint8_t live;	   /* enum vhu_live_rule */
	bool ignored;	   /* read and dropped */
	bool commits;	   /* in postcopy, the same number with a value of 0 and no descriptor ends a memory update */
	bool never;	   /* a known request of features we never offer */
	bool empty_is_no;  /* has an answer of its own, and one without a payload means no */
	uint32_t needs;	   /* protocol features, all of which must be agreed */
	const char *why_never; /* NULL: "not supported" says it all */
};

/* NULL for a number that is no request. */
const struct vhu_message_spec *vhu_message_spec(uint32_t request);
/* The name of a request, "request 77" style numbers included. `text` is used for those. */
const char *vhu_message_name(uint32_t request, char text[24]);

/* --- checking --------------------------------------------------------------------------------------------------- */

enum vhu_error {
	VHU_OK,
	VHU_BAD_FLAGS,	  /* another version, or a reply where a request belongs */
	VHU_BAD_SIZE,	  /* not the size this request has: what follows cannot be trusted */
	VHU_BAD_REQUEST,  /* no such request, or one of a feature we never offer */
	VHU_BAD_FDS,	  /* too many or too few descriptors, or not as bit 8 says */
	VHU_BAD_FEATURE,  /* needs a protocol feature that was not agreed */
	VHU_BAD_RING,	  /* ring index out of range */
	VHU_BAD_STATE,	  /* not while the ring runs */
	VHU_BAD_VALUE,	  /* a field the handler does not accept */
	VHU_NO_RESOURCE,  /* we lack the means: memory, address space */
	VHU_ERRORS
};

enum vhu_verdict {
	VHU_ACCEPT,
	VHU_REFUSE, /* negative acknowledgement if one was asked for; else the only answer there is: hang up */
	VHU_HANG_UP,
};

enum vhu_verdict vhu_error_verdict(enum vhu_error error);
const char *vhu_error_text(enum vhu_error error);

/* What the check has to know of the device. */
struct vhu_context {
	uint64_t protocol_features; /* agreed */
	unsigned int rings;	    /* there are */
	uint32_t started;	    /* one bit each */
	bool listening;		    /* the guest's memory is still arriving */
};

/* Why a request is refused: the words of its row, or those of the error. */
const char *vhu_message_refusal(uint32_t request, enum vhu_error error);

/* As soon as the header is there and before any payload is read. */
enum vhu_error vhu_header_check(const struct vhu_header *header);
/* The whole message, all its bytes and descriptors; sets msg->ring. */
enum vhu_error vhu_message_check(struct vhu_message *msg, const struct vhu_context *context);

/* Takes descriptor `i` out of the message: the caller's from now on. -1 if there is none. */
int vhu_fds_take(struct vhu_fds *fds, unsigned int i);

#endif
