/* SPDX-License-Identifier: BSD-3-Clause */
#include "vhu_message.h"

#include <stdio.h>

#define NEEDS(feature) (UINT32_C(1) << VHU_P_##feature)

static const struct vhu_message_spec specs[VHU_REQUESTS] = {
	/* QEMU ends an empty memory update in postcopy with this. */
	[VHU_NONE] = {.name = "NONE", .size = 8, .ignored = true, .commits = true},
	[VHU_GET_FEATURES] = {.name = "GET_FEATURES", .answer = VHU_ANSWER_VALUE},
	[VHU_SET_FEATURES] = {.name = "SET_FEATURES", .size = 8, .live = VHU_LIVE_SAME},
	[VHU_SET_OWNER] = {.name = "SET_OWNER"},
	[VHU_RESET_OWNER] = {.name = "RESET_OWNER"},
	[VHU_SET_MEM_TABLE] = {.name = "SET_MEM_TABLE", .size = 8 + 32,
			       .size_max = sizeof(struct vhu_memory_table),
			       .fds = VHU_FDS_PER_REGION, .commits = true},
	[VHU_SET_LOG_BASE] = {.name = "SET_LOG_BASE", .size = 16, .fds = VHU_FDS_ONE,
			      .answer = VHU_ANSWER_VALUE, .needs = NEEDS(LOG_SHMFD)},
	[VHU_SET_LOG_FD] = {.name = "SET_LOG_FD", .fds = VHU_FDS_ONE, .needs = NEEDS(LOG_SHMFD)},
	/* libkrun and crosvm reset a device by configuring its rings again, without a GET_VRING_BASE. */
	[VHU_SET_VRING_NUM] = {.name = "SET_VRING_NUM", .size = 8, .index = VHU_INDEX_U32,
			       .live = VHU_LIVE_STOPS},
	[VHU_SET_VRING_ADDR] = {.name = "SET_VRING_ADDR", .size = 40, .index = VHU_INDEX_U32,
				.live = VHU_LIVE_SAME},
	[VHU_SET_VRING_BASE] = {.name = "SET_VRING_BASE", .size = 8, .index = VHU_INDEX_U32,
				.live = VHU_LIVE_NO},
	[VHU_GET_VRING_BASE] = {.name = "GET_VRING_BASE", .size = 8, .index = VHU_INDEX_U32,
				.answer = VHU_ANSWER_VALUE},
	[VHU_SET_VRING_KICK] = {.name = "SET_VRING_KICK", .size = 8, .index = VHU_INDEX_U8,
				.fds = VHU_FDS_UNLESS_BIT8},
	[VHU_SET_VRING_CALL] = {.name = "SET_VRING_CALL", .size = 8, .index = VHU_INDEX_U8,
				.fds = VHU_FDS_UNLESS_BIT8},
	[VHU_SET_VRING_ERR] = {.name = "SET_VRING_ERR", .size = 8, .index = VHU_INDEX_U8,
			       .fds = VHU_FDS_UNLESS_BIT8},
	[VHU_GET_PROTOCOL_FEATURES] = {.name = "GET_PROTOCOL_FEATURES", .answer = VHU_ANSWER_VALUE},
	[VHU_SET_PROTOCOL_FEATURES] = {.name = "SET_PROTOCOL_FEATURES", .size = 8, .live = VHU_LIVE_SAME},
	[VHU_GET_QUEUE_NUM] = {.name = "GET_QUEUE_NUM", .answer = VHU_ANSWER_VALUE, .needs = NEEDS(MQ)},
	[VHU_SET_VRING_ENABLE] = {.name = "SET_VRING_ENABLE", .size = 8, .index = VHU_INDEX_U32},
	[VHU_SEND_RARP] = {.name = "SEND_RARP", .size = 8, .needs = NEEDS(RARP)},
	[VHU_NET_SET_MTU] = {.name = "NET_SET_MTU", .size = 8, .needs = NEEDS(MTU)},
	[VHU_SET_BACKEND_REQ_FD] = {.name = "SET_BACKEND_REQ_FD", .fds = VHU_FDS_ONE,
				    .needs = NEEDS(BACKEND_REQ)},
	[VHU_IOTLB_MSG] = {.name = "IOTLB_MSG", .size = 32, .answer = VHU_ANSWER_VALUE,
			   .needs = NEEDS(BACKEND_REQ)},
	[VHU_SET_VRING_ENDIAN] = {.name = "SET_VRING_ENDIAN", .size = 8, .index = VHU_INDEX_U32,
				  .live = VHU_LIVE_NO, .never = true,
				  .why_never = "a legacy guest of the other byte order (the firmware of "
					       "s390x is one) is not supported; a modern driver is, on any "
					       "machine"},
	/* "uses zero length of payload to indicate an error" (specification, VHOST_USER_GET_CONFIG). */
	[VHU_GET_CONFIG] = {.name = "GET_CONFIG", .size = 12, .size_max = 12 + 256, .never = true,
			    .answer = VHU_ANSWER_VALUE, .empty_is_no = true,
			    .why_never = "the configuration space is the front end's own; CONFIG is not offered"},
	[VHU_SET_CONFIG] = {.name = "SET_CONFIG", .size = 12, .size_max = 12 + 256, .never = true,
			    .why_never = "the configuration space is the front end's own; CONFIG is not offered"},
	[VHU_CREATE_CRYPTO_SESSION] = {.name = "CREATE_CRYPTO_SESSION", .size_max = 272, .never = true,
				       .answer = VHU_ANSWER_VALUE},
	[VHU_CLOSE_CRYPTO_SESSION] = {.name = "CLOSE_CRYPTO_SESSION", .size = 8, .never = true},
	[VHU_POSTCOPY_ADVISE] = {.name = "POSTCOPY_ADVISE", .answer = VHU_ANSWER_VALUE,
				 .needs = NEEDS(PAGEFAULT)},
	[VHU_POSTCOPY_LISTEN] = {.name = "POSTCOPY_LISTEN", .answer = VHU_ANSWER_VALUE,
				 .needs = NEEDS(PAGEFAULT)},
	[VHU_POSTCOPY_END] = {.name = "POSTCOPY_END", .answer = VHU_ANSWER_VALUE,
			      .needs = NEEDS(PAGEFAULT)},
	[VHU_GET_INFLIGHT_FD] = {.name = "GET_INFLIGHT_FD", .size = 24, .never = true,
				 .answer = VHU_ANSWER_VALUE},
	[VHU_SET_INFLIGHT_FD] = {.name = "SET_INFLIGHT_FD", .size = 24, .fds = VHU_FDS_ONE, .never = true},
	[VHU_GPU_SET_SOCKET] = {.name = "GPU_SET_SOCKET", .fds = VHU_FDS_ONE, .never = true},
	[VHU_RESET_DEVICE] = {.name = "RESET_DEVICE", .needs = NEEDS(RESET_DEVICE)},
	[VHU_VRING_KICK] = {.name = "VRING_KICK", .size = 8, .index = VHU_INDEX_U32, .never = true},
	[VHU_GET_MAX_MEM_SLOTS] = {.name = "GET_MAX_MEM_SLOTS", .answer = VHU_ANSWER_VALUE,
				   .needs = NEEDS(CONFIGURE_MEM_SLOTS)},
	[VHU_ADD_MEM_REG] = {.name = "ADD_MEM_REG", .size = 40, .fds = VHU_FDS_ONE, .commits = true,
			     .needs = NEEDS(CONFIGURE_MEM_SLOTS)},
	[VHU_REM_MEM_REG] = {.name = "REM_MEM_REG", .size = 40, .fds = VHU_FDS_MAYBE, .commits = true,
			     .needs = NEEDS(CONFIGURE_MEM_SLOTS)},
	[VHU_SET_STATUS] = {.name = "SET_STATUS", .size = 8, .needs = NEEDS(STATUS)},
	[VHU_GET_STATUS] = {.name = "GET_STATUS", .answer = VHU_ANSWER_VALUE, .needs = NEEDS(STATUS)},
	[VHU_GET_SHARED_OBJECT] = {.name = "GET_SHARED_OBJECT", .size = 16, .never = true,
				   .answer = VHU_ANSWER_VALUE},
	[VHU_SET_DEVICE_STATE_FD] = {.name = "SET_DEVICE_STATE_FD", .size = 8, .fds = VHU_FDS_ONE,
				     .never = true, .answer = VHU_ANSWER_VALUE},
	[VHU_CHECK_DEVICE_STATE] = {.name = "CHECK_DEVICE_STATE", .never = true,
				    .answer = VHU_ANSWER_VALUE},
	[VHU_GET_SHMEM_CONFIG] = {.name = "GET_SHMEM_CONFIG", .never = true, .answer = VHU_ANSWER_VALUE},
};

const struct vhu_message_spec *vhu_message_spec(uint32_t request)
{
	return request < VHU_REQUESTS ? &specs[request] : NULL;
}

const char *vhu_message_name(uint32_t request, char text[24])
{
	const struct vhu_message_spec *spec = vhu_message_spec(request);

	if (spec != NULL)
		return spec->name;
	snprintf(text, 24, "request %u", request);
	return text;
}

static const struct {
	enum vhu_verdict verdict;
	const char *text;
} errors[VHU_ERRORS] = {
	[VHU_OK] = {VHU_ACCEPT, "fine"},
	[VHU_BAD_FLAGS] = {VHU_HANG_UP, "not a request of protocol version 1"},
	[VHU_BAD_SIZE] = {VHU_HANG_UP, "wrong size"},
	[VHU_BAD_REQUEST] = {VHU_REFUSE, "not supported"},
	[VHU_BAD_FDS] = {VHU_REFUSE, "wrong number of file descriptors"},
	[VHU_BAD_FEATURE] = {VHU_REFUSE, "needs a protocol feature that was not agreed"},
	[VHU_BAD_RING] = {VHU_REFUSE, "no such ring"},
	[VHU_BAD_STATE] = {VHU_REFUSE, "not while the ring runs"},
	[VHU_BAD_VALUE] = {VHU_REFUSE, "value not acceptable"},
	[VHU_NO_RESOURCE] = {VHU_REFUSE, "out of resources"},
};

enum vhu_verdict vhu_error_verdict(enum vhu_error error)
{
	return errors[error].verdict;
}

const char *vhu_error_text(enum vhu_error error)
{
	return errors[error].text;
}

const char *vhu_message_refusal(uint32_t request, enum vhu_error error)
{
	const struct vhu_message_spec *spec = vhu_message_spec(request);

	if (error == VHU_BAD_REQUEST && spec != NULL && spec->why_never != NULL)
		return spec->why_never;
	return vhu_error_text(error);
}

enum vhu_error vhu_header_check(const struct vhu_header *header)
{
	const struct vhu_message_spec *spec = vhu_message_spec(header->request);

	if ((header->flags & VHU_VERSION_MASK) != VHU_VERSION ||
	    (header->flags & VHU_FLAG_REPLY) != 0)
		return VHU_BAD_FLAGS;
	/* Unknown, but small enough to be read and refused in order. */
	if (spec == NULL)
		return header->size <= sizeof(union vhu_payload) ? VHU_OK : VHU_BAD_SIZE;
	if (spec->commits && header->size == sizeof(uint64_t))
		return VHU_OK;
	if (spec->size_max != 0)
		return header->size >= spec->size && header->size <= spec->size_max ? VHU_OK
										     : VHU_BAD_SIZE;
	return header->size == spec->size ? VHU_OK : VHU_BAD_SIZE;
}

static bool fds_right(const struct vhu_message *msg, enum vhu_fd_rule rule)
{
	switch (rule) {
	case VHU_FDS_NONE:
		return msg->fds.n == 0;
	case VHU_FDS_ONE:
		return msg->fds.n == 1;
	case VHU_FDS_MAYBE:
		return msg->fds.n <= 1;
	case VHU_FDS_UNLESS_BIT8:
		return msg->fds.n == (msg->payload.u64 & VHU_NOFD ? 0 : 1);
	case VHU_FDS_PER_REGION:
		return msg->fds.n == msg->payload.table.n;
	}
	return false;
}

/* The full value is compared before anything is narrowed (M6). */
static enum vhu_error check_ring(struct vhu_message *msg, const struct vhu_message_spec *spec,
				 const struct vhu_context *context)
{
	uint64_t index = spec->index == VHU_INDEX_U32 ? msg->payload.state.index
						      : msg->payload.u64 & ~(uint64_t)VHU_NOFD;

	if (index >= context->rings)
		return VHU_BAD_RING;
	msg->ring = (unsigned int)index;
	return VHU_OK;
}

/* QEMU's single answer to our addresses (F6). It says NONE where nothing has changed, and that is no news
 * outside of postcopy. */
static enum vhu_error check_commit(struct vhu_message *msg, const struct vhu_message_spec *spec,
				   const struct vhu_context *context)
{
	if (!context->listening && !spec->ignored)
		return VHU_BAD_SIZE;
	if (msg->fds.n != 0)
		return VHU_BAD_FDS;
	msg->commit = context->listening;
	return VHU_OK;
}

enum vhu_error vhu_message_check(struct vhu_message *msg, const struct vhu_context *context)
{
	const struct vhu_message_spec *spec = vhu_message_spec(msg->header.request);
	uint32_t concerned = UINT32_MAX;

	msg->commit = false;
	if (spec == NULL || spec->never)
		return VHU_BAD_REQUEST;
	if (spec->commits && msg->header.size == sizeof(uint64_t))
		return check_commit(msg, spec, context);
	if (spec->fds == VHU_FDS_PER_REGION &&
	    (msg->payload.table.n == 0 || msg->payload.table.n > VHU_TABLE_REGIONS_MAX ||
	     msg->header.size != 8 + msg->payload.table.n * sizeof(struct vhu_memory_region)))
		return VHU_BAD_SIZE;
	if ((spec->needs & ~context->protocol_features) != 0)
		return VHU_BAD_FEATURE;
	if (!fds_right(msg, spec->fds))
		return VHU_BAD_FDS;
	if (spec->index != VHU_INDEX_NONE) {
		enum vhu_error error = check_ring(msg, spec, context);

		if (error != VHU_OK)
			return error;
		concerned = UINT32_C(1) << msg->ring;
	}
	if (spec->live == VHU_LIVE_NO && (context->started & concerned) != 0)
		return VHU_BAD_STATE;
	return VHU_OK;
}

int vhu_fds_take(struct vhu_fds *fds, unsigned int i)
{
	int fd;

	if (i >= fds->n)
		return -1;
	fd = fds->fd[i];
	fds->fd[i] = -1;
	return fd;
}
