/* SPDX-License-Identifier: BSD-3-Clause */
#include "vhu_answered.h"

#include "vhu_message.h"

static struct histogram took[VHU_TOPICS];

/* The others are about the device. */
static const uint8_t topics[VHU_REQUESTS] = {
	[VHU_SET_MEM_TABLE] = VHU_ABOUT_MEMORY,
	[VHU_ADD_MEM_REG] = VHU_ABOUT_MEMORY,
	[VHU_REM_MEM_REG] = VHU_ABOUT_MEMORY,
	[VHU_SET_LOG_BASE] = VHU_ABOUT_MEMORY,
	[VHU_SET_VRING_NUM] = VHU_ABOUT_RING,
	[VHU_SET_VRING_ADDR] = VHU_ABOUT_RING,
	[VHU_SET_VRING_BASE] = VHU_ABOUT_RING,
	[VHU_GET_VRING_BASE] = VHU_ABOUT_RING,
	[VHU_SET_VRING_KICK] = VHU_ABOUT_RING,
	[VHU_SET_VRING_CALL] = VHU_ABOUT_RING,
	[VHU_SET_VRING_ERR] = VHU_ABOUT_RING,
	[VHU_SET_VRING_ENABLE] = VHU_ABOUT_RING,
	[VHU_POSTCOPY_ADVISE] = VHU_ABOUT_POSTCOPY,
	[VHU_POSTCOPY_LISTEN] = VHU_ABOUT_POSTCOPY,
	[VHU_POSTCOPY_END] = VHU_ABOUT_POSTCOPY,
};

void vhu_answered(uint32_t request, uint64_t ns)
{
	histogram_add(&took[request < VHU_REQUESTS ? topics[request] : VHU_ABOUT_DEVICE], ns);
}

const struct histogram *vhu_answer_times(enum vhu_topic topic)
{
	return &took[topic];
}
