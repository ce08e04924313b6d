/* SPDX-License-Identifier: BSD-3-Clause */
#include "ethdev_driver.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <rte_pci.h>
#include <rte_version.h>

/* Debian's packages of DPDK's libraries end with the version of its ABI, which changes each November. */
enum { ABI = RTE_VER_YEAR + (RTE_VER_MONTH >= 11) };

/* net_af_packet0 is made by the driver net_af_packet, of the package librte-net-af-packet23. */
static void driver_package(const char *name, char *package, size_t size)
{
	size_t len = strlen(name);

	while (len > 0 && isdigit((unsigned char)name[len - 1]))
		len--;
	snprintf(package, size, "librte-%.*s%d", (int)len, name, ABI);
	for (; *package != '\0'; package++)
		if (*package == '_')
			*package = '-';
}

bool ethdev_kernel_driver(const struct rte_pci_addr *pci, char *driver, size_t size)
{
	char path[64], target[256];
	const char *last;
	ssize_t n;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/" PCI_PRI_FMT "/driver", pci->domain,
		 pci->bus, pci->devid, pci->function);
	n = readlink(path, target, sizeof(target) - 1);
	target[n > 0 ? n : 0] = '\0';
	last = strrchr(target, '/');
	snprintf(driver, size, "%s", last != NULL ? last + 1 : "");
	return last != NULL;
}

/* Whether a NIC's kernel driver passes it through to a process: then all it wants is a driver of DPDK's. */
static bool is_passed_through(const struct rte_pci_addr *pci)
{
	static const char *const user_drivers[] = {"vfio-pci", "igb_uio", "uio_pci_generic"};
	char driver[64];

	if (!ethdev_kernel_driver(pci, driver, sizeof(driver)))
		return false;
	for (size_t i = 0; i < sizeof(user_drivers) / sizeof(user_drivers[0]); i++)
		if (strcmp(driver, user_drivers[i]) == 0)
			return true;
	return false;
}

bool ethdev_driver_missing(const char *name, int error, struct fail *fail)
{
	struct rte_pci_addr pci;
	char package[128];

	if (rte_pci_addr_parse(name, &pci) == 0) {
		/* The bus has the device and no driver took it. */
		if (error != -ENOTSUP || !is_passed_through(&pci))
			return false;
		fail_set(fail, -ENODEV,
			 "device %s: no DPDK driver for this NIC is installed; install the package of its driver "
			 "(Debian: librte-net-..., or librte-meta-net for all of them)",
			 name);
		return true;
	}
	/* No bus has a driver for such a name. */
	if (error != -EFAULT || strncmp(name, "net_", 4) != 0)
		return false;
	driver_package(name, package, sizeof(package));
	fail_set(fail, -ENODEV,
		 "device %s: no DPDK driver of this name is installed; install its package (Debian: %s), or "
		 "correct the name",
		 name, package);
	return true;
}
