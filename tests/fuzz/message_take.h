/* SPDX-License-Identifier: BSD-3-Clause */
/* message_take.h: an input becomes a message that is nearly right, with the descriptors it wants, mostly.
 */
#ifndef MESSAGE_TAKE_H
#define MESSAGE_TAKE_H

#include "fuzz.h"
#include "message_model.h"

/* Memory of guests, mostly. */
#define TAKE_GPA (UINT64_C(1) << 32)
#define TAKE_UVA UINT64_C(0x7f0000000000)

/* A message of the conversation, and its descriptors. Returns: whether `front`, its own end of the connection, is among them. */
bool take_message(struct fuzz *in, const struct model *model, int front, struct sent *sent, int fds[MODEL_FDS_MAX]);

#endif
