/* SPDX-License-Identifier: BSD-3-Clause */
/* message_given.h: what the front ends of a fuzz target hand over: memory, which its holder changes, eventfds, and descriptors
 * of no use to anybody.
 */
#ifndef MESSAGE_GIVEN_H
#define MESSAGE_GIVEN_H

#include "fuzz.h"

/* Any number is one of each kind. Files of memory are 0 to MODEL_FILES - 1, and are made when they are asked for. */
void given_create(void);
int given_file(unsigned int which);
int given_eventfd(unsigned int which);
int given_other(unsigned int which);

/* What stands at the beginning of a file's page, for as long as its holder leaves it there. */
uint64_t given_stamp(unsigned int which, uint64_t offset);
bool given_is_whole(unsigned int which);
/* What the holder of a file does to it. */
void given_change(struct fuzz *in);

/* No file of the input before is left; those of this one are closed, and were mapped by nobody. */
void given_begin(void);
void given_end(void);

#endif
