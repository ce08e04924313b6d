/* SPDX-License-Identifier: BSD-3-Clause */
#include "stall.h"

#include <stdio.h>
#include <unistd.h>

#include "clock.h"

void stall_charge(struct stall_meter *meter, enum stall_kind kind, uint64_t ns)
{
	const uint64_t one = 1;

	atomic_fetch_add_explicit(&meter->ns[kind], ns, memory_order_relaxed);
	/* Pairs with stall_take(): it takes what was added before, or we ring again. A full eventfd has rung already. */
	if (!atomic_exchange(&meter->rung, true) && meter->alarm_fd >= 0 &&
	    write(meter->alarm_fd, &one, sizeof(one)) < 0)
		return;
}

void stall_take(struct stall_meter *meter, uint64_t ns[STALL_KINDS])
{
	/* Pairs with stall_charge(). */
	atomic_store(&meter->rung, false);
	for (int kind = 0; kind < STALL_KINDS; kind++)
		ns[kind] = atomic_exchange(&meter->ns[kind], 0);
}

/* The buckets as they are now. */
static void refill(struct stall_account *account, uint64_t now)
{
	double seconds = account->at_ns < now ? (double)(now - account->at_ns) / (double)NS_PER_S : 0;

	for (int kind = 0; kind < STALL_KINDS; kind++) {
		double paid = seconds * (double)account->bound[kind].rate_ns;

		if ((double)account->level_ns[kind] > paid) {
			account->level_ns[kind] -= (uint64_t)paid;
		} else {
			account->level_ns[kind] = account->recent_ns[kind] = 0;
			account->since_ns[kind] = now;
		}
	}
	if (now > account->at_ns)
		account->at_ns = now;
}

void stall_account_add(struct stall_account *account, const uint64_t ns[STALL_KINDS], uint64_t now)
{
	refill(account, now);
	for (int kind = 0; kind < STALL_KINDS; kind++) {
		account->total_ns[kind] += ns[kind];
		account->recent_ns[kind] += ns[kind];
		/* A bound that is set later begins with a full bucket. */
		if (account->bound[kind].burst_ns != 0)
			account->level_ns[kind] += ns[kind];
	}
}

static uint64_t debt(const struct stall_account *account, int kind)
{
	uint64_t burst = account->bound[kind].burst_ns;

	return burst != 0 && account->level_ns[kind] > burst ? account->level_ns[kind] - burst : 0;
}

static void describe(const struct stall_account *account, int kind, uint64_t now, char *text, size_t size)
{
	uint64_t ns = account->recent_ns[kind];
	/* A charge comes when the stall is over. */
	double within = (double)(now - account->since_ns[kind] + ns) / (double)NS_PER_S;
	char time[32];

	if (ns >= NS_PER_S)
		snprintf(time, sizeof(time), "%.1f s", (double)ns / (double)NS_PER_S);
	else
		snprintf(time, sizeof(time), "%.0f ms", (double)ns / (double)NS_PER_MS);
	within = within < 1 ? 1 : within;
	if (kind == STALL_MEMORY)
		snprintf(text, size, "its memory kept an lcore waiting %s within %.0f s", time, within);
	else
		snprintf(text, size, "took %s in interrupts within %.0f s", time, within);
}

bool stall_account_over(struct stall_account *account, uint64_t now, char *text, size_t size)
{
	refill(account, now);
	for (int kind = 0; kind < STALL_KINDS; kind++) {
		if (debt(account, kind) == 0)
			continue;
		describe(account, kind, now, text, size);
		return true;
	}
	return false;
}

uint64_t stall_account_owes(struct stall_account *account, uint64_t now)
{
	uint64_t longest = 0;

	refill(account, now);
	for (int kind = 0; kind < STALL_KINDS; kind++) {
		double seconds = (double)debt(account, kind) /
				 (double)(account->bound[kind].rate_ns != 0 ? account->bound[kind].rate_ns : 1);
		/* What a rate of almost nothing makes of it is still a time. */
		uint64_t paid = seconds < 1e6 ? (uint64_t)(seconds * (double)NS_PER_S) : 1000000 * NS_PER_S;

		longest = paid > longest ? paid : longest;
	}
	return longest;
}

uint64_t stall_account_rest(struct stall_account *account, uint64_t now)
{
	bool again = account->rests > 0 && now < account->rest_until_ns + STALL_FORGIVE_S * NS_PER_S;
	uint64_t rest = again ? 2 * account->rest_ns : STALL_REST_S * NS_PER_S;
	uint64_t owed = stall_account_owes(account, now);

	account->rest_ns = rest < STALL_REST_MAX_S * NS_PER_S ? rest : STALL_REST_MAX_S * NS_PER_S;
	rest = owed > account->rest_ns ? owed : account->rest_ns;
	account->rests++;
	account->rest_until_ns = now + rest;
	return rest;
}
