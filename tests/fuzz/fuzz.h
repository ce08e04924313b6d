/* SPDX-License-Identifier: BSD-3-Clause */
/* fuzz.h: what a fuzz target is made of.
 *
 * A target is a file fuzz_NAME.c with two functions, fuzz_begin() and fuzz_input(), which takes any bytes, and returns. With
 * -Dfuzz=enabled libFuzzer calls it with bytes that it makes up (scripts/fuzz); else replay.c calls it with the bytes of
 * tests/fuzz/corpus/NAME.hex, which is an ordinary test. What it finds is an address or a value that a sanitizer reports, or
 * a FUZZ_CHECK() that does not hold.
 *
 * The same bytes have to do the same every time: no clock, no random number, nothing left over from the bytes before. The
 * bytes are read with the functions below, so that bytes changed, added or cut away stay an input that means something. At
 * the end of the bytes everything that is read is 0.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct fuzz {
	const uint8_t *at;
	size_t left;
};

/* The target's. Once before the first input; an input. */
void fuzz_begin(void);
void fuzz_input(struct fuzz *in);

/* The target's, if it has one: libraries that read a guest's memory are about to load from `at` (lib/meson.build; not in builds
 * without libFuzzer, and not for memcpy()). */
void fuzz_load(const void *at);

/* libFuzzer's names for them (fuzz_main.c). */
int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Ends the process with the input as a finding. */
#define FUZZ_CHECK(what)                                                                           \
	do {                                                                                       \
		if (!(what)) {                                                                     \
			fprintf(stderr, "%s:%d: %s: does not hold: %s\n", __FILE__, __LINE__, __func__, #what); \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

static inline void fuzz_bytes(struct fuzz *in, void *to, size_t n)
{
	size_t have = in->left < n ? in->left : n;

	memset(to, 0, n);
	if (have == 0)
		return;
	memcpy(to, in->at, have);
	in->at += have;
	in->left -= have;
}

#define FUZZ_TAKE(type)                                                                            \
	static inline type##_t fuzz_##type(struct fuzz *in)                                        \
	{                                                                                          \
		type##_t value;                                                                    \
                                                                                                   \
		fuzz_bytes(in, &value, sizeof(value));                                             \
		return value;                                                                      \
	}
FUZZ_TAKE(uint8)
FUZZ_TAKE(uint16)
FUZZ_TAKE(uint32)
FUZZ_TAKE(uint64)

/* 0 to n - 1; n is at most 256. */
static inline unsigned int fuzz_below(struct fuzz *in, unsigned int n)
{
	return fuzz_uint8(in) % n;
}

/* So many of 256 times. */
static inline bool fuzz_chance(struct fuzz *in, unsigned int of_256)
{
	return fuzz_uint8(in) < of_256;
}

#endif
