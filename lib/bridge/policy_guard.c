/* SPDX-License-Identifier: BSD-3-Clause */
#include "policy_guard.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/ether.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The next entry of a list, in `entry`, of which so much is kept as there is room for. */
static const char *next_entry(const char *list, struct policy_guard_wrong *entry)
{
	size_t n;

	list += strspn(list, " ");
	n = strcspn(list, ",+");
	snprintf(entry->entry, sizeof(entry->entry), "%.*s", (int)(n < sizeof(entry->entry) ? n : sizeof(entry->entry)), list);
	for (size_t end = strlen(entry->entry); end > 0 && entry->entry[end - 1] == ' '; end--)
		entry->entry[end - 1] = '\0';
	return list + n;
}

static mac_key_t key_of(const uint8_t mac[6])
{
	mac_key_t key = 0;

	for (int i = 5; i >= 0; i--)
		key = key << 8 | mac[i];
	return key;
}

/* 52:54:00:12:34:56, of a station. */
static int add_mac(struct policy_guard *guard, const char *entry)
{
	struct ether_addr mac;

	if (strlen(entry) != 17 || ether_aton_r(entry, &mac) == NULL || (mac.ether_addr_octet[0] & 1) != 0)
		return -EINVAL;
	if (guard->mac_n == GUARD_MACS_MAX)
		return -E2BIG;
	guard->mac[guard->mac_n++] = key_of(mac.ether_addr_octet);
	return guard->mac[guard->mac_n - 1] != 0 ? 0 : -EINVAL;
}

/* The first `n` bits of a mask of `size` bytes. */
static void make_mask(uint8_t *mask, size_t size, unsigned int n)
{
	memset(mask, 0, size);
	for (unsigned int i = 0; i < n; i++)
		mask[i / 8] |= (uint8_t)(0x80 >> i % 8);
}

/* What is behind the slash, at most `most`; the same if there is none. False: it is no length. */
static bool read_length(char *slash, unsigned int most, unsigned int *length)
{
	char *end;

	*length = most;
	if (slash == NULL)
		return true;
	if (slash[1] < '0' || slash[1] > '9')
		return false;
	*length = (unsigned int)strtoul(slash + 1, &end, 10);
	return *end == '\0' && *length <= most;
}

/* The address has no bits beyond the prefix's length. */
static bool is_prefix(const uint8_t *address, const uint8_t *mask, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if ((address[i] & ~mask[i]) != 0)
			return false;
	return true;
}

static int add_ip4(struct policy_guard *guard, const uint8_t address[4], char *slash)
{
	struct guard_ip4 *ip = &guard->ip4[guard->ip4_n];
	unsigned int length;
	uint8_t mask[4];

	if (!read_length(slash, 32, &length))
		return -EINVAL;
	make_mask(mask, sizeof(mask), length);
	if (!is_prefix(address, mask, sizeof(mask)))
		return -EINVAL;
	if (guard->ip4_n == GUARD_IPS_MAX)
		return -E2BIG;
	memcpy(&ip->bits, address, sizeof(ip->bits));
	memcpy(&ip->mask, mask, sizeof(ip->mask));
	guard->ip4_n++;
	return 0;
}

static int add_ip6(struct policy_guard *guard, const uint8_t address[16], char *slash)
{
	struct guard_ip6 *ip = &guard->ip6[guard->ip6_n];
	unsigned int length;
	uint8_t mask[16];

	if (!read_length(slash, 128, &length))
		return -EINVAL;
	make_mask(mask, sizeof(mask), length);
	if (!is_prefix(address, mask, sizeof(mask)))
		return -EINVAL;
	if (guard->ip6_n == GUARD_IPS_MAX)
		return -E2BIG;
	memcpy(ip->bits, address, sizeof(ip->bits));
	memcpy(ip->mask, mask, sizeof(ip->mask));
	guard->ip6_n++;
	return 0;
}

/* 192.0.2.7, 192.0.2.0/24, 2001:db8::7, 2001:db8::/64. */
static int add_ip(struct policy_guard *guard, const char *entry)
{
	char text[sizeof(struct policy_guard_wrong)], *slash;
	uint8_t address[16];

	snprintf(text, sizeof(text), "%s", entry);
	slash = strchr(text, '/');
	if (slash != NULL)
		*slash = '\0';
	if (inet_pton(AF_INET, text, address) == 1)
		return add_ip4(guard, address, slash);
	if (inet_pton(AF_INET6, text, address) == 1)
		return add_ip6(guard, address, slash);
	return -EINVAL;
}

/* The address that a station has on its link before it knows any other (RFC 4862, 5.3). */
static void add_link_local(struct policy_guard *guard, mac_key_t mac)
{
	struct guard_ip6 *ip = &guard->ip6[guard->ip6_n++];
	uint8_t address[16] = {0xfe, 0x80};

	for (unsigned int i = 0; i < 6; i++)
		address[8 + i + (i < 3 ? 0 : 2)] = (uint8_t)(mac >> 8 * i);
	address[8] ^= 2;
	address[11] = 0xff;
	address[12] = 0xfe;
	memcpy(ip->bits, address, sizeof(ip->bits));
	memset(ip->mask, 0xff, sizeof(ip->mask));
}

static int read_list(struct policy_guard *guard, const char *list, int (*add)(struct policy_guard *guard, const char *entry),
		     struct policy_guard_wrong *wrong)
{
	int error;

	do {
		list = next_entry(list, wrong);
		error = add(guard, wrong->entry);
	} while (error == 0 && *list++ != '\0');
	return error;
}

int policy_guard_read(struct policy_guard *guard, const char *macs, const char *ips, uint32_t checks,
		      struct policy_guard_wrong *wrong)
{
	int error = 0;

	memset(guard, 0, sizeof(*guard));
	guard->checks = checks | (macs != NULL ? GUARD_MACS : 0) | (ips != NULL ? GUARD_IPS : 0);
	if (macs != NULL)
		error = read_list(guard, macs, add_mac, wrong);
	if (error == 0 && ips != NULL)
		error = read_list(guard, ips, add_ip, wrong);
	if (error != 0)
		return error;
	if (macs != NULL) {
		guard->plain_mac = guard->mac[0];
		guard->plain_mac_mask = (mac_key_t)-1;
	}
	if (ips != NULL) {
		guard->plain_ip4 = guard->ip4_n > 0 ? guard->ip4[0] : (struct guard_ip4){.bits = 1};
		guard->plain_ip6 = guard->ip6_n > 0 ? guard->ip6[0] : (struct guard_ip6){.bits = {1}};
	}
	for (uint16_t i = 0; guard->ip6_n > 0 && i < guard->mac_n; i++)
		add_link_local(guard, guard->mac[i]);
	return 0;
}
