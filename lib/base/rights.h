/* SPDX-License-Identifier: BSD-3-Clause */
/* rights.h: who may use a socket: its owner, its group and its mode, as a user writes them and as the kernel has them.
 *
 * Names are looked up when they are read, and so is the name of a number when it is shown: both ask the machine's user
 * database, which is a file read where users are local.
 *
 * Context: any thread but an lcore.
 */
#ifndef VUS_RIGHTS_H
#define VUS_RIGHTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum rights_part { RIGHTS_OWNER, RIGHTS_GROUP, RIGHTS_MODE, RIGHTS_PARTS };

/* What is not given stays as the process's own user, group and umask make it. All zero: nothing is given. */
struct rights {
	bool given[RIGHTS_PARTS];
	uid_t owner;
	gid_t group;
	mode_t mode;
};

/* From here on names of users and groups are those of /etc/passwd and /etc/group: who asks a name service that does not answer
 * waits for it. */
void rights_ask_files(void);

/* Reads one part: the name or number of a user or a group, or an octal mode of 0 to 0777 ("0660"). 0, -EINVAL for what
 * is none, -ENOENT for a name that this machine does not know. */
int rights_parse(struct rights *rights, enum rights_part part, const char *text);

/* Of what `before` gave and `rights` does not: as the process's own user, group and umask make it. */
void rights_fill(struct rights *rights, const struct rights *before);

bool rights_any(const struct rights *rights);

/* A user's or a group's name and number, such as "kvm (107)", or the number alone where it has no name. */
struct rights_name {
	char text[64];
};
struct rights_name rights_user(uid_t uid);
struct rights_name rights_group(gid_t gid);

/* "root:kvm 0660": what a file has. */
struct rights_words {
	char text[80];
};
struct rights_words rights_of_file(uid_t owner, gid_t group, mode_t mode);

/* "owner root (0), group kvm (107), mode 0660": what is given; empty if nothing is. */
void rights_describe(const struct rights *rights, char *text, size_t size);

#endif
