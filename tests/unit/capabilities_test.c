/* SPDX-License-Identifier: BSD-3-Clause */
/* Which capabilities what is configured needs, and that the others are gone for good. */
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "capabilities.h"
#include "cases.h"
#include "ethdev_options.h"
#include "ethdev_port.h"

#define CAP(name) (UINT64_C(1) << CAP_##name)

static const capabilities of_sockets = CAP(CHOWN) | CAP(FOWNER) | CAP(DAC_OVERRIDE),
			  of_lanes = CAP(SETUID) | CAP(SETGID) | CAP(KILL), of_interfaces = CAP(NET_ADMIN) | CAP(NET_RAW);

static void each_device_has_its_own(void **state)
{
	static const struct {
		const char *device;
		capabilities has, has_not;
	} rows[] = {
		{"net_null0", 0, UINT64_MAX},
		{"net_ring0", 0, UINT64_MAX},
		{"net_memif0,socket=/run/m", 0, UINT64_MAX},
		{"net_pcap0,rx_pcap=/a,tx_pcap=/b", 0, UINT64_MAX},
		{"net_pcap0,iface=eth0", of_interfaces, CAP(SYS_ADMIN)},
		{"net_tap0,iface=tap0", of_interfaces, CAP(SYS_ADMIN)},
		{"net_af_packet0,iface=eth0", of_interfaces, CAP(SYS_ADMIN)},
		{"net_af_xdp0,iface=eth0", of_interfaces | CAP(BPF) | CAP(SYS_ADMIN), CAP(SYS_RAWIO)},
		{"0000:03:00.0", of_interfaces | CAP(IPC_LOCK) | CAP(SYS_RAWIO), CAP(SYS_MODULE)},
		{"0000:03:00.0,representor=1", of_interfaces | CAP(IPC_LOCK), CAP(SYS_PTRACE)},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		capabilities needs = capabilities_of_device(rows[i].device);

		if ((needs & rows[i].has) != rows[i].has || (needs & rows[i].has_not) != 0)
			fail_msg("%s: %#lx", rows[i].device, (unsigned long)needs);
		assert_int_equal(needs & ~capabilities_of_all_devices(), 0);
	}
}

static void what_is_configured_decides(void **state)
{
	static char huge[] = "--no-huge", vdev[] = "--vdev", tap[] = "net_tap0";
	static char null[] = "--vdev=net_null0", pci[] = "-a0000:03:00.0";
	struct ethdev_options nic = {.device = (char[]){"net_tap0,iface=t"}}, null_nic = {.device = (char[]){"net_null0"}};
	struct config_port ports[] = {{.driver = &ethdev_port_driver, .options = &nic}};
	struct config config = {.ports = ports}, empty = {0};
	char *const without[] = {huge}, *const with_tap[] = {huge, vdev, tap}, *const with_null[] = {huge, null};
	char *const with_pci[] = {pci, huge};

	assert_int_equal(capabilities_needed(&empty, without, 1), of_sockets | of_lanes);
	assert_int_equal(capabilities_needed(&empty, NULL, 0), of_sockets | of_lanes | CAP(IPC_LOCK));
	assert_int_equal(capabilities_needed(&empty, with_tap, 3), of_sockets | of_lanes | of_interfaces);
	assert_int_equal(capabilities_needed(&empty, with_tap, 2), of_sockets | of_lanes);
	assert_int_equal(capabilities_needed(&empty, with_null, 2), of_sockets | of_lanes);
	assert_int_not_equal(capabilities_needed(&empty, with_pci, 2) & CAP(SYS_RAWIO), 0);
	config.ports_n = 1;
	assert_int_equal(capabilities_needed(&config, without, 1), of_sockets | of_lanes | of_interfaces);
	ports[0].options = &null_nic;
	assert_int_equal(capabilities_needed(&config, without, 1), of_sockets | of_lanes);
	config.options.metrics_listen = (char[]){"127.0.0.1:80"};
	assert_int_equal(capabilities_needed(&config, without, 1), of_sockets | of_lanes | CAP(NET_BIND_SERVICE));
}

static capabilities effective(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {0};

	if (syscall(SYS_capget, &header, data) != 0)
		_exit(3);
	return (data[0].effective | data[0].permitted | data[0].inheritable) |
	       (capabilities)(data[1].effective | data[1].permitted | data[1].inheritable) << 32;
}

/* In a process of its own: the status it ends with. */
static int keep(capabilities kept)
{
	capabilities before;
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		before = effective();
		if (capabilities_keep(kept) != 0)
			_exit(1);
		if (effective() != (before & kept) || capabilities_keep(UINT64_MAX) != 0 || effective() != (before & kept))
			_exit(2);
		/* Nor by a program that is started. */
		for (unsigned int i = 0; i < 40; i++)
			if ((before & CAP(SETPCAP)) != 0 && (kept >> i & 1) == 0 && prctl(PR_CAPBSET_READ, i) == 1)
				_exit(4);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void what_is_given_up_is_gone(void **state)
{
	assert_int_equal(keep(0), 0);
	assert_int_equal(keep(of_sockets), 0);
	assert_int_equal(keep(of_interfaces | of_lanes), 0);
	assert_int_equal(keep(UINT64_MAX), 0);
	for (unsigned int i = 0; i < 40; i++)
		assert_int_equal(keep(UINT64_C(1) << i), 0);
}

/* Those that read what guests and strangers write. */
static void threads_in_reach_have_none(void **state)
{
	assert_int_equal(capabilities_of_thread(THREAD_LCORE), 0);
	assert_int_equal(capabilities_of_thread(THREAD_BELL), 0);
	assert_int_equal(capabilities_of_thread(THREAD_WATCH), 0);
	assert_int_equal(capabilities_of_thread(THREAD_METRICS), 0);
	assert_int_equal(capabilities_of_thread(THREAD_WRITER), 0);
	assert_int_equal(capabilities_of_thread(THREAD_CONTROL) & (capabilities_of_all_devices() | CAP(SETUID)), 0);
}

int main(void)
{
	const struct CMUnitTest cases[] = {
		cmocka_unit_test(each_device_has_its_own),
		cmocka_unit_test(what_is_configured_decides),
		cmocka_unit_test(what_is_given_up_is_gone),
		cmocka_unit_test(threads_in_reach_have_none),
	};

	return cmocka_run_group_tests_name("capabilities", cases, NULL, NULL);
}
