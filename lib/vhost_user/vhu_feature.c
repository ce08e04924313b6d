/* SPDX-License-Identifier: BSD-3-Clause */
#include "vhu_feature.h"

#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>
#include <stddef.h>

#include "vhu_message.h"

#define BIT(n) (UINT64_C(1) << (n))

/* All that frame_offload.h can check, finish or pass on. Kernel headers before 6.2 do not name the last three: GUEST_USO4,
 * GUEST_USO6, HOST_USO. Not offered: UFO (frame_offload.h says why), and GSO, which stood for all of them before virtio
 * 1.0 and which no driver needs. */
static const uint64_t OFFLOADS =
	BIT(VIRTIO_NET_F_CSUM) | BIT(VIRTIO_NET_F_GUEST_CSUM) | BIT(VIRTIO_NET_F_HOST_TSO4) |
	BIT(VIRTIO_NET_F_HOST_TSO6) | BIT(VIRTIO_NET_F_HOST_ECN) | BIT(VIRTIO_NET_F_GUEST_TSO4) |
	BIT(VIRTIO_NET_F_GUEST_TSO6) | BIT(VIRTIO_NET_F_GUEST_ECN) | BIT(54) | BIT(55) | BIT(56);

static const uint64_t WITH_CONTROL_QUEUE = BIT(VIRTIO_NET_F_CTRL_VQ) | BIT(VIRTIO_NET_F_MQ) |
					    BIT(VIRTIO_NET_F_GUEST_ANNOUNCE) | BIT(VIRTIO_NET_F_MTU) |
					    BIT(VIRTIO_F_RING_PACKED);

uint64_t vhu_features_offered(bool offloads, bool control_queue)
{
	/* IN_ORDER costs nothing here, bursts are given back in the order they came, and saves the guest a good part of
	 * its own work on each frame. */
	return (offloads ? OFFLOADS : 0) | (control_queue ? WITH_CONTROL_QUEUE : 0) | BIT(VIRTIO_F_VERSION_1) |
	       BIT(VIRTIO_F_ANY_LAYOUT) | BIT(VIRTIO_F_IN_ORDER) | BIT(VIRTIO_RING_F_INDIRECT_DESC) |
	       BIT(VIRTIO_RING_F_EVENT_IDX) | BIT(VIRTIO_NET_F_MRG_RXBUF) | BIT(VHU_F_LOG_ALL) |
	       BIT(VHU_F_PROTOCOL_FEATURES);
}

uint64_t vhu_features_tolerated(void)
{
	return BIT(VIRTIO_NET_F_MAC) | BIT(VIRTIO_NET_F_STATUS) | BIT(VIRTIO_NET_F_CTRL_VQ) |
	       BIT(VIRTIO_NET_F_CTRL_RX) | BIT(VIRTIO_NET_F_CTRL_VLAN) |
	       BIT(VIRTIO_NET_F_CTRL_RX_EXTRA) | BIT(VIRTIO_NET_F_CTRL_MAC_ADDR);
}

uint64_t vhu_protocol_features_offered(bool postcopy)
{
	return (postcopy ? BIT(VHU_P_PAGEFAULT) : 0) | BIT(VHU_P_MQ) |
	       BIT(VHU_P_LOG_SHMFD) | BIT(VHU_P_RARP) | BIT(VHU_P_REPLY_ACK) | BIT(VHU_P_MTU) |
	       BIT(VHU_P_RESET_DEVICE) | BIT(VHU_P_CONFIGURE_MEM_SLOTS) | BIT(VHU_P_STATUS);
}

static const char *const feature_names[64] = {
	[VIRTIO_NET_F_CSUM] = "CSUM",
	[VIRTIO_NET_F_GUEST_CSUM] = "GUEST_CSUM",
	[VIRTIO_NET_F_CTRL_GUEST_OFFLOADS] = "CTRL_GUEST_OFFLOADS",
	[VIRTIO_NET_F_MTU] = "MTU",
	[VIRTIO_NET_F_MAC] = "MAC",
	[VIRTIO_NET_F_GUEST_TSO4] = "GUEST_TSO4",
	[VIRTIO_NET_F_GUEST_TSO6] = "GUEST_TSO6",
	[VIRTIO_NET_F_GUEST_ECN] = "GUEST_ECN",
	[VIRTIO_NET_F_GUEST_UFO] = "GUEST_UFO",
	[VIRTIO_NET_F_HOST_TSO4] = "HOST_TSO4",
	[VIRTIO_NET_F_HOST_TSO6] = "HOST_TSO6",
	[VIRTIO_NET_F_HOST_ECN] = "HOST_ECN",
	[VIRTIO_NET_F_HOST_UFO] = "HOST_UFO",
	[VIRTIO_NET_F_MRG_RXBUF] = "MRG_RXBUF",
	[VIRTIO_NET_F_STATUS] = "STATUS",
	[VIRTIO_NET_F_CTRL_VQ] = "CTRL_VQ",
	[VIRTIO_NET_F_CTRL_RX] = "CTRL_RX",
	[VIRTIO_NET_F_CTRL_VLAN] = "CTRL_VLAN",
	[VIRTIO_NET_F_CTRL_RX_EXTRA] = "CTRL_RX_EXTRA",
	[VIRTIO_NET_F_GUEST_ANNOUNCE] = "GUEST_ANNOUNCE",
	[VIRTIO_NET_F_MQ] = "MQ",
	[VIRTIO_NET_F_CTRL_MAC_ADDR] = "CTRL_MAC_ADDR",
	[24] = "NOTIFY_ON_EMPTY",
	[VHU_F_LOG_ALL] = "LOG_ALL",
	[VIRTIO_F_ANY_LAYOUT] = "ANY_LAYOUT",
	[VIRTIO_RING_F_INDIRECT_DESC] = "INDIRECT_DESC",
	[VIRTIO_RING_F_EVENT_IDX] = "EVENT_IDX",
	[VHU_F_PROTOCOL_FEATURES] = "PROTOCOL_FEATURES",
	[VIRTIO_F_VERSION_1] = "VERSION_1",
	[33] = "ACCESS_PLATFORM",
	[34] = "RING_PACKED",
	[VIRTIO_F_IN_ORDER] = "IN_ORDER",
	[36] = "ORDER_PLATFORM",
	[38] = "NOTIFICATION_DATA",
	[40] = "RING_RESET",
	[54] = "GUEST_USO4",
	[55] = "GUEST_USO6",
	[56] = "HOST_USO",
};

static const char *const protocol_feature_names[VHU_PROTOCOL_FEATURES] = {
	[VHU_P_MQ] = "MQ",
	[VHU_P_LOG_SHMFD] = "LOG_SHMFD",
	[VHU_P_RARP] = "RARP",
	[VHU_P_REPLY_ACK] = "REPLY_ACK",
	[VHU_P_MTU] = "MTU",
	[VHU_P_BACKEND_REQ] = "BACKEND_REQ",
	[VHU_P_CROSS_ENDIAN] = "CROSS_ENDIAN",
	[VHU_P_CRYPTO_SESSION] = "CRYPTO_SESSION",
	[VHU_P_PAGEFAULT] = "PAGEFAULT",
	[VHU_P_CONFIG] = "CONFIG",
	[VHU_P_BACKEND_SEND_FD] = "BACKEND_SEND_FD",
	[VHU_P_HOST_NOTIFIER] = "HOST_NOTIFIER",
	[VHU_P_INFLIGHT_SHMFD] = "INFLIGHT_SHMFD",
	[VHU_P_RESET_DEVICE] = "RESET_DEVICE",
	[VHU_P_INBAND_NOTIFICATIONS] = "INBAND_NOTIFICATIONS",
	[VHU_P_CONFIGURE_MEM_SLOTS] = "CONFIGURE_MEM_SLOTS",
	[VHU_P_STATUS] = "STATUS",
	[VHU_P_XEN_MMAP] = "XEN_MMAP",
	[VHU_P_SHARED_OBJECT] = "SHARED_OBJECT",
	[VHU_P_DEVICE_STATE] = "DEVICE_STATE",
};

const char *vhu_feature_name(unsigned int bit)
{
	return bit < 64 ? feature_names[bit] : NULL;
}

const char *vhu_protocol_feature_name(unsigned int bit)
{
	return bit < VHU_PROTOCOL_FEATURES ? protocol_feature_names[bit] : NULL;
}
