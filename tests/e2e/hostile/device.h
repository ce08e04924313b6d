/* SPDX-License-Identifier: BSD-3-Clause */
/* device.h: a virtio-net card of the machine this runs in, driven from user space, and the memory it reaches.
 *
 * The kernel is told to leave the memory from MEMORY on alone (mem=128M), so it is here for the whole boot, at physical
 * addresses that are known and follow each other, through /dev/mem. It keeps what one run of the program left in it: the card
 * may go on with its rings between two runs. The kernel's own driver is taken off the card; the card's registers are mapped
 * from sysfs (virtio 1.2, 4.1).
 *
 * What fails ends the program with a line.
 */
#ifndef HOSTILE_DEVICE_H
#define HOSTILE_DEVICE_H

#include <linux/virtio_pci.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Physical addresses of a guest with 192 MiB whose kernel uses 128 of them. */
#define MEMORY	   UINT64_C(0x8000000)
#define MEMORY_END UINT64_C(0xc000000) /* where its memory ends */
#define RINGS	   MEMORY		/* RING_STRIDE for each queue */
#define BUFFER	   (MEMORY + 0x200000)	/* a header of zeros and a good frame */
#define TABLE	   (MEMORY + 0x400000)	/* for indirect descriptors */
#define RX_BUFFERS (MEMORY + 0x800000)	/* RX_STRIDE each */
#define WILD	   UINT64_C(0x13370000) /* nothing is there */

enum { RING_STRIDE = 0x10000, RX_STRIDE = 2048 };

struct device {
	volatile struct virtio_pci_common_cfg *common;
	volatile uint8_t *notify, *net; /* net: struct virtio_net_config */
	uint32_t notify_step;
	uint64_t bar; /* the physical address of its registers */
	int config;   /* PCI configuration space */
};

/* Where a physical address of MEMORY is mapped. */
void *memory_at(uint64_t gpa);

void device_open(struct device *);
/* Resets the card and says that a driver is there; the features of it, of those that the card offers. */
void device_reset(struct device *);
uint64_t device_offers(struct device *);
/* Returns whether the card took them. */
bool device_agree(struct device *, uint64_t features);
void device_status(struct device *, uint8_t add);
void device_run(struct device *);
/* The PCI command register: bus mastering and memory decoding. */
void device_command(struct device *, uint16_t bits);
void device_kick(struct device *, uint16_t queue);

_Noreturn void give_up(const char *what);
void wait_ms(unsigned int ms);

#endif
