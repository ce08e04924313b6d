/* SPDX-License-Identifier: BSD-3-Clause */
/* mcast: a host's side of multicast and broadcast, for a guest that has no more than busybox.
 *
 *	mcast hear GROUP PORT FILE [SOURCE]	joins the group on eth0; FILE has how many datagrams have come; SIGTERM: leaves
 *	mcast say ADDRESS PORT N [RATE]		sends N datagrams from eth0, RATE a second, to a group or as a broadcast
 *
 * Addresses are of IPv4 or of IPv6. With SOURCE (IPv4) it joins for what comes from there.
 */
#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

static void must(int status, const char *what)
{
	if (status < 0) {
		perror(what);
		exit(1);
	}
}

static socklen_t parse(const char *address, const char *port, union address *a)
{
	in_port_t number = htons((in_port_t)atoi(port));

	memset(a, 0, sizeof(*a));
	if (inet_pton(AF_INET, address, &a->v4.sin_addr) == 1) {
		a->v4.sin_family = AF_INET;
		a->v4.sin_port = number;
		return sizeof(a->v4);
	}
	must(inet_pton(AF_INET6, address, &a->v6.sin6_addr) == 1 ? 0 : -1, address);
	a->v6.sin6_family = AF_INET6;
	a->v6.sin6_port = number;
	return sizeof(a->v6);
}

static void join(int fd, const union address *group, const char *source, int eth0)
{
	if (group->any.sa_family == AF_INET6) {
		struct ipv6_mreq request = {.ipv6mr_multiaddr = group->v6.sin6_addr, .ipv6mr_interface = (unsigned int)eth0};

		must(setsockopt(fd, IPPROTO_IPV6, IPV6_JOIN_GROUP, &request, sizeof(request)), "join");
	} else if (source != NULL) {
		struct group_source_req request = {.gsr_interface = (uint32_t)eth0};

		memcpy(&request.gsr_group, &group->v4, sizeof(group->v4));
		((struct sockaddr_in *)&request.gsr_source)->sin_family = AF_INET;
		must(inet_pton(AF_INET, source, &((struct sockaddr_in *)&request.gsr_source)->sin_addr) == 1 ? 0 : -1, source);
		must(setsockopt(fd, IPPROTO_IP, MCAST_JOIN_SOURCE_GROUP, &request, sizeof(request)), "join");
	} else {
		struct ip_mreqn request = {.imr_multiaddr = group->v4.sin_addr, .imr_ifindex = eth0};

		must(setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &request, sizeof(request)), "join");
	}
}

/* The kernel leaves the group when the process ends. */
static void hear(const union address *group, socklen_t len, const char *file, const char *source, int eth0)
{
	int fd = socket(group->any.sa_family, SOCK_DGRAM, 0);
	char datagram[2048];

	must(fd, "socket");
	must(bind(fd, &group->any, len), "bind");
	join(fd, group, source, eth0);
	for (unsigned long n = 0;; n++) {
		FILE *out = fopen(file, "w");

		must(out != NULL ? 0 : -1, file);
		fprintf(out, "%lu\n", n);
		fclose(out);
		must((int)recv(fd, datagram, sizeof(datagram), 0), "receive");
	}
}

static void say(const union address *to, socklen_t len, int n, int rate, int eth0)
{
	int fd = socket(to->any.sa_family, SOCK_DGRAM, 0), yes = 1, hops = 8;
	const struct ip_mreqn from = {.imr_ifindex = eth0};

	must(fd, "socket");
	if (to->any.sa_family == AF_INET) {
		must(setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &yes, sizeof(yes)), "broadcast");
		must(setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &from, sizeof(from)), "eth0");
		must(setsockopt(fd, IPPROTO_IP, IP_MULTICAST_TTL, &hops, sizeof(hops)), "hops");
	} else {
		must(setsockopt(fd, IPPROTO_IPV6, IPV6_MULTICAST_IF, &eth0, sizeof(eth0)), "eth0");
		must(setsockopt(fd, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, &hops, sizeof(hops)), "hops");
	}
	for (int i = 0; i < n; i++) {
		must((int)sendto(fd, "a datagram", 10, 0, &to->any, len), "send");
		if (rate > 0)
			nanosleep(&(struct timespec){.tv_nsec = 999999999 / rate}, NULL);
	}
}

int main(int argc, char **argv)
{
	union address a;
	int eth0 = (int)if_nametoindex("eth0");
	socklen_t len;

	if (argc < 5 || argc > 6) {
		fprintf(stderr, "usage: %s hear GROUP PORT FILE [SOURCE], or say ADDRESS PORT N [RATE]\n", argv[0]);
		return 2;
	}
	len = parse(argv[2], argv[3], &a);
	if (strcmp(argv[1], "hear") == 0)
		hear(&a, len, argv[4], argv[5], eth0);
	else
		say(&a, len, atoi(argv[4]), argc > 5 ? atoi(argv[5]) : 0, eth0);
	return 0;
}
