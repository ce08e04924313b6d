/* SPDX-License-Identifier: BSD-3-Clause */
#include "ctl_peer.h"

#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "process_name.h"

/* A user who is in more groups than that is asked for by name. */
enum { GROUPS_MAX = 256 };

static bool is_among(uint32_t number, const uint32_t *numbers, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		if (numbers[i] == number)
			return true;
	return false;
}

static bool is_member(int fd, gid_t gid, const struct switch_options *options)
{
	gid_t groups[GROUPS_MAX];
	socklen_t len = sizeof(groups);

	if (options->change_gids_n == 0)
		return false;
	if (is_among(gid, options->change_gid, options->change_gids_n))
		return true;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &len) != 0)
		return false;
	for (size_t i = 0; i < len / sizeof(groups[0]); i++)
		if (is_among(groups[i], options->change_gid, options->change_gids_n))
			return true;
	return false;
}

bool ctl_peer_may_change(int fd, const struct switch_options *options, char *who, size_t size)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);
	char program[32];

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) != 0) {
		snprintf(who, size, "an unknown user");
		return false;
	}
	/* Its process may have ended since, or be another's. */
	process_name(peer.pid, program, sizeof(program));
	snprintf(who, size, "uid %u, process %d (%s)", (unsigned int)peer.uid, (int)peer.pid, program[0] != '\0' ? program : "?");
	return peer.uid == 0 || peer.uid == geteuid() || is_among(peer.uid, options->change_uid, options->change_uids_n) ||
	       is_member(fd, peer.gid, options);
}
