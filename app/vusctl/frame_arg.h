/* SPDX-License-Identifier: BSD-3-Clause */
/* frame_arg.h: frames that the command line names: one in hexadecimal digits, or those of a capture.
 *
 * Context: the one thread of vusctl.
 * Units: bytes.
 */
#ifndef VUSCTL_FRAME_ARG_H
#define VUSCTL_FRAME_ARG_H

#include <stdbool.h>
#include <stdint.h>

/* Calls back for each frame of "0c:00 01...", or of a capture, a file of that name ("-": standard input), until it returns false:
 * a frame of `len` bytes, of which n are there. Ends the program with one line where there is none. */
void frames_of_word(const char *word, bool (*each)(void *arg, const uint8_t *bytes, uint32_t n, uint32_t len), void *arg);
/* The same of a capture that comes from a descriptor, which is closed; none: the reading has failed, or its end has come. */
void frames_of_stream(int fd, bool (*each)(void *arg, const uint8_t *bytes, uint32_t n, uint32_t len), void *arg);

#endif
