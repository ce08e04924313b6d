/* SPDX-License-Identifier: BSD-3-Clause */
#include "fg_huge.h"

#include <stdio.h>
#include <sys/mman.h>

#include <linux/memfd.h>

unsigned int fg_huge_memfd(uint64_t size)
{
	return MFD_HUGETLB | (unsigned int)__builtin_ctzll(size) << MFD_HUGE_SHIFT;
}

static FILE *pool_open(uint64_t size, const char *what, const char *mode)
{
	char path[96];

	snprintf(path, sizeof(path), "/sys/kernel/mm/hugepages/hugepages-%llukB/%s", (unsigned long long)size / 1024, what);
	return fopen(path, mode);
}

long fg_huge_pages(uint64_t size, const char *what)
{
	FILE *f = pool_open(size, what, "re");
	long n = -1;

	if (f != NULL && fscanf(f, "%ld", &n) != 1)
		n = -1;
	if (f != NULL)
		fclose(f);
	return n;
}

static void pool_resize(uint64_t size, long n)
{
	FILE *f = pool_open(size, "nr_hugepages", "we");

	if (f == NULL)
		return;
	fprintf(f, "%ld\n", n);
	fclose(f);
}

unsigned int fg_huge_add(uint64_t size, unsigned int n)
{
	long before = fg_huge_pages(size, "nr_hugepages"), now;

	if (before < 0)
		return 0;
	pool_resize(size, before + n);
	now = fg_huge_pages(size, "nr_hugepages");
	return now > before ? (unsigned int)(now - before) : 0;
}

void fg_huge_give_back(uint64_t size, unsigned int added)
{
	if (added > 0)
		pool_resize(size, fg_huge_pages(size, "nr_hugepages") - added);
}
