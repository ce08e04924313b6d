/* SPDX-License-Identifier: BSD-3-Clause */
#include "ethdev_reason.h"

#include <errno.h>
#include <limits.h>
#include <linux/capability.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <rte_bus.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_pci.h>

#include "ethdev_driver.h"
#include "ethdev_log.h"
#include "kernel_if.h"

enum { WORDS_BYTES = 256 };

/* What no device of the configuration needed when the switch began, it has given up. */
static const char was_given_up[] =
	"; a switch that began without such a device has given that up: restart it with the device, or with --keep-rights";

static bool ethdev_reason_begins(const char *text, const char *with)
{
	return strncmp(text, with, strlen(with)) == 0;
}

static bool has_capability(unsigned int capability)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {0};

	/* libc has no function for it. */
	return syscall(SYS_capget, &header, data) != 0 || (data[0].effective >> capability & 1) != 0;
}

/* af_packet, af_xdp and pcap: the interface they are made of. 0: it is not that. */
static int of_interface(const char *device, const char *name, struct fail *fail)
{
	char interface[64];

	if (ethdev_reason_begins(name, "net_af_packet") && !device_argument(device, "iface", interface, sizeof(interface)))
		return fail_set(fail, -ENODEV,
				"device %s: of which interface of the kernel? give it, as in "
				"%s,iface=eth1",
				device, name);
	if (device_needs_interface(device, interface, sizeof(interface)) && !kernel_if_exists(interface))
		return fail_set(fail, -ENODEV,
				"device %s: the kernel has no interface %s here; make it first, or "
				"give iface= one that `ip link` lists",
				device, interface);
	if (ethdev_reason_begins(name, "net_af_packet") && !has_capability(CAP_NET_RAW))
		return fail_set(fail, -ENODEV,
				"device %s: this process may not open packet sockets; start it as "
				"root, or give it CAP_NET_RAW (AmbientCapabilities= in its unit)%s",
				device, was_given_up);
	return 0;
}

static int of_tap(const char *device, const char *name, struct fail *fail)
{
	char interface[64];

	if (!ethdev_reason_begins(name, "net_tap") && !ethdev_reason_begins(name, "net_tun"))
		return 0;
	if (device_argument(device, "iface", interface, sizeof(interface)) &&
	    strlen(interface) > KERNEL_IF_NAME_MAX)
		return fail_set(fail, -ENODEV,
				"device %s: an interface of the kernel has a name of at most %d "
				"characters, and %s has %zu; use a shorter one",
				device, KERNEL_IF_NAME_MAX, interface, strlen(interface));
	if (access("/dev/net/tun", F_OK) != 0)
		return fail_set(fail, -ENODEV,
				"device %s: there is no /dev/net/tun; `modprobe tun` makes it",
				device);
	if (!has_capability(CAP_NET_ADMIN))
		return fail_set(fail, -ENODEV,
				"device %s: this process may not make a tap; start it as root, or "
				"give it CAP_NET_ADMIN (AmbientCapabilities= in its unit)%s",
				device, was_given_up);
	return 0;
}

/* A NIC: whether it is there, and whose it is. */
static int of_pci(const char *name, struct fail *fail)
{
	struct rte_pci_addr address;
	char path[PATH_MAX], driver[64];
	bool driven;

	if (rte_pci_addr_parse(name, &address) != 0)
		return 0;
	if (rte_bus_find_by_name("pci") == NULL)
		return fail_set(fail, -ENODEV,
				"device %s: this DPDK has no PCI bus; install its library (Debian: "
				"librte-bus-pci, of DPDK's version)",
				name);
	if (!rte_eal_has_pci())
		return fail_set(fail, -ENODEV,
				"device %s: EAL was told to look for no PCI device (--no-pci); leave "
				"that out",
				name);
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s", name);
	if (access(path, F_OK) != 0)
		return fail_set(fail, -ENODEV,
				"device %s: this machine has no PCI device of that address; `lspci "
				"-D` lists them (a NIC for DPDK is bound to vfio-pci)",
				name);
	driven = ethdev_kernel_driver(&address, driver, sizeof(driver));
	if (driven && strstr(driver, "vfio") == NULL && strstr(driver, "uio") == NULL)
		return fail_set(fail, -ENODEV,
				"device %s: the kernel's driver %s has it; `driverctl set-override %s "
				"vfio-pci` gives it to DPDK",
				name, driver, name);
	if (!driven)
		return fail_set(fail, -ENODEV,
				"device %s: no driver has it; `driverctl set-override %s vfio-pci` "
				"gives it to DPDK",
				name, name);
	return 0;
}

/* Neither a driver's name nor an address: no bus of EAL's can make anything of it. */
static int of_nothing(const char *name, int error, struct fail *fail)
{
	if (error != -EFAULT)
		return 0;
	if (kernel_if_exists(name))
		return fail_set(fail, -ENODEV,
				"device %s: this is an interface of the kernel; "
				"net_af_packet0,iface=%s makes a DPDK device of it",
				name, name);
	return fail_set(fail, -ENODEV,
			"device %s: DPDK has no such device, and no driver of that name; give a "
			"driver's name and a number, as in net_tap0,iface=tap0, or the PCI address "
			"of a NIC that is bound to vfio-pci",
			name);
}

int ethdev_reason(const char *device, const char *name, int error, struct fail *fail)
{
	char words[WORDS_BYTES];

	ethdev_log_reason(words, sizeof(words));
	if (of_interface(device, name, fail) != 0 || of_tap(device, name, fail) != 0 ||
	    of_pci(name, fail) != 0 || of_nothing(name, error, fail) != 0)
		return -ENODEV;
	if (words[0] != '\0')
		return fail_set(fail, -ENODEV, "device %s: its driver cannot make it: %s", device, words);
	/* A bare -1, as most drivers return, is no EPERM. */
	return fail_set(fail, -ENODEV,
			"device %s: its driver refuses it and does not say why%s%s; look at its name and its "
			"arguments, or for more words with --log-level=pmd.*:debug",
			device, error == -1 ? "" : ": ", error == -1 ? "" : rte_strerror(-error));
}
