/* SPDX-License-Identifier: BSD-3-Clause */
/* filter_private.h: what Linux's linux/bpf_common.h does not name of the machine; lib/filter only.
 *
 * Context: any thread.
 */
#ifndef VUS_FILTER_PRIVATE_H
#define VUS_FILTER_PRIVATE_H

enum {
	FILTER_WORDS = 16, /* of memory */
	FILTER_MOD = 0x90,
	FILTER_XOR = 0xa0,
};

/* linux/filter.h has these, but for libpcap's header. */
#ifndef BPF_RVAL
#define BPF_RVAL(code) ((code)&0x18)
#define BPF_A	       0x10
#endif
#ifndef BPF_MISCOP
#define BPF_MISCOP(code) ((code)&0xf8)
#define BPF_TAX		 0x00
#define BPF_TXA		 0x80
#endif

#endif
