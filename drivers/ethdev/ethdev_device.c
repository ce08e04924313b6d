/* SPDX-License-Identifier: BSD-3-Clause */
#include "ethdev_device.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_bus.h>
#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_pci.h>

#include "dpdk_compat.h"
#include "ethdev_driver.h"
#include "ethdev_reason.h"
#include "ethdev_log.h"
#include "kernel_if.h"
#include "log.h"
#include "mem_arena.h"

/* The arguments a device was made with, kept from when it was removed. */
struct memory {
	struct memory *next;
	char *args;
	char name[RTE_ETH_NAME_MAX_LEN];
};
static struct memory *memories OWNED_BY(device_thread);

static struct memory *recall(const char *name) RUNS_ON(device_thread)
{
	struct memory *memory = memories;

	while (memory != NULL && strcmp(memory->name, name) != 0)
		memory = memory->next;
	return memory;
}

static void remember(const char *name, const char *args) RUNS_ON(device_thread)
{
	struct memory *memory = recall(name);
	char *copy = strdup(args != NULL ? args : "");

	if (copy == NULL)
		return;
	if (memory == NULL) {
		memory = calloc(1, sizeof(*memory));
		if (memory == NULL) {
			free(copy);
			return;
		}
		snprintf(memory->name, sizeof(memory->name), "%s", name);
		memory->next = memories;
		memories = memory;
	}
	free(memory->args);
	memory->args = copy;
}

/* The part before the comma, as EAL spells it: "03:00.0" is "0000:03:00.0". False if it is too long. */
static bool device_name(const char *device, char *name, size_t size)
{
	size_t len = strcspn(device, ",");
	struct rte_pci_addr pci;

	if (len >= size)
		return false;
	memcpy(name, device, len);
	name[len] = '\0';
	if (rte_pci_addr_parse(name, &pci) == 0)
		rte_pci_device_name(&pci, name, size);
	return true;
}

/* Makes the device. */
static int make(const char *device, const char *name, struct fail *fail) RUNS_ON(device_thread)
{
	struct memory *memory = recall(name);
	char devargs[1024];
	bool bare = strchr(device, ',') == NULL;
	int error;

	if (rte_eth_dev_count_total() >= RTE_MAX_ETHPORTS)
		return fail_set(fail, -ENFILE,
				"device %s: this DPDK has room for %d ethdevs, and all are taken; "
				"remove one, or build DPDK with -Dmax_ethports=N (VM ports need none)",
				name, RTE_MAX_ETHPORTS);
	snprintf(devargs, sizeof(devargs), "%s%s%s", bare ? name : device,
		 bare && memory != NULL && memory->args[0] != '\0' ? "," : "",
		 bare && memory != NULL ? memory->args : "");
	ethdev_log_capture();
	error = rte_dev_probe(devargs);
	ethdev_log_release();
	mem_arena_guard(); /* a driver may have made EAL's heap grow */
	if (error != 0 && error != -EEXIST && ethdev_driver_missing(name, error, fail))
		return -ENODEV;
	if (error != 0 && error != -EEXIST)
		return ethdev_reason(devargs, name, error, fail);
	ethdev_log_print();
	return 0;
}

/* No other port, no bonding device configures or polls the device from now on. */
static int claim(uint16_t id, const char *name, const char *owner, struct fail *fail)
	RUNS_ON(device_thread)
{
	struct rte_eth_dev_owner mine = {0}, other = {0};
	int error = rte_eth_dev_owner_new(&mine.id);

	snprintf(mine.name, sizeof(mine.name), "%s", owner);
	if (error == 0)
		error = rte_eth_dev_owner_set(id, &mine);
	if (error == 0)
		return 0;
	if (rte_eth_dev_owner_get(id, &other) == 0 && other.id != RTE_ETH_DEV_NO_OWNER)
		return fail_set(fail, -EBUSY,
				"device %s belongs to \"%s\" already; a device is one port's", name,
				other.name);
	return fail_set(fail, error, "device %s cannot be taken: %s", name, rte_strerror(-error));
}

/* DPDK's tap ignores all of its arguments if it does not know one, and has an interface of another name then. */
static void warn_without_interface(const char *device, const char *name, const char *owner)
{
	char interface[64];

	if (strncmp(name, "net_tap", strlen("net_tap")) == 0 &&
	    device_argument(device, "iface", interface, sizeof(interface)) && strchr(interface, '%') == NULL &&
	    !kernel_if_exists(interface))
		log_warn(owner,
			 "device %s is there, but no interface %s: its driver does not know one of the arguments, and has "
			 "ignored them all; correct them",
			 name, interface);
}

int ethdev_device_take(const char *device, const char *owner, uint16_t *id, struct fail *fail)
{
	char name[RTE_ETH_NAME_MAX_LEN];
	int error = 0;

	if (device == NULL || !device_name(device, name, sizeof(name)) || name[0] == '\0')
		return fail_set(fail, -EINVAL,
				"device \"%s\" is not a name; give a PCI address or a name that EAL "
				"knows, as in 0000:03:00.0 or net_tap0",
				device != NULL ? device : "");
	if (rte_eth_dev_get_port_by_name(name, id) == 0) {
		if (strchr(device, ',') != NULL)
			log_warn(owner, "device %s is there already and keeps its arguments", name);
		return claim(*id, name, owner, fail);
	}
	error = make(device, name, fail);
	if (error == 0 && rte_eth_dev_get_port_by_name(name, id) != 0)
		error = fail_set(fail, -ENODEV,
				 "device %s is there, but is no Ethernet device to DPDK (a NIC must be "
				 "bound to vfio-pci; dpdk-devbind.py --status tells)",
				 name);
	if (error == 0)
		warn_without_interface(device, name, owner);
	return error != 0 ? error : claim(*id, name, owner, fail);
}

/* Another ethdev of the same device: a second port of a NIC, a representor. */
static bool has_siblings(const struct rte_device *device)
{
	struct rte_eth_dev_info info;
	uint16_t id;

	for (id = 0; id < RTE_MAX_ETHPORTS; id++)
		if (rte_eth_dev_is_valid_port(id) && rte_eth_dev_info_get(id, &info) == 0 &&
		    info.device == device)
			return true;
	return false;
}

void ethdev_device_give_back(uint16_t id)
{
	struct rte_eth_dev_info info;
	struct rte_eth_dev_owner owner;
	struct rte_device *device;
	const struct rte_devargs *args;

	if (rte_eth_dev_info_get(id, &info) != 0)
		return;
	/* DPDK passes it on as const and takes it back without. */
	device = (struct rte_device *)(uintptr_t)info.device;
	if (rte_eth_dev_owner_get(id, &owner) == 0)
		rte_eth_dev_owner_unset(id, owner.id);
	rte_eth_dev_close(id);
	if (device == NULL || has_siblings(device))
		return;
	args = rte_dev_devargs(device);
	remember(rte_dev_name(device), args != NULL ? args->args : NULL);
	if (rte_dev_remove(device) != 0)
		log_warn("ethdev", "a closed device stays known to EAL: its bus cannot remove it");
}
