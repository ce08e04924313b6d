/* SPDX-License-Identifier: BSD-3-Clause */
/* vhu_feature.h: what the device offers, and the names of feature bits.
 *
 * What is offered never shrinks from one release to the next: a front end that reconnects with more than we offer is
 * turned away by QEMU for good. Virtio features: virtio 1.2, 5.1.3 and 6; protocol features: vhost-user specification.
 */
#ifndef VUS_VHU_FEATURE_H
#define VUS_VHU_FEATURE_H

#include <stdbool.h>
#include <stdint.h>

/* Virtio features offered, VHOST_USER_F_PROTOCOL_FEATURES included; with those of checksums and segmentation or not. */
uint64_t vhu_features_offered(bool offloads);
/* Features that concern the front end alone: it may name them to us (virtio-user does), they change nothing here. */
uint64_t vhu_features_tolerated(void);
/* `postcopy`: it is possible here, and wanted (vhu_postcopy.h). */
uint64_t vhu_protocol_features_offered(bool postcopy);

#endif
