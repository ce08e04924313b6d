/* SPDX-License-Identifier: BSD-3-Clause */
#include "message_model.h"

#include <string.h>

#include "mem_map.h"
#include "vhu_feature.h"

enum { NEVER = -1, NEEDS_MQ = -2 };
enum fds { NO_FD, A_FD, PERHAPS_A_FD, AN_FD_UNLESS_BIT_8, A_FD_EACH };

/* The specification's "Front-end message types", and what docs/protocol.md says of those that are not offered. */
static const struct row {
	uint16_t size, most; /* of the payload; 0: exactly size */
	uint8_t fds;
	bool answers;	   /* with a value */
	uint8_t ring;	   /* where it says which: 1 in the first word, 2 in the low byte */
	int8_t needs;	   /* a protocol feature; 0: none (MQ is bit 0, and is NEEDS_MQ) */
} rows[VHU_REQUESTS] = {
	[VHU_NONE] = {8, 0, NO_FD, false, 0, 0},
	[VHU_GET_FEATURES] = {0, 0, NO_FD, true, 0, 0},
	[VHU_SET_FEATURES] = {8, 0, NO_FD, false, 0, 0},
	[VHU_SET_OWNER] = {0, 0, NO_FD, false, 0, 0},
	[VHU_RESET_OWNER] = {0, 0, NO_FD, false, 0, 0},
	[VHU_SET_MEM_TABLE] = {40, 8 + 32 * 32, A_FD_EACH, false, 0, 0},
	[VHU_SET_LOG_BASE] = {16, 0, A_FD, true, 0, VHU_P_LOG_SHMFD},
	[VHU_SET_LOG_FD] = {0, 0, A_FD, false, 0, VHU_P_LOG_SHMFD},
	[VHU_SET_VRING_NUM] = {8, 0, NO_FD, false, 1, 0},
	[VHU_SET_VRING_ADDR] = {40, 0, NO_FD, false, 1, 0},
	[VHU_SET_VRING_BASE] = {8, 0, NO_FD, false, 1, 0},
	[VHU_GET_VRING_BASE] = {8, 0, NO_FD, true, 1, 0},
	[VHU_SET_VRING_KICK] = {8, 0, AN_FD_UNLESS_BIT_8, false, 2, 0},
	[VHU_SET_VRING_CALL] = {8, 0, AN_FD_UNLESS_BIT_8, false, 2, 0},
	[VHU_SET_VRING_ERR] = {8, 0, AN_FD_UNLESS_BIT_8, false, 2, 0},
	[VHU_GET_PROTOCOL_FEATURES] = {0, 0, NO_FD, true, 0, 0},
	[VHU_SET_PROTOCOL_FEATURES] = {8, 0, NO_FD, false, 0, 0},
	[VHU_GET_QUEUE_NUM] = {0, 0, NO_FD, true, 0, NEEDS_MQ},
	[VHU_SET_VRING_ENABLE] = {8, 0, NO_FD, false, 1, 0},
	[VHU_SEND_RARP] = {8, 0, NO_FD, false, 0, VHU_P_RARP},
	[VHU_NET_SET_MTU] = {8, 0, NO_FD, false, 0, VHU_P_MTU},
	[VHU_SET_BACKEND_REQ_FD] = {0, 0, A_FD, false, 0, NEVER},
	[VHU_IOTLB_MSG] = {32, 0, NO_FD, true, 0, NEVER},
	[VHU_SET_VRING_ENDIAN] = {8, 0, NO_FD, false, 1, NEVER},
	[VHU_GET_CONFIG] = {12, 12 + 256, NO_FD, true, 0, NEVER},
	[VHU_SET_CONFIG] = {12, 12 + 256, NO_FD, false, 0, NEVER},
	[VHU_CREATE_CRYPTO_SESSION] = {0, 272, NO_FD, true, 0, NEVER},
	[VHU_CLOSE_CRYPTO_SESSION] = {8, 0, NO_FD, false, 0, NEVER},
	[VHU_POSTCOPY_ADVISE] = {0, 0, NO_FD, true, 0, NEVER},
	[VHU_POSTCOPY_LISTEN] = {0, 0, NO_FD, true, 0, NEVER},
	[VHU_POSTCOPY_END] = {0, 0, NO_FD, true, 0, NEVER},
	[VHU_GET_INFLIGHT_FD] = {24, 0, NO_FD, true, 0, NEVER},
	[VHU_SET_INFLIGHT_FD] = {24, 0, A_FD, false, 0, NEVER},
	[VHU_GPU_SET_SOCKET] = {0, 0, A_FD, false, 0, NEVER},
	[VHU_RESET_DEVICE] = {0, 0, NO_FD, false, 0, VHU_P_RESET_DEVICE},
	[VHU_VRING_KICK] = {8, 0, NO_FD, false, 1, NEVER},
	[VHU_GET_MAX_MEM_SLOTS] = {0, 0, NO_FD, true, 0, VHU_P_CONFIGURE_MEM_SLOTS},
	[VHU_ADD_MEM_REG] = {40, 0, A_FD, false, 0, VHU_P_CONFIGURE_MEM_SLOTS},
	[VHU_REM_MEM_REG] = {40, 0, PERHAPS_A_FD, false, 0, VHU_P_CONFIGURE_MEM_SLOTS},
	[VHU_SET_STATUS] = {8, 0, NO_FD, false, 0, VHU_P_STATUS},
	[VHU_GET_STATUS] = {0, 0, NO_FD, true, 0, VHU_P_STATUS},
	[VHU_GET_SHARED_OBJECT] = {16, 0, NO_FD, true, 0, NEVER},
	[VHU_SET_DEVICE_STATE_FD] = {8, 0, A_FD, true, 0, NEVER},
	[VHU_CHECK_DEVICE_STATE] = {0, 0, NO_FD, true, 0, NEVER},
	[VHU_GET_SHMEM_CONFIG] = {0, 0, NO_FD, true, 0, NEVER},
};

enum verdict { NO, PERHAPS, YES };

static bool has(uint64_t bits, unsigned int bit)
{
	return (bits >> bit & 1) != 0;
}

static bool wants_ack(uint64_t protocol, const struct sent *sent)
{
	return (sent->header.flags & 8) != 0 && has(protocol, VHU_P_REPLY_ACK);
}

/* An update of the memory that ends in postcopy has the size of a number; there is no postcopy here. */
static bool header_right(const struct sent *sent)
{
	uint32_t request = sent->header.request, size = sent->header.size;
	const struct row *row = &rows[request < VHU_REQUESTS ? request : 0];

	if ((sent->header.flags & 3) != 1 || (sent->header.flags & 4) != 0)
		return false;
	if (request >= VHU_REQUESTS)
		return size <= sizeof(union vhu_payload);
	if (request == VHU_SET_MEM_TABLE)
		return size == 8 + 32 * (uint64_t)sent->payload.table.n && size >= row->size && size <= row->most;
	return row->most != 0 ? size >= row->size && size <= row->most : size == row->size;
}

static bool fds_right(const struct row *row, const struct sent *sent)
{
	switch (row->fds) {
	case NO_FD:
		return sent->n_fds == 0;
	case A_FD:
		return sent->n_fds == 1;
	case PERHAPS_A_FD:
		return sent->n_fds <= 1;
	case AN_FD_UNLESS_BIT_8:
		return sent->n_fds == (has(sent->payload.u64, 8) ? 0 : 1);
	default:
		return sent->n_fds == sent->payload.table.n;
	}
}

static bool ring_of(const struct row *row, const struct sent *sent, uint64_t *ring)
{
	*ring = row->ring == 1 ? sent->payload.state.index : row->ring == 2 ? sent->payload.u64 & ~UINT64_C(0x100) : 0;
	return *ring < MODEL_RINGS;
}

/* --- memory ------------------------------------------------------------------------------------------------------ */

static bool meet(uint64_t a, uint64_t a_size, uint64_t b, uint64_t b_size)
{
	return a < b ? b - a < a_size : a - b < b_size;
}

static bool same(const struct vhu_memory_region *a, const struct vhu_memory_region *b)
{
	return a->gpa == b->gpa && a->size == b->size && a->uva == b->uva;
}

/* In itself. Files may have become shorter: then it may be refused, too. */
static bool region_right(const struct vhu_memory_region *region, const struct given *given)
{
	return given->kind == GIVEN_MEMORY && region->size != 0 && region->gpa <= UINT64_MAX - (region->size - 1) &&
	       region->uva <= UINT64_MAX - (region->size - 1) && region->mmap_offset <= MODEL_FILE_BYTES &&
	       region->size <= MODEL_FILE_BYTES - region->mmap_offset;
}

static enum verdict add_verdict(const struct model *model, const struct sent *sent)
{
	const struct vhu_memory_region *region = &sent->payload.single.region;

	if (!region_right(region, &sent->given[0]))
		return NO;
	for (uint32_t i = 0; i < model->n; i++) {
		const struct vhu_memory_region *other = &model->region[i].wire;

		if (same(region, other) && other->mmap_offset == region->mmap_offset &&
		    model->region[i].file == sent->given[0].file)
			return PERHAPS;
		if (meet(region->gpa, region->size, other->gpa, other->size) ||
		    meet(region->uva, region->size, other->uva, other->size))
			return NO;
	}
	return model->n < MEM_SLOTS_MAX ? PERHAPS : NO;
}

static enum verdict table_verdict(const struct sent *sent)
{
	const struct vhu_memory_table *table = &sent->payload.table;

	for (uint32_t i = 0; i < table->n; i++) {
		if (!region_right(&table->region[i], &sent->given[i]))
			return NO;
		for (uint32_t k = 0; k < i; k++)
			if (meet(table->region[i].gpa, table->region[i].size, table->region[k].gpa,
				 table->region[k].size) ||
			    meet(table->region[i].uva, table->region[i].size, table->region[k].uva,
				 table->region[k].size))
				return NO;
	}
	return PERHAPS;
}

/* --- rings, features --------------------------------------------------------------------------------------------- */

static enum verdict eventfd_verdict(const struct sent *sent)
{
	if (sent->n_fds > 0 && sent->given[0].kind != GIVEN_EVENTFD)
		return NO;
	return sent->header.request == VHU_SET_VRING_KICK ? PERHAPS : YES;
}

static enum verdict ring_verdict(const struct model *model, const struct sent *sent, uint32_t started)
{
	const struct vhu_vring_addr *addr = &sent->payload.addr;
	uint32_t num = sent->payload.state.num;
	bool packed = has(model->features, 34);

	switch (sent->header.request) {
	case VHU_SET_VRING_NUM:
		return num == 0 || num > 32768 || (!packed && (num & (num - 1)) != 0) ? NO : YES;
	case VHU_SET_VRING_ADDR:
		return (addr->flags & ~1u) != 0 || addr->desc % 16 != 0 || addr->avail % 2 != 0 || addr->used % 4 != 0 ? NO
															: YES;
	case VHU_SET_VRING_BASE:
		return (started >> sent->payload.state.index & 1) != 0 || (num > 65535 && !packed) ? NO : YES;
	case VHU_SET_VRING_ENABLE:
		return num > 1 ? NO : YES;
	default:
		return YES;
	}
}

static enum verdict feature_verdict(const struct sent *sent)
{
	uint64_t known = vhu_features_offered(true, true) | vhu_features_tolerated();

	if (sent->header.request == VHU_SET_PROTOCOL_FEATURES)
		known = vhu_protocol_features_offered(false);
	return (sent->payload.u64 & ~known) != 0 ? NO : YES;
}

static enum verdict request_verdict(const struct model *model, const struct sent *sent, uint32_t started)
{
	uint64_t value = sent->payload.u64;

	switch (sent->header.request) {
	case VHU_SET_FEATURES:
	case VHU_SET_PROTOCOL_FEATURES:
		return feature_verdict(sent);
	case VHU_SET_VRING_KICK:
	case VHU_SET_VRING_CALL:
	case VHU_SET_VRING_ERR:
		return eventfd_verdict(sent);
	case VHU_NET_SET_MTU:
		return value < 68 || value > 65535 ? NO : YES;
	case VHU_SET_STATUS:
		return value > 255 ? NO : YES;
	case VHU_ADD_MEM_REG:
		return add_verdict(model, sent);
	case VHU_SET_MEM_TABLE:
		return table_verdict(sent);
	case VHU_SET_LOG_BASE:
		return PERHAPS;
	default:
		return ring_verdict(model, sent, started);
	}
}

static enum verdict verdict_of(const struct model *model, const struct sent *sent, uint32_t started)
{
	const struct row *row = &rows[sent->header.request];
	enum verdict verdict;
	uint64_t ring;

	if (row->needs == NEVER || (row->needs > 0 && !has(model->protocol, (unsigned int)row->needs)) ||
	    (row->needs == NEEDS_MQ && !has(model->protocol, VHU_P_MQ)))
		return NO;
	if (!fds_right(row, sent) || (row->ring != 0 && !ring_of(row, sent, &ring)))
		return NO;
	verdict = request_verdict(model, sent, started);
	/* A ring that should start then may not be able to. */
	return verdict == YES && started != 0 ? PERHAPS : verdict;
}

unsigned int model_allows(const struct model *model, const struct sent *sent, uint32_t started)
{
	uint32_t request = sent->header.request;
	bool known = request < VHU_REQUESTS, answers = known && rows[request].answers;
	uint64_t protocol = request == VHU_SET_PROTOCOL_FEATURES ? sent->payload.u64 : model->protocol;
	unsigned int taken, refused;
	enum verdict verdict;

	if (!header_right(sent))
		return OUT_END;
	refused = request == VHU_GET_CONFIG			       ? OUT_EMPTY
		  : !answers && wants_ack(model->protocol, sent) ? OUT_NO
								       : OUT_END;
	if (!known)
		return refused;
	taken = answers ? OUT_VALUE : request != VHU_NONE && wants_ack(protocol, sent) ? OUT_YES : OUT_SILENCE;
	verdict = verdict_of(model, sent, started);
	return verdict == NO ? refused : verdict == YES ? taken : taken | refused;
}

/* --- what was said ----------------------------------------------------------------------------------------------- */

static void regions_taken(struct model *model, const struct sent *sent)
{
	const struct vhu_memory_region *one = &sent->payload.single.region;
	uint32_t i = 0;

	if (sent->header.request == VHU_SET_MEM_TABLE) {
		model->n = sent->payload.table.n;
		for (; i < model->n; i++)
			model->region[i] = (struct model_region){sent->payload.table.region[i], sent->given[i].file};
		return;
	}
	while (i < model->n && !same(&model->region[i].wire, one))
		i++;
	if (sent->header.request == VHU_ADD_MEM_REG && i == model->n)
		model->region[model->n++] = (struct model_region){*one, sent->given[0].file};
	else if (sent->header.request == VHU_REM_MEM_REG && i < model->n)
		model->region[i] = model->region[--model->n];
}

void model_taken(struct model *model, const struct sent *sent)
{
	switch (sent->header.request) {
	case VHU_SET_FEATURES:
		model->features = sent->payload.u64;
		model->packed |= has(model->features, 34);
		break;
	case VHU_SET_PROTOCOL_FEATURES:
		model->protocol = sent->payload.u64;
		break;
	case VHU_SET_VRING_BASE:
		model->base[sent->payload.state.index] = sent->payload.state.num;
		break;
	case VHU_SET_STATUS:
		model->status = sent->payload.u64;
		if (model->status == 0)
			model->features = 0;
		break;
	case VHU_RESET_DEVICE:
		model->features = model->status = 0;
		break;
	case VHU_ADD_MEM_REG:
	case VHU_REM_MEM_REG:
	case VHU_SET_MEM_TABLE:
		regions_taken(model, sent);
		break;
	default:
		break;
	}
}

/* Nothing serves the rings, so they do not move. But a packed one that has run says its place twice if it was said once, and a
 * split one has but one. */
static uint32_t base_of(const struct model *model, uint32_t ring, uint32_t answer)
{
	uint32_t base = model->base[ring], low = base & 0xffff;
	bool other = (base == low && answer == (low | low << 16)) || answer == low;

	return model->packed && other ? answer : base;
}

bool model_value(const struct model *model, const struct sent *sent, uint64_t *value)
{
	uint32_t ring = sent->payload.state.index;

	switch (sent->header.request) {
	case VHU_GET_FEATURES:
		*value = vhu_features_offered(true, true);
		return true;
	case VHU_GET_PROTOCOL_FEATURES:
		*value = vhu_protocol_features_offered(false);
		return true;
	case VHU_GET_QUEUE_NUM:
		*value = has(model->protocol, VHU_P_RARP) ? MODEL_RINGS / 2 : MODEL_RINGS;
		return true;
	case VHU_GET_MAX_MEM_SLOTS:
		*value = MEM_SLOTS_MAX;
		return true;
	case VHU_GET_STATUS:
		*value = model->status;
		return true;
	case VHU_GET_VRING_BASE:
		*value = ring | (uint64_t)base_of(model, ring, (uint32_t)(*value >> 32)) << 32;
		return true;
	default:
		return false;
	}
}
