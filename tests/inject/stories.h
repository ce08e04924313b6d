/* SPDX-License-Identifier: BSD-3-Clause */
/* stories.h: what goes on at the switch while a call of it fails: each story begins with its ports without guests, and ends so.
 *
 * Two guests are at h0, with packed rings, and h1, with split ones; the ports of the configuration file come and go.
 *
 * Context: the thread of the test.
 * Returns: 0, or what went wrong first: -ETIMEDOUT of a request that nobody answers, -ENODATA of a frame that does not arrive,
 * -ENOMSG of a question to the switch, -EAGAIN of a configuration that does not come into force.
 */
#ifndef STORIES_H
#define STORIES_H

/* They attach, talk, get memory and give it back; one is logged as for a migration, and leaves. */
int story_of_guests(void);
/* One of them arrives by postcopy, served by a lane meanwhile. */
int story_of_an_arrival(void);
/* The file is read again: a port for a guest and an ethdev come, the guest sends to the ethdev, and both go. */
int story_of_a_reload(void);

/* The folder and the configuration file of the last, which a switch is started with. NULL: there is no folder. */
const char *stories_begin(void);
const char *stories_kept(void); /* and of the last one that could be applied */
void stories_end(void);

#endif
