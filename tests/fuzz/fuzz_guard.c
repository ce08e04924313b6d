/* SPDX-License-Identifier: BSD-3-Clause */
/* The guards of a port (guard.h) against a model of them (guard_model.h): frames made of any bytes, in memory of their own size,
 * so that a byte read beyond the head is seen. Options, too, which are text.
 */
#include "fuzz.h"

#include "guard.h"
#include "guard_model.h"

static uint8_t bytes[MODEL_FRAME_MAX];
static struct policy_guard guards[MODEL_SETS];

void fuzz_begin(void)
{
	struct policy_guard_wrong wrong;

	for (unsigned int set = 0; set < MODEL_SETS; set++) {
		uint32_t checks = ((set & MODEL_DHCP) != 0 ? GUARD_DHCP : 0) | ((set & MODEL_RA) != 0 ? GUARD_RA : 0) |
				  ((set & MODEL_BPDU) != 0 ? GUARD_BPDU : 0);

		FUZZ_CHECK(policy_guard_read(&guards[set], model_macs(set), model_ips(set), checks, &wrong) == 0);
	}
}

/* Any text: what it is read as is bounded. */
static void try_options(struct fuzz *in)
{
	char macs[80] = {0}, ips[80] = {0};
	struct policy_guard_wrong wrong;
	struct policy_guard guard;

	fuzz_bytes(in, macs, sizeof(macs) - 1);
	fuzz_bytes(in, ips, sizeof(ips) - 1);
	if (policy_guard_read(&guard, macs, ips, 0, &wrong) != 0)
		return;
	FUZZ_CHECK(guard.mac_n > 0 && guard.mac_n <= GUARD_MACS_MAX);
	FUZZ_CHECK(guard.ip4_n + guard.ip6_n > 0 && guard.ip4_n <= GUARD_IPS_MAX &&
		   guard.ip6_n <= GUARD_IPS_MAX + GUARD_MACS_MAX);
	for (uint16_t i = 0; i < guard.ip4_n; i++)
		FUZZ_CHECK((guard.ip4[i].bits & ~guard.ip4[i].mask) == 0);
}

void fuzz_input(struct fuzz *in)
{
	uint8_t set = fuzz_uint8(in);
	struct frame frame = {0};
	enum rx_drop verdict;
	uint32_t seen;

	if (set == 0xff) {
		try_options(in);
		return;
	}
	set %= MODEL_SETS;
	while (in->left > 0) {
		struct model_source source = {in->at, in->left};

		frame.len = model_frame(&source, bytes, &seen);
		in->at = source.at;
		in->left = source.left;
		frame.head = malloc(seen);
		FUZZ_CHECK(frame.head != NULL);
		frame.head_len = (uint16_t)seen;
		memcpy(frame.head, bytes, seen);
		verdict = guard_verdict(&guards[set], &frame);
		FUZZ_CHECK(verdict == guard_read(&guards[set], &frame));
		FUZZ_CHECK(verdict == model_verdict(set, bytes, frame.len, seen));
		FUZZ_CHECK(guard_describe(&frame).text[0] != '\0');
		FUZZ_CHECK(memcmp(frame.head, bytes, seen) == 0);
		free(frame.head);
	}
}
