/* SPDX-License-Identifier: BSD-3-Clause */
#include "fuzz.h"

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	fuzz_begin();
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz in = {data, size};

	fuzz_input(&in);
	return 0;
}

__attribute__((weak)) void fuzz_load(const void *at)
{
	(void)at;
}

/* What clang calls before each load where it is told to. */
#define LOAD(bytes, type)                                                                          \
	void __sanitizer_cov_load##bytes(type *at);                                                \
	void __sanitizer_cov_load##bytes(type *at)                                                 \
	{                                                                                          \
		fuzz_load(at);                                                                     \
	}
LOAD(1, uint8_t)
LOAD(2, uint16_t)
LOAD(4, uint32_t)
LOAD(8, uint64_t)
LOAD(16, __uint128_t)
