/* SPDX-License-Identifier: BSD-3-Clause */
#include "device.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <linux/virtio_config.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum {
	COMMAND = 4,
	COMMAND_MEMORY = 2,
	COMMAND_MASTER = 4,
	COMMAND_NO_INTX = 0x400,
	BAR_0 = 0x10,
	CAPABILITIES = 0x34,
	CAPABILITY_VENDOR = 9,
};

static uint8_t *memory;

void give_up(const char *what)
{
	printf("gave up: %s: %s\n", what, strerror(errno));
	exit(1);
}

void wait_ms(unsigned int ms)
{
	struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000l};

	nanosleep(&time, NULL);
}

void *memory_at(uint64_t gpa)
{
	return memory + (gpa - MEMORY);
}

static void map_memory(void)
{
	int fd = open("/dev/mem", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		give_up("/dev/mem");
	memory = mmap(NULL, MEMORY_END - MEMORY, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)MEMORY);
	if (memory == MAP_FAILED)
		give_up("the memory that the kernel leaves alone");
	close(fd);
}

static void write_file(const char *folder, const char *name, const char *text)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd >= 0) {
		if (write(fd, text, strlen(text)) < 0)
			give_up(path);
		close(fd);
	}
}

/* The folder of the first PCI device that is a virtio-net card; its driver is taken off it. */
static void find(char *folder, size_t size)
{
	glob_t found = {0};

	folder[0] = '\0';
	if (glob("/sys/bus/pci/devices/*", 0, NULL, &found) != 0)
		give_up("/sys/bus/pci");
	for (size_t i = 0; i < found.gl_pathc && folder[0] == '\0'; i++) {
		char path[256], ids[2][16] = {"", ""};

		for (int id = 0; id < 2; id++) {
			int fd;

			snprintf(path, sizeof(path), "%s/%s", found.gl_pathv[i], id == 0 ? "vendor" : "device");
			fd = open(path, O_RDONLY | O_CLOEXEC);
			if (fd < 0 || read(fd, ids[id], sizeof(ids[id]) - 1) < 6)
				give_up(path);
			close(fd);
		}
		if (strncmp(ids[0], "0x1af4", 6) == 0 &&
		    (strncmp(ids[1], "0x1000", 6) == 0 || strncmp(ids[1], "0x1041", 6) == 0))
			snprintf(folder, size, "%s", found.gl_pathv[i]);
	}
	globfree(&found);
	if (folder[0] == '\0')
		give_up("a virtio-net card");
	write_file(folder, "driver/unbind", strrchr(folder, '/') + 1);
	write_file(folder, "enable", "1");
}

static uint32_t config_read(const struct device *device, unsigned int at, unsigned int bytes)
{
	uint32_t value = 0;

	if (pread(device->config, &value, bytes, at) != (ssize_t)bytes)
		give_up("PCI configuration space");
	return value;
}

void device_command(struct device *device, uint16_t bits)
{
	if (pwrite(device->config, &bits, sizeof(bits), COMMAND) != sizeof(bits))
		give_up("PCI command register");
}

static uint8_t *map_bar(struct device *device, const char *folder, unsigned int bar)
{
	char path[256];
	void *map;
	int fd;

	snprintf(path, sizeof(path), "%s/resource%u", folder, bar);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		give_up(path);
	map = mmap(NULL, 0x4000, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		give_up(path);
	close(fd);
	device->bar = config_read(device, BAR_0 + 4 * bar, 4) & ~15u;
	device->bar |= (uint64_t)config_read(device, BAR_0 + 4 * bar + 4, 4) << 32;
	return map;
}

static void map_registers(struct device *device, const char *folder)
{
	uint8_t at = (uint8_t)config_read(device, CAPABILITIES, 1);
	uint8_t *registers = NULL;

	for (; at != 0; at = (uint8_t)config_read(device, at + 1u, 1)) {
		uint32_t type = config_read(device, at + 3u, 1), offset = config_read(device, at + 8u, 4);

		if (config_read(device, at, 1) != CAPABILITY_VENDOR ||
		    (type != VIRTIO_PCI_CAP_COMMON_CFG && type != VIRTIO_PCI_CAP_NOTIFY_CFG && type != VIRTIO_PCI_CAP_DEVICE_CFG))
			continue;
		if (registers == NULL)
			registers = map_bar(device, folder, config_read(device, at + 4u, 1));
		if (type == VIRTIO_PCI_CAP_COMMON_CFG) {
			device->common = (void *)(registers + offset);
		} else if (type == VIRTIO_PCI_CAP_NOTIFY_CFG) {
			device->notify = registers + offset;
			device->notify_step = config_read(device, at + 16u, 4);
		} else {
			device->net = registers + offset;
		}
	}
	if (device->common == NULL || device->notify == NULL || device->net == NULL)
		give_up("the registers of a modern card");
}

void device_open(struct device *device)
{
	char folder[128], path[160];

	*device = (struct device){0};
	map_memory();
	find(folder, sizeof(folder));
	snprintf(path, sizeof(path), "%s/config", folder);
	device->config = open(path, O_RDWR | O_CLOEXEC);
	if (device->config < 0)
		give_up(path);
	device_command(device, COMMAND_MEMORY | COMMAND_MASTER | COMMAND_NO_INTX);
	map_registers(device, folder);
}

void device_reset(struct device *device)
{
	device_command(device, COMMAND_MEMORY | COMMAND_MASTER | COMMAND_NO_INTX);
	device->common->device_status = 0;
	for (int i = 0; i < 1000 && device->common->device_status != 0; i++)
		wait_ms(1);
	device_status(device, VIRTIO_CONFIG_S_ACKNOWLEDGE);
	device_status(device, VIRTIO_CONFIG_S_DRIVER);
}

uint64_t device_offers(struct device *device)
{
	uint64_t low;

	device->common->device_feature_select = 0;
	low = device->common->device_feature;
	device->common->device_feature_select = 1;
	return low | (uint64_t)device->common->device_feature << 32;
}

bool device_agree(struct device *device, uint64_t features)
{
	device->common->guest_feature_select = 0;
	device->common->guest_feature = (uint32_t)features;
	device->common->guest_feature_select = 1;
	device->common->guest_feature = (uint32_t)(features >> 32);
	device_status(device, VIRTIO_CONFIG_S_FEATURES_OK);
	return (device->common->device_status & VIRTIO_CONFIG_S_FEATURES_OK) != 0;
}

void device_status(struct device *device, uint8_t add)
{
	device->common->device_status = device->common->device_status | add;
}

void device_run(struct device *device)
{
	device_status(device, VIRTIO_CONFIG_S_DRIVER_OK);
}

void device_kick(struct device *device, uint16_t queue)
{
	volatile uint16_t *at = (volatile void *)(device->notify + (size_t)queue * device->notify_step);

	*at = queue;
}
