/* SPDX-License-Identifier: BSD-3-Clause */
/* message_model.h: what a front end may expect of each message, told from the specification and docs/protocol.md alone: nothing
 * of lib/vhost_user decides here. Where it depends on more than what was said (a ring that may be unable to start), it is either.
 */
#ifndef MESSAGE_MODEL_H
#define MESSAGE_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "vhu_message.h"

enum {
	MODEL_RINGS = 4,
	MODEL_REGIONS = 512, /* more than there are slots */
	MODEL_FILES = 3,
	MODEL_FILE_BYTES = 64 << 10,
	MODEL_FDS_MAX = 40, /* more than a message may carry */
};

/* A descriptor that goes along. */
enum given_kind { GIVEN_EVENTFD, GIVEN_MEMORY, GIVEN_OTHER };
struct given {
	enum given_kind kind;
	unsigned int file; /* of memory */
};

struct sent {
	struct vhu_header header;
	union vhu_payload payload; /* zero beyond what was sent */
	unsigned int n_fds;
	struct given given[MODEL_FDS_MAX];
};

/* What may come of a message: one bit of these. */
enum outcome {
	OUT_SILENCE = 1, /* taken, and no answer */
	OUT_YES = 2,	 /* acknowledged */
	OUT_NO = 4,	 /* a negative acknowledgement */
	OUT_VALUE = 8,	 /* an answer of its own */
	OUT_EMPTY = 16,	 /* an answer without a payload */
	OUT_END = 32,	 /* the connection ends */
};

struct model_region {
	struct vhu_memory_region wire;
	unsigned int file;
};

/* A conversation. All 0 at its beginning. */
struct model {
	uint64_t features, protocol, status;
	bool packed; /* was agreed, at some time */
	uint32_t base[MODEL_RINGS];
	uint32_t n;
	struct model_region region[MODEL_REGIONS];
};

/* A set of enum outcome. `started`: rings that are, one bit each. */
unsigned int model_allows(const struct model *model, const struct sent *sent, uint32_t started);
/* It was taken. */
void model_taken(struct model *model, const struct sent *sent);
/* The value of an answer of 8 bytes, where the model knows it: true. `value` is the answer, and stays so if that may be. */
bool model_value(const struct model *model, const struct sent *sent, uint64_t *value);

#endif
