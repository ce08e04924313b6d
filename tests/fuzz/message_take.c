/* SPDX-License-Identifier: BSD-3-Clause */
#include "message_take.h"

#include "message_given.h"
#include "vhu_feature.h"

enum { PAGE = 4096 };

static uint64_t take_odd(struct fuzz *in, uint64_t usual)
{
	switch (fuzz_uint8(in)) {
	case 248 ... 249:
		return fuzz_uint64(in);
	case 250 ... 251:
		return usual + fuzz_uint8(in);
	case 252 ... 253:
		return usual - fuzz_uint8(in);
	case 254 ... 255:
		return usual ^ UINT64_C(1) << (fuzz_uint8(in) & 63);
	default:
		return usual;
	}
}

static uint32_t take_ring(struct fuzz *in)
{
	uint8_t ring = fuzz_uint8(in);

	return ring < 240 ? ring % MODEL_RINGS : (uint32_t)take_odd(in, MODEL_RINGS);
}

static struct vhu_memory_region take_region(struct fuzz *in)
{
	const uint64_t slot = fuzz_below(in, 6) * (MODEL_FILE_BYTES / 2);

	return (struct vhu_memory_region){.gpa = take_odd(in, TAKE_GPA + slot),
					  .size = take_odd(in, MODEL_FILE_BYTES / (1 + fuzz_below(in, 2))),
					  .uva = take_odd(in, TAKE_UVA + slot),
					  .mmap_offset = take_odd(in, fuzz_below(in, 2) * (MODEL_FILE_BYTES / 2))};
}

static void take_addr(struct fuzz *in, struct vhu_vring_addr *addr)
{
	addr->index = take_ring(in);
	addr->flags = (uint32_t)take_odd(in, fuzz_below(in, 2));
	addr->desc = take_odd(in, TAKE_UVA + fuzz_below(in, 4) * 0x2000);
	addr->avail = take_odd(in, addr->desc + 0x1000);
	addr->used = take_odd(in, addr->desc + 0x1400);
	addr->log = take_odd(in, addr->used - TAKE_UVA + TAKE_GPA);
}

static void take_payload(struct fuzz *in, const struct model *model, uint32_t request, union vhu_payload *payload)
{
	switch (request) {
	case VHU_SET_FEATURES:
		payload->u64 = take_odd(in, vhu_features_offered(true, true));
		if (fuzz_below(in, 4) != 0)
			payload->u64 &= ~(UINT64_C(1) << VHU_F_LOG_ALL);
		if (fuzz_below(in, 2) == 0)
			payload->u64 &= ~(UINT64_C(1) << 34);
		break;
	case VHU_SET_PROTOCOL_FEATURES:
		payload->u64 = take_odd(in, vhu_protocol_features_offered(false));
		break;
	case VHU_SET_MEM_TABLE:
		payload->table.n = (uint32_t)take_odd(in, 1 + fuzz_below(in, 4));
		for (uint32_t i = 0; i < payload->table.n && i < VHU_TABLE_REGIONS_MAX; i++)
			payload->table.region[i] = take_region(in);
		break;
	case VHU_ADD_MEM_REG:
	case VHU_REM_MEM_REG:
		payload->single.region = take_region(in);
		if (request == VHU_REM_MEM_REG && model->n > 0 && fuzz_chance(in, 160))
			payload->single.region = model->region[fuzz_uint16(in) % model->n].wire;
		break;
	case VHU_SET_LOG_BASE:
		payload->log.size = take_odd(in, 8u << fuzz_below(in, 14));
		payload->log.mmap_offset = take_odd(in, fuzz_below(in, 3) * PAGE);
		break;
	case VHU_SET_VRING_ADDR:
		take_addr(in, &payload->addr);
		break;
	case VHU_SET_VRING_KICK:
	case VHU_SET_VRING_CALL:
	case VHU_SET_VRING_ERR:
		payload->u64 = take_odd(in, take_ring(in) | (fuzz_chance(in, 64) ? VHU_NOFD : 0));
		break;
	case VHU_NET_SET_MTU:
	case VHU_SET_STATUS:
		payload->u64 = take_odd(in, fuzz_below(in, 8) << fuzz_below(in, 14));
		break;
	default:
		payload->state.index = take_ring(in);
		payload->state.num = (uint32_t)take_odd(in, fuzz_below(in, 2) << fuzz_below(in, 17));
	}
}

static uint32_t take_request(struct fuzz *in)
{
	static const uint8_t often[] = {VHU_SET_FEATURES,   VHU_SET_MEM_TABLE,	VHU_SET_VRING_NUM,    VHU_SET_VRING_ADDR,
					VHU_SET_VRING_KICK, VHU_SET_VRING_CALL, VHU_SET_VRING_ENABLE, VHU_ADD_MEM_REG,
					VHU_REM_MEM_REG,    VHU_GET_VRING_BASE};
	uint8_t which = fuzz_uint8(in);

	return which < 100 ? often[which % 10] : which < 250 ? which % VHU_REQUESTS : fuzz_uint32(in);
}

/* The number of descriptors that the request wants, mostly, and of the kind. Returns: as take_message() does. */
static bool take_fds(struct fuzz *in, int front, struct sent *sent, int fds[MODEL_FDS_MAX])
{
	uint32_t request = sent->header.request;
	bool memory = request == VHU_SET_MEM_TABLE || request == VHU_ADD_MEM_REG || request == VHU_SET_LOG_BASE;
	bool events = request >= VHU_SET_VRING_KICK && request <= VHU_SET_VRING_ERR;
	uint32_t n = request == VHU_SET_MEM_TABLE ? sent->payload.table.n
		     : memory || request == VHU_SET_LOG_FD	  ? 1
		     : events			  ? (sent->payload.u64 & VHU_NOFD) == 0
						  : 0;
	bool front_goes = false;

	if (fuzz_chance(in, 10) || n > MODEL_FDS_MAX)
		n = fuzz_below(in, MODEL_FDS_MAX);
	sent->n_fds = n;
	for (uint32_t i = 0; i < n; i++) {
		uint8_t odd = fuzz_uint8(in);

		if (odd >= 246 || (!memory && !events)) {
			sent->given[i].kind = GIVEN_OTHER;
			fds[i] = odd == 255 ? front : given_other(odd);
			front_goes |= odd == 255;
		} else if (memory != (odd > 240)) {
			sent->given[i] = (struct given){GIVEN_MEMORY, odd % MODEL_FILES};
			fds[i] = given_file(odd % MODEL_FILES);
		} else {
			sent->given[i].kind = GIVEN_EVENTFD;
			fds[i] = given_eventfd(odd);
		}
	}
	return front_goes;
}

bool take_message(struct fuzz *in, const struct model *model, int front, struct sent *sent, int fds[MODEL_FDS_MAX])
{
	static const uint16_t sizes[VHU_REQUESTS] = {[VHU_NONE] = 8, [VHU_SET_LOG_BASE] = 16, [VHU_SET_VRING_ADDR] = 40,
						     [VHU_IOTLB_MSG] = 32, [VHU_GET_CONFIG] = 12, [VHU_SET_CONFIG] = 12,
						     [VHU_GET_INFLIGHT_FD] = 24, [VHU_SET_INFLIGHT_FD] = 24,
						     [VHU_ADD_MEM_REG] = 40, [VHU_REM_MEM_REG] = 40,
						     [VHU_GET_SHARED_OBJECT] = 16};
	static const uint64_t empty = UINT64_C(1) << VHU_GET_FEATURES | 1 << VHU_SET_OWNER | 1 << VHU_RESET_OWNER |
				      1 << VHU_SET_LOG_FD | 1 << VHU_GET_PROTOCOL_FEATURES | 1 << VHU_GET_QUEUE_NUM |
				      1 << VHU_SET_BACKEND_REQ_FD | UINT64_C(7) << VHU_POSTCOPY_ADVISE |
				      UINT64_C(3) << VHU_GPU_SET_SOCKET | UINT64_C(1) << VHU_GET_MAX_MEM_SLOTS |
				      UINT64_C(1) << VHU_GET_STATUS | UINT64_C(3) << VHU_CHECK_DEVICE_STATE;
	uint32_t request = take_request(in), usual = request < VHU_REQUESTS ? sizes[request] : 8;

	memset(sent, 0, sizeof(*sent));
	sent->header.request = request;
	sent->header.flags = (uint32_t)take_odd(in, VHU_VERSION | (fuzz_chance(in, 200) ? VHU_FLAG_NEED_REPLY : 0));
	take_payload(in, model, request, &sent->payload);
	if (request == VHU_SET_MEM_TABLE)
		usual = 8 + 32 * (sent->payload.table.n & 63);
	else if (request < VHU_REQUESTS && usual == 0 && (empty >> request & 1) == 0)
		usual = 8;
	sent->header.size = (uint32_t)take_odd(in, usual);
	return take_fds(in, front, sent, fds);
}
