/* SPDX-License-Identifier: BSD-3-Clause */
#include "capabilities.h"

#include <cap-ng.h>
#include <errno.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/prctl.h>

#include "ethdev_options.h"
#include "ethdev_port.h"

#ifndef CAP_PERFMON
#define CAP_PERFMON 38
#endif
#ifndef CAP_BPF
#define CAP_BPF 39
#endif

enum {
	CAPABILITY_MAX = 63,
	ALL_SETS = CAPNG_EFFECTIVE | CAPNG_PERMITTED | CAPNG_INHERITABLE | CAPNG_BOUNDING_SET,
};

#define CAP(name) (UINT64_C(1) << CAP_##name)

static const capabilities
	/* Sockets in folders of others, given to others, and those of others that are connected to. */
	sockets = CAP(CHOWN) | CAP(FOWNER) | CAP(DAC_OVERRIDE),
	/* A lane becomes nobody, and is ended. */
	lanes = CAP(SETUID) | CAP(SETGID) | CAP(KILL),
	/* Taps, packet sockets, and what drivers ask of the kernel's interface behind a NIC. */
	interfaces = CAP(NET_ADMIN) | CAP(NET_RAW),
	/* A program of AF_XDP's, or of tap's flow rules. */
	programs = CAP(BPF) | CAP(PERFMON) | CAP(SYS_ADMIN) | CAP(SYS_RESOURCE),
	/* A NIC by UIO, or where there is no IOMMU: physical addresses, and ports of I/O. */
	hardware = CAP(IPC_LOCK) | CAP(SYS_ADMIN) | CAP(SYS_RAWIO) | CAP(SYS_NICE);

static bool begins(const char *text, const char *with)
{
	return strncmp(text, with, strlen(with)) == 0;
}

capabilities capabilities_of_device(const char *device)
{
	static const char *const of_none[] = {"net_null", "net_ring", "net_memif"};

	for (size_t i = 0; i < sizeof(of_none) / sizeof(of_none[0]); i++)
		if (begins(device, of_none[i]))
			return 0;
	/* A file, unless it says an interface. */
	if (begins(device, "net_pcap") && strstr(device, "iface=") == NULL)
		return 0;
	if (begins(device, "net_af_xdp"))
		return interfaces | programs;
	if (begins(device, "net_"))
		return interfaces;
	return interfaces | hardware;
}

capabilities capabilities_of_all_devices(void)
{
	return interfaces | programs | hardware;
}

/* What stands behind "--vdev", "--vdev=", "-a" ... and NULL where it is another option. */
static const char *device_in(char *const *eal, int eal_n, int at)
{
	static const char *const options[] = {"--vdev", "--allow", "-a"};

	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		size_t len = strlen(options[i]);

		if (strncmp(eal[at], options[i], len) != 0)
			continue;
		if (eal[at][len] == '\0')
			return at + 1 < eal_n ? eal[at + 1] : NULL;
		if (eal[at][len] == '=')
			return eal[at] + len + 1;
		if (len == 2)
			return eal[at] + len;
	}
	return NULL;
}

capabilities capabilities_needed(const struct config *config, char *const *eal, int eal_n)
{
	capabilities needed = sockets | lanes;
	bool huge = true;

	for (unsigned int i = 0; i < config->ports_n; i++)
		if (config->ports[i].driver == &ethdev_port_driver)
			needed |= capabilities_of_device(((const struct ethdev_options *)config->ports[i].options)->device);
	for (int i = 0; i < eal_n; i++) {
		const char *device = device_in(eal, eal_n, i);

		if (device != NULL)
			needed |= capabilities_of_device(device);
		huge = huge && strcmp(eal[i], "--no-huge") != 0;
	}
	if (huge)
		needed |= CAP(IPC_LOCK);
	if (config->options.metrics_listen != NULL)
		needed |= CAP(NET_BIND_SERVICE);
	return needed;
}

capabilities capabilities_of_thread(enum thread_kind kind)
{
	switch (kind) {
	case THREAD_LCORE:
	case THREAD_BELL:
	case THREAD_WATCH:
	case THREAD_METRICS:
	case THREAD_WRITER:
		return 0;
	case THREAD_DISPOSAL:
		/* It connects to sockets of others. */
		return CAP(DAC_OVERRIDE);
	case THREAD_CONTROL:
		return sockets | CAP(KILL) | CAP(NET_BIND_SERVICE);
	case THREAD_HELPER:
	case THREAD_DEVICE:
	case THREAD_OTHER:
	case THREAD_KINDS:
		break;
	}
	return UINT64_MAX;
}

int capabilities_keep(capabilities kept)
{
	bool can_cut;

	if (capng_get_caps_process() != 0)
		return -EIO;
	/* A program that is started has what it would have by itself, and no more. */
	(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	can_cut = capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP) == 1;
	for (unsigned int capability = 0; capability <= CAPABILITY_MAX; capability++)
		/* Fails for numbers that the kernel does not know. */
		if ((kept >> capability & 1) == 0)
			(void)capng_update(CAPNG_DROP, (capng_type_t)ALL_SETS, capability);
	if (can_cut && capng_apply(CAPNG_SELECT_BOUNDS) != 0)
		return -errno;
	return capng_apply(CAPNG_SELECT_CAPS) == 0 ? 0 : -errno;
}
