/* SPDX-License-Identifier: BSD-3-Clause */
#include "ethdev_options.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "kernel_if.h"
#include "one_path.h"

/* IPv4's least (RFC 791), and the most that virtio can name. */
enum { MTU_MIN = 68, MTU_MAX = 65535 };

#define ROW(name, is, member) .key = (name), .kind = (is), .offset = offsetof(struct ethdev_options, member)

static const struct option_row rows[] = {
	{ROW("device", OPTION_TEXT, device), .value = "DEVICE",
	 .needed = "give a name or PCI address that EAL knows, as in device: 0000:03:00.0",
	 .help = "a PCI address, or a driver's name and a number, with its arguments after commas"},
	{ROW("mtu", OPTION_NUMBER, mtu), .value = "N", .min = MTU_MIN, .max = MTU_MAX, .unit = "bytes",
	 .otherwise = "what the device, or the kernel's interface behind it, is set to",
	 .help = "the most bytes a frame may carry behind its Ethernet header"},
	{ROW("offloads", OPTION_FLAG, offloads), .normal = true,
	 .on = "checksums and segmentation are left to the receiver, if it can do them",
	 .help = "whether checksums and segmentation may be left to the device"},
	{ROW("vlan-offload", OPTION_FLAG, vlan_offload), .normal = true,
	 .on = "VLAN tags are put in by the device, if it can do it",
	 .help = "whether the device puts VLAN tags into frames, if it does that itself; written out, a driver that does it "
		 "with a CPU does it, too"},
	{ROW("zero-copy-tx", OPTION_FLAG, zero_copy_tx),
	 .on = "long frames of guests are sent from where they lie, if the device can",
	 .help = "whether long frames of VMs are sent from where they lie in their memory, which is then pinned for a NIC"},
};

const struct option_table ethdev_options = OPTION_TABLE(rows, struct ethdev_options);

/* An interface of the kernel where a DPDK device is wanted: one that is there, or has a name the kernel gives to NICs. A tap that
 * a DPDK device made may have that device's name, and devices on some buses are called like their interfaces. */
static bool is_interface(const char *name)
{
	size_t len = strlen(name);

	if (kernel_if_exists(name) && strpbrk(name, ":_-") == NULL)
		return true;
	return len > 3 && isdigit((unsigned char)name[len - 1]) && strpbrk(name, ":._-") == NULL &&
	       (strncmp(name, "eth", 3) == 0 || strncmp(name, "eno", 3) == 0 ||
		strncmp(name, "ens", 3) == 0 || strncmp(name, "enp", 3) == 0);
}

int ethdev_options_verify(void *values, const void *common, const struct option_entry *entry, struct fail *fail)
{
	const struct ethdev_options *options = values;
	const char *device = options->device;
	char value[256], pci[32];

	(void)common;
	if (has_control_character(device))
		return option_fail(fail, -EINVAL, entry, "device", "device \"%s\" has a control character; remove it",
				   device);
	snprintf(value, sizeof(value), "%.*s", (int)strcspn(device, ","), device);
	if (is_interface(value)) {
		if (!kernel_if_pci(value, pci, sizeof(pci)))
			pci[0] = '\0';
		return option_fail(fail, -EINVAL, entry, "device",
				   "%s is an interface of the kernel; use net_af_packet0,iface=%s, or the PCI address of "
				   "its NIC%s%s%s once that is bound to vfio-pci",
				   value, value, pci[0] != '\0' ? " (" : "", pci, pci[0] != '\0' ? ")" : "");
	}
	if (device_argument(device, "iface", value, sizeof(value)) && strlen(value) > KERNEL_IF_NAME_MAX)
		return option_fail(fail, -ENAMETOOLONG, entry, "device",
				   "iface=%s has %zu characters, and an interface of the kernel at most %d; use a "
				   "shorter name",
				   value, strlen(value), KERNEL_IF_NAME_MAX);
	return 0;
}

/* What follows a comma are arguments of the same device. */
char *ethdev_options_takes(const void *values)
{
	const struct ethdev_options *options = values;

	return strndup(options->device, strcspn(options->device, ","));
}

void ethdev_options_warn(const void *values, const char *port, FILE *to)
{
	const struct ethdev_options *options = values;
	char name[256];

	if (device_needs_interface(options->device, name, sizeof(name)) && !kernel_if_exists(name))
		fprintf(to, "warning: port %s: the kernel has no interface %s, of which %.*s is to be made\n", port,
			name, (int)strcspn(options->device, ","), options->device);
}
