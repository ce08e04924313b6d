/* SPDX-License-Identifier: BSD-3-Clause */
/* echo_guest: a virtual machine that answers pings, and comes back whenever the switch does.
 *
 *	echo_guest connect|listen SOCKET ADDRESS
 *
 * ADDRESS is its IPv4 address. It runs until it is killed, or until the switch breaks a rule.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fg_net.h"
#include "fg_session.h"
#include "fg_wire.h"

enum { GPA = 1 << 20, MEMORY = 8 << 20, CONNECT_MS = 60000, LOOK_MS = 50 };

/* Offsets in a frame: Ethernet, ARP, IPv4 without options, ICMP. */
enum {
	TYPE = 12,
	ARP_OPERATION = 20,
	ARP_SENDER = 22,
	ARP_TARGET = 32,
	ARP_TARGET_IP = 38,
	ARP_END = 42,
	IP_PROTOCOL = 23,
	IP_SOURCE = 26,
	IP_DESTINATION = 30,
	ICMP = 34,
	ICMP_END = 42,
};

static struct fg_memory memory;
static struct fg_session session;
static struct fg_nic nic;
static uint8_t address[4];

static int connect_to(const char *path, int listener)
{
	return listener >= 0 ? fg_wire_accept(listener, CONNECT_MS)
			     : fg_wire_connect(path, CONNECT_MS);
}

static int start(const char *path, int listener)
{
	int sock = connect_to(path, listener), err = sock < 0 ? sock : 0;

	fg_memory_init(&memory);
	if (err == 0 && fg_memory_add(&memory, GPA, MEMORY) < 0)
		err = -1;
	if (err == 0)
		err = fg_session_open_on(&session, sock, &memory, NULL);
	if (err == 0)
		err = fg_session_start(&session);
	if (err == 0)
		err = fg_nic_init(&nic, &session, 0, address[3], NULL);
	return err == 0 ? fg_nic_fill(&nic) : err;
}

/* The switch may be killed again in the middle of it. */
static int come_back(const char *path, int listener)
{
	for (int tries = 0; tries < 10; tries++) {
		int sock;

		fg_session_drop(&session);
		sock = connect_to(path, listener);
		if (sock < 0)
			return sock;
		if (fg_session_reopen_on(&session, sock) == 0)
			return 0;
	}
	return -1;
}

static bool is_alive(void)
{
	struct pollfd fd = {.fd = session.sock, .events = POLLRDHUP};

	return poll(&fd, 1, 0) == 0;
}

/* Turns a request into its answer. False: it is not one, or not for us. */
static bool answer(uint8_t *frame, int len)
{
	uint8_t ip[4];

	if (len >= ARP_END && memcmp(frame + TYPE, "\x08\x06", 2) == 0 &&
	    memcmp(frame + ARP_OPERATION, "\0\1", 2) == 0 &&
	    memcmp(frame + ARP_TARGET_IP, address, 4) == 0) {
		frame[ARP_OPERATION + 1] = 2;
		memcpy(frame + ARP_TARGET, frame + ARP_SENDER, 10);
		memcpy(frame + ARP_SENDER, nic.mac, 6);
		memcpy(frame + ARP_SENDER + 6, address, 4);
	} else if (len >= ICMP_END && memcmp(frame + TYPE, "\x08\0\x45", 3) == 0 &&
		   frame[IP_PROTOCOL] == 1 && frame[ICMP] == 8 &&
		   memcmp(frame + IP_DESTINATION, address, 4) == 0) {
		uint32_t sum = (uint32_t)(frame[ICMP + 2] << 8 | frame[ICMP + 3]) + 0x0800;

		memcpy(ip, frame + IP_SOURCE, 4);
		memcpy(frame + IP_SOURCE, address, 4);
		memcpy(frame + IP_DESTINATION, ip, 4);
		/* RFC 1624: the type goes from 8 to 0. */
		sum = (sum & 0xffff) + (sum >> 16);
		frame[ICMP] = 0;
		frame[ICMP + 2] = (uint8_t)(sum >> 8);
		frame[ICMP + 3] = (uint8_t)sum;
	} else {
		return false;
	}
	memcpy(frame, frame + 6, 6);
	memcpy(frame + 6, nic.mac, 6);
	return true;
}

static int serve(const char *path, int listener)
{
	static uint8_t frame[FG_FRAME_MAX];
	int err = start(path, listener);

	while (err == 0) {
		int len = fg_nic_recv(&nic, frame, sizeof(frame), LOOK_MS);

		if (len >= 0 && answer(frame, len)) {
			err = fg_nic_reap(&nic);
			/* -EAGAIN: the switch is away, and has every buffer. */
			if (err == 0 && fg_nic_room(&nic, 2))
				err = fg_nic_send(&nic, frame, (size_t)len, NULL);
		} else if (len < 0 && len != -ETIMEDOUT) {
			err = len;
		}
		if (err == 0 && !is_alive())
			err = come_back(path, listener);
	}
	return err;
}

int main(int argc, char **argv)
{
	int listener = -1, err;

	if (argc != 4 || inet_pton(AF_INET, argv[3], address) != 1) {
		fprintf(stderr, "usage: echo_guest connect|listen SOCKET ADDRESS\n");
		return 2;
	}
	if (strcmp(argv[1], "listen") == 0) {
		listener = fg_wire_listen(argv[2]);
		if (listener < 0) {
			fprintf(stderr, "echo_guest: %s: %s\n", argv[2], strerror(-listener));
			return 1;
		}
	}
	err = serve(argv[2], listener);
	fprintf(stderr, "echo_guest: %s: %s\n", argv[2], strerror(-err));
	return 1;
}
