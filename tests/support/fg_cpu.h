/* SPDX-License-Identifier: BSD-3-Clause */
/* fg_cpu: what a thread has had of the machine's CPUs, so that a test judges what is done and not how busy the machine is.
 *
 * Any thread may call. In milliseconds; zeros where the kernel does not say.
 */
#ifndef FG_CPU_H
#define FG_CPU_H

#include <stdio.h>
#include <sys/types.h>

struct fg_cpu {
	double ran_ms;
	double waited_ms; /* ready, while others had the CPU */
};

/* Of a process's first thread: of a switch, that is control. */
static inline struct fg_cpu fg_cpu_of(pid_t pid)
{
	unsigned long long ran = 0, waited = 0;
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/schedstat", (int)pid, (int)pid);
	f = fopen(path, "r");
	if (f != NULL && fscanf(f, "%llu %llu", &ran, &waited) != 2)
		ran = waited = 0;
	if (f != NULL)
		fclose(f);
	return (struct fg_cpu){(double)ran / 1e6, (double)waited / 1e6};
}

#endif
