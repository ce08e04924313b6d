/* SPDX-License-Identifier: BSD-3-Clause */
/* config_test.c: what a user may write, and the error for anything else. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jansson.h>

#include "cases.h"
#include "clock.h"
#include "config.h"
#include "ethdev_options.h"
#include "ethdev_port.h"
#include "vhost_options.h"
#include "vhost_port.h"
#include "vus_limits.h"

static const struct port_driver *const drivers[] = {&vhost_port_driver, &ethdev_port_driver, NULL};
static char path[] = "/tmp/config_test_XXXXXX";

/* Writes a file and reads it as the switch would. */
static int read_text(struct config *config, const char *text, struct fail *fail)
{
	FILE *file = fopen(path, "w");
	int error;

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	fclose(file);
	*config = (struct config){.drivers = drivers};
	error = config_read_file(config, path, fail);
	return error != 0 ? error : config_check(config, fail);
}

/* The error names line `line` of the file and contains `words`. */
static void assert_refused(const char *text, unsigned int line, const char *words)
{
	struct config config;
	struct fail fail = {.text = ""};
	char place[64];

	assert_true(read_text(&config, text, &fail) < 0);
	config_free(&config);
	snprintf(place, sizeof(place), "%s:%u: ", path, line);
	if (strncmp(fail.text, place, strlen(place)) != 0 || strstr(fail.text, words) == NULL)
		fail_msg("\"%s\" is not about line %u and \"%s\"", fail.text, line, words);
	assert_null(strchr(fail.text, '\n'));
}

static const struct vhost_options *vhost(const struct config *config, const char *name)
{
	const struct config_port *port = config_find_port(config, name);

	assert_non_null(port);
	assert_ptr_equal(port->driver, &vhost_port_driver);
	return port->options;
}

static const struct ethdev_options *ethdev(const struct config *config, const char *name)
{
	const struct config_port *port = config_find_port(config, name);

	assert_non_null(port);
	assert_ptr_equal(port->driver, &ethdev_port_driver);
	return port->options;
}

static void reads_everything(void **state)
{
	struct config config;
	struct fail fail;
	const struct bridge_options *bridge;
	const struct config_port *port;

	assert_int_equal(
		read_text(&config,
			  "bridges:\n"
			  "  - name: lan\n"
			  "    mac-table-size: 1024\n"
			  "    mac-aging: 0\n"
			  "    mac-limit-per-port: 100\n"
			  "    static-macs:\n"
			  "      - {mac: \"52:54:00:12:34:5f\", port: vm1}\n"
			  "ports:\n"
			  "  - {name: vm1, type: vhost-user, bridge: lan, socket: /run/a, "
			  "mode: client, queues: 4}\n"
			  "  - {name: up0, type: ethdev, bridge: lan, device: 0000:03:00.0}\n"
			  "  - {name: vm2, type: vhost-user, socket: /run/b}\n"
			  "  - {name: vm3, type: vhost-user, socket: /run/c, queues: 2, postcopy: on}\n"
			  "  - {name: vm4, type: vhost-user, socket: /run/d, postcopy: off, offloads: off,"
			  " control-queue: off}\n",
			  &fail),
		0);
	assert_int_equal(config.bridges_n, 2);
	bridge = &config.bridges[0].options;
	assert_int_equal(bridge->mac_table_size, 1024);
	assert_int_equal(bridge->mac_aging, 0);
	assert_int_equal(bridge->mac_limit_per_port, 100);
	assert_int_equal(bridge->static_macs.n, 1);
	assert_memory_equal(bridge_static_mac(bridge, 0)->mac, "\x52\x54\x00\x12\x34\x5f", 6);

	assert_string_equal(config.bridges[1].name, "br0");
	assert_true(config.bridges[1].implied);
	bridge = &config.bridges[1].options;
	assert_int_equal(bridge->mac_aging, MAC_AGING_DEFAULT);
	assert_int_equal(bridge->mac_limit_per_port, MAC_TABLE_SIZE_DEFAULT / 2);

	assert_int_equal(config.ports_n, 5);
	port = config_find_port(&config, "vm1");
	assert_string_equal(port->type, "vhost-user");
	assert_string_equal(port->member.bridge, "lan");
	assert_string_equal(vhost(&config, "vm1")->socket, "/run/a");
	assert_false(vhost_options_listens(vhost(&config, "vm1")));
	assert_int_equal(vhost(&config, "vm1")->queues, 4);
	assert_string_equal(ethdev(&config, "up0")->device, "0000:03:00.0");
	port = config_find_port(&config, "vm2");
	assert_string_equal(port->member.bridge, "br0");
	assert_true(vhost_options_listens(vhost(&config, "vm2")));
	assert_int_equal(vhost(&config, "vm2")->queues, 1);
	assert_null(config_find_port(&config, "vm5"));
	/* Several queue pairs: QEMU breaks them in postcopy, so it has to be asked for. */
	assert_false(vhost(&config, "vm1")->postcopy);
	assert_true(vhost(&config, "vm2")->postcopy);
	assert_true(vhost(&config, "vm3")->postcopy);
	assert_false(vhost(&config, "vm4")->postcopy);
	assert_true(vhost(&config, "vm3")->offloads);
	assert_false(vhost(&config, "vm4")->offloads);
	assert_true(ethdev(&config, "up0")->offloads);
	assert_true(vhost(&config, "vm3")->control_queue);
	assert_false(vhost(&config, "vm4")->control_queue);
	config_free(&config);
}

static void nothing_is_a_configuration(void **state)
{
	static const char *const texts[] = {"ports:\n", "bridges: []\n", "ports: []\nbridges:\n"};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct config config;
		struct fail fail;

		assert_int_equal(read_text(&config, texts[i], &fail), 0);
		assert_int_equal(config.ports_n, 0);
		assert_int_equal(config.bridges_n, 0);
		config_free(&config);
	}
}

static void the_example_is_good(void **state)
{
	struct config config = {.drivers = drivers};
	struct fail fail;

	assert_int_equal(config_read_file(&config, PROJECT_ROOT "/config/vuswitch.yaml", &fail), 0);
	assert_int_equal(config_check(&config, &fail), 0);
	assert_true(config.ports_n >= 2);
	config_free(&config);
}

#define SNOOPS "bridges:\n  - name: b\n    multicast-snooping: on\n    multicast-querier: on\n"
#define MIRROR(entry) "bridges:\n  - name: br0\n    mirrors:\n      - {" entry "}\n"
#define AWARE "bridges: [{name: br0, vlan-aware: on}]\n"
#define PORT(more) "  - {name: a, type: vhost-user, socket: /a" more "}\n"

static const struct {
	const char *text;
	unsigned int line;
	const char *words;
} wrong[] = {
	/* perhaps an editor is writing it */
	{"", 1, "nothing in this file"},
	{"# nothing\n", 1, "nothing in this file"},
	/* no YAML */
	{"ports: [\n", 2, "not YAML"},
	{"\tports: []\n", 1, "not YAML"},
	{"bridges:\n  - name: \"x\n", 2, "not YAML"},
	{"ports:\n  - {name: a\n\n\nbridges: []\n", 2, "look, here and in the line before, for a missing colon"},
	{"ports:\n  - name a\n    type: x\n", 3, "look, here and in the line before, for a missing colon"},
	{"ports:\n  - {name: v\xe4, type: vhost-user}\n", 2, "not text in UTF-8"},
	{"ports: []\n\n# \x01\n", 3, "not text in UTF-8"},
	/* YAML that no configuration is */
	{"ports: []\n---\nports: []\n", 2, "a second document begins here"},
	{"---\nports: []\n...\n---\n", 4, "a second document begins here"},
	{"ports:\n  - [[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]\n", 2, "more than 16 levels"},
	{"ports:\n  - &a [*a]\n", 2, "stands for a part that it is in itself"},
	/* not this YAML */
	{"just text\n", 1, "keys with values"},
	{"ports: a\n", 1, "ports has to be a list"},
	{"ports:\n  - a\n", 2, "keys with values"},
	{"ports: []\nports: []\n", 2, "ports is written twice, first at line 1; remove one"},
	/* keys */
	{"- vm1\n", 1, "the file has to be keys with values, each at the beginning of a line, as in \"ports:\""},
	{"port: []\n", 1, "key \"port\" is not known; did you mean ports?"},
	{"weather: []\n", 1, "key \"weather\" is not known; known here: profiles, bridges, ports, rebalance, "
	 "change-users, change-groups, metrics, metrics-owner, metrics-group, "
	 "metrics-mode, metrics-listen, socket-owner, socket-group, socket-mode"},
	{"ports: []\nrebalance: often\n", 2, "rebalance \"often\" is not known; use on"},
	{"rebalance: [on]\nports: []\n", 1, "rebalance"},
	{"ports: []\nmetrics: m.sock\n", 2, "metrics: \"m.sock\" is no path from the root"},
	{"ports: []\nmetrics-listen: localhost:9321\n", 2, "\"localhost:9321\" is no address to listen at"},
	{"bridges:\n  - name: b\n    mac-aging: 4\n    mac-tabel-size: 4\n", 4,
	 "key \"mac-tabel-size\" of bridge b is not known under bridges; did you mean mac-table-size?"},
	{"ports:\n" PORT(", dev: x"), 2, "key \"dev\" of port a is not known under ports; known"},
	{"bridges:\n  - mac-aging: 4\n", 2, "has no name"},
	{"ports:\n  - {name: a, type: [ethdev]}\n", 2, "type has to be a single word"},
	{"ports:\n  - {name: a}\n", 2, "port a has no type; add socket (type vhost-user) or device (type ethdev)"},
	{"ports:\n  - {name: a, type:vhost-user}\n", 2, "key \"type:vhost-user\" of port a is not known under ports; is a space "
	 "missing behind ':'?"},
	{"ports:\n" PORT(", quues: 2"), 2, "key \"quues\" of port a is not known under ports; did you mean queues?"},
	{"ports:\n" PORT(", Zero_Copy: 2"), 2, "key \"Zero_Copy\" of port a is not known under ports; known"},
	{"ports:\n" PORT(", socket_mode: 2"), 2, "did you mean socket-mode?"},
	{"bridges:\n  - br0\n", 2, "as in {name: br0}"},
	{"ports:\n  - vm7\n", 2, "as in {name: vm7, ...}"},
	{"bridges:\n  - name: br0\n    static-macs:\n      - {mac: \"52:54:00:00:00:01\", port: a}\n"
	 "      - {mac: \"52:54:00:00:00:01\", port: a}\nports:\n" PORT(""), 5,
	 "mac 52:54:00:00:00:01 is listed twice, first at line 4; remove one"},
	/* VLANs */
	{"ports:\n" PORT(", access: 10"), 2, "access: bridge br0 is not vlan-aware; add \"vlan-aware: on\" to it under bridges:"},
	{"ports:\n" PORT(", trunk: 10"), 2, "trunk: bridge br0 is not vlan-aware"},
	{AWARE "ports:\n" PORT(", access: 4095"), 3, "access: 4095 is out of range; use 1 to 4094"},
	{AWARE "ports:\n" PORT(", access: 10, trunk: 20"), 3, "remove access or trunk"},
	{AWARE "ports:\n" PORT(", trunk: \"10,5000\""), 3, "trunk \"10,5000\" names no VLANs; use numbers and ranges"},
	{AWARE "ports:\n" PORT(", native-vlan: 10"), 3, "only a trunk has a native VLAN; add trunk, or use access instead"},
	{AWARE "ports:\n" PORT(", qinq: 200, access: 20"), 3, "remove qinq, or access and trunk"},
	{AWARE "ports:\n" PORT(", qinq: 200, qinq-type: 0x9100"), 3, "use 802.1ad (type 0x88a8) or 802.1q (type 0x8100)"},
	{AWARE "ports:\n" PORT(", qinq-type: 802.1q"), 3, "it is no customer's port; add qinq"},
	{"ports:\n" PORT(", qinq: 200"), 2, "qinq: bridge br0 is not vlan-aware"},
	{AWARE "ports:\n" PORT(", trunk: all, native-tagged: on"), 3, "there is no native VLAN; add native-vlan"},
	{"bridges:\n  - name: br0\n    vlan-aware: on\n    static-macs: [{mac: \"52:54:00:00:00:01\", port: a}]\n"
	 "ports:\n" PORT(""), 4,
	 "the bridge is vlan-aware; add the vlan it is in"},
	{"bridges:\n  - name: br0\n    static-macs: [{mac: \"52:54:00:00:00:01\", port: a, vlan: 1}]\nports:\n" PORT(""), 3,
	 "the bridge is not vlan-aware; remove vlan, or add vlan-aware: on"},
	/* multicast */
	{"bridges:\n  - {name: b, multicast-querier: on}\n", 2, "add multicast-snooping: on, or remove multicast-querier"},
	{"bridges:\n  - {name: b, multicast-snooping: on, multicast-querier-ipv4: 10.0.0.1}\n", 2,
	 "it does not ask for members; add multicast-querier: on, or remove multicast-querier-ipv4"},
	{SNOOPS "    multicast-querier-ipv4: 239.0.0.1\n", 5, "multicast-querier-ipv4 \"239.0.0.1\" is no host's IPv4 address"},
	{SNOOPS "    multicast-querier-ipv4: fe80::1\n", 5, "multicast-querier-ipv4 \"fe80::1\" is no host's IPv4 address"},
	{SNOOPS "    multicast-querier-ipv6: \"2001:db8::1\"\n", 5, "is no link-local IPv6 address; use one as in \"fe80::1\""},
	{SNOOPS "    multicast-unregistered: drop\n", 5, "use flood (to all ports) or routers (to ports that have a router)"},
	{SNOOPS "    multicast-groups: 5000\n", 5, "multicast-groups: 5000 is out of range; use 1 to 4096"},
	{"ports:\n" PORT(", multicast-router: maybe"), 2, "multicast-router"},
	/* mirrors */
	{MIRROR("name: m") "ports:\n" PORT(""), 4, "this entry has no to; add it"},
	{MIRROR("name: m, to: b") "ports:\n" PORT(""), 4,
	 "mirror m: to: there is no port b on bridge br0; name one of its ports"},
	{MIRROR("name: m, to: a, ports: \"c\"") "ports:\n" PORT(""), 4, "mirror m: ports: there is no port c on bridge br0"},
	{MIRROR("name: m, to: a, ports: \" , \"") "ports:\n" PORT(""), 4, "mirror m: ports \" , \" names no port"},
	{MIRROR("name: m, to: a, ports: \"a\"") "ports:\n" PORT(""), 4,
	 "mirror m: port a gets the copies of a mirror, which are not mirrored again; remove it from ports"},
	{MIRROR("name: m, to: a}\n      - {name: n, to: b, ports: a") "ports:\n" PORT("")
	 "  - {name: b, type: ethdev, device: x}\n", 5,
	 "mirror n: port a gets the copies of a mirror"},
	{MIRROR("name: m, to: a}\n      - {name: m, to: a") "ports:\n" PORT(""), 5,
	 "mirror m is listed twice; remove or rename one"},
	{MIRROR("name: m, to: a, vlans: \"10\"") "ports:\n" PORT(""), 4,
	 "mirror m: the bridge is not vlan-aware; remove vlans, and use filter: vlan 10, or add vlan-aware: on"},
	{MIRROR("name: m, to: a, filter: tcp port") "ports:\n" PORT(""), 4, "mirror m: filter: "},
	{MIRROR("name: m, to: a, filter: host www.example.org") "ports:\n" PORT(""), 4, "mirror m: filter: "},
	{MIRROR("name: m, to: a, snap: 63") "ports:\n" PORT(""), 4, "snap: 63 is out of range; use 64 to "},
	{MIRROR("name: m, to: a, direction: in") "ports:\n" PORT(""), 4, "from (what comes from them, as it comes)"},
	{"bridges:\n  - {name: br0, vlan-aware: on, mirrors: [{name: m, to: a, vlans: \"0\"}]}\nports:\n" PORT(""), 2,
	 "mirror m: vlans \"0\" names no VLANs"},
	/* numbers */
	{"bridges:\n  - name: b\n    mac-aging: soon\n", 3,
	 "mac-aging has to be a whole number from 0 to 32767, not 'soon'"},
	{"bridges:\n  - name: b\n    mac-aging: -1\n", 3, "from 0 to 32767, not '-1'"},
	{"bridges:\n  - name: b\n\n    mac-aging: 40000\n", 4, "40000 is out of range"},
	{"bridges:\n  - {name: b, mac-table-size: 1}\n", 2, "use 16 to"},
	{"bridges:\n  - {name: b, mac-table-size: 99, mac-limit-per-port: 100}\n", 2,
	 "use 1 to 99"},
	{"ports:\n" PORT(", queues: 17"), 2, "queues: 17 is out of range; use 1 to 16"},
	{"ports:\n" PORT(", queues: 0"), 2, "use 1 to 16"},
	{"ports:\n" PORT(", queues: 99999999999"), 2, "queues"},
	/* names */
	{"ports:\n  - {name: \"a\\nb\", type: ethdev, device: x}\n", 2,
	 "port name \"a\\nb\" has a character other"},
	{"ports:\n  - {name: 'a b', type: ethdev, device: x}\n", 2, "has a character other"},
	{"ports:\n  - {name: '', type: ethdev, device: x}\n", 2, "is missing"},
	{"bridges:\n  - name: a23456789012345678901234567890123\n", 2, "longer than 31"},
	{"ports:\n" PORT("") "  - {name: a, type: ethdev, device: x}\n", 3,
	 "there is a port a already"},
	{"bridges:\n  - name: b\n  - name: c\n  - name: b\n", 4,
	 "bridge b is listed twice, first at line 2"},
	/* what a port is made of */
	{"ports:\n  - {name: a, type: tap}\n", 2, "use vhost-user or ethdev"},
	{"ports:\n  - {name: a, type: vhost-user}\n", 2, "has no socket"},
	{"ports:\n  - {name: a, type: ethdev}\n", 2, "has no device"},
	{"ports:\n" PORT(", mode: clinet"), 2, "use server"},
	{"ports:\n" PORT(", device: x"), 2, "device is nothing to a port of type vhost-user"},
	{"ports:\n  - {name: a, type: ethdev, device: x, queues: 2}\n", 2, "queues is nothing"},
	{"ports:\n  - {name: a, type: ethdev, device: x, postcopy: on}\n", 2, "postcopy is nothing"},
	{"ports:\n" PORT(", postcopy: 1"), 2, "use on"},
	{"ports:\n" PORT(", offloads: tso"), 2, "use on"},
	/* whose a socket is */
	{"ports:\n" PORT(", socket-owner: nobody-of-that-name"), 2,
	 "port a: socket-owner \"nobody-of-that-name\" is not a user of this machine"},
	{"ports:\n" PORT(", socket-owner: 4294967295"), 2, "is not a user of this machine"},
	{"ports:\n" PORT(", socket-owner: ''"), 2, "is not a user of this machine"},
	{"ports:\n" PORT(", socket-owner: -1"), 2, "is not a user of this machine"},
	{"ports:\n" PORT(", socket-group: nobody-of-that-name"), 2,
	 "port a: socket-group \"nobody-of-that-name\" is not a group of this machine"},
	{"ports:\n" PORT(", socket-group: 4294967296"), 2, "is not a group of this machine"},
	{"ports:\n" PORT(", socket-mode: rw-rw----"), 2,
	 "port a: socket-mode \"rw-rw----\" is not a mode; use an octal number"},
	{"ports:\n" PORT(", socket-mode: 0680"), 2, "is not a mode"},
	{"ports:\n" PORT(", socket-mode: 01000"), 2, "is not a mode; use an octal number, 0 to 0777"},
	{"ports:\n" PORT(", socket-mode: -1"), 2, "is not a mode"},
	{"ports:\n" PORT(", socket-mode: 0x1b0"), 2, "is not a mode"},
	{"ports:\n" PORT(", socket-mode: ''"), 2, "is not a mode"},
	{"ports:\n" PORT(", socket-mode: [6, 6, 0]"), 2, "socket-mode has to be a single word"},
	{"ports:\n" PORT(", mode: client, socket-owner: root"), 2,
	 "socket-owner is nothing to a port in mode: client"},
	{"ports:\n" PORT(", mode: client, socket-group: root"), 2, "socket-group is nothing"},
	{"ports:\n" PORT(", mode: client, socket-mode: 0660"), 2, "socket-mode is nothing"},
	{"ports:\n  - {name: a, type: ethdev, device: x, socket-mode: 0660}\n", 2,
	 "socket-mode is nothing to a port of type ethdev"},
	{"ports:\n" PORT(", socket-mode: 0660") "socket-mode: 9\n", 3,
	 "socket-mode \"9\" is not a mode"},
	{"ports: []\n\nsocket-owner: nobody-of-that-name\n", 3, "is not a user of this machine"},
	{"socket-group: nobody-of-that-name\nports: []\n", 1, "is not a group of this machine"},
	{"ports:\n" PORT(", control-queue: maybe"), 2, "use on"},
	{"ports:\n" PORT(", control-queue: off, queues: 2"), 2, "2 queue pairs need the control queue"},
	{"ports:\n  - {name: up0, type: ethdev, device: net_tap0, control-queue: off}\n", 2, "nothing to a port of type ethdev"},
	{"ports:\n" PORT(", mtu: 9000"), 2, "mtu is nothing to a port of type vhost-user"},
	{"ports:\n  - {name: a, type: ethdev, device: x, mtu: 67}\n", 2, "use 68 to 65535"},
	{"ports:\n" PORT("") "  - {name: b, type: vhost-user, socket: /a}\n", 3,
	 "socket /a is port a's already"},
	{"ports:\n" PORT("") "  - {name: b, type: vhost-user, socket: //a}\n", 3,
	 "socket //a is port a's already"},
	{"ports:\n" PORT("") "  - {name: b, type: vhost-user, socket: /tmp/./../a}\n", 3,
	 "is port a's already"},
	{"ports:\n  - {name: a, type: vhost-user, socket: /no/where/x}\n"
	 "  - {name: b, type: vhost-user, socket: /no/./such/..//where/x}\n",
	 3, "is port a's already"},
	{"ports:\n  - {name: a, type: vhost-user, socket: vm1.sock}\n", 2,
	 "\"vm1.sock\" is not a path from the root; write it whole, as in /run/vuswitch/vm1.sock"},
	{"ports:\n  - {name: a, type: vhost-user, socket: /run/}\n", 2, "names a folder"},
	{"ports:\n  - {name: a, type: vhost-user, socket: \"/run/a\\nb\"}\n", 2,
	 "\"/run/a\\nb\", has a control character"},
	/* devices */
	{"ports:\n  - {name: a, type: ethdev, device: \"x\\ny\"}\n", 2, "has a control character"},
	{"ports:\n  - {name: a, type: ethdev, device: eth77}\n", 2,
	 "eth77 is an interface of the kernel; use net_af_packet0,iface=eth77"},
	{"ports:\n  - {name: a, type: ethdev, device: lo}\n", 2, "use net_af_packet0,iface=lo"},
	{"ports:\n  - name: a\n    type: ethdev\n    device: \"net_tap0,iface=a234567890123456\"\n", 4,
	 "iface=a234567890123456 has 16 characters, and an interface of the kernel at most 15"},
	{"ports:\n  - {name: a, type: ethdev, device: \"net_tap0,iface=x\"}\n"
	 "  - {name: b, type: ethdev, device: net_tap0}\n",
	 3, "device net_tap0 is port a's already"},
	{"ports:\n" PORT(", bridge: lan"), 2, "add \"- name: lan\" under bridges:"},
	/* static addresses */
	{"bridges:\n  - name: br0\n    static-macs:\n      - {mac: 5254, port: a}\n"
	 "ports:\n" PORT(""),
	 4, "is not an Ethernet address"},
	{"bridges:\n  - name: br0\n    static-macs:\n"
	 "      - {mac: \"52:54:00:00:00:01\", port: a}\n"
	 "      - {mac: \"01:54:00:00:00:01\", port: a}\nports:\n" PORT(""),
	 5, "group address"},
	{"bridges:\n  - name: br0\n    static-macs:\n"
	 "      - {mac: \"52:54:00:00:00:01\", port: b}\nports:\n" PORT(""),
	 4, "there is no port b on bridge br0"},
	{"bridges:\n  - name: storage\nports:\n" PORT(", bridge: strorage"), 4,
	 "there is no bridge strorage; did you mean storage?; add"},
	{"profiles:\n  - {name: web, queues: 2}\nports:\n" PORT(", profile: wed"), 4,
	 "there is no profile \"wed\"; did you mean web?; add"},
};

static void says_what_is_wrong(void **state)
{
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_refused(wrong[i].text, wrong[i].line, wrong[i].words);
}

static void no_file(void **state)
{
	struct config config = {.drivers = drivers};
	struct fail fail;

	assert_int_equal(config_read_file(&config, "/nonexistent/file", &fail), -ENOENT);
	assert_non_null(strstr(fail.text, "/nonexistent/file: cannot be read"));
	config_free(&config);
	assert_true(config_read_file(&config, "/tmp", &fail) < 0);
	config_free(&config);
}

/* libyaml alone needs the square of the depth: 20 s for this. */
static void depth_costs_no_time(void **state)
{
	static char text[100001];
	uint64_t begin = clock_ns();

	memset(text, '[', sizeof(text) - 1);
	assert_refused(text, 1, "more than 16 levels");
	for (size_t i = 0; i + 1 < sizeof(text); i++)
		text[i] = i % 2 == 0 ? '-' : ' ';
	assert_refused(text, 1, "more than 16 levels");
	assert_true(clock_ns() - begin < 5 * NS_PER_S);
}

/* A list of 1 000 addresses that 2 000 bridges have. What an alias is meant for works. */
static void aliases_are_bounded(void **state)
{
	static char text[200000];
	struct config config;
	struct fail fail;
	size_t at;

	assert_int_equal(read_text(&config,
				   "ports:\n"
				   "  - {name: a, type: vhost-user, socket: /a, mode: &m client}\n"
				   "  - {name: b, type: vhost-user, socket: /b, mode: *m}\n",
				   &fail),
			 0);
	assert_false(vhost_options_listens(vhost(&config, "b")));
	config_free(&config);
	at = (size_t)sprintf(text, "bridges:\n  - name: b\n    static-macs: &m\n");
	for (int i = 0; i < 1000; i++)
		at += (size_t)sprintf(text + at, "      - {mac: \"02:00:00:00:00:01\", port: a}\n");
	for (int i = 0; i < 2000; i++)
		at += (size_t)sprintf(text + at, "  - {name: b%d, static-macs: *m}\n", i);
	assert_refused(text, 1212, "more than a million values");
	at = (size_t)sprintf(text, "ports:\n");
	for (int i = 0; i < 65; i++)
		at += (size_t)sprintf(text + at, "  - &a%d a\n", i);
	assert_refused(text, 66, "more than 64 anchors");
}

/* What would keep the switch waiting (SIGHUP reads the file as well) is refused at once. */
static void only_files_are_read(void **state)
{
	struct config config = {.drivers = drivers};
	struct fail fail;
	char fifo[] = "/tmp/config_test_fifo_XXXXXX";
	int ends[2];

	assert_non_null(mkdtemp(fifo));
	assert_int_equal(rmdir(fifo), 0);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	alarm(10);
	assert_int_equal(config_read_file(&config, fifo, &fail), -EINVAL);
	assert_non_null(strstr(fail.text, "this is a pipe, which SIGHUP could not read again"));
	unlink(fifo);
	assert_int_equal(pipe(ends), 0);
	snprintf(fifo, sizeof(fifo), "/dev/fd/%d", ends[0]);
	assert_int_equal(config_read_file(&config, fifo, &fail), -EINVAL);
	assert_non_null(strstr(fail.text, "this is a pipe"));
	alarm(0);
	close(ends[0]);
	close(ends[1]);
	assert_int_equal(config_read_file(&config, "/dev/zero", &fail), -EINVAL);
	assert_non_null(strstr(fail.text, "this is a device"));
	assert_int_equal(config_read_file(&config, "/tmp", &fail), -EINVAL);
	assert_non_null(strstr(fail.text, "this is a folder"));
	assert_int_equal(config_read_file(&config, "/dev/null", &fail), -ENODATA);
	assert_non_null(strstr(fail.text, "/dev/null:1: there is nothing in this file"));
	config_free(&config);
}

/* A socket is one, whatever path leads to its folder. */
static void sockets_through_a_link(void **state)
{
	char folder[] = "/tmp/config_test_XXXXXX", link[64], text[256];

	assert_non_null(mkdtemp(folder));
	snprintf(link, sizeof(link), "%s-link", folder);
	assert_int_equal(symlink(folder, link), 0);
	snprintf(text, sizeof(text),
		 "ports:\n  - {name: a, type: vhost-user, socket: %s/x}\n"
		 "  - {name: b, type: vhost-user, socket: %s/x}\n",
		 folder, link);
	assert_refused(text, 3, "is port a's already");
	unlink(link);
	rmdir(folder);
}

/* A socket address has 108 bytes. */
static void long_paths(void **state)
{
	char text[256], longest[108];

	memset(longest, 'x', sizeof(longest) - 1);
	longest[0] = '/';
	longest[107] = '\0';
	snprintf(text, sizeof(text), "ports:\n  - {name: a, type: vhost-user, socket: %s}\n",
		 longest);
	struct config config;
	struct fail fail;

	assert_int_equal(read_text(&config, text, &fail), 0);
	config_free(&config);
	snprintf(text, sizeof(text), "ports:\n  - {name: a, type: vhost-user, socket: %sx}\n",
		 longest);
	assert_refused(text, 2, "107 characters");
}

/* --- the command line ------------------------------------------------------------------------------------------- */

static void options_are_ports(void **state)
{
	struct config config = {.drivers = drivers};
	const struct config_port *port;
	struct fail fail;

	assert_int_equal(config_add_port(&config, "--vhost",
					   "vm1=/run/a,mode=client,queues=2,bridge=lan", &fail),
			 0);
	assert_int_equal(config_add_port(&config, "--vhost", "vm2=/run/b", &fail), 0);
	assert_int_equal(config_add_port(&config, "--ethdev",
					   "up0=net_tap0,iface=t0,mtu=9000,bridge=lan,remote=x", &fail),
			 0);
	assert_int_equal(config_check(&config, &fail), 0);
	assert_int_equal(config.bridges_n, 2);
	assert_non_null(config_find_bridge(&config, "lan"));
	assert_non_null(config_find_bridge(&config, "br0"));
	port = config_find_port(&config, "vm1");
	assert_string_equal(vhost(&config, "vm1")->socket, "/run/a");
	assert_false(vhost_options_listens(vhost(&config, "vm1")));
	assert_int_equal(vhost(&config, "vm1")->queues, 2);
	port = config_find_port(&config, "up0");
	assert_string_equal(ethdev(&config, "up0")->device, "net_tap0,iface=t0,remote=x");
	assert_int_equal(ethdev(&config, "up0")->mtu, 9000);
	assert_string_equal(port->member.bridge, "lan");
	config_free(&config);
}

/* Where the command line was written is known: a relative path goes from there. */
static void relative_paths_are_made_absolute(void **state)
{
	struct config config = {.drivers = drivers};
	struct fail fail;
	char before[512], wanted[64], folder[] = "/tmp/config_test_XXXXXX";

	assert_non_null(getcwd(before, sizeof(before)));
	assert_non_null(mkdtemp(folder));
	assert_int_equal(chdir(folder), 0);
	assert_int_equal(config_add_port(&config, "--vhost", "vm1=vm1.sock", &fail), 0);
	assert_int_equal(config_check(&config, &fail), 0);
	snprintf(wanted, sizeof(wanted), "%s/vm1.sock", folder);
	assert_string_equal(vhost(&config, "vm1")->socket, wanted);
	assert_int_equal(config_add_port(&config, "--vhost", "vm2=./vm1.sock", &fail), 0);
	assert_int_equal(config_check(&config, &fail), -EEXIST);
	assert_non_null(strstr(fail.text, "is port vm1's already"));
	config_free(&config);
	assert_int_equal(chdir(before), 0);
	rmdir(folder);
}

/* What is not there yet is no error: it may come before the switch starts. */
static void warns_of_what_is_missing(void **state)
{
	struct config config = {.drivers = drivers};
	struct fail fail;
	char *text;
	size_t size;
	FILE *to = open_memstream(&text, &size);

	assert_int_equal(config_add_port(&config, "--vhost", "vm1=/no/where/it/vm1.sock", &fail), 0);
	assert_int_equal(config_add_port(&config, "--vhost", "vm2=/tmp/made/vm2.sock", &fail), 0);
	assert_int_equal(config_add_port(&config, "--vhost", "vm3=/no/vm3.sock,mode=client", &fail), 0);
	assert_int_equal(config_add_port(&config, "--ethdev", "up0=net_af_packet0,iface=nosuch0", &fail), 0);
	assert_int_equal(config_add_port(&config, "--ethdev", "up1=net_af_packet1,iface=lo", &fail), 0);
	assert_int_equal(config_check(&config, &fail), 0);
	config_warn(&config, to);
	fclose(to);
	assert_string_equal(text,
			    "warning: port vm1: folder /no/where: No such file or directory; the switch "
			    "would make its socket in /no/where/it, but makes one folder only\n"
			    "warning: port up0: the kernel has no interface nosuch0, of which "
			    "net_af_packet0 is to be made\n");
	free(text);
	config_free(&config);
}

/* What is written and has no effect. */
struct idle {
	unsigned int n;
	char line[16][512];
};

static void add_idle(void *arg, const char *line)
{
	struct idle *idle = arg;

	assert_true(idle->n < 16);
	snprintf(idle->line[idle->n++], sizeof(idle->line[0]), "%s", line);
}

static void assert_idle(const struct idle *idle, unsigned int i, unsigned int line, const char *words)
{
	char wanted[512];

	snprintf(wanted, sizeof(wanted), "%s:%u: %s; add that, or remove it", path, line, words);
	assert_true(i < idle->n);
	assert_string_equal(idle->line[i], wanted);
}

static void tells_of_what_has_no_effect(void **state)
{
	struct idle idle = {0}, one = {0};
	struct config config;
	struct fail fail;

	assert_int_equal(read_text(&config,
				   "metrics-mode: \"0600\"\n"
				   "profiles:\n"
				   "  - name: slow\n"
				   "    burst-from-vm: 5\n"
				   "bridges:\n"
				   "  - {name: br0, multicast-groups: 7}\n"
				   "  - {name: lan, multicast-snooping: on, multicast-groups: 7}\n"
				   "ports:\n"
				   "  - {name: vm1, type: vhost-user, socket: /run/a, multicast-router: off, memory-wait: 0,\n"
				   "     memory-wait-rate: 9}\n"
				   "  - {name: vm2, profile: slow, type: vhost-user, socket: /run/b, "
				   "bpdu-guard: drop, bpdu-close-time: 9}\n"
				   "  - {name: vm3, profile: slow, type: vhost-user, socket: /run/c, "
				   "packets-from-vm: 1000, bridge: lan,\n"
				   "     multicast-router: off, bpdu-guard: close, bpdu-close-time: 9, "
				   "multicast-fast-leave: off}\n"
				   "  - {name: vm4, type: vhost-user, socket: /run/d, multicast-fast-leave: off}\n",
				   &fail),
			 0);
	config_tell_idle(&config, add_idle, &idle);
	assert_int_equal(idle.n, 6);
	assert_idle(&idle, 0, 1, "metrics-mode has no effect without metrics");
	assert_idle(&idle, 1, 6, "bridge br0: multicast-groups has no effect without multicast-snooping");
	assert_idle(&idle, 2, 9, "port vm1: multicast-router has no effect without multicast-snooping on its bridge");
	assert_idle(&idle, 3, 10, "port vm1: memory-wait-rate has no effect without memory-wait");
	assert_idle(&idle, 4, 11, "port vm2: bpdu-close-time has no effect without bpdu-guard: close");
	assert_idle(&idle, 5, 4, "port vm2: burst-from-vm has no effect without rate-from-vm or packets-from-vm");
	config_tell_idle_of(&config, "vm1", add_idle, &one);
	assert_int_equal(one.n, 2);
	config_tell_idle_of(&config, "nobody", add_idle, &one);
	assert_int_equal(one.n, 2);
	config_free(&config);
}

/* What a row needs is there. */
static void needs_are_rows(void **state)
{
	const struct option_table *const tables[] = {&switch_options, &bridge_options, &bridge_port_options, &vhost_options,
						     &ethdev_options};
	unsigned int seen = 0;

	for (size_t t = 0; t < sizeof(tables) / sizeof(tables[0]); t++)
		for (unsigned int i = 0; i < tables[t]->n; i++) {
			const struct option_row *row = &tables[t]->row[i];
			const char *at = row->needs, *key;
			char name[64];
			size_t len;

			while (at != NULL && option_needs_next(&at, &key, &len)) {
				snprintf(name, sizeof(name), "%.*s", (int)strcspn(key, "=,"), key);
				assert_true(len < sizeof(name));
				if (option_bit(row->needs_of != NULL ? row->needs_of : tables[t], name) == 0)
					fail_msg("%s needs %s, which is no row", row->key, name);
				seen++;
			}
		}
	assert_true(seen >= 10);
}

static void options_are_checked(void **state)
{
	static const struct {
		const char *option, *value, *words;
	} cases[] = {
		{"--vhost", "vm1", "a name and a socket are needed"},
		{"--vhost", "=x", "a name and a socket are needed"},
		{"--vhost", "vm1=", "a name and a socket are needed"},
		{"--ethdev", "up0", "a name and a device are needed"},
		{"--vhost", "vm1=/a,brige=x", "\"brige\" is not known"},
		{"--vhost", "vm1=/a,queues=x", "port vm1: queues has to be a whole number from 1 to 16, not 'x'"},
		{"--vhost", "vm1=/a,queues=", "queues has to be a whole number from 1 to 16, not ''"},
		{"--vhost", "vm1=/a,quues=2", "\"quues\" is not known; did you mean queues?"},
		{"--ethdev", "up0=net_tap0,iface=tapx,isolatd=on", "\"isolatd\" is not known; did you mean isolated?"},
		{"--ethdev", "up0=net_tap0,zero_copy_tx=on", "did you mean zero-copy-tx?"},
		{"--vhost", "vm1=/a,queues=2,queues=3", "queues is written twice"},
		{"--vhost", "vm1=/a,queues=99", "use 1 to 16"},
		{"--vhost", "vm1=/a,mode=x", "use server"},
		{"--vhost", "vm1=/a,postcopy=maybe", "use on"},
		{"--vhost", "vm1=/a,socket-owner=nobody-of-that-name", "is not a user"},
		{"--vhost", "vm1=/a,socket-group=", "is not a group"},
		{"--vhost", "vm1=/a,socket-mode=0778", "is not a mode"},
		{"--vhost", "vm1=/a,mode=client,socket-mode=0660", "mode: client"},
		{"--ethdev", "up0=net_tap0,offloads=some", "use on"},
		{"--vhost", "vm1=/a,control-queue=some", "use on"},
		{"--ethdev", "up0=net_tap0,mtu=big", "mtu has to be a whole number"},
		{"--ethdev", "up0=net_tap0,mtu=65536", "use 68 to 65535"},
		{"--vhost", "vm1=/a,bridge=", "bridge name \"\" is missing"},
		{"--vhost", "vm/1=/a", "has a character other"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct config config = {.drivers = drivers};
		struct fail fail = {.text = ""};
		int error = config_add_port(&config, cases[i].option, cases[i].value, &fail);

		if (error == 0)
			error = config_check(&config, &fail);
		assert_true(error < 0);
		/* It begins with what the user typed. */
		assert_int_equal(strncmp(fail.text, cases[i].option, strlen(cases[i].option)), 0);
		assert_non_null(strstr(fail.text, cases[i].value));
		if (strstr(fail.text, cases[i].words) == NULL)
			fail_msg("\"%s\" does not say \"%s\"", fail.text, cases[i].words);
		config_free(&config);
	}
}

static void file_and_options_together(void **state)
{
	struct config config;
	struct fail fail;

	assert_int_equal(read_text(&config, "ports:\n" PORT(""), &fail), 0);
	assert_int_equal(config_add_port(&config, "--vhost", "a=/b", &fail), 0);
	assert_int_equal(config_check(&config, &fail), -EEXIST);
	assert_non_null(strstr(fail.text, path));
	config_free(&config);
}

static void queues_move_unless_told_otherwise(void **state)
{
	struct config config;
	struct fail fail;

	assert_int_equal(read_text(&config, "ports:\n" PORT(""), &fail), 0);
	assert_int_equal(config_check(&config, &fail), 0);
	assert_true(config.options.rebalance);
	config_free(&config);
	assert_int_equal(read_text(&config, "rebalance: off\nports:\n" PORT(""), &fail), 0);
	assert_int_equal(config_check(&config, &fail), 0);
	assert_false(config.options.rebalance);
	/* The command line has the last word, and that is reported. */
	assert_int_equal(config_set(&config, "rebalance", "on", &fail), 0);
	assert_int_equal(config_check(&config, &fail), 0);
	assert_true(config.options.rebalance);
	assert_int_equal(config_set(&config, "rebalance", "never", &fail), 0);
	assert_int_equal(config_check(&config, &fail), -EINVAL);
	assert_int_equal(strncmp(fail.text, "command line: rebalance \"never\"", 31), 0);
	config_free(&config);
}

/* "root" is user and group 0 on every machine, and so is no other number's name needed. */
static void a_socket_has_an_owner(void **state)
{
	static const char text[] =
		"socket-owner: 64055\nsocket-mode: 0640\nports:\n"
		"  - {name: a, type: vhost-user, socket: /a, socket-owner: root, socket-group: root, "
		"socket-mode: 0660}\n"
		"  - {name: b, type: vhost-user, socket: /b, socket-group: 107, socket-mode: \"7\"}\n"
		"  - {name: c, type: vhost-user, socket: /c}\n"
		"  - {name: d, type: vhost-user, socket: /d, mode: client}\n"
		"  - {name: e, type: ethdev, device: x}\n";
	struct config config;
	struct fail fail;
	struct rights rights;
	char words[256];

	assert_int_equal(read_text(&config, text, &fail), 0);
	rights = vhost_options_rights(vhost(&config, "a"));
	assert_true(rights.given[RIGHTS_OWNER] && rights.given[RIGHTS_GROUP]);
	assert_int_equal(rights.owner, 0);
	assert_int_equal(rights.group, 0);
	assert_int_equal(rights.mode, 0660);
	config_describe_port(config_find_port(&config, "a"), words, sizeof(words));
	assert_string_equal(words, "vhost-user, socket /a, socket-owner root (0), socket-group root (0), "
				   "socket-mode 0660, bridge br0");
	rights = vhost_options_rights(vhost(&config, "b"));
	assert_int_equal(rights.owner, 64055);
	assert_int_equal(rights.group, 107);
	assert_int_equal(rights.mode, 07);
	rights = vhost_options_rights(vhost(&config, "c"));
	assert_int_equal(rights.owner, 64055);
	assert_false(rights.given[RIGHTS_GROUP]);
	assert_int_equal(rights.mode, 0640);
	/* Where another process makes the socket, and where there is none, there are no defaults. */
	rights = vhost_options_rights(vhost(&config, "d"));
	assert_false(rights_any(&rights));
	/* The command line has the last word. */
	assert_int_equal(config_set(&config, "socket-mode", "0600", &fail), 0);
	assert_int_equal(config_check(&config, &fail), 0);
	assert_int_equal(vhost(&config, "c")->socket_mode, 0600);
	assert_int_equal(vhost(&config, "a")->socket_mode, 0660);
	assert_int_equal(config_set(&config, "socket-group", "nobody-of-that-name", &fail), 0);
	assert_int_equal(config_check(&config, &fail), -ENOENT);
	assert_int_equal(strncmp(fail.text, "command line: socket-group \"nobody", 34), 0);
	config_free(&config);
}

/* As a suboption of --vhost, and not of --ethdev, where it would be the driver's. */
static void a_socket_of_the_command_line(void **state)
{
	struct config config = {.drivers = drivers};
	struct fail fail;
	struct rights rights;

	assert_int_equal(config_add_port(&config, "--vhost",
					   "a=/a,socket-owner=0,socket-group=root,socket-mode=660",
					   &fail),
			 0);
	assert_int_equal(config_add_port(&config, "--ethdev", "e=net_x,socket-mode=660", &fail),
			 0);
	assert_int_equal(config_check(&config, &fail), 0);
	rights = vhost_options_rights(vhost(&config, "a"));
	assert_true(rights.given[RIGHTS_OWNER] && rights.given[RIGHTS_GROUP]);
	assert_int_equal(rights.mode, 0660);
	assert_string_equal(ethdev(&config, "e")->device, "net_x,socket-mode=660");
	config_free(&config);
}

/* --- two configurations ----------------------------------------------------------------------------------------- */

static void add_line(void *arg, const struct config_told *told)
{
	char *text = arg;

	snprintf(text + strlen(text), 2000 - strlen(text), "%s\n", told->line);
}

/* What turns one text into the other, as it is reported. */
static void assert_changes(const char *before, const char *after, const char *lines)
{
	struct config from, to;
	struct fail fail = {.text = ""};
	char text[2000] = "";

	assert_int_equal(read_text(&from, before, &fail), 0);
	assert_int_equal(read_text(&to, after, &fail), 0);
	config_tell_changes(&from, &to, add_line, text);
	assert_string_equal(text, lines);
	config_free(&from);
	config_free(&to);
}

static void changes_are_told(void **state)
{
	static const char before[] = "bridges: [{name: b}]\nports:\n" PORT("");

	assert_changes(before, before, "");
	/* A default that is written out is the same. */
	assert_changes(before,
		       "bridges: [{name: b}]\nports:\n" PORT(", queues: 1, mode: server, postcopy: yes, bridge: br0"), "");
	assert_changes(before, "bridges: [{name: b}]\nports:\n" PORT(", queues: 2, control-queue: true"),
		       "port a: queues 1 -> 2, postcopy on -> off: the port is made anew, its VM loses the connection\n");
	assert_changes(before, "bridges: [{name: b}]\nports:\n" PORT(", bridge: b, socket-mode: 660"),
		       "bridge br0: goes\n"
		       "port a: socket-mode not set -> 0660, bridge br0 -> b: changed while it runs\n");
	assert_changes(before, "bridges: [{name: b}]\nsocket-mode: 0660\nports:\n" PORT(""),
		       "port a: socket-mode not set -> 0660: changed while it runs\n");
	assert_changes(before, "bridges: [{name: b, multicast-snooping: on}]\nports:\n" PORT(", multicast-fast-leave: on"),
		       "bridge b: multicast-snooping off -> on: changed while it runs\n"
		       "port a: multicast-fast-leave off -> on: changed while it runs\n");
	assert_changes(before, "bridges: [{name: b, mac-aging: 5}]\nports:\n  - {name: a, type: ethdev, device: x}\n",
		       "bridge b: mac-aging 300 -> 5: the bridge is made anew and learns its addresses again; no VM loses "
		       "its connection\n"
		       "port a: type vhost-user -> ethdev: the port is made anew, its VM loses the connection\n");
	assert_changes(before, "ports: []\n",
		       "bridge b: goes\nbridge br0: goes\nport a: goes, its VM loses the connection\n");
	assert_changes("ports: []\n", before, "bridge b: comes\nbridge br0: comes\nport a: comes\n");
	assert_changes(before, "rebalance: off\nbridges: [{name: b}]\nports:\n" PORT(""),
		       "rebalance on -> off: changed while it runs\n");
	assert_changes("bridges: [{name: br0, vlan-aware: on}]\nports:\n" PORT(", access: 10"),
		       "bridges: [{name: br0, vlan-aware: on}]\nports:\n" PORT(", trunk: all, native-vlan: 7"),
		       "port a: access 10 -> not set, trunk not set -> all, native-vlan not set -> 7: changed while it runs\n");
	assert_changes("bridges: [{name: br0}]\nports:\n" PORT(""),
		       "bridges: [{name: br0, static-macs: [{mac: \"52:54:00:00:00:01\", port: a}]}]\nports:\n" PORT(""),
		       "bridge br0: static-macs, 0 before and 1 now: changed while it runs\n");
	assert_changes("bridges: [{name: br0, mirrors: [{name: m, to: a}]}]\nports:\n" PORT(""),
		       "bridges: [{name: br0, mirrors: [{name: m, to: a, snap: 64}]}]\nports:\n" PORT(""),
		       "bridge br0: mirrors, 1 before and 1 now: changed while it runs\n");
}

/* A limit that a VM's port has by itself is one value, off is another, and each becomes the other. */
static void limits_that_are_there_by_themselves(void **state)
{
	static const char plain[] = "ports:\n" PORT(""), off[] = "ports:\n" PORT(", storm-broadcast: off, storm-multicast: off"),
			  uplink[] = "ports:\n  - {name: e, type: ethdev, device: x}\n",
			  profile[] = "profiles: [{name: q, storm-broadcast: off}]\nports:\n" PORT(", profile: q");
	const struct config_port *port;
	struct config config;
	struct fail fail;
	json_t *json;

	assert_changes(plain, off, "port a: storm-broadcast 10k -> off, storm-multicast 100k -> off: changed while it runs\n");
	assert_changes(off, plain, "port a: storm-broadcast off -> 10k, storm-multicast off -> 100k: changed while it runs\n");
	assert_changes(plain, "ports:\n" PORT(", storm-broadcast: 10k, storm-unknown: off"), "");
	assert_changes(plain, "ports:\n" PORT(", storm-broadcast: 100"),
		       "port a: storm-broadcast 10k -> 100: changed while it runs\n");
	assert_changes(uplink, "ports:\n  - {name: e, type: ethdev, device: x, storm-broadcast: off}\n", "");
	assert_changes("profiles: [{name: q}]\nports:\n" PORT(", profile: q"), profile,
		       "profile q: storm-broadcast the default -> off: changed, for the ports that have it\n"
		       "port a: storm-broadcast 10k -> off: changed while it runs\n");
	assert_changes(profile, "profiles: [{name: q}]\nports:\n" PORT(", profile: q"),
		       "profile q: storm-broadcast off -> the default: changed, for the ports that have it\n"
		       "port a: storm-broadcast off -> 10k: changed while it runs\n");
	assert_int_equal(read_text(&config, off, &fail), 0);
	port = config_find_port(&config, "a");
	assert_false(rate_limit_is_set(&port->member.rates.storm[PORT_STORM_BROADCAST]));
	config_free(&config);
	assert_int_equal(read_text(&config, plain, &fail), 0);
	port = config_find_port(&config, "a");
	assert_true(rate_limit_is_set(&port->member.rates.storm[PORT_STORM_BROADCAST]));
	json = config_to_json(&config);
	assert_string_equal(json_string_value(json_object_get(json_array_get(json_object_get(json, "ports"), 0),
							      "storm-broadcast")), "10k");
	json_decref(json);
	config_free(&config);
}

/* A port of the running switch's command line is no part of the file that it is compared with. */
static void a_port_aside_stays(void **state)
{
	struct config from, to;
	struct fail fail;
	char lines[2000] = "";

	assert_int_equal(read_text(&from, "ports:\n" PORT("") "  - {name: b, type: vhost-user, socket: /b}\n", &fail), 0);
	assert_int_equal(read_text(&to, "ports: []\n", &fail), 0);
	from.ports[1].aside = true;
	config_tell_changes(&from, &to, add_line, lines);
	assert_string_equal(lines, "port a: goes, its VM loses the connection\n");
	config_free(&from);
	config_free(&to);
}

/* What a running switch says of itself is what it was configured to be. */
static void json_says_the_same(void **state)
{
	static const char text[] =
		"bridges:\n  - {name: b, mac-aging: 7, static-macs: [{mac: \"52:54:00:00:00:01\", port: a}],\n"
		"     mirrors: [{name: m, to: a, filter: ip, direction: from, snap: 99}]}\n"
		"  - {name: v, vlan-aware: on}\n"
		"socket-group: 107\nrebalance: no\nports:\n" PORT(", bridge: b, postcopy: off, socket-mode: 0640")
		"  - {name: up, type: ethdev, device: \"net_tap0,iface=x\"}\n"
		"  - {name: c, type: vhost-user, socket: /c, mode: client, queues: 3, bridge: v,\n"
		"     trunk: \"1,3-5\", native-vlan: 7}\n";
	struct config config, copy = {.drivers = drivers};
	struct fail fail = {.text = ""};
	char lines[2000] = "";
	json_t *json;

	assert_int_equal(read_text(&config, text, &fail), 0);
	json = config_to_json(&config);
	assert_int_equal(config_read_json(&copy, "json", json, &fail), 0);
	json_decref(json);
	assert_int_equal(config_check(&copy, &fail), 0);
	assert_int_equal(copy.ports_n, 3);
	assert_false(copy.options.rebalance);
	assert_int_equal(copy.bridges[0].options.static_macs.n, 1);
	assert_int_equal(copy.bridges[0].options.mirrors.n, 1);
	assert_int_equal(bridge_mirror(&copy.bridges[0].options, 0)->snap, 99);
	assert_int_equal(bridge_mirror(&copy.bridges[0].options, 0)->direction, BRIDGE_MIRROR_FROM);
	assert_non_null(bridge_mirror(&copy.bridges[0].options, 0)->program);
	assert_true(copy.bridges[1].options.vlan_aware && !copy.bridges[1].options.forward_link_local);
	assert_true(vlan_set_has(&copy.ports[2].member.vlan.members, 4) && copy.ports[2].member.vlan.untagged == 7);
	config_tell_changes(&config, &copy, add_line, lines);
	assert_string_equal(lines, "");
	/* The same checker, without lines. */
	config_free(&copy);
	json = json_pack("{s:[{s:s, s:s, s:s, s:i}]}", "ports",
			 "name", "a", "type", "vhost-user", "socket", "/a", "queues", 17);
	assert_int_equal(config_read_json(&copy, "request", json, &fail), 0);
	json_decref(json);
	assert_int_equal(config_check(&copy, &fail), -ERANGE);
	assert_string_equal(fail.text, "request: port a: queues: 17 is out of range; use 1 to 16");
	config_free(&copy);
	config_free(&config);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_everything),
		cmocka_unit_test(nothing_is_a_configuration),
		cmocka_unit_test(the_example_is_good),
		cmocka_unit_test(says_what_is_wrong),
		cmocka_unit_test(no_file),
		cmocka_unit_test(depth_costs_no_time),
		cmocka_unit_test(aliases_are_bounded),
		cmocka_unit_test(only_files_are_read),
		cmocka_unit_test(sockets_through_a_link),
		cmocka_unit_test(relative_paths_are_made_absolute),
		cmocka_unit_test(warns_of_what_is_missing),
		cmocka_unit_test(long_paths),
		cmocka_unit_test(options_are_ports),
		cmocka_unit_test(tells_of_what_has_no_effect),
		cmocka_unit_test(needs_are_rows),
		cmocka_unit_test(options_are_checked),
		cmocka_unit_test(file_and_options_together),
		cmocka_unit_test(queues_move_unless_told_otherwise),
		cmocka_unit_test(a_socket_has_an_owner),
		cmocka_unit_test(a_socket_of_the_command_line),
		cmocka_unit_test(changes_are_told),
		cmocka_unit_test(limits_that_are_there_by_themselves),
		cmocka_unit_test(a_port_aside_stays),
		cmocka_unit_test(json_says_the_same),
	};
	int fd = mkstemp(path), failed;

	if (fd < 0)
		return EXIT_FAILURE;
	close(fd);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	unlink(path);
	return failed;
}
