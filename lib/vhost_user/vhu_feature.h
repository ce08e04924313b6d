/* SPDX-License-Identifier: BSD-3-Clause */
/* vhu_feature.h: what the device offers, and the names of feature bits.
 *
 * What is offered never shrinks from one release to the next: a front end that reconnects with more than we offer is
 * turned away by QEMU for good. Virtio features: virtio 1.2, 5.1.3 and 6; protocol features: vhost-user specification.
 *
 * Context: any thread.
 */
#ifndef VUS_VHU_FEATURE_H
#define VUS_VHU_FEATURE_H

#include <stdbool.h>
#include <stdint.h>

/* Virtio features offered, VHOST_USER_F_PROTOCOL_FEATURES included; with those of checksums and segmentation or not.
 *
 * `control_queue`: the front end serves the control queue itself, or strips the feature, as QEMU, virtio-user and
 * cloud-hypervisor do. CTRL_VQ is then offered, because a driver refuses MQ and GUEST_ANNOUNCE without it (virtio 1.2,
 * 5.1.3.1). crosvm and libkrun would hand us that queue: for them it is withheld with all that needs it, and so are MTU,
 * which the driver reads in a configuration space that is not ours, and packed rings, which libkrun starts in a place
 * where none can begin. */
uint64_t vhu_features_offered(bool offloads, bool control_queue);
/* Features that concern the front end alone: it may name them to us, they change nothing here. */
uint64_t vhu_features_tolerated(void);
/* `postcopy`: it is possible here, and wanted (vhu_postcopy.h). */
uint64_t vhu_protocol_features_offered(bool postcopy);

/* "VERSION_1", "MRG_RXBUF", ... for a bit; NULL for one without a name. */
const char *vhu_feature_name(unsigned int bit);
const char *vhu_protocol_feature_name(unsigned int bit);

#endif
